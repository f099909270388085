"""The logit of a product of probabilities, also of extreme ones."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_din.losses import BinaryCrossentropy
from keras_din.ops import product_logits


def logit(p):
    return math.log(p / (1 - p))


@pytest.mark.parametrize(
    "p, q", [(0.5, 0.5), (0.9, 0.2), (0.01, 0.99), (0.3, 0.3), (1e-6, 0.5), (0.999, 0.9999)]
)
def test_logit_of_the_product(p, q):
    found = product_logits(np.float32(logit(p)), np.float32(logit(q)))
    np.testing.assert_allclose(found, logit(p * q), rtol=1e-4)


@pytest.mark.parametrize(
    "first, second, expected",
    [
        (-100.0, -100.0, -200.0),  # exp(-200) is 0 in float32.
        (100.0, 0.0, 0.0),  # A factor of 1 changes nothing.
        (0.0, 100.0, 0.0),
        (100.0, 3.0, 3.0),
        (50.0, 50.0, 50 - math.log(2)),  # 1 - p q = 2 exp(-50).
        (-1e9, 2.0, -1e9),  # Padding.
    ],
)
def test_extreme_logits(first, second, expected):
    found = product_logits(np.float32(first), np.float32(second))
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("y", [0.0, 1.0])
@pytest.mark.parametrize(
    "first, second", [(0.0, 0.0), (1.5, -2.0), (-30.0, -30.0), (40.0, -1.0), (60.0, 60.0)]
)
def test_gradients_of_the_loss_are_those_of_finite_differences(first, second, y):
    def loss_by_hand(a, b):
        log_p = -np.logaddexp(0, -a) - np.logaddexp(0, -b)
        # 1 - p q = (exp(-a) + exp(-b) + exp(-a - b)) p q.
        log_1_p = np.logaddexp(np.logaddexp(-a, -b), -a - b) + log_p
        return -(y * log_p + (1 - y) * log_1_p)

    a, b = tf.Variable(np.float32(first)), tf.Variable(np.float32(second))
    with tf.GradientTape() as tape:
        logits = product_logits(a, b)[None, None]
        p = keras.ops.sigmoid(logits)
        p._keras_logits = logits
        loss = BinaryCrossentropy()(np.full((1, 1), y, "float32"), p)
    np.testing.assert_allclose(loss, loss_by_hand(first, second), rtol=1e-5, atol=1e-12)
    h = 1e-4
    expected = [
        (loss_by_hand(first + h, second) - loss_by_hand(first - h, second)) / (2 * h),
        (loss_by_hand(first, second + h) - loss_by_hand(first, second - h)) / (2 * h),
    ]
    np.testing.assert_allclose(tape.gradient(loss, [a, b]), expected, rtol=1e-3, atol=1e-9)
