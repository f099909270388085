"""Weights of losses by homoscedastic uncertainty: by hand, and in training."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_din as kd
from keras_din.layers import UncertaintyWeights
from keras_din.losses import BinaryCrossentropy, MeanSquaredError
from tests.models.shared import ITEM

LABELS = [kd.Label("click"), kd.Label("seconds", loss="mse")]
SPEC = kd.FeatureSpec(target=[ITEM], labels=LABELS)
X = {"item_id": np.array([[4, 5], [6, 7]])}
Y = {"ctr": np.array([[1, 0], [0, 1]]), "seconds": np.array([[3.0, 5.0], [0.0, 2.0]])}
LOSSES = {"ctr": BinaryCrossentropy(), "seconds": MeanSquaredError()}


def learned(spec=SPEC):
    model = kd.build_base(spec, hidden_units=(4,), dropout=0)
    return kd.CTRModel(model.input, model.output, model.name, label_weights="uncertainty")


def test_by_hand():
    layer = UncertaintyWeights(["a", "b"])
    layer.log_variances.assign([math.log(2), math.log(4)])
    losses = {"a": tf.Variable(0.6), "b": tf.Variable(10.0)}
    with tf.GradientTape() as tape:
        total = layer(losses, squared=["b"])
    # 0.6 / 2 + log(2) / 2 + 10 / (2 * 4) + log(4) / 2, the last two with sigma^2 = 4.
    assert float(total) == pytest.approx(0.3 + 1.25 + 1.5 * math.log(2), rel=1e-6)
    of_losses, of_s = tape.gradient(total, [list(losses.values()), layer.log_variances.value])
    np.testing.assert_allclose(of_losses, [1 / 2, 1 / 8], rtol=1e-6)
    np.testing.assert_allclose(of_s, [0.5 - 0.3, 0.5 - 1.25], rtol=1e-6)
    assert layer.current == {"a": pytest.approx(0.5), "b": pytest.approx(0.25)}


def test_config():
    layer = UncertaintyWeights(["a", "b"], name="weights")
    copy = UncertaintyWeights.from_config(layer.get_config())
    assert copy.get_config() == layer.get_config()
    assert UncertaintyWeights(["a"], dtype="mixed_bfloat16").log_variances.dtype == "float32"


def test_loss_of_a_model():
    model = learned()
    learned_numbers = model.uncertainty_weights.log_variances
    assert any(each is learned_numbers for each in model.trainable_variables)
    model.uncertainty_weights.log_variances.assign([0.3, -0.2])
    model.compile("sgd", LOSSES, run_eagerly=True)
    outputs = model(X)
    weight = np.array([[1.0, 1.0], [1.0, 0.0]])
    parts = [float(LOSSES[n](Y[n], outputs[n], weight)) for n in ("ctr", "seconds")]
    found = model.test_on_batch(X, Y, weight, return_dict=True)
    assert found["ctr_loss"] == pytest.approx(parts[0], rel=1e-5)  # The metric has no weight.
    expected = math.exp(-0.3) * parts[0] + 0.15 + math.exp(0.2) * parts[1] / 2 - 0.1
    assert found["loss"] == pytest.approx(expected, rel=1e-5)


def test_weights_converge_to_the_uncertainty():
    """With constant outputs, `s = log(2 c_k L_k)`."""
    model = learned()
    for layer in model.layers:
        layer.trainable = False
    model.compile(keras.optimizers.SGD(0.3), LOSSES)
    x, y = keras.tree.map_structure(lambda values: np.tile(values, (60, 1)), (X, Y))
    model.fit(x, y, batch_size=2, shuffle=False, verbose=0)
    losses = model.test_on_batch(X, Y, return_dict=True)
    found = model.uncertainty_weights.log_variances.numpy()
    expected = [math.log(2 * losses["ctr_loss"]), math.log(losses["seconds_loss"])]
    np.testing.assert_allclose(found, expected, atol=0.01)


def test_output_without_labels_in_a_batch():
    layer = UncertaintyWeights(["a", "b"])
    layer.log_variances.assign([0.2, 0.4])
    with tf.GradientTape() as tape:
        losses = {"a": tf.constant(0.5), "b": tf.constant(0.0)}
        total = layer(losses, present={"b": tf.constant(False)})
    assert float(total) == pytest.approx(0.5 * math.exp(-0.2) + 0.1, rel=1e-6)
    assert tape.gradient(total, layer.log_variances.value).numpy()[1] == 0
    model = learned()
    model.compile(keras.optimizers.SGD(0.3), LOSSES, run_eagerly=True)
    model.train_on_batch(X, Y, {"ctr": np.ones((2, 2)), "seconds": np.zeros((2, 2))})
    assert model.uncertainty_weights.current["seconds"] == 1
    assert model.uncertainty_weights.current["ctr"] != 1


@pytest.mark.parametrize("loss", [kd.losses.Poisson(), keras.losses.Poisson()])
def test_loss_of_counts_is_not_negative(loss):
    """A negative loss would let its weight grow without a bound."""
    spec = kd.FeatureSpec(target=[ITEM], labels=["click", kd.Label("seconds", loss="poisson")])
    model = learned(spec)
    model.compile("sgd", {"ctr": BinaryCrossentropy(), "seconds": loss}, run_eagerly=True)
    y = Y | {"seconds": np.array([[30, 0], [50, 2]])}  # Integers.
    weight = np.array([[1.0, 1.0], [2.0, 0.0]])
    outputs = {name: keras.ops.convert_to_numpy(value) for name, value in model(X).items()}
    mu, t = outputs["seconds"], y["seconds"]
    excess = mu - t * np.log(mu) - (t - t * np.log(np.maximum(t, 1e-7)))
    losses = [
        (weight * excess).sum() / 4,
        float(BinaryCrossentropy()(y["ctr"], outputs["ctr"], weight)),
    ]
    if isinstance(loss, keras.losses.Poisson):
        losses[0] *= 4 / 3  # Keras divides by the number of candidates.
    found = model.test_on_batch(X, y, weight, return_dict=True)
    assert found["loss"] == pytest.approx(sum(losses), rel=1e-4)
    assert found["loss"] > 0


def test_weights_are_saved_and_grown(tmp_path):
    model = learned()
    model.compile(kd.optimizers.LazyAdam(0.1), LOSSES)
    model.fit(X, Y, epochs=2, verbose=0)
    current = model.uncertainty_weights.current
    assert current["ctr"] != 1
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.uncertainty_weights.current == current
    for each in (model, loaded):
        each.fit(X, Y, verbose=0)
    assert loaded.uncertainty_weights.current == model.uncertainty_weights.current
    bigger = kd.FeatureSpec(target=[kd.Categorical("item_id", 50, dim=8)], labels=LABELS)
    grown = kd.grow(loaded, SPEC, bigger)
    assert grown is not loaded
    assert grown.uncertainty_weights.current == loaded.uncertainty_weights.current
    grown.fit(X, Y, verbose=0)


def test_losses_of_layers_are_added():
    spec = kd.FeatureSpec(
        target=[ITEM], sequences=[kd.Sequence("hist", of=[ITEM])], labels=["click", "buy"]
    )
    model = kd.build_dien(spec, hidden_units=(4,), dropout=0)
    both = kd.CTRModel(model.input, model.output, model.name, label_weights="uncertainty")
    x = X | {"hist_item_id": np.array([[4, 5, 6], [7, 8, 0]])}
    y = {"ctr": Y["ctr"], "buy": Y["ctr"]}
    losses = []
    for each in (model, both):
        keras.utils.set_random_seed(0)
        each.compile(keras.optimizers.SGD(0.0), BinaryCrossentropy(), run_eagerly=True)
        losses.append(each.train_on_batch(x, y, return_dict=True))
    assert losses[0]["loss"] > losses[0]["ctr_loss"] + losses[0]["buy_loss"] + 0.1
    assert losses[1]["loss"] == pytest.approx(losses[0]["loss"], rel=1e-3)


@pytest.mark.parametrize(
    "arguments, text",
    [
        ({"loss_weights": {"ctr": 2.0}}, "`loss_weights` must not be given"),
        ({"loss": {"ctr": "mse"}}, "must be a loss for each of the outputs"),
        ({"loss": None}, "must be a loss for each of the outputs"),
    ],
)
def test_invalid_compile(arguments, text):
    with pytest.raises(ValueError, match=text):
        learned().compile("sgd", **({"loss": LOSSES} | arguments))


def test_invalid_models():
    one = kd.build_base(kd.FeatureSpec(target=[ITEM]), hidden_units=(4,))
    with pytest.raises(ValueError, match='must be "fixed" for a model with one output'):
        kd.CTRModel(one.input, one.output, label_weights="uncertainty")
    with pytest.raises(ValueError, match="`label_weights` must be one of 'fixed', 'uncertainty'"):
        kd.CTRModel(one.input, one.output, label_weights="x")
