"""What is known of a whole log when some users' rows are read alone."""

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class PartOfLog:
    """What is known of a whole log when some users' rows are read alone.

    Checks that only the whole log can pass are left out: that each part has rows, that labels
    vary, and the share of bad rows.

    Args:
        kinds: Name of a column -> `"numeric"` or `"categorical"`, its kind in the whole log.
        placeholders: Whether times such as 0 and -1 are placeholders for a missing time.
        times_are_numbers: Whether text in the column of times is numbers. `None`: the majority
            of the rows decides.
        items: Of a log of behaviors, the `ItemsOfLog` after they were counted.
    """

    kinds: dict
    placeholders: bool
    times_are_numbers: bool | None = None
    items: Any = None
