"""Positive and negative samples of DIEN's auxiliary loss: the next behavior and a random one."""

from keras import ops

from keras_din.ops.packed import real_positions


def sample_next_and_negative(rows, batch, random):
    """Returns, for each position, the next position of its row and a random other position.

    The negative is drawn from all positions of the batch except the next one. It may belong to the
    same row. All of these positions are equally likely.

    Args:
        rows: Int tensor `(positions,)`, the row of each position.
        batch: Number of rows.
        random: Float tensor `(positions,)`, uniform in [0, 1).

    Returns:
        `(following, negative, has_next)`: two int tensors `(positions,)` of indices of positions,
        and a bool tensor `(positions,)`, `False` for the last position of a row and for padding.
    """
    order = real_positions(rows, batch)
    is_real = ops.cast(rows < batch, "int32")
    count = ops.sum(is_real)
    next_rank = ops.cumsum(is_real)  # Of the next position among the real ones, from 0.
    distance = ops.cast(random * ops.cast(count - 1, random.dtype), "int32")
    # The product may be rounded up to `count - 1`.
    distance = ops.maximum(ops.minimum(distance, count - 2), 0)
    modulus = ops.maximum(count, 1)
    following = ops.take(order, next_rank % modulus)
    negative = ops.take(order, (next_rank + 1 + distance) % modulus)
    same_row = ops.take(rows, following) == rows
    has_next = ops.logical_and(ops.logical_and(rows < batch, next_rank < count), same_row)
    return following, negative, has_next
