"""Piecewise linear functions."""

import numpy as np
from keras import ops

_SMALLEST = 2.0**-126  # The smallest positive float32 that processors do not round to 0.


def interpolate(x, values, positions):
    """Computes a piecewise linear function, same as `numpy.interp`.

    It is a binary search with `log2(points)` gathers, since ONNX and LiteRT have no search.

    Args:
        x: Float32 tensor of any shape, without NaN and infinity.
        values: Float32 numbers `(points,)`, in strictly ascending order: where the slope changes.
        positions: The function at `values`, `(points,)`.

    Returns:
        Float32 tensor shaped like `x`. It is constant below the first and above the last of
        `values`.
    """
    if len(values) == 1:
        return ops.full_like(x, positions[0])
    values, positions = np.array(values, np.float32), np.array(positions, np.float64)
    x = ops.clip(x, values[0], values[-1])
    segments = len(values) - 1
    steps = 2 ** np.arange(segments.bit_length())[::-1]
    # The largest float32 instead of infinity, which some runtimes multiply by 0.
    padded = np.full(2 * steps[0] - 1, np.finfo(np.float32).max, np.float32)
    padded[:segments] = values[:-1]
    padded = ops.convert_to_tensor(padded)
    found = ops.zeros_like(x, "int32")  # How many values are at most `x`.
    for step in steps.tolist():
        found = found + step * ops.cast(ops.take(padded, found + (step - 1)) <= x, "int32")
    segment = ops.clip(found - 1, 0, segments - 1)
    # Halves, since the difference of two large numbers may be infinite.
    halves = values / 2
    widths = np.maximum(np.diff(halves), _SMALLEST)
    gather = lambda table: ops.take(ops.convert_to_tensor(np.float32(table)), segment)  # noqa: E731
    share = (x / 2 - gather(halves[:-1])) / gather(widths)
    return gather(positions[:-1]) + share * gather(np.diff(positions))
