"""The prior history: behaviors before the log, in separate tables."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from keras_din.data.encoding.features import features_to_type
from keras_din.data.prepare.joins import column_names, index_of, read_log
from keras_din.data.prepare.log_columns import LogColumns
from keras_din.data.reading.bad_share import check_bad_share
from keras_din.data.reading.column_types import kinds_of
from keras_din.data.reading.columns import is_missing
from keras_din.data.reading.times import find_placeholders, to_microseconds
from keras_din.features import NO_TIME


class PriorHistory(NamedTuple):
    """The good rows of a table of prior behaviors.

    Attributes:
        frame: The rows of users who are in the log.
        user: Numbers of the users `(rows,)`.
        time: Microseconds `(rows,)`.
        unknown_users: Number of rows of other users.
        aside: Number of rows that are bad, or have no item or time.
    """

    frame: pd.DataFrame
    user: np.ndarray
    time: np.ndarray
    unknown_users: int
    aside: int


def check_prior_history(prior_history: dict | None, sequences: dict) -> dict:
    """Returns `prior_history` as a dict. Raises a `ValueError` for names of no sequence."""
    prior_history = dict(prior_history or {})
    if set(prior_history) - set(sequences):
        raise ValueError(
            f"`prior_history` must name sequences: {list(sequences)}. "
            f"Received: {list(prior_history)}."
        )
    return prior_history


def read_prior_history(
    sources: dict,
    columns: LogColumns,
    tables: dict,
    users: pd.Index,
    *,
    time: str,
    time_unit: str,
    time_format: str | None,
    max_bad: float,
) -> dict:
    """Reads the behaviors before a log.

    Args:
        sources: Name of the sequence -> table.
        columns: The columns of the log, after reading. A column has the same type here.
        tables: Name of the table -> `(key column, source or None)`, same as for the log.
        users: The users of the log by number. The index has the name of their column.
        time: Column of times, which is optional in a table: without it, all rows are before the
            log, in their order, at `NO_TIME`.
        time_unit: Unit of times that are numbers.
        time_format: Format of times.
        max_bad: The largest share of rows of a table that may be kept aside.

    Returns:
        Name of the sequence -> `PriorHistory`.
    """
    found = {}
    typed = columns.reading | {"kinds": columns.reading["kinds"] | columns.kinds()}
    for name, source in sources.items():
        reading = typed | {"found": {}}
        own_time = [time] if time in column_names(source) else []
        needed = [users.name, *columns.of_behaviors, *own_time]
        frame, bad, _ = read_log(source, needed, tables, columns.separators, max_bad, **reading)
        to_type = set(columns.of_behaviors) & set(features_to_type(columns.features))
        kinds_of(to_type, reading["found"], reading["kinds"])
        number = index_of(users, frame[users.name], "prior_history")
        good = (
            ~is_missing(frame[columns.item]) if columns.item in frame else np.ones(len(frame), bool)
        )
        at = np.full(len(frame), NO_TIME)
        if own_time:
            at, is_time, unit = to_microseconds(time, frame[time], time_unit, time_format)
            good &= is_time & ~find_placeholders(
                time, at, is_time, unit, time_unit, time_format, frame
            )
        aside, unknown = len(bad) + int((~good).sum()), int((good & (number < 0)).sum())
        reason = "the row is bad, or has no item or time"
        total = len(bad) + len(frame)
        check_bad_share(f"`prior_history` of {name!r}", {reason: {"rows": aside}}, total, max_bad)
        kept = good & (number >= 0)
        found[name] = PriorHistory(frame[kept], number[kept], at[kept], unknown, aside)
    return found
