"""`PositionBias`: the factor of a click probability that depends on the position alone."""

import keras
import numpy as np
import pytest

from keras_din.layers import PositionBias

LOGITS = np.random.default_rng(0).normal(size=(2, 3, 1)).astype("float32")
POSITIONS = np.array([[1, 2, 3], [9, 0, np.nan]], "float32")


def biased(logits):
    """A layer of three positions with given logits of the positions 2 and 3."""
    layer = PositionBias(3)
    layer.position_logits.assign(np.array(logits, "float32").reshape(2, 1))
    return layer


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x, "float64")))


def values(tensor):
    return keras.ops.convert_to_numpy(tensor)


def test_contract(tmp_path):
    """The inputs have different numbers of axes, for which `check_layer` has no form."""
    layer = PositionBias(3)
    assert PositionBias.from_config(layer.get_config()).get_config() == layer.get_config()
    symbolic = keras.Input((None, 1)), keras.Input((None,))
    model = keras.Model(symbolic, layer(*symbolic))
    assert model.output.shape == (None, None, 1)
    found = model.predict_on_batch([LOGITS, POSITIONS])
    model.save(tmp_path / "layer.keras")
    loaded = keras.saving.load_model(tmp_path / "layer.keras")
    np.testing.assert_allclose(loaded.predict_on_batch([LOGITS, POSITIONS]), found, rtol=1e-6)
    model.compile("sgd", "mse")
    assert np.isfinite(model.train_on_batch([LOGITS, POSITIONS], np.ones_like(found)))


def test_product_by_hand():
    """`p_seen(k) p_click`, where positions beyond 3 are 3, and unknown positions are seen."""
    found = sigmoid(values(biased([0.5, -2.0])(LOGITS, POSITIONS)))[..., 0]
    two, three = sigmoid(0.5), sigmoid(-2.0)
    seen = np.array([[1, two, three], [three, 1, 1]])
    np.testing.assert_allclose(found, seen * sigmoid(LOGITS[..., 0]), rtol=1e-5)
    np.testing.assert_allclose(biased([0.5, -2.0]).probabilities(), [1, two, three], rtol=1e-6)


def test_position_1_keeps_the_logit():
    extreme = np.array([[[-200.0], [0.0], [90.0]]], "float32")
    one = np.ones((1, 3), "float32")
    np.testing.assert_array_equal(values(biased([1.0, 1.0])(extreme, one)), extreme)


@pytest.mark.parametrize("logit, bias", [(-200, 3), (90, -200), (90, 90), (-3, 0.5), (200, -3)])
def test_gradients_are_those_of_finite_differences(logit, bias):
    tf = pytest.importorskip("tensorflow")
    layer, x = biased([bias, 0.0]), tf.Variable([[[float(logit)]]])

    def exact(a, b):  # In float64.
        return -np.logaddexp(np.logaddexp(-a, -b), -a - b)

    with tf.GradientTape() as tape:
        y = layer(x, np.array([[2.0]], "float32"))
    np.testing.assert_allclose(values(y).item(), exact(float(logit), float(bias)), rtol=1e-5)
    of_x, of_bias = tape.gradient(y, [x, layer.trainable_weights[0].value])
    step = 1e-4
    expected = (exact(logit + step, bias) - exact(logit - step, bias)) / (2 * step)
    np.testing.assert_allclose(values(of_x).item(), expected, rtol=1e-3, atol=1e-5)
    expected = (exact(logit, bias + step) - exact(logit, bias - step)) / (2 * step)
    found = values(tf.convert_to_tensor(of_bias))[:, 0]
    np.testing.assert_allclose(found, [expected, 0], rtol=1e-3, atol=1e-5)


def test_unknown_positions_have_finite_gradients():
    tf = pytest.importorskip("tensorflow")
    layer = biased([1.0, 1.0])
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(layer(LOGITS, np.array([[1, 0, np.nan], [np.inf, 1, 0]], "float32")))
    (gradient,) = tape.gradient(total, [layer.trainable_weights[0].value])
    np.testing.assert_array_equal(values(tf.convert_to_tensor(gradient)), np.zeros((2, 1)))
