"""How many rows may be kept aside before it is an error."""

import math

from keras_din.checks import is_number

MAX_BAD = 0.01
NOT_UTF8 = "is not UTF-8"
REMEDY_OF_ENCODING = (
    "If the file is in another encoding, such as Latin-1, convert it (`iconv -f latin1 -t utf-8 "
    'FILE > NEW`), or give the DataFrame of `pandas.read_csv(..., encoding="latin-1")`.'
)


def checked_max_bad(value) -> float:
    """`max_bad` as a float in [0, 1], or a `ValueError`."""
    if not is_number(value) or not 0 <= value <= 1:
        raise ValueError(f"`max_bad` must be a number in [0, 1]. Received: max_bad={value!r}.")
    return float(value)


def check_aside(what: str, counts: dict, total: int, max_bad: float, remedies=None) -> None:
    """Raises a `ValueError` where too many rows are kept aside for one reason.

    Args:
        what: What the rows are of, such as `"the log"`.
        counts: Reason -> its `rows`, and perhaps the `first_line` and the `first_value`.
        total: How many rows there are in all.
        max_bad: The largest share of rows that one reason may keep aside.
        remedies: Reason -> what to do, a sentence.
    """
    if not counts:
        return
    reason, worst = max(counts.items(), key=lambda item: item[1]["rows"])
    rows = worst["rows"]
    if rows <= max_bad * total:
        return
    first = f"; the first is {worst['first_value']}" if "first_value" in worst else "; the first is"
    place = f"{first} in line {worst['first_line']}" if "first_line" in worst else ""
    enough = f"{math.ceil(100 * rows / total) / 100:g}"
    raise ValueError(
        f"At most {100 * max_bad:g} % of the rows of {what} may be kept aside for one reason. "
        f"Received: {rows:,} of {total:,} rows for this reason: {reason}{place}. "
        f"{_remedy(reason, remedies or {})} To leave these rows out all the same: "
        f"`max_bad={enough}` (on the command line `--max-bad {enough}`)."
    )


def _remedy(reason: str, remedies: dict) -> str:
    return remedies.get(reason) or (REMEDY_OF_ENCODING if NOT_UTF8 in reason else "Correct them.")
