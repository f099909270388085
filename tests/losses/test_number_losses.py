"""Losses of labels that are numbers: values by hand, gradients, padding and large logits."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_din as kd
from keras_din.features.labels import NUMBER_LOSSES
from keras_din.head import label_output
from keras_din.losses import Huber, MeanSquaredError, Poisson, WeightedLogistic, losses_of_labels

T = np.array([[30.0, 0.0, 2.5], [0.0, 1.0, 0.4]])
Z = np.array([[1.2, -0.5, 0.3], [2.0, -3.0, 0.1]])
WEIGHT = np.array([[1, 2, 0], [0.5, 1, 1]], "float32")
LOSSES = {each.name: each for each in (WeightedLogistic(), Poisson(), Huber())}
LOSSES |= {"mse": MeanSquaredError()}


def by_hand(loss, z):
    """The loss per candidate in float64."""
    p = 1 / (1 + np.exp(-z))
    e = np.abs(T - z)
    return {
        "weighted_logistic": -(T * np.log(p) + (T == 0) * np.log(1 - p)),
        "poisson": np.exp(z) - T * z,
        "huber": np.where(e <= 1, e**2 / 2, e - 0.5),
        "mse": e**2,
    }[loss]


def head(loss):
    """A model from logits and a mask to the output of a label."""
    symbols = keras.Input((None, 1)), keras.Input((None,), dtype="bool")
    return keras.Model(symbols, label_output(kd.Label("watch", loss=loss), *symbols))


def value_and_gradient(loss, z, weight, mask=None):
    z = tf.constant(z[..., None], tf.float32)
    mask = np.ones(z.shape[:2], bool) if mask is None else mask
    model, labels = head(loss), np.where(mask, T, 0)

    @tf.function
    def call():
        with tf.GradientTape() as tape:
            tape.watch(z)
            value = LOSSES[loss](labels, model((z, tf.constant(mask))), weight)
        return value, tape.gradient(value, z)[..., 0]

    return call()


def test_every_loss_of_a_label_is_tested():
    assert LOSSES.keys() == NUMBER_LOSSES.keys()
    labels = [kd.Label("click"), *(kd.Label(loss, loss=loss) for loss in NUMBER_LOSSES)]
    found = losses_of_labels(labels, positive_weight=3, negative_rate=0.5)
    assert (found["ctr"].positive_weight, found["ctr"].negative_rate) == (3, 0.5)
    assert {name: type(loss) for name, loss in found.items() if name != "ctr"} == {
        name: type(loss) for name, loss in LOSSES.items()
    }


@pytest.mark.parametrize("loss", LOSSES)
def test_value_and_gradient(loss):
    value, gradient = value_and_gradient(loss, Z, WEIGHT)
    total = WEIGHT.sum()
    assert float(value) == pytest.approx((WEIGHT * by_hand(loss, Z)).sum() / total, rel=1e-5)
    step = 1e-6
    slope = (by_hand(loss, Z + step) - by_hand(loss, Z - step)) / (2 * step)
    np.testing.assert_allclose(gradient, WEIGHT * slope / total, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("loss", LOSSES)
def test_outputs_without_logits(loss):
    """A Keras model without the layer `NumberOutput`."""
    outputs = Z if loss in ("huber", "mse") else np.exp(Z)
    expected = (WEIGHT * by_hand(loss, Z)).sum() / WEIGHT.sum()
    assert float(LOSSES[loss](T, outputs, WEIGHT)) == pytest.approx(expected, rel=1e-5)
    assert np.isfinite(float(LOSSES[loss](T, np.zeros_like(Z), WEIGHT)))


@pytest.mark.parametrize("loss", LOSSES)
def test_padding_weighs_nothing(loss):
    mask = np.array([[True, True, False], [True, True, True]])
    value, gradient = value_and_gradient(loss, Z, WEIGHT)
    padded_value, padded_gradient = value_and_gradient(loss, Z, WEIGHT, mask)
    assert float(padded_value) == pytest.approx(float(value), rel=1e-6)
    np.testing.assert_allclose(padded_gradient, gradient, rtol=1e-6)
    nothing, gradient = value_and_gradient(loss, Z, np.zeros_like(WEIGHT))
    assert float(nothing) == 0
    np.testing.assert_array_equal(gradient, np.zeros_like(Z))


@pytest.mark.parametrize("loss", LOSSES)
def test_one_weight_per_row(loss):
    value, _ = value_and_gradient(loss, Z, np.array([2, 0.5], "float32"))
    expected = (by_hand(loss, Z) * [[2], [0.5]]).sum() / 7.5
    assert float(value) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("size", [100.0, -100.0, 1e4])
def test_large_logits_have_a_finite_loss_and_gradient(loss, size):
    value, gradient = value_and_gradient(loss, np.full_like(Z, size), WEIGHT)
    assert np.isfinite(float(value))
    assert np.isfinite(np.square(gradient)).all()
    if size > 0:  # A gradient that lowers the logits of numbers that are 0.
        assert (np.asarray(gradient)[(T == 0) & (WEIGHT > 0)] > 0).all()


@pytest.mark.parametrize(
    ("loss", "optimum"), [("weighted_logistic", 16 / 2), ("poisson", 4.0), ("mse", 4.0)]
)
def test_output_at_the_minimum(loss, optimum):
    """Weighted logistic regression learns `E[t] / P(t = 0)`, the others `E[t]`."""
    t = np.array([[0.0, 0.0, 6.0, 10.0]], "float32") if loss == "weighted_logistic" else None
    t = np.array([[0.0, 3.0, 5.0, 8.0]], "float32") if t is None else t
    z = tf.Variable(np.log(optimum) if loss != "mse" else optimum, dtype=tf.float32)
    with tf.GradientTape() as tape:
        logits = tf.fill((1, 4, 1), 1.0) * z
        value = LOSSES[loss](t, head(loss)((logits, tf.ones((1, 4), "bool"))))
    assert float(tape.gradient(value, z)) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("loss", LOSSES)
def test_loss_is_float32_with_half_precision(loss, policy):
    keras.mixed_precision.set_dtype_policy(policy)
    try:
        value, _ = value_and_gradient(loss, Z, WEIGHT)
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    assert value.dtype == "float32"
    expected = (WEIGHT * by_hand(loss, Z)).sum() / WEIGHT.sum()
    assert float(value) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("loss", [*LOSSES.values(), Huber(delta=2.5, name="seconds")])
def test_config_round_trip(loss):
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert type(again) is type(loss)
    assert again.get_config() == loss.get_config()
    assert float(again(T, Z)) == float(loss(T, Z))


def test_delta_of_huber():
    label = kd.Label("seconds", loss="huber", delta=2)
    assert losses_of_labels([label])["seconds"].get_config()["delta"] == 2
    found = Huber(delta=2)(np.array([[0.0, 0.0]]), np.array([[1.0, 5.0]]))
    assert float(found) == pytest.approx((0.5 + 2 * (5 - 1)) / 2)
    with pytest.raises(ValueError, match=r"`delta` must be a positive number\. Received: delta=0"):
        Huber(delta=0)
