"""The packed form where shapes are static: padding positions belong to a row past the last."""

from keras import ops

from keras_din.ops.in_float32 import in_float32

_LOWEST = -3e38  # Nothing else is lower.


def row_of_position(mask):
    batch = ops.shape(mask)[0]
    rows = ops.expand_dims(ops.arange(batch, dtype="int32"), 1)
    return ops.reshape(ops.where(mask, rows, batch), (-1,))


def pack(values, mask):
    return ops.reshape(values, (-1, *ops.shape(values)[2:]))


def pairs_of_rows(mask):
    batch, time = ops.shape(mask)
    positions = ops.reshape(ops.arange(batch * time, dtype="int32"), (batch, time))
    both = ops.logical_and(ops.expand_dims(mask, 2), ops.expand_dims(mask, 1))
    asking = ops.where(both, ops.expand_dims(positions, 2), batch * time)
    answering = ops.broadcast_to(ops.expand_dims(positions, 1), (batch, time, time))
    return ops.reshape(asking, (-1,)), ops.reshape(answering, (-1,))


@in_float32  # The gradient is a sum.
def take_rows(x, rows):
    spare = ops.zeros_like(x[:1])
    return ops.take(ops.concatenate([x, spare]), rows, axis=0)


@in_float32
def take_positions(values, places):
    return ops.take(values, places, axis=0)


def real_positions(rows, batch):
    places = ops.arange(ops.shape(rows)[0], dtype="int32")
    behind = ops.shape(rows)[0]
    return ops.cast(ops.argsort(ops.where(rows < batch, places, behind + places)), "int32")


@in_float32
def sum_rows(values, rows, batch):
    return ops.segment_sum(values, rows, num_segments=batch + 1)[:batch]


def affine(x, kernel, bias):
    return ops.matmul(x, kernel) + bias


@in_float32  # The gradient counts equal values.
def max_rows(values, rows, batch):
    highest = ops.segment_max(values, rows, num_segments=batch + 1)[:batch]
    # The maximum of nothing differs between backends (-inf or the lowest finite number).
    return ops.where(highest > _LOWEST, highest, ops.zeros_like(highest))


def by_row_or_by_pair(of_row, of_pairs, query, keys, rows):
    return of_pairs()
