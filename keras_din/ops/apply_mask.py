"""Zeros at padding."""

from keras import ops


def apply_mask(x, mask=None):
    """Returns `x` where `mask` is `True`, else 0.

    A product with the mask would be NaN where `x` is NaN or infinite, and so would its gradient.

    Args:
        x: Tensor `(..., units)`.
        mask: Bool tensor `(...)`, `True` where an entry is real, or `None` if all are.

    Returns:
        Tensor shaped like `x`.
    """
    if mask is None:
        return x
    return ops.where(ops.expand_dims(ops.cast(mask, "bool"), -1), x, ops.zeros((), x.dtype))
