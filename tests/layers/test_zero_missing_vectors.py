"""Missing vectors become zeros, also in half precision."""

import keras
import numpy as np
import pytest

from keras_din.layers import ZeroMissingVectors
from tests.layers.contract import check_layer

X = np.array([[1, 2], [np.nan, 3], [4, np.inf], [-np.inf, 5], [0, 6]], "float32")
EXPECTED = [[1, 2], [0, 0], [0, 0], [0, 0], [0, 6]]


@pytest.mark.parametrize("dtype", ["float32", "mixed_float16"])
def test_one_missing_number_is_a_missing_vector(dtype):
    found = ZeroMissingVectors(dtype=dtype)(X)
    assert found.dtype == dtype.removeprefix("mixed_")
    np.testing.assert_array_equal(keras.ops.cast(found, "float32"), EXPECTED)
    np.testing.assert_array_equal(ZeroMissingVectors()(X[None]), [EXPECTED])


def test_contract(tmp_path):
    check_layer(ZeroMissingVectors(), {"inputs": X[[0, 4]]}, tmp_path)
