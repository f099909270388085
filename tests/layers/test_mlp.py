"""The MLP against NumPy."""

import keras
import numpy as np
import pytest

from keras_din.layers import MLP
from tests.layers.contract import check_layer


def test_layer_matches_numpy():
    rng = np.random.default_rng(0)
    layer = MLP((4, 2), "relu")
    x = rng.normal(size=(3, 5)).astype("float32")
    out = keras.ops.convert_to_numpy(layer(x))
    for dense in layer.dense_layers:
        x = np.maximum(x @ dense.kernel.numpy() + dense.bias.numpy(), 0)
    np.testing.assert_allclose(out, x, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("activation", ["dice", "prelu", "sigmoid"])
@pytest.mark.parametrize("shape", [(4, 3), (4, 2, 3)])
def test_contract(tmp_path, activation, shape):
    x = np.random.default_rng(0).normal(size=shape).astype("float32")
    check_layer(MLP((5, 2), activation, dropout=0.1), {"inputs": x}, tmp_path)


def test_no_units_is_the_identity():
    x = np.ones((2, 3), "float32")
    np.testing.assert_array_equal(MLP(())(x), x)


def test_prelu_has_one_slope_per_unit():
    layer = MLP((5,), "prelu")
    layer(np.ones((2, 7, 3), "float32"))
    assert layer.activations[0].alpha.shape == (5,)


def test_config_round_trip_of_a_function_as_activation():
    layer = MLP((5,), keras.activations.relu)
    assert MLP.from_config(layer.get_config()).activation == "relu"


def test_dropout_acts_in_training_only():
    keras.utils.set_random_seed(0)
    layer = MLP((50,), "relu", dropout=0.5)
    x = np.ones((4, 3), "float32")
    still = keras.ops.convert_to_numpy(layer(x))
    np.testing.assert_array_equal(layer(x), still)
    assert (keras.ops.convert_to_numpy(layer(x, training=True)) != still).any()


@pytest.mark.parametrize(
    "arguments, text",
    [
        (((4, 0),), r"`units` must be a list of positive integers. Received: units=\(4, 0\)"),
        ((4,), "`units` must be a list of positive integers. Received: units=4"),
        (((4,), "nonsense"), "`activation` must be 'dice', 'prelu', 'batch_normalization', an"),
        (((4,), None), "`activation` must be 'dice', 'prelu', 'batch_normalization', an"),
        (((4,), "relu", 1.0), r"`dropout` must be a number in \[0, 1\). Received: dropout=1.0"),
    ],
)
def test_invalid_arguments(arguments, text):
    with pytest.raises(ValueError, match=text):
        MLP(*arguments)
