"""Values at padding affect no result, no statistic and no gradient."""

import numpy as np
import pytest
import tensorflow as tf

from keras_din.layers import BatchNormalization, Dice, Embedding
from keras_din.layers.pack_behaviors import unpack_behaviors
from keras_din.ops.gru import static as gru_static


@pytest.mark.parametrize("kind", [Dice, BatchNormalization])
@pytest.mark.parametrize("padding", [np.nan, np.inf, 1e30])
def test_padding_does_not_affect_statistics(kind, padding):
    mask = np.array([True, False, True])
    results = []
    for value in (0.0, padding):
        x, layer = tf.constant([[1.0], [value], [3.0]]), kind()
        layer.build((None, 1))
        with tf.GradientTape() as tape:
            tape.watch(x)
            out = layer(x, mask=mask, training=True)
            loss = tf.reduce_sum(tf.boolean_mask(out, mask) ** 2)
        weights = [weight.value for weight in layer.trainable_weights]
        gradients = tape.gradient(loss, [x, *weights])
        averages = layer.moving_mean.value, layer.moving_variance.value
        results.append([out, *gradients, *averages, layer(x, mask=mask)])
    for clean, other in zip(*results, strict=True):
        assert np.isfinite(clean).all()
        np.testing.assert_array_equal(clean, other)


def test_padding_does_not_affect_gradient_of_a_table():
    """An infinite gradient at padding changes nothing."""
    table = Embedding(4, 1)
    table.build()
    with tf.GradientTape() as tape:
        out = table(tf.constant([2, 0, 3]))
        loss = tf.reduce_sum(out * tf.constant([[1.0], [np.inf], [2.0]]))
    gradient = tf.convert_to_tensor(tape.gradient(loss, table.embeddings.value))
    np.testing.assert_array_equal(gradient, [[0], [0], [1], [2]])


def test_padding_positions_in_the_static_form():
    """An infinite value at padding does not affect the next position."""
    mask = np.array([[True, False, True]])
    out = unpack_behaviors(tf.constant([[np.inf], [1.0]]), tf.constant(mask))
    np.testing.assert_array_equal(out, [[[np.inf], [0], [1]]])
    inputs = np.array([[1, 1, np.nan]] * 3, "float32")
    states = gru_static.gru_states(inputs, np.zeros((1, 3), "float32"), tf.constant(mask))
    assert states[1] == 0
