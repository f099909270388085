"""The age of the candidate of each row: the time since the first event of its item."""

import numpy as np

from keras_din.features import NO_TIME, NUM_RESERVED, FeatureSpec, id_feature

_DAY = 86_400_000_000  # Microseconds.


def item_ages(spec: FeatureSpec, events: list, samples) -> np.ndarray:
    """Returns the days between the first event of the item of each row and the row.

    Args:
        spec: The features. The item is the first `Categorical` of the target.
        events: `BehaviorLog`s and `Samples`, all events and rows of a log, also `samples`.
        samples: The `Samples`.

    Returns:
        Float64 `(rows,)`. NaN for an item that is not in the vocabulary, since its index stands for
        many items.
    """
    item = id_feature(spec.target)
    never = np.iinfo("int64").max
    first = np.full(item.table.values.size, never)
    for rows in events:
        if item.name in rows.columns and rows.time is not None:
            time = np.where(rows.time == NO_TIME, never, rows.time)
            np.minimum.at(first, rows.columns[item.name], time)
    indices = samples.columns[item.name]
    ages = (samples.time - first[indices]) / _DAY
    return np.where(indices < NUM_RESERVED, np.nan, ages)
