"""Transformed numbers: by hand, against NumPy, large, missing and in half precision."""

import keras
import numpy as np
import pytest

from keras_din.layers import TransformNumbers
from keras_din.ops import interpolate, signed_log1p
from tests.layers.contract import check_layer

HUGE = 3.4e38


def test_log1p_is_symmetric():
    x = np.array([0, 1, -1, np.e - 1, -9, HUGE, -HUGE], "float32")
    out = TransformNumbers("log1p")(x)
    expected = [0, np.log(2), -np.log(2), 1, -np.log(10), np.log(HUGE), -np.log(HUGE)]
    np.testing.assert_allclose(out, expected, rtol=4e-7)


def test_log1p_of_small_numbers_is_exact_to_float32():
    x = np.append(np.logspace(-30, 8, 5000), [0.4999999, 0.5, 0.5000001]).astype("float32")
    x = np.append(x, -x)
    expected = np.sign(x) * np.log1p(np.abs(x.astype("float64")))
    np.testing.assert_allclose(signed_log1p(x), expected, rtol=4e-7)


def test_clip():
    out = TransformNumbers("clip", (-1, 2))(np.array([-HUGE, -1, 0.5, 2, 3], "float32"))
    np.testing.assert_array_equal(out, [-1, -1, 0.5, 2, 2])


def test_interpolate_by_hand():
    layer = TransformNumbers("interpolate", [0, 10, 30], [0, 0.5, 1])
    out = layer(np.array([[-HUGE, 0, 5], [10, 20, HUGE]], "float32"))
    np.testing.assert_allclose(out, [[0, 0, 0.25], [0.5, 0.75, 1]], atol=1e-7)
    np.testing.assert_array_equal(interpolate(np.array([1, 7], "float32"), [3], [0.5]), [0.5, 0.5])


@pytest.mark.parametrize("points", [2, 3, 4, 5, 8, 9, 101])
def test_interpolate_is_that_of_numpy(points):
    rng = np.random.default_rng(points)
    values = np.unique(rng.lognormal(0, 3, points).astype("float32"))
    positions = np.linspace(-1, 1, len(values))
    x = np.concatenate([rng.lognormal(0, 4, 2000).astype("float32"), values, -values])
    expected = np.interp(x.astype("float64"), values.astype("float64"), positions)
    np.testing.assert_allclose(interpolate(x, values, positions), expected, atol=3e-7)


def test_interpolate_between_extreme_numbers():
    values, positions = [-HUGE, 0, 1.2e-38, 1.3e-38, HUGE], [0, 0.25, 0.5, 0.75, 1]
    x = np.array([-HUGE, -HUGE / 2, 0, 1.2e-38, 1.3e-38, HUGE / 2, HUGE], "float32")
    out = np.array(interpolate(x, values, positions))
    np.testing.assert_allclose(out[[0, 1, 2, 5, 6]], [0, 0.125, 0.25, 0.875, 1], atol=1e-6)
    assert 0.5 <= out[3] <= out[4] <= 0.75


LAYERS = {
    "log1p": TransformNumbers("log1p", missing=4.0),
    "clip": TransformNumbers("clip", (-1, 5), missing=4.0),
    "interpolate": TransformNumbers("interpolate", (0, 2, 6), (0, 0.5, 1), missing=4.0),
}


@pytest.mark.parametrize("name", LAYERS)
def test_missing_numbers(name):
    out = np.array(LAYERS[name](np.array([np.nan, np.inf, -np.inf, 4], "float32")))
    assert np.isfinite(out).all()
    np.testing.assert_array_equal(out[:3], [out[3]] * 3)


@pytest.mark.parametrize("name", LAYERS)
def test_contract(name, tmp_path):
    inputs = {"inputs": np.array([[1, -2], [3, np.nan]], "float32")}
    check_layer(LAYERS[name], inputs, tmp_path)


def test_computes_in_float32_in_half_precision():
    layer = TransformNumbers("log1p", dtype="mixed_float16")
    out = layer(np.array([1e6], "float32"))  # Infinite in half precision.
    assert out.dtype == "float16"
    assert float(keras.ops.cast(out, "float32")[0]) == pytest.approx(np.log1p(1e6), rel=1e-3)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("log",), "`transform` must be one of 'log1p', 'clip', 'interpolate'. Received: tr"),
        (("log1p", [1, 2]), "`points` must be two numbers for 'clip'.*2 points and 0 positions"),
        (("clip", [1]), "`points` must be two numbers for 'clip'.*1 points"),
        (("clip", [1, 2], [3, 4]), "2 points and 2 positions with transform='clip'"),
        (("interpolate", [1, 2], [3]), "as many numbers as `positions`.*2 points and 1 positions"),
        (("interpolate",), "at least one, for 'interpolate'. Received: 0 points"),
        (("clip", [2, 1]), r"`points` must be in ascending order. Received: points=\[2.0, 1.0\]"),
        (("interpolate", [1, 1], [0, 1]), "`points` must be in ascending order"),
        (("clip", [float("nan"), 1]), "`points` must be in ascending order"),
    ],
)
def test_invalid_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        TransformNumbers(*arguments)
