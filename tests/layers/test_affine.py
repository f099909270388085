"""Affine: scale and shift per unit."""

import numpy as np

from keras_din.layers import Affine
from tests.layers.contract import check_layer

X = np.array([[[1.0, 2.0]], [[3.0, 4.0]]], "float32")


def test_output_is_scaled_and_shifted():
    layer = Affine()
    np.testing.assert_array_equal(layer(X), X)
    layer.kernel.assign([2, -1])
    layer.bias.assign([0.5, 1])
    np.testing.assert_array_equal(layer(X), [[[2.5, -1.0]], [[6.5, -3.0]]])


def test_contract(tmp_path):
    check_layer(Affine(), {"inputs": X}, tmp_path)
