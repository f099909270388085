"""Finds what the data has already: a proposed feature under another name, and names in use."""

import functools

import numpy as np
import pandas as pd

from keras_din.data.prepare.counts import counted_values, learn_base, past_of_rows, sort_by_keys
from keras_din.data.prepare.training_pairs import training_pairs
from keras_din.data.store.bags import Bags
from keras_din.features import (
    NUM_RESERVED,
    OOV_INDEX,
    PLACES,
    TIME,
    Calendar,
    Count,
    Elapsed,
    Feature,
    FeatureSpec,
    LastMatch,
    Match,
    Vector,
    feature_from_entry,
    id_feature,
    places_of_entry,
)
from keras_din.time_index import in_units, numpy_indices

_ROWS = 20_000  # Training rows at most for which a count is computed.
_FEWEST = 20  # Fewer rows may agree by chance.
_EQUAL = 0.999  # Rank correlation from which two columns of numbers are the same.
_MEANING: dict = {
    Calendar: ("part",),
    Count: ("of", "event", "kind", "window"),
    Elapsed: (),
    LastMatch: ("of", "in_"),
    Match: ("of", "in_", "measure"),
    Vector: ("of", "size"),
}


def known_as(data, name: str, entry: dict) -> str | None:
    """Returns why a proposed feature is in the data already, or `None` if it is not.

    The data may have a feature of the same meaning. Or a column may have its values, or others
    that determine them, in a sample of the training rows.

    Args:
        data: The `PreparedData`.
        name: Name of the feature.
        entry: Its entry.
    """
    feature = feature_from_entry(name, entry)
    for other in data.spec.features.values():
        if _meaning(other) == _meaning(feature):
            found = "a feature of this name" if other.name == name else f"it as {other.name!r}"
            return f"the data has {found}"
    column = _column_with_values(data, feature)
    return None if column is None else f"the column {column!r} has its values in training rows"


def free_name(data, name: str, entry: dict) -> str:
    """Returns the name with `_` at its end until no feature, input or column of the log has it."""
    spec: FeatureSpec = data.spec
    used = {*spec.features, *spec.fields, *spec.inputs, *spec.raw_inputs, TIME}
    used |= {f"{sequence.name}_{TIME}" for sequence in spec.sequences}
    used |= {str(label.name) for label in spec.labels}
    if data.log_format is not None:
        used |= {data.log_format.time, *data.log_format.ids, *data.log_format.numbers}
    used = {each.lower() for each in used}
    roles = {PLACES[place] for place in places_of_entry(name, entry)}
    prefixes = [f"{sequence.name}_" for sequence in spec.sequences]
    prefixes = ["", *(prefixes if roles - {"context"} else [])]
    while any(f"{prefix}{name}".lower() in used for prefix in prefixes):
        name += "_"
    return name


def _meaning(feature: Feature) -> tuple:
    """Returns what two features that tell a model the same have in common."""
    kind = type(feature)
    if kind not in _MEANING:
        return (feature.name,)
    return (kind.__name__, *(getattr(feature, word) for word in _MEANING[kind]))


def _column_with_values(data, feature: Feature) -> str | None:
    """Returns the name of a column of context or target with the values of a feature."""
    samples = data.parts["train"]
    found = values_in_training(feature, data)
    if found is None or len(found[0]) < _FEWEST:
        return None
    rows, values = found
    distinct = len(np.unique(values))
    for name, info in data.spec.inputs.items():
        column = samples.columns.get(name)
        is_id = info.feature is id_feature(data.spec.target)
        if info.role == "behavior" or is_id or column is None or isinstance(column, Bags):
            continue
        if info.feature.axes or distinct < NUM_RESERVED:
            continue
        column = np.asarray(column[rows])
        if info.feature.is_numeric:
            is_same = _rank_correlation(values, column) >= _EQUAL
        else:
            is_same = distinct <= len(rows) / 4 and _is_one_to_one(values, column)
        if is_same:
            return name
    return None


def _rank_correlation(values: np.ndarray, column: np.ndarray) -> float:
    ranks = [pd.Series(each).rank().to_numpy() for each in (values, column)]
    if any(np.ptp(each) == 0 for each in ranks):
        return 0.0
    return abs(float(np.corrcoef(ranks[0], ranks[1])[0, 1]))


def _is_one_to_one(values: np.ndarray, column: np.ndarray) -> bool:
    pairs = pd.DataFrame({"values": values, "column": column})
    return len(pairs.drop_duplicates()) == pairs["values"].nunique() == pairs["column"].nunique()


@functools.singledispatch
def values_in_training(feature, data):
    """Computes the values of a feature for some training rows.

    Args:
        feature: A feature that is proposed.
        data: The `PreparedData`.

    Returns:
        `(rows, values)`, `(rows,)` each: numbers of training rows, and the values. Or `None` for a
        kind whose values are not compared with columns.
    """
    return None


@values_in_training.register
def _(feature: Calendar, data):
    time = data.parts["train"].time
    rows = np.linspace(0, len(time) - 1, min(len(time), _ROWS)).astype(np.int64)
    return rows, numpy_indices(feature, in_units(time[rows], feature.time_unit))


@values_in_training.register
def _(feature: Match, data):
    sequence = feature.sequence(data.spec)
    rows, row, event = training_pairs(data, sequence)
    own = data.parts["train"].columns[feature.of][rows]
    column = data.behaviors[sequence.name].columns[feature.of]
    is_match = (own[row] == column[event]) & (own[row] != OOV_INDEX)
    matches = np.bincount(row[is_match], minlength=len(rows))
    if feature.measure == "seen":
        return rows, (matches > 0).astype(np.float64)
    return rows, matches / np.maximum(np.bincount(row, minlength=len(rows)), 1)


@values_in_training.register
def _(feature: Count, data):
    samples = data.parts["train"]
    (key,) = feature.of
    rows = _rows_of_some_values(samples.columns[key])
    flags = {}
    if feature.flag is not None:
        name = next(n for n, column in data.log_format.labels.items() if column == feature.flag)
        flags = {feature.flag: samples.labels[name]}
    feature = learn_base(feature, flags, np.ones(len(samples), bool))
    flags = {name: values[rows] for name, values in flags.items()}
    keys, time = pd.Series(samples.columns[key][rows]), samples.time[rows]
    of_rows = sort_by_keys([feature], lambda _: keys, time)
    past = past_of_rows([feature], of_rows, flags)
    return rows, counted_values(feature, [past[feature.of]], of_rows[feature.of])


def _rows_of_some_values(column: np.ndarray) -> np.ndarray:
    """Returns all training rows of some values, at most `_ROWS`, so that counts are complete."""
    sizes = np.bincount(column)
    sizes[OOV_INDEX] = 0
    order = np.random.default_rng(0).permutation(len(sizes))
    order = order[np.cumsum(sizes[order]) <= _ROWS]
    is_chosen = np.zeros(len(sizes), bool)
    is_chosen[order] = sizes[order] > 0
    return np.flatnonzero(is_chosen[column])
