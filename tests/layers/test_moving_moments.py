"""The moving averages of `Dice` and `BatchNormalization` do not depend on initial values."""

import h5py
import keras
import numpy as np
import pytest

from keras_din.layers import BatchNormalization, Dice

LAYERS = pytest.mark.parametrize("kind", [Dice, BatchNormalization])


def averages(layer):
    return layer.moving_mean.numpy(), layer.moving_variance.numpy()


@LAYERS
def test_mean_of_the_first_steps_then_exponential_average(kind):
    # Batches (s, s + 2) have mean s + 1; (0, 2 s) has variance s^2. Momentum .75: 1/4 from step 4.
    layer, mean, variance = kind(momentum=0.75), 0.0, 0.0
    for step, rate in enumerate([1, 1 / 2, 1 / 3, 1 / 4, 1 / 4, 1 / 4], start=1):
        layer(np.array([[step, 0.0], [step + 2.0, 2.0 * step]], "float32"), training=True)
        mean += rate * (step + 1 - mean)
        variance += rate * (step**2 - variance)
        np.testing.assert_allclose(layer.moving_mean.numpy()[0], mean, rtol=1e-6)
        np.testing.assert_allclose(layer.moving_variance.numpy()[1], variance, rtol=1e-6)


@LAYERS
@pytest.mark.parametrize("steps", [1, 10, 100, 1000])
def test_inference_equals_training_after_any_number_of_steps(kind, steps):
    # Far from mean 0 and variance 1, as pre-activations at the start of training.
    rng = np.random.default_rng(steps)
    mean, std, rows = 0.02, 0.03, 200
    layer = kind()
    for _ in range(steps):
        layer(rng.normal(mean, std, (rows, 4)).astype("float32"), training=True)
    seen = rows * min(
        steps, 199
    )  # With momentum .99 the average has the variance of a mean of 199 batches.
    moving_mean, moving_variance = averages(layer)
    assert np.abs(moving_mean - mean).max() < 4.5 * std / np.sqrt(seen)
    unbiased = moving_variance * rows / (rows - 1)
    assert np.abs(unbiased / std**2 - 1).max() < 4.5 * np.sqrt(2 / seen)


@LAYERS
def test_empty_batches_do_not_count_as_steps(kind):
    layer = kind()
    x = np.array([[1.0], [5.0]], "float32")
    layer(np.full((2, 1), 7.0, "float32"), mask=np.zeros(2, bool), training=True)
    layer(x, training=True)
    np.testing.assert_allclose(averages(layer), [[3], [4]])


@LAYERS
def test_weights_of_version_0_1_continue_as_exponential_averages(kind, tmp_path):
    x = np.array([[1.0], [5.0]], "float32")
    model = keras.Sequential([keras.Input((1,)), kind(name="moments")])
    layer = model.get_layer("moments")
    layer.moving_mean.assign([0.5])
    layer.moving_variance.assign([2.0])
    model.save_weights(tmp_path / "new.weights.h5")
    with h5py.File(tmp_path / "new.weights.h5", "r+") as file:
        variables = file["layers/" + kind.__name__.lower().replace("batchn", "batch_n") + "/vars"]
        last = max(variables, key=int)
        assert variables[last].shape == ()
        del variables[last]
    again = keras.models.clone_model(model)
    again.load_weights(tmp_path / "new.weights.h5")
    layer = again.get_layer("moments")
    np.testing.assert_allclose(averages(layer), [[0.5], [2.0]])
    layer(x, training=True)
    np.testing.assert_allclose(averages(layer), [[0.5 + 0.01 * 2.5], [2 + 0.01 * 2]], rtol=1e-6)


@LAYERS
def test_number_of_steps_is_saved(kind, tmp_path):
    model = keras.Sequential([keras.Input((1,)), kind(name="moments")])
    model.layers[0](np.ones((2, 1), "float32"), training=True)
    model.save(tmp_path / "model.keras")
    layer = keras.saving.load_model(tmp_path / "model.keras").layers[0]
    assert layer.steps_seen.numpy() == 1
