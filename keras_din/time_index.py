"""`time_index`: the index of a time, the same integer arithmetic in NumPy and in a graph."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from keras_din.features import (
    NO_TIME,
    NUM_RESERVED,
    OOV_INDEX,
    TIME_UNITS,
    Calendar,
    Elapsed,
    Feature,
    calendar_part,
    per_kind,
)


class Arrays(NamedTuple):
    """The functions of a library that differ from those of other libraries.

    Attributes:
        search: Function of ascending integers and an int64 array. Returns for each entry how many
            of the integers are at most as large, int64.
        take: Function of a tuple of integers and an array of positions. Returns int64 entries.
    """

    search: Callable
    take: Callable


NUMPY = Arrays(
    search=lambda limits, values: np.searchsorted(np.array(limits, np.int64), values, side="right"),
    take=lambda values, positions: np.array(values, np.int64)[positions],
)


@per_kind
def time_index(feature, at, request, arrays: Arrays):
    """Computes the indices of a feature from times. Only integers are used, so they are exact.

    Args:
        feature: A `TimeFeature`.
        at: int64 of any shape, times of requests or behaviors in the `time_unit` of the feature.
        request: int64 that can be broadcast to `at`, the times of the requests.
        arrays: The library of `at` and `request`.

    Returns:
        int64 of the shape of `at`, from `NUM_RESERVED`.
    """


@time_index.register
def _(feature: Elapsed, at, request, arrays: Arrays):
    return arrays.search(feature.limits, request - at) + NUM_RESERVED


@time_index.register
def _(feature: Calendar, at, request, arrays: Arrays):
    seconds = at // feature.units_per_second
    offset = feature.offsets[0]
    if feature.transitions:
        offset = arrays.take(feature.offsets, arrays.search(feature.transitions, seconds))
    return calendar_part(feature.part, seconds + offset) + NUM_RESERVED


def in_units(times: np.ndarray, time_unit: str) -> np.ndarray:
    """Converts microseconds to a unit of `TIME_UNITS`, rounded down. `NO_TIME` is kept."""
    return np.where(times == NO_TIME, NO_TIME, times // TIME_UNITS[time_unit])


def graph_in_units(times, time_unit: str):
    """Same as `in_units` for a tensor of TensorFlow."""
    import tensorflow as tf

    microseconds = TIME_UNITS[time_unit]
    if microseconds == 1:
        return times
    return tf.where(times == NO_TIME, times, times // microseconds)


def numpy_indices(feature: Feature, at, request=None) -> np.ndarray:
    """Returns the indices of `time_index` as an int32 NumPy array; `OOV_INDEX` for `NO_TIME`."""
    at = np.asarray(at)
    index = np.asarray(time_index(feature, at, request, NUMPY), np.int32)
    return np.where(at == NO_TIME, np.int32(OOV_INDEX), index)


def graph_indices(feature: Feature, at, request=None):
    """Returns the indices of `time_index` as an int32 tensor of TensorFlow.

    They are `OOV_INDEX` for `NO_TIME`.
    """
    import tensorflow as tf

    def search(limits, values):
        found = tf.searchsorted(
            tf.constant(limits, tf.int64), tf.reshape(values, (-1,)), side="right"
        )
        return tf.cast(tf.reshape(found, tf.shape(values)), tf.int64)

    def take(values, positions):
        return tf.gather(tf.constant(values, tf.int64), positions)

    index = tf.cast(time_index(feature, at, request, Arrays(search, take)), tf.int32)
    return tf.where(at == NO_TIME, OOV_INDEX, index)
