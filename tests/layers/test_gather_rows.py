"""GatherRows: values of rows repeated for their behaviors."""

import numpy as np
import pytest

from keras_din.layers import GatherRows
from tests.layers.contract import check_layer

VALUES = np.array([[1, 2], [3, 4], [5, 6]])
MASK = np.array([[True, False, True], [False] * 3, [False, True, False]])


@pytest.mark.parametrize("dtype", ["int32", "float32"])
def test_values_are_repeated_for_each_behavior(dtype):
    out = GatherRows()(VALUES.astype(dtype), MASK)
    assert str(out.dtype.name) == dtype
    np.testing.assert_array_equal(out, [[1, 2], [1, 2], [5, 6]])


def test_contract(tmp_path):
    check_layer(GatherRows(), {"values": VALUES.astype("float32")}, tmp_path, {"mask": MASK})
