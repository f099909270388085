"""Packed histories: the dynamic form of TensorFlow and the static form give the same numbers."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_din.ops import segment_softmax
from keras_din.ops.packed import static as packed_static
from keras_din.ops.packed import tensorflow as packed_tensorflow

FORMS = [packed_static, packed_tensorflow]


@pytest.mark.parametrize("form", FORMS)
def test_segment_operations_on_a_small_batch(form):
    mask = np.array([[False, True], [False, False], [True, True]])
    values = np.array([[[9.0], [1.0]], [[9.0], [9.0]], [[2.0], [5.0]]], "float32")
    rows = form.row_ids(mask)
    packed = form.pack(values, mask)
    np.testing.assert_array_equal(form.segment_sum(packed, rows, 3), [[1], [0], [7]])
    np.testing.assert_array_equal(form.segment_max(packed, rows, 3), [[1], [0], [5]])
    taken = np.asarray(form.gather_rows(np.array([[10.0], [20.0], [30.0]], "float32"), rows))
    real = np.asarray(rows) < 3
    np.testing.assert_array_equal(taken[real], [[10], [30], [30]])


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 5), st.integers(0, 6))
def test_both_forms_agree(seed, batch, time):
    rng = np.random.default_rng(seed)
    mask = rng.random((batch, time)) < 0.5
    values = rng.normal(size=(batch, time, 2)).astype("float32")
    sums, maxima = [], []
    for form in FORMS:
        rows = form.row_ids(mask)
        packed = form.pack(values, mask)
        sums.append(form.segment_sum(packed, rows, batch))
        maxima.append(np.asarray(form.segment_max(packed, rows, batch)))
    np.testing.assert_allclose(*sums, atol=1e-6)
    np.testing.assert_array_equal(*maxima)


@pytest.mark.parametrize("form", FORMS)
def test_gradient_of_segment_max_is_shared_by_ties(form):
    """Equal maxima share the gradient equally; a row without a position gets none."""
    mask = np.array([[True, True, True], [False] * 3, [True, False, True]])
    values = tf.constant([[[4.0], [1.0], [4.0]], [[9.0]] * 3, [[2.0], [9.0], [5.0]]])
    with tf.GradientTape() as tape:
        tape.watch(values)
        highest = form.segment_max(form.pack(values, mask), form.row_ids(mask), 3)
        loss = tf.reduce_sum(highest[:, 0] * [6.0, 7.0, 8.0])
    gradient = tf.convert_to_tensor(tape.gradient(loss, values))[..., 0]
    np.testing.assert_array_equal(gradient, [[3, 0, 3], [0, 0, 0], [0, 0, 8]])


def test_softmax_with_an_empty_row_has_no_nan_inside():
    tf.debugging.enable_check_numerics()
    try:
        rows = tf.constant([0, 0, 2])
        weights = segment_softmax(tf.constant([1.0, 1.0, 5.0]), rows, 3)
    finally:
        tf.debugging.disable_check_numerics()
    np.testing.assert_array_equal(weights, [0.5, 0.5, 1])
