"""Pooling with equal weights, by hand."""

import numpy as np
import pytest

from keras_din.layers import Pack, SequencePoolingLayer
from tests.layers.contract import check_layer

KEYS = np.array([[[1.0, 2.0], [9.0, 9.0], [3.0, 4.0]], [[9.0, 9.0]] * 3], "float32")
MASK = np.array([[True, False, True], [False] * 3])


@pytest.mark.parametrize(
    "pooling, expected", [("mean", [[2.0, 3.0], [0.0, 0.0]]), ("sum", [[4.0, 6.0], [0.0, 0.0]])]
)
def test_by_hand(pooling, expected):
    layer = SequencePoolingLayer(pooling)
    np.testing.assert_allclose(layer(KEYS, keys_mask=MASK), expected)
    np.testing.assert_allclose(layer(Pack()(KEYS, MASK), keys_mask=MASK), expected)


def test_contract(tmp_path):
    check_layer(SequencePoolingLayer(), {"keys": KEYS}, tmp_path, {"keys_mask": MASK})


def test_pack_keeps_real_positions_row_by_row():
    np.testing.assert_array_equal(Pack()(KEYS, MASK), [[1, 2], [3, 4]])
    np.testing.assert_array_equal(Pack()(np.array([[5, 0, 6], [0, 0, 0]]), MASK), [5, 6])


def test_errors():
    with pytest.raises(ValueError, match="`pooling` must be one of 'mean', 'sum'"):
        SequencePoolingLayer("max")
