"""Computes the columns of `Count` features from the rows of a log."""

import dataclasses
import json
import pathlib

import numpy as np

from keras_din.data.encoding.features import feature_name
from keras_din.data.prepare.count_keys import keys_of_columns
from keras_din.data.prepare.log_columns import LogColumns
from keras_din.data.prepare.past_events import PastEvents, SortedRows, sort_rows
from keras_din.data.reading.table import Events
from keras_din.features import Count

_PAST, _KEYS = "past", "keys.json"


def sort_by_keys(counts, values, time: np.ndarray) -> dict:
    """Sorts rows once for each combination of key columns.

    Args:
        counts: The `Count` features.
        values: Function from the name of a column to its raw values `(rows,)`.
        time: int64 `(rows,)`, microseconds.

    Returns:
        Names of key columns -> `SortedRows`.
    """
    return {
        of: sort_rows(keys_of_columns([values(name) for name in of]), time)
        for of in dict.fromkeys(feature.of for feature in counts)
    }


def past_of_rows(counts, rows: dict, flags: dict) -> dict:
    """Returns names of key columns -> the `PastEvents` of a log.

    Args:
        counts: The `Count` features.
        rows: The result of `sort_by_keys` for the rows of the log.
        flags: Name of each column of events -> 0 or 1 `(rows,)`.
    """
    names = {of: {f.flag for f in counts if f.of == of and f.flag} for of in rows}
    return {
        of: PastEvents.of_rows(each, {name: flags[name] for name in sorted(names[of])})
        for of, each in rows.items()
    }


def counted_values(feature: Count, pieces: list, queries: SortedRows) -> np.ndarray:
    """Computes the values of a feature.

    Args:
        feature: The feature. A rate must have a `base`.
        pieces: `PastEvents` of logs, which together have all rows.
        queries: The keys and times for which to count.

    Returns:
        float64 `(queries,)`, in the order before sorting.
    """
    if feature.kind == "age":
        first = np.minimum.reduce([past.first(queries.keys, feature.flag) for past in pieces])
        first, time = first[queries.key], queries.times[queries.at]
        return queries.unsorted((time - np.minimum(first, time)) / 1_000_000)
    window = feature.microseconds
    events = sum(past.count(queries, feature.flag, window) for past in pieces)
    if feature.kind == "count":
        return events.astype(np.float64)
    rows = sum(past.count(queries, None, window) for past in pieces)
    assert feature.prior is not None
    assert feature.base is not None, "`learn_base` was called"
    return (events + feature.prior * feature.base) / (rows + feature.prior)


def counted_columns(counts, pieces: list, queries: dict) -> dict:
    """Returns the name of each feature -> its values, see `counted_values`.

    Args:
        counts: The `Count` features.
        pieces: The results of `past_of_rows` of logs, which together have all rows.
        queries: The result of `sort_by_keys` for the rows that ask.
    """
    return {
        f.name: counted_values(f, [past[f.of] for past in pieces], queries[f.of]) for f in counts
    }


def add_counts(
    columns: LogColumns, events: Events, shown_at: np.ndarray, training=None, earlier=()
) -> tuple:
    """Adds the columns of `Count` features to the rows of a log.

    Args:
        columns: The features of the log.
        events: The log.
        shown_at: The time of each row's request, int64 `(rows,)`.
        training: Which rows are the training part, bool `(rows,)`, from which base rates are
            learned.
        earlier: The results of `past_of_rows` for earlier logs.

    Returns:
        `(columns, events, past)`: the features with their base rates, the log with a column for
        each of them, and its own `past_of_rows`.
    """
    counts = columns.counts
    if not counts:
        return columns, events, {}
    # A missing label is no event.
    flags = {name: values == 1 for name, values in events.labels.items()}
    learned = {f.name: learn_base(f, flags, training) for f in counts}
    counts = list(learned.values())
    rows = sort_by_keys(counts, events.frame.__getitem__, events.time)
    past = past_of_rows(counts, rows, flags)
    if shown_at is not events.time:
        rows = sort_by_keys(counts, events.frame.__getitem__, shown_at)
    values = counted_columns(counts, [*earlier, past], rows)
    replaced = lambda features: [learned.get(feature_name(f), f) for f in features]  # noqa: E731
    columns = columns._replace(target=replaced(columns.target), context=replaced(columns.context))
    return columns, events._replace(frame=events.frame.assign(**values)), past


def learn_base(feature: Count, flags: dict, training) -> Count:
    """Returns a rate with the share of the training rows that have the event."""
    if feature.kind != "rate" or feature.base is not None:
        return feature
    if training is None or not training.any():
        raise ValueError(
            f"`base` of {feature!r} must be given if there are no training rows to learn it from. "
            "Received: base=None."
        )
    return dataclasses.replace(feature, base=float(np.mean(flags[feature.event][training] == 1)))


def save_past(past: dict, folder: pathlib.Path) -> None:
    """Writes the result of `past_of_rows` to a subfolder of a new folder, unless it is empty."""
    if not past:
        return
    for number, each in enumerate(past.values()):
        each.save(folder / _PAST / str(number))
    text = json.dumps([list(of) for of in past], ensure_ascii=False, allow_nan=False)
    (folder / _PAST / _KEYS).write_text(text, encoding="utf-8")


def load_past(folder: pathlib.Path) -> dict:
    """Loads what `save_past` wrote, memory-mapped. Empty if it wrote nothing."""
    file = folder / _PAST / _KEYS
    if not file.is_file():
        return {}
    keys = json.loads(file.read_text(encoding="utf-8"))
    return {
        tuple(of): PastEvents.load(folder / _PAST / str(number)) for number, of in enumerate(keys)
    }
