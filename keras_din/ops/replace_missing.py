"""Missing numbers: NaN and infinity."""

from keras import ops

LARGEST = 3.4028234663852886e38  # The largest float32.


def replace_missing(x, value: float):
    """Returns `x` with `value` instead of NaN, infinity and the largest float32.

    Args:
        x: Float32 tensor of any shape.
        value: The number that replaces missing ones.

    Returns:
        Float32 tensor shaped like `x`.
    """
    # LiteRT supports all of these operations. ONNX turns `where` into a product, except for a
    # condition `isnan`, and infinity times 0 is NaN. So infinities are clipped first.
    x = ops.clip(ops.where(ops.isnan(x), value, x), -LARGEST, LARGEST)
    return ops.where(ops.abs(x) < LARGEST, x, value)
