"""Missing vectors: those with NaN or infinity."""

from keras import ops

from keras_din.ops.replace_missing import LARGEST


def zero_missing_vectors(x):
    """Returns `x` with zeros instead of each vector that has NaN, infinity or the largest float32.

    Args:
        x: Float32 tensor `(..., size)`.

    Returns:
        Float32 tensor shaped like `x`.
    """
    # ONNX turns `where` into a product, except for a condition `isnan`, see `replace_missing`.
    x = ops.clip(ops.where(ops.isnan(x), LARGEST, x), -LARGEST, LARGEST)
    is_known = ops.max(ops.abs(x), axis=-1, keepdims=True) < LARGEST
    return ops.where(is_known, x, 0.0)
