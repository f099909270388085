"""Counts in how many rows of a log each value of a vocabulary is."""

import numpy as np
import pandas as pd

from keras_din.data.encoding.bags import bag_values
from keras_din.data.encoding.lookup import look_up, to_raw
from keras_din.data.reading.columns import is_missing
from keras_din.data.store.bags import Bags
from keras_din.features import OOV_INDEX, FeatureSpec, Values


def count_values(spec: FeatureSpec, tables, frame: pd.DataFrame, separators: dict) -> dict:
    """Counts the raw values of a log.

    Args:
        spec: The features.
        tables: Names of tables that have a vocabulary.
        frame: The rows of the log, with a column for each feature.
        separators: Name of a column with several values -> its separator.

    Returns:
        Name of the table -> `Series`: raw value -> in how many rows it is. A value that is in
        several columns, or several times in a bag, counts as often.
    """
    found: dict = {}
    for feature in spec.features.values():
        if feature.table is not None and feature.table.name in tables:
            values = raw_column(feature, frame[feature.name], separators)
            found.setdefault(feature.table.name, []).append(to_raw(feature, values))
    return {
        name: pd.Series(np.concatenate(values)).value_counts(sort=False)
        for name, values in found.items()
    }


def count_encoded(
    spec: FeatureSpec, tables, frame: pd.DataFrame, separators: dict, encoded: dict
) -> dict:
    """Counts the values of a log that is encoded already, which is faster.

    Args:
        spec: See `count_values`, and also `tables`, `frame` and `separators`.
        tables: See `spec`.
        frame: See `spec`.
        separators: See `spec`.
        encoded: Name of each feature -> its column of indices.

    Returns:
        Name of the table -> `(count, unknown)`: int64 `(size,)`, the rows with each index, and a
        `Series`, raw value that is not in the vocabulary -> its rows.
    """
    counts: dict = {}
    unknown: dict = {}
    for feature in spec.features.values():
        if feature.table is None or feature.table.name not in tables:
            continue
        name, column = feature.table.name, encoded[feature.name]
        size, rows = feature.table.values.size, frame[feature.name]
        if isinstance(column, Bags):
            of_bag = np.bincount(column.place, minlength=len(column.lengths))
            weights = of_bag[column.bag_ids_of_values()]
            count = np.bincount(column.values, weights, minlength=size).astype(np.int64)
            rows = rows[column.contains(OOV_INDEX)]
        else:
            count = np.bincount(column, minlength=size)
            rows = rows[column == OOV_INDEX]
        counts[name] = counts.get(name, 0) + count
        if len(rows):
            raw = to_raw(feature, raw_column(feature, rows, separators))
            unknown.setdefault(name, []).extend(raw.tolist())
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
