"""Learns the fields of features of numbers from training values."""

import dataclasses
import itertools
import math

import numpy as np

from keras_din.data.encoding.counted import split_counts
from keras_din.data.reading.columns import numbers
from keras_din.data.reading.raw_values import LARGEST_FLOAT
from keras_din.features import SMALLEST, Bucketized, Numeric, per_kind

_AT_ONCE = 2**16
_NUM_KNOTS = 101
_CLIPPED = 0.01  # Share of the training values below and above the limits of a clip.


@per_kind
def learn_fields(feature, values):
    """Returns a feature with the fields that are not given, `to_learn`, learned from values.

    Args:
        feature: The feature.
        values: The training values `(rows,)`, or `Counted`. Missing ones are ignored.

    Raises:
        ValueError: If no value is left to learn from.
    """


@learn_fields.register
def _(feature: Numeric, values):
    array = finite_numbers(feature.name, values)
    if "limits" in feature.to_learn:
        limits = np.quantile(array, [_CLIPPED, 1 - _CLIPPED])
        if limits[0] == limits[1]:  # Otherwise all values would become equal.
            limits = array.min(), array.max()
        feature = dataclasses.replace(feature, limits=shortest(limits))
    if "knots" in feature.to_learn:
        knots = np.quantile(array, np.linspace(0, 1, _NUM_KNOTS))
        # Interpolated quantiles may decrease by a rounding error.
        feature = dataclasses.replace(feature, knots=shortest(np.maximum.accumulate(knots)))
    if not feature.to_learn:
        return feature
    array = transform_numbers(feature, array)
    low, high = array.min(), array.max()
    # The computed standard deviation of equal values may be 1e-17 instead of 0.
    mean, std = (low, 1.0) if low == high else _moments(array)
    learned: dict = {"mean": float(mean), "std": float(std)}
    return dataclasses.replace(feature, **{word: learned[word] for word in feature.to_learn})


@learn_fields.register
def _(feature: Bucketized, values):
    array = finite_numbers(feature.name, values)
    assert feature.quantiles is not None
    array[np.abs(array) < SMALLEST] = 0  # As in `keras_din.bucket_index`.
    shares = np.arange(1, feature.quantiles) / feature.quantiles
    # Each boundary is a training value, so its bucket is not empty.
    found = np.unique(np.quantile(array, shares, method="higher").astype(np.float32))
    found = found[found > np.float32(array.min())]  # The first bucket would be empty.
    return dataclasses.replace(feature, boundaries=shortest(found), quantiles=None)


def transform_numbers(feature: Numeric, array: np.ndarray) -> np.ndarray:
    """Applies the transform of a feature to float64 numbers `(rows,)`, as the model does."""
    if feature.transform == "log1p":
        return np.sign(array) * np.log1p(np.abs(array))
    if feature.transform == "clip":
        assert feature.limits is not None
        low, high = feature.limits
        return np.clip(array, low, high)
    if feature.transform == "quantile":
        return np.interp(array, *feature.points)
    return array


def finite_numbers(name: str, values) -> np.ndarray:
    """Returns the numbers of a column that are not missing, float64, or raises a `ValueError`."""
    values, rows = split_counts(values)
    array = numbers(name, values)
    if rows is not None:
        array = np.repeat(array, rows)
    array = array[np.abs(array) <= LARGEST_FLOAT]
    if not len(array):
        raise ValueError(f"Column {name!r} must have numbers in the training part. Received: none.")
    return array


def shortest(values) -> tuple[float, ...]:
    """Returns the decimal numbers with the fewest digits that are equal in float32."""
    found = (float(str(value)) for value in np.asarray(values).astype(np.float32))
    return tuple(min(max(value, -LARGEST_FLOAT), LARGEST_FLOAT) for value in found)


def _moments(values: np.ndarray):
    """The mean and the standard deviation, exactly equal for any order of the values."""
    mean = _exact_sum(values) / len(values)
    return mean, math.sqrt(_exact_sum(np.square(values - mean)) / len(values))


def _exact_sum(values: np.ndarray) -> float:
    # In pieces, because Python numbers take four times the memory.
    pieces = (
        values[start : start + _AT_ONCE].tolist() for start in range(0, len(values), _AT_ONCE)
    )
    return math.fsum(itertools.chain.from_iterable(pieces))
