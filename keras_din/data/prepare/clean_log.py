"""The second step of preparing a log: it is read, bad rows are kept aside, the rest is sorted."""

from keras_din.data.encoding.features import coerce_item_ids
from keras_din.data.prepare.joins import read_log
from keras_din.data.prepare.log_columns import LogColumns
from keras_din.data.reading.table import Events, clean_events


def clean_log(
    source, columns: LogColumns, needed: list, tables: dict, max_bad: float, **cleaning
) -> tuple:
    """The good rows of a log.

    Args:
        source: The log, as `as_source` returns it.
        columns: Its columns.
        needed: Names of all columns that are read.
        tables: Name of the table -> `(key column, source or None)`, for columns that the log lacks.
        max_bad: The largest share of rows that may be kept aside for one reason.
        **cleaning: Further arguments of `clean_events`.

    Returns:
        `(events, report)`: `Events`, and the counts of each table that was used.
    """
    frame, bad, report = read_log(
        source, needed, tables, columns.separators, max_bad, **columns.reading
    )
    frame[columns.item] = coerce_item_ids(columns.target[0], frame[columns.item])
    events: Events = clean_events(frame, bad, max_bad=max_bad, **cleaning)
    return events, report
