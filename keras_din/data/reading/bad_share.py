"""The limit for bad rows: raises an error if too many rows are bad."""

import math

from keras_din.checks import is_number
from keras_din.count_text import count_text
from keras_din.data.reading.file_lines import describe_place

MAX_BAD = 0.01


def check_max_bad(value) -> float:
    """Returns `max_bad` as a float. Raises a `ValueError` unless it is in [0, 1]."""
    if not is_number(value) or not 0 <= value <= 1:
        raise ValueError(f"`max_bad` must be a number in [0, 1]. Received: max_bad={value!r}.")
    return float(value)


def check_bad_share(what: str, counts: dict, total: int, max_bad: float, remedies=None) -> None:
    """Raises a `ValueError` if too many rows are kept aside for one reason.

    Args:
        what: The table that the rows belong to, such as `"the log"`.
        counts: Reason -> its number of `rows`, optionally with `first_line`, its
            `first_file` if there are several, and `first_value`.
        total: Number of rows, good and bad.
        max_bad: The largest share of rows that may be kept aside for one reason.
        remedies: Reason -> a sentence that tells the user what to do.
    """
    if not counts:
        return
    reason, worst = max(counts.items(), key=lambda item: item[1]["rows"])
    rows = worst["rows"]
    if rows <= max_bad * total:
        return
    first = f"; the first is {worst['first_value']}" if "first_value" in worst else "; the first is"
    place = ""
    if "first_line" in worst:
        place = f"{first} in {describe_place(worst['first_line'], worst.get('first_file'))}"
    enough = f"{math.ceil(100 * rows / total) / 100:g}"
    raise ValueError(
        f"At most {100 * max_bad:g} % of the rows of {what} may be kept aside for one reason. "
        f"Received: {rows:,} of {count_text(total, 'row')} for this reason: {reason}{place}. "
        f"{(remedies or {}).get(reason) or 'Correct them.'} To keep these rows aside anyway, pass "
        f"`max_bad={enough}` (on the command line `--max-bad {enough}`)."
    )
