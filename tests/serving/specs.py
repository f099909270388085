"""A spec with all feature kinds, and its rows as the training pipeline encodes them."""

import numpy as np
import pandas as pd

import keras_din as kd
from keras_din.data import rows_dataset
from keras_din.features import id_feature
from keras_din.serving.sample_rows import one_candidate_per_row

ITEM = kd.Categorical("item", vocabulary=[f"té {i}" for i in range(30)], dim=8)
# A value was removed, and a row is spare.
SHOP = kd.Categorical(
    "shop", vocabulary=[0, -1, 2**62 + 1, 5, None, *range(7, 11)], capacity=10, dim=6
)
SPEC = kd.FeatureSpec(
    context=[
        kd.Categorical("segment", 5, dim=3),
        kd.Numeric("age", mean=1, std=2),
        kd.Categorical("words", vocabulary=["two\nlines", "\r", "one"], dim=2),
        kd.Categorical("city", hash_buckets=7, dim=2),
    ],
    target=[kd.Numeric("price"), ITEM, SHOP],
    sequences=[
        kd.Sequence(
            "hist",
            of=[ITEM, SHOP],
            side_features=[
                kd.Categorical("action", hash_buckets=4, dtype="int64", dim=2),
                kd.Numeric("s"),
            ],
            max_length=12,
        ),
        kd.Sequence("shops", of=[SHOP], max_length=5),
    ],
)
# For tests that need a lookup of each type, and no more.
SMALL = kd.FeatureSpec(
    context=[kd.Numeric("age", mean=1, std=2)],
    target=[ITEM, SHOP],
    sequences=[
        kd.Sequence("hist", of=[ITEM], max_length=12),
        kd.Sequence("shops", of=[SHOP], max_length=5),
    ],
)


def through_the_pipeline(spec, sample):
    """Encodes rows for `serving_default` with `rows_dataset`.

    Returns `(inputs, real)`. Rows with a padding candidate are left out.
    """
    raw = one_candidate_per_row(spec, sample.raw)
    indices = one_candidate_per_row(spec, sample.indices)
    real = indices[id_feature(spec.target).name] != 0
    columns = {}
    for name, info in spec.inputs.items():
        values = raw[name]
        if getattr(info.feature, "dtype", "") is None:
            # An index out of range raises an error in training. It is already 1 here.
            values = np.where(values < info.feature.vocabulary_size, values, 1)
        values = values[real]
        if isinstance(info.feature, kd.Bag) and info.feature.weights is None:
            values = bags(values, info.feature.padding_value)
        elif info.feature.axes:  # With weights, padding must stay at its position.
            values = values.tolist()
        if info.role == "behavior":
            first = info.sequence.input_name(id_feature(info.sequence.of))
            there = raw[first][real] != id_feature(info.sequence.of).padding_value
            values = [
                [value for value, keep in zip(row, keeps, strict=True) if keep]
                for row, keeps in zip(values, there, strict=True)
            ]
        columns[name] = pd.Series(list(values), dtype=object)
    if not real.any():
        return None, real
    ((x, _),) = rows_dataset(pd.DataFrame(columns), spec, batch_size=len(real))
    return {name: np.asarray(values) for name, values in x.items()}, real


def bags(values, padding):
    """Converts an array `(..., values)` to lists without padding."""
    if values.ndim == 1:
        return [value for value in values.tolist() if value != padding]
    return [bags(each, padding) for each in values]
