"""Converts the histories in rows to typed lists, and collects their training values."""

import itertools

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from keras_din.data.encoding.features import feature_name
from keras_din.data.prepare.list_columns import is_real, list_column
from keras_din.data.prepare.log_columns import LogColumns
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
from keras_din.features import BagWeights, Categorical, Vector, id_feature


def history_columns(sequences, features: list) -> dict:
    """Returns name of each sequence -> name of each of its features -> the column of histories.

    Args:
        sequences: Names of sequences, or name of a sequence -> name of a feature -> its column.
            By default the column is `{sequence}_{feature}`.
        features: Names of the features of each sequence.
    """
    if isinstance(sequences, str):
        sequences = [sequences]
    if not isinstance(sequences, dict):
        sequences = {name: {} for name in sequences}
    found = {}
    for sequence, given in sequences.items():
        is_dict = isinstance(given, dict)
        if not is_dict or (set(given) - set(features)):
            raise ValueError(
                "`sequences` must hold names of sequences, or for each a dict, feature -> column "
                f"of its histories, of the features {features}. "
                f"Received: {given!r} for {sequence!r}."
            )
        found[sequence] = {name: given.get(name, f"{sequence}_{name}") for name in features}
    return found


def read_histories(frame, sequences: dict, columns: LogColumns, separator, training) -> tuple:
    """Converts the histories of all sequences to typed lists.

    Args:
        frame: The rows. For each history it gets a column of typed lists, `{sequence}_{feature}`.
        sequences: The result of `history_columns`.
        columns: The columns of the rows, after reading.
        separator: Separator of histories that are text, or `None`.
        training: Whether a row is in the part `"train"`, bool `(rows,)`.

    Returns:
        `(seen, missing)`: name of the feature -> its values in histories of training rows, one
        `Series` per sequence; name of the column -> number of missing values.
    """
    id_of_history = _history_id_feature(columns.of, frame, columns.reading, columns.separators)
    features = columns.of_histories
    seen: dict[str, list] = {feature_name(feature): [] for feature in features}
    missing: dict[str, int] = {}
    for sequence, of_sequence in sequences.items():
        names = {name: f"{sequence}_{name}" for name in seen}
        histories = to_lists(frame, names, of_sequence, features, columns.reading, separator)
        in_training = _training_values(histories, id_of_history, training)
        for name, (values, is_seen, num_missing) in in_training.items():
            seen[name].append(values[is_seen])
            missing[names[name]] = num_missing
    return seen, missing


def split_cells(cells: pd.Series, separator: str | None):
    """Splits text into lists. An empty cell is an empty list.

    The result is an Arrow array, or an object array if some cells are already lists.
    """
    if separator is None:
        return cells
    try:
        text = pa.array(cells, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError):  # Some cells are lists.
        lists = [_split_one(c, separator) if isinstance(c, str) else c for c in cells]
        return pd.Series(lists, cells.index, dtype=object)
    if not (pa.types.is_string(text.type) or pa.types.is_large_string(text.type)):
        return cells
    text = pc.if_else(pc.equal(text, ""), pa.scalar(None, text.type), text)
    lists = pc.split_pattern(text, separator)
    lists = lists if isinstance(lists, pa.ChunkedArray) else pa.chunked_array([lists])
    return pd.Series(pd.arrays.ArrowExtensionArray(lists), cells.index)


def _history_id_feature(of: list, frame, reading: dict, separators: dict):
    """Returns the feature whose padding value marks padding in histories, or `None`.

    For a feature that is learned later, it is a `Categorical` with the same `padding_value`.
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
            # The padding value is the first of 0, -1, -2, ... that no candidate has.
            values = numbers(name, values)
            values = set(values[values <= 0].tolist())
            own = tuple(itertools.takewhile(values.__contains__, itertools.count(0, -1)))
            found.append(Categorical(name, vocabulary=own or (1,)))
    return id_feature(found) if any(f.marks_padding for f in found) else None


def to_lists(frame, inputs: dict, columns: dict, features: list, reading: dict, separator) -> dict:
    """Converts the histories of one sequence to typed lists.

    Args:
        frame: The rows. For each history it gets a column of typed lists.
        inputs: Name of the feature -> the name of that column.
        columns: Name of the feature -> the column of its histories.
        features: The features, in this order.
        reading: The result of `csv_hints`. Facts about features that only behaviors have are
            added to `found`.
        separator: Separator of histories that are text, or `None`.

    Returns:
        Name of the feature -> `(lengths, values)` of all rows, without weights and vectors.
    """
    histories = {}
    for feature in features:
        name, column = feature_name(feature), columns[feature_name(feature)]
        lengths, flat = list_column(column, split_cells(frame[column], separator), feature)
        values = from_arrow(pa.chunked_array([flat]))
        first, line = _first(values), np.repeat(np.arange(len(frame)), lengths)
        if isinstance(first, (list, tuple, np.ndarray)):
            values = values.set_axis(frame.index[line]).rename(column)
            if not isinstance(feature, (BagWeights, Vector)):
                values, _ = bag_cells(values, "|" if has_several_values(feature) else None)
            reading["found"].setdefault(name, {"type": "bag", "missing": {}})
        elif not has_several_values(feature):
            kind = reading["kinds"].get(name)
            declared = "text" if name in reading["text"] else kind
            if separator is not None and isinstance(first, str):
                values, facts = from_csv(pa.chunked_array([_as_fields(flat)]), declared)
            else:
                values, facts = from_series(values, kind)
            add_line(facts, values, frame, line)
            kinds_of([name], {name: facts | {"column": column}}, {name: kind} if kind else {})
            reading["found"].setdefault(name, facts)
            if kind == "categorical":
                values = whole_as_integers(values)
            flat = pa.array(values, from_pandas=True)
        offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]))
        cells = pa.LargeListArray.from_arrays(offsets, flat)
        frame[inputs[name]] = pd.arrays.ArrowExtensionArray(pa.chunked_array([cells]))
        if not isinstance(feature, (BagWeights, Vector)):
            histories[name] = lengths, values
    return histories


def _as_fields(text) -> pa.Array:
    """Converts Arrow text to the fields of a CSV file. Null becomes an empty field."""
    return pc.fill_null(text.cast(pa.string()), "").cast(pa.binary())


def _training_values(histories: dict, id_of_history, training: np.ndarray) -> dict:
    """Returns name of the feature -> `(values, is_seen, num_missing)`.

    `is_seen` selects the values in histories of training rows that are not padding. `num_missing`
    counts the missing values in histories of all rows that are not padding.
    """
    if id_of_history is None:
        _, first = next(iter(histories.values()))
        real = np.ones(len(first), bool)
    else:
        _, first = histories[id_of_history.name]
        real = is_real(first, id_of_history)
    found = {}
    for name, (length, values) in histories.items():
        in_training = np.repeat(training, length)
        # A later check raises an error for lists of different lengths.
        valid = real if len(real) == len(values) else np.ones(len(values), bool)
        num_missing = int((is_missing(values) & valid).sum())
        found[name] = values, in_training & valid, num_missing
    return found


def _first(values: pd.Series):
    present = values.dropna()
    return present.iloc[0] if len(present) else None


def _split_one(text: str, separator: str) -> list:
    return text.split(separator) if text else []
