"""Masked batch normalization, also compared with the Keras layer."""

import keras
import numpy as np
import pytest

from keras_din.layers import BatchNormalization
from tests.layers.contract import WRONG_MOMENTS, check_layer


def test_training_uses_statistics_of_real_entries():
    # The real entries 1 and 5 have mean 3 and variance 4. The third entry is padding.
    layer = BatchNormalization(epsilon=5.0, momentum=0.9)
    layer.build((None, 1))
    layer.gamma.assign([6.0])
    layer.beta.assign([0.5])
    x, mask = np.array([[1.0], [5.0], [99.0]], "float32"), np.array([True, True, False])
    out = keras.ops.convert_to_numpy(layer(x, mask=mask, training=True))
    np.testing.assert_allclose(out[:2, 0], [6 * -2 / 3 + 0.5, 6 * 2 / 3 + 0.5], rtol=1e-6)
    np.testing.assert_allclose(layer.moving_mean.numpy(), [3], rtol=1e-6)
    np.testing.assert_allclose(layer.moving_variance.numpy(), [4], rtol=1e-6)


def test_inference_and_frozen_layer_use_moving_averages():
    layer = BatchNormalization(epsilon=5.0)
    layer.build((None, 1))
    layer.moving_mean.assign([1.0])
    layer.moving_variance.assign([4.0])
    x = np.array([[7.0], [-2.0]], "float32")
    np.testing.assert_allclose(layer(x), [[2], [-1]], rtol=1e-6)
    assert np.abs(np.asarray(layer(x, training=True)) - [[2], [-1]]).max() > 0.1
    layer.trainable = False
    layer.moving_mean.assign([1.0])
    layer.moving_variance.assign([4.0])
    np.testing.assert_allclose(layer(x, training=True), [[2], [-1]], rtol=1e-6)
    assert layer.moving_mean.numpy() == 1


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16"])
def test_statistics_are_float32_for_all_dtypes(dtype):
    layer = BatchNormalization(dtype=dtype, momentum=0.9)
    out = layer(np.array([[1.0], [5.0]]), training=True)
    assert out.dtype == dtype
    np.testing.assert_allclose(keras.ops.cast(out, "float32"), [[-1], [1]], rtol=0.01)
    np.testing.assert_allclose(layer.moving_mean.numpy(), [3], rtol=1e-6)


@pytest.mark.parametrize("masked", [False, True])
def test_output_matches_keras_layer(masked):
    rng = np.random.default_rng(0)
    x = rng.normal(2, 3, (5, 4, 3)).astype("float32")
    mask = rng.random((5, 4)) < 0.6 if masked else None
    ours, theirs = BatchNormalization(), keras.layers.BatchNormalization()
    a, b = (layer(x, mask=mask, training=True) for layer in (ours, theirs))
    real = slice(None) if mask is None else mask
    np.testing.assert_allclose(np.array(a)[real], np.array(b)[real], rtol=1e-5, atol=1e-6)
    # The averages of Keras still contain the initial values; those here are those of the batch.
    theirs.moving_mean.assign(ours.moving_mean.numpy())
    theirs.moving_variance.assign(ours.moving_variance.numpy())
    np.testing.assert_allclose(ours(x), theirs(x), rtol=1e-5, atol=1e-6)


def test_padding_changes_nothing():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(5, 4, 3)).astype("float32")
    mask = np.arange(9) < np.full((5, 1), 4)
    padded = np.concatenate([x, rng.normal(size=(5, 5, 3)).astype("float32")], axis=1)
    plain, masked = BatchNormalization(), BatchNormalization()
    a, b = plain(x, training=True), masked(padded, mask=mask, training=True)
    np.testing.assert_allclose(a, b[:, :4], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(plain.moving_mean.numpy(), masked.moving_mean.numpy(), rtol=1e-5)


@pytest.mark.parametrize("rows, mask", [(2, np.zeros(2, bool)), (0, None)])
def test_batch_without_real_entries_keeps_the_averages(rows, mask):
    layer = BatchNormalization()
    out = layer(np.full((rows, 3), 7.0, "float32"), mask=mask, training=True)
    assert np.isfinite(np.asarray(out)).all()
    np.testing.assert_array_equal(layer.moving_mean.numpy(), np.zeros(3))
    np.testing.assert_array_equal(layer.moving_variance.numpy(), np.ones(3))


@pytest.mark.parametrize("units", [1, 3])
def test_contract(tmp_path, units):
    x = np.random.default_rng(0).normal(size=(4, units)).astype("float32")
    check_layer(BatchNormalization(), {"inputs": x}, tmp_path)


@pytest.mark.parametrize("arguments, text", WRONG_MOMENTS)
def test_invalid_arguments(arguments, text):
    with pytest.raises(ValueError, match=text):
        BatchNormalization(**arguments)
