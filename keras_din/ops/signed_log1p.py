"""The logarithm of amounts, also of negative ones."""

import math

from keras import ops


def signed_log1p(x):
    """Computes `sign(x) log(1 + |x|)`, exact to float32 also near 0.

    ONNX has no operation `log1p`, and LiteRT computes `log(1 + x)`, which is 0 for small numbers.
    So below 0.5 this is the series of `2 artanh(x / (2 + x))`. LiteRT's `log` is infinite for the
    largest numbers, so it reads a quarter.

    Args:
        x: Float32 tensor of any shape, without NaN and infinity.

    Returns:
        Float32 tensor shaped like `x`.
    """
    size = ops.abs(x)
    ratio = size / (2.0 + size)
    square = ratio * ratio
    series = 1 + square * (1 / 3 + square * (1 / 5 + square * (1 / 7 + square * (1 / 9))))
    logarithm = ops.log(0.25 + size / 4) + math.log(4)
    return ops.sign(x) * ops.where(size < 0.5, 2.0 * ratio * series, logarithm)
