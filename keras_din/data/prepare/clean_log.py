"""The second step of preparing a log: reads it, keeps bad rows aside and sorts the others."""

from keras_din.data.encoding.features import coerce_item_ids
from keras_din.data.prepare.joins import read_log
from keras_din.data.prepare.log_columns import LogColumns
from keras_din.data.reading.table import Events, clean_events


def clean_log(
    source,
    columns: LogColumns,
    needed: list,
    tables: dict,
    max_bad: float,
    *,
    is_part: bool = False,
    **cleaning,
) -> tuple:
    """Reads a log and returns its good rows.

    Args:
        source: The log, as returned by `as_source`.
        columns: The columns of the log.
        needed: Names of all columns to read.
        tables: Name of the table -> `(key column, source or None)`, for columns that the log lacks.
        max_bad: The largest share of rows that may be kept aside for one reason.
        is_part: Whether the source is a part of a log.
        **cleaning: Further arguments of `clean_events`.

    Returns:
        `(events, report)`: `Events`, and the counts of each table that was used.
    """
    frame, bad, report = read_log(
        source, needed, tables, columns.separators, max_bad, is_part=is_part, **columns.reading
    )
    frame[columns.item] = coerce_item_ids(columns.target[0], frame[columns.item])
    events: Events = clean_events(frame, bad, max_bad=max_bad, **cleaning)
    return events, report
