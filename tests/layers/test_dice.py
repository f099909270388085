"""Dice: statistics, masks and moving averages."""

import keras
import numpy as np
import pytest

from keras_din.layers import BatchNormalization, Dice
from tests.layers.contract import WRONG_MOMENTS, check_layer


def test_training_uses_statistics_of_real_entries():
    # Two entries, 1 and 3: mean 2, variance 1; p = sigmoid(-1), sigmoid(1).
    layer = Dice()
    layer.build((None, 1))
    layer.alpha.assign([0.25])
    out = keras.ops.convert_to_numpy(layer(np.array([[1.0], [3.0]], "float32"), training=True))
    low, high = 1 / (1 + np.e), np.e / (1 + np.e)
    np.testing.assert_allclose(
        out[:, 0], [1 * (low + 0.25 * high), 3 * (high + 0.25 * low)], rtol=1e-6
    )
    np.testing.assert_allclose(layer.moving_mean.numpy(), [2], rtol=1e-5)
    np.testing.assert_allclose(layer.moving_variance.numpy(), [1], rtol=1e-5)


def test_inference_uses_moving_averages():
    # Moving averages 1 and 4: p = sigmoid((3 - 1) / 2).
    layer = Dice()
    layer.build((None, 1))
    layer.moving_mean.assign([1.0])
    layer.moving_variance.assign([4.0])
    out = keras.ops.convert_to_numpy(layer(np.array([[3.0]], "float32")))
    np.testing.assert_allclose(out, [[3 * np.e / (1 + np.e)]], rtol=1e-6)


def test_padding_changes_nothing():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(5, 4, 3)).astype("float32")
    mask = np.ones((5, 9), bool)
    mask[:, 4:] = False
    padded = np.concatenate([x, rng.normal(size=(5, 5, 3)).astype("float32")], axis=1)
    plain, masked = Dice(), Dice()
    a = keras.ops.convert_to_numpy(plain(x, training=True))
    b = keras.ops.convert_to_numpy(masked(padded, mask=mask, training=True))
    np.testing.assert_allclose(a, b[:, :4], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(plain.moving_mean.numpy(), masked.moving_mean.numpy(), rtol=1e-5)


def test_batch_without_real_entries_keeps_the_averages():
    layer = Dice()
    x = np.full((2, 3), 7.0, "float32")
    out = keras.ops.convert_to_numpy(layer(x, mask=np.zeros(2, bool), training=True))
    assert np.isfinite(out).all()
    np.testing.assert_array_equal(layer.moving_mean.numpy(), np.zeros(3))
    np.testing.assert_array_equal(layer.moving_variance.numpy(), np.ones(3))


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16", "mixed_bfloat16"])
def test_statistics_are_float32_for_all_dtypes(dtype):
    layer = Dice(dtype=dtype)
    out = layer(np.array([[1.0], [3.0]]), training=True)
    assert out.dtype == layer.compute_dtype
    assert layer.moving_mean.dtype == layer.moving_variance.dtype == "float32"
    np.testing.assert_allclose(layer.moving_mean.numpy(), [2], rtol=1e-5)


@pytest.mark.parametrize("layer", [Dice, BatchNormalization])
def test_float64_as_default_dtype(layer):
    x = np.random.default_rng(0).normal(size=(5, 3))
    keras.config.set_floatx("float64")
    try:
        layer = layer()
        assert np.isfinite(layer(x, training=True)).all()
        moved = layer.moving_mean.numpy()
    finally:
        keras.config.set_floatx("float32")
    np.testing.assert_allclose(moved, x.mean(0), rtol=1e-5)


def test_frozen_layer_keeps_the_averages():
    # As at inference: averages 0 and 1, alpha 0.25.
    layer = Dice(epsilon=1e-8)
    layer.build((None, 1))
    layer.alpha.assign([0.25])
    x = np.array([[1.0], [3.0]], "float32")
    expected = layer(x)
    layer.trainable = False
    np.testing.assert_array_equal(layer(x, training=True), expected)
    assert layer.moving_mean.numpy() == 0
    assert layer.moving_variance.numpy() == 1
    layer.trainable = True
    assert np.abs(layer(x, training=True) - expected).max() > 0.1
    assert layer.moving_mean.numpy() > 0


def test_contract(tmp_path):
    check_layer(Dice(), {"inputs": np.ones((4, 3), "float32")}, tmp_path)


@pytest.mark.parametrize("arguments, text", WRONG_MOMENTS)
def test_invalid_arguments(arguments, text):
    with pytest.raises(ValueError, match=text):
        Dice(**arguments)
