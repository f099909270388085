"""Histories that stand in the rows of a table: their types, and the values that training reads."""

import itertools

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from keras_din.data.encoding.features import feature_name
from keras_din.data.prepare.log_columns import LogColumns
from keras_din.data.prepare.rows_dataset import is_real, list_column
from keras_din.data.reading.bag_cells import bag_cells, has_several_values
from keras_din.data.reading.column_types import from_csv, from_series, kinds_of
from keras_din.data.reading.columns import (
    from_arrow,
    is_missing,
    numbers,
    to_plain_series,
    whole_as_integers,
)
from keras_din.data.reading.table import add_line
from keras_din.features import Categorical, id_feature


def read_histories(frame, sequences: list, columns: LogColumns, separator, training) -> tuple:
    """Puts the histories of all sequences into their types.

    Args:
        frame: The rows, whose columns of histories become lists of such values.
        sequences: Names of the sequences.
        columns: The columns of the rows, after they were read.
        separator: Separator of histories that are text, or `None`.
        training: Whether a row is of the part `"train"`, bool `(rows,)`.

    Returns:
        `(seen, missing)`: name of the feature -> its values in histories of training rows, one
        `Series` per sequence; name of the column -> how many of its values are missing.
    """
    telling = _history_id_feature(columns.of, frame, columns.reading, columns.separators)
    seen: dict[str, list] = {name: [] for name in columns.of_behaviors}
    missing: dict[str, int] = {}
    for sequence in sequences:
        names = {name: f"{sequence}_{name}" for name in columns.of_behaviors}
        features = [*columns.of, *columns.side_features]
        learned = _histories(frame, names, features, columns.reading, separator)
        for name, (values, wanted, nothing) in _seen(learned, telling, training).items():
            seen[name].append(values[wanted])
            missing[names[name]] = nothing
    return seen, missing


def split_cells(cells: pd.Series, separator: str | None):
    """Text as lists, of Arrow where no cell is a list; an empty cell is an empty list."""
    if separator is None:
        return cells
    try:
        text = pa.array(cells, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError):  # Lists are among them.
        lists = [_split_one(c, separator) if isinstance(c, str) else c for c in cells]
        return pd.Series(lists, cells.index, dtype=object)
    if not (pa.types.is_string(text.type) or pa.types.is_large_string(text.type)):
        return cells
    text = pc.if_else(pc.equal(text, ""), pa.scalar(None, text.type), text)
    lists = pc.split_pattern(text, separator)
    lists = lists if isinstance(lists, pa.ChunkedArray) else pa.chunked_array([lists])
    return pd.Series(pd.arrays.ArrowExtensionArray(lists), cells.index)


def _history_id_feature(of: list, frame, reading: dict, separators: dict):
    """The id feature of histories, whose padding value marks padding, or `None`.

    Of a name it is a `Categorical` whose `padding_value` will be that of the learned one.
    """
    found = []
    for feature in of:
        name, kind = feature_name(feature), reading["kinds"].get(feature_name(feature))
        is_bag = separators.get(name) or reading["found"].get(name, {}).get("type") == "bag"
        if not isinstance(feature, str):
            found.append(feature)
        elif kind == "categorical" and not is_bag:
            values = frame[name]
            if not pd.api.types.is_numeric_dtype(to_plain_series(values).dtype):
                found.append(Categorical(name, hash_buckets=1))
                continue
            # 0 is padding unless it is a value of the candidates, then -1, and so on.
            values = numbers(name, values)
            values = set(values[values <= 0].tolist())
            own = tuple(itertools.takewhile(values.__contains__, itertools.count(0, -1)))
            found.append(Categorical(name, vocabulary=own or (1,)))
    return id_feature(found) if any(f.marks_padding for f in found) else None


def _histories(frame, columns: dict, features: list, reading: dict, separator) -> dict:
    """Puts histories into their types.

    Args:
        frame: The rows, whose columns of histories become lists of such values.
        columns: Name of the feature -> its column.
        features: The features, in this order.
        reading: The options of `csv_hints`; takes what was found of features that only behaviors
            have.
        separator: Separator of histories that are text, or `None`.

    Returns:
        Name of the feature -> `(lengths, values)`, of all rows.
    """
    learned = {}
    for feature in features:
        name, column = feature_name(feature), columns[feature_name(feature)]
        lengths, flat = list_column(column, split_cells(frame[column], separator), feature)
        values = from_arrow(pa.chunked_array([flat]))
        first = _first(values)
        if isinstance(first, (list, tuple, np.ndarray)):
            values = values.set_axis(np.repeat(frame.index, lengths)).rename(column)
            values, _ = bag_cells(values, "|" if has_several_values(feature) else None)
            reading["found"].setdefault(name, {"type": "bag", "missing": {}})
        elif not has_several_values(feature):
            kind = reading["kinds"].get(name)
            if separator is not None and isinstance(first, str):
                values, facts = from_csv(pa.chunked_array([_as_fields(flat)]), kind)
            else:
                values, facts = from_series(values, kind)
            add_line(facts, values, np.repeat(frame.index, lengths))
            kinds_of([name], {name: facts | {"column": column}}, {name: kind} if kind else {})
            reading["found"].setdefault(name, facts)
            if kind == "categorical":
                values = whole_as_integers(values)
            flat = pa.array(values, from_pandas=True)
        offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]))
        cells = pa.LargeListArray.from_arrays(offsets, flat)
        frame[column] = pd.arrays.ArrowExtensionArray(pa.chunked_array([cells]))
        learned[name] = lengths, values
    return learned


def _as_fields(text) -> pa.Array:
    """Text of Arrow as the fields of a CSV file, where nothing is an empty field."""
    return pc.fill_null(text.cast(pa.string()), "").cast(pa.binary())


def _seen(learned: dict, telling, training: np.ndarray) -> dict:
    """Of each feature `(values, seen, missing)`.

    `seen` selects the values in histories of training rows that are not padding; `is_missing` is
    how many in those of all rows are no padding, and none.
    """
    _, first = next(iter(learned.values())) if telling is None else learned[telling.name]
    real = np.ones(len(first), bool) if telling is None else is_real(first, telling)
    found = {}
    for name, (length, values) in learned.items():
        of_training = np.repeat(training, length)
        # Lists of another length are an error that is found later.
        there = real if len(real) == len(values) else np.ones(len(values), bool)
        nothing = int((is_missing(values) & there).sum())
        found[name] = values, of_training & there, nothing
    return found


def _first(values: pd.Series):
    there = values.dropna()
    return there.iloc[0] if len(there) else None


def _split_one(text: str, separator: str) -> list:
    return text.split(separator) if text else []
