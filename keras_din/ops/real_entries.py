"""Zeros in place of what stands at padding."""

from keras import ops


def real_entries(x, mask=None):
    """`x` where `mask` is `True`, else 0.

    A product with the mask would keep NaN, and make NaN of what is infinite, in its gradient too.

    Args:
        x: Tensor `(..., units)`.
        mask: Bool tensor `(...)`, `True` where an entry is real, or `None` for all.

    Returns:
        Tensor shaped like `x`.
    """
    if mask is None:
        return x
    return ops.where(ops.expand_dims(ops.cast(mask, "bool"), -1), x, ops.zeros((), x.dtype))
