import numpy as np
import pytest
import tensorflow as tf

import keras_din as kd
from keras_din.time_index import graph_indices, numpy_indices

HOUR = 3_600_000_000


def test_elapsed_by_hand():
    ago = kd.Elapsed("ago", boundaries=[1, 60])
    seconds = np.array([-1, 0, 0.999999, 1, 59.999999, 60, 1e9])
    times = (1e12 - 1e6 * seconds).astype(np.int64)
    assert numpy_indices(ago, times, np.int64(1e12)).tolist() == [2, 2, 2, 3, 3, 4, 4]


def test_hour_at_a_change_to_summer_time():
    hour = kd.Calendar("hour_of_day", time_zone="Europe/Berlin")
    change = 1_711_846_800_000_000  # 2024-03-31 01:00 UTC: 02:00 becomes 03:00.
    at = np.array([change - HOUR, change - 1, change, change + HOUR])
    assert (numpy_indices(hour, at) - 2).tolist() == [1, 1, 3, 4]


FEATURES = [
    kd.Elapsed("ago"),
    kd.Elapsed("ago", boundaries=[0.000001, 7.5]),
    *(
        kd.Calendar(part, time_zone=zone)
        for part, zone in [("hour_of_week", "Europe/Berlin"), ("day_of_month", "+05:30")]
    ),
]


@pytest.mark.parametrize("feature", FEATURES, ids=str)
def test_graph_and_numpy_are_equal(feature):
    rng = np.random.default_rng(0)
    span = 150 * 365 * 24 * HOUR
    at = rng.integers(-span, span, (60, 40))
    # Times at and next to each change of an offset, and extreme ones.
    near = np.array([*getattr(feature, "transitions", ()), 0]) * 1_000_000
    at.flat[: 2 * len(near)] = np.concatenate([near, near - 1])
    at[-1, :3] = [-(2**63), 2**63 - 1, 0]
    request = rng.integers(-span, span, (60, 1))
    request[:30] = at[:30, :1]  # Equal times.
    found = graph_indices(feature, tf.constant(at), tf.constant(request))
    assert found.dtype == tf.int32
    np.testing.assert_array_equal(found, numpy_indices(feature, at, request))
    np.testing.assert_array_equal(found.numpy() == 1, at == -(2**63))  # Unknown times.
    assert found.numpy().min() >= 1
    assert found.numpy().max() < feature.table.values.size
    empty = graph_indices(feature, tf.zeros((3, 0), tf.int64), tf.zeros((3, 1), tf.int64))
    assert empty.shape == (3, 0)
