"""Counts in how many rows of a log each value of a vocabulary is."""

from collections.abc import Callable, Collection

import numpy as np
import pandas as pd

from keras_din.data.encoding.bags import bag_values
from keras_din.data.encoding.lookup import look_up, to_raw
from keras_din.data.prepare.log_columns import LogColumns, feature_names
from keras_din.data.prepare.vocabulary_state import VocabularyState
from keras_din.data.reading.columns import is_missing
from keras_din.data.store.bags import Bags
from keras_din.features import OOV_INDEX, FeatureSpec, Values


def count_values(
    spec: FeatureSpec,
    tables: Collection[str],
    values_of: Callable,
    separators: dict,
    names: Collection[str] | None = None,
) -> dict:
    """Counts the raw values of a log.

    Args:
        spec: The features.
        tables: Names of tables that have a vocabulary.
        values_of: Function from the name of a feature to its raw values, a `Series` `(rows,)`.
        separators: Name of a column with several values -> its separator.
        names: Names of the features to count. Defaults to all.

    Returns:
        Name of the table -> `Series`: raw value -> in how many rows it is. A value that is in
        several columns, or several times in a bag, counts as often. A table of which no feature
        is in `names` is absent.
    """
    found: dict = {}
    for feature in spec.features.values():
        is_counted = names is None or feature.name in names
        if is_counted and feature.table is not None and feature.table.name in tables:
            values = raw_column(feature, values_of(feature.name), separators)
            found.setdefault(feature.table.name, []).append(to_raw(feature, values))
    return {
        name: pd.Series(np.concatenate(values)).value_counts(sort=False)
        for name, values in found.items()
    }


def prepared_vocabularies(
    spec: FeatureSpec, columns: LogColumns, values_of: Callable, encoded_of: Callable, last: int
) -> dict:
    """Returns the name of each table whose vocabulary was learned -> its `VocabularyState`.

    Args:
        spec: The features.
        columns: The columns of the log.
        values_of: See `count_values`.
        encoded_of: Function from the name of a feature to its column of indices.
        last: The last time of the log, microseconds.
    """
    learned = [f for f in columns.features if isinstance(f, str) or "vocabulary" in f.to_learn]
    learned = [spec.features[name].table for name in feature_names(learned)]
    tables = {table.name: table for table in learned if table is not None}
    counts = _count_encoded(spec, tables, values_of, columns.separators, encoded_of)
    return {
        name: VocabularyState.of_prepared(tables[name].values, count, unknown, last)
        for name, (count, unknown) in counts.items()
    }


def _count_encoded(spec: FeatureSpec, tables, values_of, separators: dict, encoded_of) -> dict:
    """Counts the values of a log that is encoded already, which is faster than `count_values`.

    Returns:
        Name of the table -> `(count, unknown)`: int64 `(size,)`, the rows with each index, and a
        `Series`, raw value that is not in the vocabulary -> its rows.
    """
    counts: dict = {}
    unknown: dict = {}
    for feature in spec.features.values():
        if feature.table is None or feature.table.name not in tables:
            continue
        name, column = feature.table.name, encoded_of(feature.name)
        size = feature.table.values.size
        if isinstance(column, Bags):
            of_bag = np.bincount(column.place, minlength=len(column.lengths))
            weights = of_bag[column.bag_ids_of_values()]
            count = np.bincount(column.values, weights, minlength=size).astype(np.int64)
            is_unknown = column.contains(OOV_INDEX)
        else:
            count = np.bincount(column, minlength=size)
            is_unknown = column == OOV_INDEX
        counts[name] = counts.get(name, 0) + count
        if is_unknown.any():
            raw = raw_column(feature, values_of(feature.name)[is_unknown], separators)
            unknown.setdefault(name, []).extend(to_raw(feature, raw).tolist())
    return {
        name: (counts[name], _unknown(spec.tables[name].values, unknown.get(name, [])))
        for name in counts
    }


def _unknown(values: Values, raw: list) -> pd.Series:
    """Counts those of some raw values that are not in a vocabulary."""
    dtype = object if values.raw_dtype == "string" else np.int64
    found = np.array(raw, dtype)
    _, known = look_up(values, found)
    return pd.Series(found[~known]).value_counts(sort=False)


def raw_column(feature, values: pd.Series, separators: dict) -> pd.Series:
    """The raw values of a column without missing ones; of a bag, all values of all rows."""
    if feature.axes:
        values = bag_values(values, separators.get(feature.name))
    return values[~is_missing(values)]
