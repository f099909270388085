"""Decodes columns of prepared data to raw values."""

import itertools

import numpy as np
import pyarrow as pa

from keras_din.data.store.bags import Bags
from keras_din.data.store.order import ranges
from keras_din.features import Bag, BagWeights, Bucketized, Categorical, Numeric, Vector, per_kind
from keras_din.serving.sample_rows import raw_from_indices


@per_kind
def raw_column(feature, values):
    """Decodes a column of a feature to an Arrow array of raw values, with null for unknown ones.

    The values of a `Bucketized` are texts, such as `[5, 10)`.
    """


@raw_column.register
def _(feature: Categorical, values):
    return _with_nulls(feature, values)


@raw_column.register
def _(feature: Numeric, values):
    return pa.array(values)


@raw_column.register
def _(feature: Vector, values):
    # A missing vector has zeros in the data.
    numbers = pa.array(np.asarray(values, np.float32).ravel())
    return pa.FixedSizeListArray.from_arrays(numbers, feature.size)


@raw_column.register
def _(feature: Bucketized, values):
    # The data has buckets instead of numbers.
    limits = [-np.inf, *(feature.boundaries or ()), np.inf]
    buckets = [f"[{low:g}, {high:g})" for low, high in itertools.pairwise(limits)]
    return pa.array([None, None, *buckets]).take(pa.array(values))


@raw_column.register
def _(feature: Bag, values: Bags):
    return _lists(values, lambda indices: _with_nulls(feature, indices))


@raw_column.register
def _(feature: BagWeights, values: Bags):
    # The decimal numbers with the fewest digits: 0.1 and not 0.10000000149.
    return _lists(values, lambda weights: pa.array(weights.astype(str).astype(np.float64)))


def _lists(column: Bags, decode):
    """Returns the rows of a column as lists. `decode` converts all their values."""
    size = column.row_lengths
    offsets = np.concatenate([[0], np.cumsum(size)])
    values = np.asarray(column.values)[ranges(column.offsets[column.place], size)]
    return pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), decode(values))


def _with_nulls(feature, indices):
    raw = raw_from_indices(feature, indices)
    unknown = (raw == feature.values.missing_value) & (not feature.takes_indices)
    return pa.array(raw, mask=unknown)
