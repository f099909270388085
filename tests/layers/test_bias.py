"""Bias: one learned number per unit."""

import numpy as np

from keras_din.layers import Bias
from tests.layers.contract import check_layer

X = np.array([[[1.0], [2.0]], [[3.0], [4.0]]], "float32")


def test_bias_is_added():
    layer = Bias()
    np.testing.assert_array_equal(layer(X), X)
    layer.bias.assign([0.5])
    np.testing.assert_array_equal(layer(X), X + 0.5)


def test_contract(tmp_path):
    check_layer(Bias(), {"inputs": X}, tmp_path)
