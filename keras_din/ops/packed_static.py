"""The packed form where shapes are static: padding positions belong to a row past the last."""

from keras import ops


def row_of_position(mask):
    batch = ops.shape(mask)[0]
    rows = ops.expand_dims(ops.arange(batch, dtype="int32"), 1)
    return ops.reshape(ops.where(mask, rows, batch), (-1,))


def pack(values, mask):
    return ops.reshape(values, (-1, *ops.shape(values)[2:]))


def take_rows(x, rows):
    spare = ops.zeros_like(x[:1])
    return ops.take(ops.concatenate([x, spare]), rows, axis=0)


def sum_rows(values, rows, batch):
    return ops.segment_sum(values, rows, num_segments=batch + 1)[:batch]


def max_rows(values, rows, batch):
    highest = ops.segment_max(values, rows, num_segments=batch + 1)[:batch]
    # The maximum of nothing differs between backends (-inf or the lowest finite number).
    return ops.where(ops.isfinite(highest), highest, ops.zeros_like(highest))
