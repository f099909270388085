"""Activations by name and as lists of steps: their order, masks and saving."""

import keras
import numpy as np
import pytest

from keras_din.layers import MLP, AttentionSequencePoolingLayer
from keras_din.layers.activation import activation_config, checked_activation
from tests.layers.contract import check_layer

STEPS = ["batch_normalization", "relu"]


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def test_steps_are_applied_in_order():
    x = numbers(6, 4)
    for order in (STEPS, STEPS[::-1]):
        layer = MLP((3,), order)
        out = keras.ops.convert_to_numpy(layer(x, training=True))
        expected = x @ layer.dense_layers[0].kernel.numpy()
        for step in order:
            if step == "relu":
                expected = np.maximum(expected, 0)
            else:
                expected = (expected - expected.mean(0)) / np.sqrt(expected.var(0) + 1e-3)
        np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("activation", [STEPS, ["batch_normalization", "dice"], ["prelu"]])
def test_mlp_contract_with_steps(tmp_path, activation):
    layer = MLP((5, 2), activation, dropout=0.1)
    check_layer(layer, {"inputs": numbers(4, 2, 3)}, tmp_path)
    assert layer.get_config()["activation"] == activation


def test_attention_contract_with_steps(tmp_path):
    layer = AttentionSequencePoolingLayer((5, 2), STEPS)
    inputs = {"query": numbers(3, 2, 4), "keys": numbers(3, 5, 4, seed=1)}
    check_layer(layer, inputs, tmp_path)
    assert layer.get_config()["activation"] == STEPS


def test_weights_of_steps_are_saved(tmp_path):
    """Moving averages that differ from their initial values are restored."""
    inputs = keras.Input((3,))
    model = keras.Model(inputs, MLP((5, 2), STEPS)(inputs))
    for _ in range(3):
        model(numbers(8, 3) + 2, training=True)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    x = numbers(4, 3, seed=1)
    np.testing.assert_array_equal(loaded.predict_on_batch(x), model.predict_on_batch(x))
    fresh = keras.Model(inputs, MLP((5, 2), STEPS)(inputs))
    assert np.abs(fresh.predict_on_batch(x) - model.predict_on_batch(x)).max() > 1e-3
    # Mean, variance and number of steps of each of two layers.
    assert len(model.non_trainable_weights) == 6


def test_attention_statistics_ignore_padding():
    query, keys = numbers(3, 2, 4), numbers(3, 5, 4, seed=1)
    keys_mask, query_mask = np.array([[1] * 5, [1, 1, 0, 1, 0], [0] * 5], bool), np.ones((3, 2))
    layers, results = [], []
    for time, candidates in ((0, 0), (4, 3)):
        keras.utils.set_random_seed(0)
        layer = AttentionSequencePoolingLayer((5, 3), STEPS)
        out = layer(
            np.pad(query, ((0, 0), (0, candidates), (0, 0)), constant_values=7),
            np.pad(keys, ((0, 0), (time, 0), (0, 0)), constant_values=7),
            keys_mask=np.pad(keys_mask, ((0, 0), (time, 0))),
            query_mask=np.pad(query_mask, ((0, 0), (0, candidates))).astype(bool),
            training=True,
        )
        layers.append(layer)
        results.append(keras.ops.convert_to_numpy(out)[:, :2])
    np.testing.assert_allclose(*results, rtol=1e-4, atol=1e-5)
    for a, b in zip(*(layer.non_trainable_weights for layer in layers), strict=True):
        assert np.abs(a.numpy()).max() > 0
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-4, atol=1e-5)


def test_config_round_trip_of_functions_as_steps():
    given = checked_activation([keras.activations.relu, "batch_normalization"])
    assert activation_config(given) == ["relu", "batch_normalization"]
    assert checked_activation(activation_config(given)) == ("relu", "batch_normalization")
    assert checked_activation("batch_normalization") == "batch_normalization"


@pytest.mark.parametrize(
    "activation", ["nonsense", None, [], ["relu", "nonsense"], [None], [STEPS]]
)
def test_invalid_activations(activation):
    text = (
        "`activation` must be 'dice', 'prelu', 'batch_normalization', an activation of Keras, or "
        "a list of these. Received: activation="
    )
    with pytest.raises(ValueError, match=text):
        checked_activation(activation)
