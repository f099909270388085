"""`click_rates`: conversion of outputs to click rates, also of saved models."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_din as kd
from keras_din.click_rates import click_rates
from keras_din.losses import BinaryCrossentropy
from keras_din.metrics import recalibrate
from keras_din.recalibration import Recalibration


def a_model(loss=None):
    x = keras.Input((None,), name="x")
    model = keras.Model(
        {"x": x}, keras.layers.Activation("sigmoid", dtype="float32", name="probability")(x)
    )
    if loss is not None:
        model.compile("sgd", loss)
    return model


# Odds of 1/3, 1 and 3, divided by 20 / 0.5 = 40.
LOGITS = np.log([[1 / 3, 1, 3]]).astype("float32")
BY_HAND = [[1 / 121, 1 / 41, 3 / 43]]


def test_model_divides_the_odds():
    rates = click_rates(a_model(), 20, 0.5)
    assert rates.of_outputs["ctr"].factor == 40
    np.testing.assert_allclose(rates.model(a_model())({"x": LOGITS}), BY_HAND, rtol=1e-6)
    model = a_model()
    assert rates._replace(raw=True).model(model) is model
    assert click_rates(model).model(model) is model


def test_model_is_exact_for_probabilities_near_1():
    """A probability of 1 - 1e-8 is 1 in float32. Odds of 1e8 / 1e6 are exact."""
    logits = np.log([[1e8, 1e7]]).astype("float32")
    p = click_rates(a_model(), 1e6).model(a_model())({"x": logits})
    np.testing.assert_allclose(p, [[100 / 101, 10 / 11]], rtol=1e-5)


def test_click_rates_prefer_given_numbers_to_the_loss():
    weighted = BinaryCrossentropy(20, negative_rate=0.1)
    for model, given, expected in [
        (a_model(weighted), {}, (20, 0.1, "the loss", "the loss")),
        (a_model(weighted), {"positive_weight": 3}, (3, 0.1, "given", "the loss")),
        (a_model(BinaryCrossentropy(20)), {}, (20, 1, "the loss", "assumed")),
        (a_model("binary_crossentropy"), {}, (1, 1, "assumed", "assumed")),
        (a_model(), {"negative_rate": 0.5}, (1, 0.5, "assumed", "given")),
        (a_model([weighted]), {}, (20, 0.1, "the loss", "the loss")),
        (a_model({"probability": weighted}), {}, (20, 0.1, "the loss", "the loss")),
    ]:
        (rate,) = click_rates(model, **given).of_outputs.values()
        found = (rate.positive_weight, rate.negative_rate, *rate.known_from.values())
        assert found == expected


def test_describe():
    text = click_rates(a_model(BinaryCrossentropy(20))).describe()
    assert "the click rate of the log, the model's output with positive_weight=20 undone" in text
    assert "assumed: training saw all negatives (negative_rate=1)" in text
    assert "assumed" not in click_rates(a_model(), 1, 1).describe()
    assert "as it is (raw)" in click_rates(a_model(), raw=True).describe()


def test_invalid_arguments_raise():
    with pytest.raises(ValueError, match="`positive_weight` must be a positive number"):
        click_rates(a_model(), 0)
    with pytest.raises(ValueError, match=r"`negative_rate` must be in \(0, 1\]. Received: .*=2"):
        click_rates(a_model(), negative_rate=2)
    with pytest.raises(ValueError, match=r"`raw` must be one of True, False\. Received"):
        click_rates(a_model(), raw="yes")
    with pytest.raises(ValueError, match=r"`negative_rate` must be in \(0, 1\]"):
        BinaryCrossentropy(negative_rate=0)


def test_recalibration_layer():
    layer = Recalibration(40, name="again")
    assert Recalibration.from_config(layer.get_config()).get_config() == layer.get_config()
    p = tf.constant([[0.25, 0.5, 0.75, 0, 1]])  # A constant, without logits.
    np.testing.assert_allclose(layer(p), [[*BY_HAND[0], 0, 1]], rtol=1e-6)
    assert layer(keras.KerasTensor((None, 3))).shape == (None, 3)
    assert keras.layers.deserialize(keras.layers.serialize(layer)).factor == 40
    assert kd.layers.Recalibration is Recalibration


FRESH = """
import sys, keras, keras_din as kd
from keras_din.metrics import recalibrate
for _ in range(2):
    model = keras.saving.load_model(sys.argv[1])
    model = keras.Model(model.inputs, recalibrate(model.output, 2, 0.5))
    model.save(sys.argv[1])
print(float(model(keras.ops.array([[0.0]]))[0, 0]))
"""


def test_loaded_model_can_be_recalibrated_twice(tmp_path):
    x = keras.Input((1,), name="x")
    # Operations with the default names that an expression without names would have.
    model = keras.Model(x, keras.activations.sigmoid(x) * 1.0 / (1.0 + (1.0 - 1.0 * (x * 0 + 1))))
    model.save(tmp_path / "model.keras")
    words = [sys.executable, "-c", FRESH, str(tmp_path / "model.keras")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == pytest.approx(1 / 17)  # Odds of 1, divided by 4 twice.


def test_saved_loss_contains_the_negative_rate(tmp_path):
    model = a_model(BinaryCrossentropy(2, negative_rate=0.25))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert click_rates(loaded).of_outputs["ctr"].factor == 8
    old = {"positive_weight": 2.0, "name": "binary_crossentropy"}
    assert BinaryCrossentropy.from_config(old).negative_rate is None


def test_recalibrate_of_arrays_and_of_models_agree():
    p = 1 / (1 + np.exp(-LOGITS))
    np.testing.assert_allclose(recalibrate(p, 20, 0.5), BY_HAND, rtol=1e-6)
