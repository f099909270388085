"""Mean and variance over the real entries of a tensor."""

from keras import ops


def masked_moments(x, mask=None):
    """Computes the mean and variance of each unit over all axes but the last.

    Args:
        x: Float tensor `(..., units)`, 0 where `mask` is `False`: see `apply_mask`.
        mask: Bool tensor `(...)`, `True` where an entry is real, or `None` if all are.

    Returns:
        `(mean, variance, count)`: float tensors `(units,)`, `(units,)` and `()`. The variance is
        the biased one, as in batch normalization. If no entry is real, `mean` and `variance` are
        0.
    """
    axes = tuple(range(len(x.shape) - 1))
    if mask is None:
        count = ops.cast(ops.prod(ops.shape(x)[:-1]), x.dtype)
    else:
        weight = ops.expand_dims(ops.cast(mask, x.dtype), -1)
        count = ops.sum(weight)
    divisor = ops.maximum(count, 1)

    mean = ops.sum(x, axis=axes) / divisor
    difference = x - (mean if mask is None else mean * weight)
    return mean, ops.sum(ops.square(difference), axis=axes) / divisor, count
