"""Pooling with equal weights: padding, masks, half precision."""

import keras
import numpy as np
import pytest

from keras_din.layers import Embedding, PackSequence, SequencePooling
from tests.layers.contract import check_layer

KEYS = np.array([[[1.0, 2.0], [9.0, 9.0], [3.0, 4.0]], [[9.0, 9.0]] * 3], "float32")
MASK = np.array([[True, False, True], [False] * 3])


@pytest.mark.parametrize(
    "pooling, expected", [("mean", [[2.0, 3.0], [0.0, 0.0]]), ("sum", [[4.0, 6.0], [0.0, 0.0]])]
)
def test_pooling_ignores_padding(pooling, expected):
    layer = SequencePooling(pooling)
    np.testing.assert_allclose(layer(KEYS, keys_mask=MASK), expected)
    np.testing.assert_allclose(layer(PackSequence()(KEYS, MASK), keys_mask=MASK), expected)


@pytest.mark.parametrize("pooling", ["mean", "sum"])
def test_keras_mask_of_keys_is_used(pooling):
    ids = np.array([[3, 0, 4], [0, 0, 0]], "int32")
    embedding, layer = Embedding(9, 4), SequencePooling(pooling)
    keys = embedding(ids)
    expected = keys[0, 0] + keys[0, 2]
    out = layer(keys)
    np.testing.assert_allclose(out[0], expected / 2 if pooling == "mean" else expected, rtol=1e-6)
    np.testing.assert_array_equal(out[1], np.zeros(4))
    inputs = keras.Input((None,), dtype="int32")
    model = keras.Model(inputs, layer(embedding(inputs)))
    np.testing.assert_allclose(model.predict_on_batch(ids), out, rtol=1e-6)


@pytest.mark.parametrize("dtype, resolution", [("bfloat16", 2**-8), ("float16", 2**-11)])
@pytest.mark.parametrize("policy", ["mixed_{}", "{}"])
@pytest.mark.parametrize("count", [1000, 5000])
def test_long_histories_in_half_precision(count, policy, dtype, resolution):
    keys = np.full((2, count, 4), 1, "float32")
    out = SequencePooling("mean", dtype=policy.format(dtype))(keys)
    assert out.dtype == dtype
    np.testing.assert_array_equal(keras.ops.cast(out, "float32"), keys[:, 0])
    out = SequencePooling("sum", dtype=policy.format(dtype))(keys)
    np.testing.assert_allclose(keras.ops.cast(out, "float32"), count * keys[:, 0], rtol=resolution)


def test_contract(tmp_path):
    check_layer(SequencePooling(), {"keys": KEYS}, tmp_path, {"keys_mask": MASK})


def test_pack_keeps_real_positions_row_by_row():
    np.testing.assert_array_equal(PackSequence()(KEYS, MASK), [[1, 2], [3, 4]])
    np.testing.assert_array_equal(PackSequence()(np.array([[5, 0, 6], [0, 0, 0]]), MASK), [5, 6])


def test_invalid_arguments():
    with pytest.raises(ValueError, match="`pooling` must be one of 'mean', 'sum'"):
        SequencePooling("max")
