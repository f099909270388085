"""Mean and variance over the real entries of a tensor."""

from keras import ops

from keras_din.replicas import number_of_replicas, sum_over_replicas


def masked_moments(x, mask=None):
    """Computes the mean and variance of each unit over all axes but the last.

    In a step of a `tf.distribute` strategy they are those of the entries of all replicas.

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
    total = ops.sum(x, axis=axes)
    if number_of_replicas() > 1:
        total, count = sum_over_replicas([total, count])
    divisor = ops.maximum(count, 1)

    mean = total / divisor
    difference = x - (mean if mask is None else mean * weight)
    squares = sum_over_replicas(ops.sum(ops.square(difference), axis=axes))
    return mean, squares / divisor, count
