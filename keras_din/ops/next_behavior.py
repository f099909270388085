"""What follows in a history, beside what does not: the samples of DIEN's auxiliary loss."""

from keras import ops

from keras_din.ops.packed import real_positions


def sample_next_and_negative(rows, batch, random):
    """For each position the next one of its row, and one drawn from all others of the batch.

    Args:
        rows: Int tensor `(positions,)`, the row of each position.
        batch: Number of rows.
        random: Float tensor `(positions,)`, uniform in [0, 1).

    Returns:
        `(following, other, real)`: int tensors `(positions,)`, the places of both, and a bool
        tensor `(positions,)`, `False` where none follows. `other` may stand in any row, the same
        one too, but is never the one that follows; each of the rest is as likely as any.
    """
    order = real_positions(rows, batch)
    is_real = ops.cast(rows < batch, "int32")
    count = ops.sum(is_real)
    number = ops.cumsum(is_real)  # Of the next position among the real ones, from 0.
    distance = ops.cast(random * ops.cast(count - 1, random.dtype), "int32")
    # The product may be rounded up to `count - 1`.
    distance = ops.maximum(ops.minimum(distance, count - 2), 0)
    around = ops.maximum(count, 1)
    following = ops.take(order, number % around)
    other = ops.take(order, (number + 1 + distance) % around)
    same_row = ops.take(rows, following) == rows
    real = ops.logical_and(ops.logical_and(rows < batch, number < count), same_row)
    return following, other, real
