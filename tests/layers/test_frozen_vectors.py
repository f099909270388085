"""FrozenVectors: rows of a table in a small dtype, which never change."""

import keras
import numpy as np
import pytest

from keras_din.features import VectorTable
from keras_din.layers import FrozenVectors
from tests.layers.contract import check_layer

VALUES = np.array([[0, 0, 0], [2, 3, 4], [1, 2, 0.1], [-3, 4, 7]], "float16")
INDICES = np.array([[3, 2, 0], [1, 4, -1]], "int32")


def a_layer(storage="float16", **options):
    scales = np.array([1, 0.5, 0.25, 2], "float32") if storage == "int8" else None
    vectors = VectorTable(VALUES.astype(storage), scales)
    return FrozenVectors(4, 3, storage, vectors=vectors, **options)


@pytest.mark.parametrize("storage", ["float16", "float32", "int8"])
def test_rows_are_looked_up(storage):
    layer = a_layer(storage)
    rows = VALUES.astype(storage).astype("float32")
    if storage == "int8":
        rows *= np.array([[1], [0.5], [0.25], [2]])
    outputs = layer(INDICES)
    # An index out of range is an unknown item, and padding gives zeros.
    np.testing.assert_array_equal(outputs, rows[[[3, 2, 0], [1, 1, 1]]])
    assert keras.backend.standardize_dtype(outputs.dtype) == "float32"
    np.testing.assert_array_equal(layer.compute_mask(INDICES), INDICES != 0)
    assert layer.vectors.dtype == storage
    assert not layer.trainable_variables


def test_half_precision_of_the_table_is_not_that_of_the_outputs():
    assert a_layer()(np.array([2]))[0, 2] == np.float32(np.float16(0.1))
    low = a_layer(dtype="mixed_bfloat16")(np.array([2]))
    assert keras.backend.standardize_dtype(low.dtype) == "bfloat16"


@pytest.mark.parametrize("storage", ["float16", "int8"])
def test_contract(tmp_path, storage):
    check_layer(a_layer(storage), {"indices": INDICES}, tmp_path)


def test_config_has_no_table():
    config = a_layer().get_config()
    assert "vectors" not in config
    outputs = FrozenVectors.from_config(config)(INDICES)
    np.testing.assert_array_equal(outputs, np.zeros((2, 3, 3)))


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"size": 0}, "`size` must be a positive integer"),
        ({"storage": "int4"}, "`storage` must be one of"),
        ({"size": 4}, r"must have 4 rows of size 4 in float16.*VectorTable\(4 vectors of size 3"),
        ({"storage": "int8"}, "of size 3 in int8.*float16"),
    ],
)
def test_invalid_arguments(arguments, message):
    given = {"vocabulary_size": 4, "size": 3, "vectors": VectorTable(VALUES)}
    with pytest.raises(ValueError, match=message):
        FrozenVectors(**given | arguments)
