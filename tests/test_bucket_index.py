import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
import tensorflow as tf

import keras_din as kd
from keras_din.bucket_index import graph_buckets, numpy_buckets


def test_buckets_by_hand():
    feature = kd.Bucketized("a", boundaries=[0, 1, 2.5])
    values = [-1, 0, -0.0, 0.99, 1, 2.49, 2.5, 3e38, np.nan, np.inf, -np.inf, 1e39]
    assert numpy_buckets(feature, values).tolist() == [2, 3, 3, 3, 4, 4, 5, 5, 1, 1, 1, 1]


def test_boundaries_are_compared_in_float32():
    feature = kd.Bucketized("a", boundaries=[0.1, 16_777_217])
    # The float32 of 0.1 is above 0.1, and that of 16,777,217 is 16,777,216.
    assert numpy_buckets(feature, [0.1, 0.0999999, 16_777_215, 16_777_216]).tolist() == [3, 2, 3, 4]


@pytest.mark.parametrize("boundaries", [[], [0.0], [0.0, 2.0**-126], [-3e38, -1, 0.1, 3e38]])
def test_graph_and_numpy_are_equal(boundaries):
    feature = kd.Bucketized("a", boundaries=boundaries)
    edges = np.array([*boundaries, 0, 1e-40, -1e-40, 1, np.nan, np.inf, 3.4028235e38], np.float32)
    with np.errstate(over="ignore"):
        values = np.stack([edges, np.nextafter(edges, -np.inf), np.nextafter(edges, np.inf)])
    found = tf.function(lambda x: graph_buckets(feature, x))(tf.constant(values))
    assert found.dtype == tf.int32
    np.testing.assert_array_equal(found, numpy_buckets(feature, values))
    empty = graph_buckets(feature, tf.zeros((3, 0)))
    assert empty.shape == (3, 0)


floats = st.floats(width=32, allow_nan=False, allow_infinity=False)


@hypothesis.given(st.lists(floats, max_size=9), st.lists(st.floats(width=32), min_size=1))
@hypothesis.settings(max_examples=50, deadline=None)
def test_random_boundaries(boundaries, values):
    flushed = [0.0 if abs(each) < 2.0**-126 else each for each in boundaries]
    boundaries = sorted(set(flushed) - {float(np.finfo(np.float32).min)})
    feature = kd.Bucketized("a", boundaries=boundaries)
    values = np.array([*values, *boundaries], np.float32)
    found = numpy_buckets(feature, values)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(graph_buckets(feature, tf.constant(values)), found)
    for value, index in zip(values.tolist(), found.tolist(), strict=True):
        value = 0.0 if abs(value) < 2.0**-126 else value
        expected = 2 + sum(each <= value for each in boundaries) if np.isfinite(value) else 1
        assert index == expected
