"""Masked moments ignore padding, also if it is NaN or infinite."""

import numpy as np
import pytest
import tensorflow as tf

from keras_din.ops import apply_mask, masked_moments

REAL = np.array([True, False, True, False])
PADDING = [0.0, 1e30, -3e38, np.inf, -np.inf, np.nan]


def values(padding):
    return np.array([[1.0, 2.0], [padding, padding], [3.0, 8.0], [padding, 0.0]], "float32")


@pytest.mark.parametrize("padding", PADDING)
def test_moments_and_gradients_ignore_padding(padding):
    x = tf.constant(values(padding))
    with tf.GradientTape() as tape:
        tape.watch(x)
        mean, variance, count = masked_moments(apply_mask(x, REAL), REAL)
        loss = tf.reduce_sum(mean) + tf.reduce_sum(variance)
    np.testing.assert_array_equal(mean, [2, 5])
    np.testing.assert_array_equal(variance, [1, 9])
    assert count == 2
    # d mean / dx = 1/2, d variance / dx = x - mean, of the two real entries.
    expected = [[0.5 - 1, 0.5 - 3], [0, 0], [0.5 + 1, 0.5 + 3], [0, 0]]
    np.testing.assert_allclose(tape.gradient(loss, x), expected)


def test_moments_are_zero_without_real_entries():
    mask = np.zeros(4, bool)
    mean, variance, count = masked_moments(apply_mask(values(np.nan), mask), mask)
    np.testing.assert_array_equal([mean, variance], np.zeros((2, 2)))
    assert count == 0


def test_moments_without_a_mask():
    mean, variance, count = masked_moments(np.array([[1.0], [3.0]], "float32"))
    assert (mean, variance, count) == ([2], [1], 2)


@pytest.mark.parametrize("padding", PADDING)
def test_apply_mask_replaces_padding_by_zero(padding):
    x = values(padding)
    np.testing.assert_array_equal(apply_mask(x, REAL), [[1, 2], [0, 0], [3, 8], [0, 0]])
    assert apply_mask(x) is x
