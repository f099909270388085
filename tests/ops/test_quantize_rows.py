"""Quantization of rows to int8."""

import numpy as np

from keras_din.ops.quantize_rows import quantize_rows


def test_rows_are_scaled_and_rounded():
    values, scales = quantize_rows([[0.0, 0.0], [1.0, -2.0], [127.0, 0.4], [1e-30, 0.0]])
    assert values.dtype == np.int8
    assert values.tolist() == [[0, 0], [64, -127], [127, 0], [127, 0]]
    np.testing.assert_allclose(scales, [1, 2 / 127, 1, 1e-30 / 127], rtol=1e-6)


def test_rounding_error_is_at_most_half_a_scale():
    table = np.random.default_rng(0).normal(size=(50, 7)).astype("float32")
    values, scales = quantize_rows(table)
    away = np.abs(values * scales[:, None] - table)
    assert (away <= scales[:, None] * 0.5001).all()
    assert away.max() > 0.2 * scales.min()
