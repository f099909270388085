"""Snapshots of `Count` features at the end of a log, which exported versions contain."""

import numpy as np
import pandas as pd

from keras_din.data.prepare.counts import counted_columns, sort_by_keys
from keras_din.features import Count, FeatureSpec, SnapshotCount, Vocabulary

_UNKNOWN = "\0unknown"  # A key without rows.


def snapshots_of(spec: FeatureSpec, pieces: list, taken_at: int, excluded=()) -> list:
    """Returns the `SnapshotCount` of each `Count` whose only key is a feature with a vocabulary.

    Args:
        spec: The features.
        pieces: The results of `past_of_rows` of all logs.
        taken_at: All rows before this time count, microseconds.
        excluded: Names of keys without a snapshot.

    Raises:
        ValueError: If a piece has no rows of the key.
    """
    found = []
    for place in (spec.context, spec.target):
        tables = {f.name: f.table for f in place if f.table is not None and not f.axes}
        for feature in place:
            if not isinstance(feature, Count) or len(feature.of) > 1:
                continue
            (key,) = feature.of
            values = tables[key].values if key in tables and key not in excluded else None
            if isinstance(values, Vocabulary):
                if any(feature.of not in past for past in pieces):
                    raise ValueError(
                        "Snapshots of counts require the rows of the log: call `count_snapshots` "
                        "of data that was loaded or prepared, not of its `day(...)` or `joined()`. "
                        f"Received: data without rows for {feature!r}."
                    )
                counts = _values_by_index(feature, values, pieces, taken_at)
                found.append(
                    SnapshotCount.of_count(feature, key, taken_at, values=counts, key_values=values)
                )
    return found


def _values_by_index(feature: Count, values: Vocabulary, pieces: list, taken_at: int):
    """The value for each index of a vocabulary, float32. Values that are not known have no rows."""
    keys = np.full(values.size, _UNKNOWN, object)
    indices, known = values.known
    keys[list(indices)] = list(known)
    rows = sort_by_keys([feature], lambda name: pd.Series(keys), np.full(len(keys), taken_at))
    return counted_columns([feature], pieces, rows)[feature.name].astype(np.float32)
