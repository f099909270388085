"""Standardized numbers: large, missing and in half precision."""

import keras
import numpy as np
import pytest

from keras_din.layers import Standardize
from tests.layers.contract import check_layer


def test_output_is_distance_from_mean_in_standard_deviations():
    out = Standardize(10, 4)(np.array([[10, 14], [8, 0]], "float32"))
    np.testing.assert_array_equal(out, [[0, 1], [-0.5, -2.5]])


@pytest.mark.parametrize("dtype, resolution", [("float16", 2**-11), ("bfloat16", 2**-8)])
@pytest.mark.parametrize("mean, std", [(1e5, 5e4), (1.7e9, 1e6)])
def test_large_numbers_in_half_precision(mean, std, dtype, resolution):
    # Multiples of 128, the resolution of float32 at this size.
    steps = np.array([-2.5, -1, 0, 0.001, 1, 3])
    x = (mean + np.round(steps * std / 128) * 128).astype("float32")
    expected = (x.astype("float64") - mean) / std
    np.testing.assert_allclose(Standardize(mean, std)(x), expected, rtol=1e-6)
    out = Standardize(mean, std, dtype=f"mixed_{dtype}")(x)
    assert out.dtype == dtype
    np.testing.assert_allclose(keras.ops.cast(out, "float32"), expected, rtol=resolution)


@pytest.mark.parametrize("dtype", ["float32", "mixed_float16"])
def test_missing_numbers_become_the_mean(dtype):
    x = np.array([np.nan, np.inf, -np.inf, 2**30 + 2**20], "float32")
    out = Standardize(2**30, 2**20, dtype=dtype)(x)
    np.testing.assert_array_equal(keras.ops.cast(out, "float32"), [0, 0, 0, 1])


def test_contract(tmp_path):
    inputs = {"inputs": np.array([[1, 2], [3, 5]], "float32")}
    check_layer(Standardize(mean=2, std=0.5), inputs, tmp_path)


def test_invalid_arguments():
    with pytest.raises(ValueError, match=r"`std` must be a positive number\. Received: std=0"):
        Standardize(1, 0)
