"""The packed form where shapes are static: padding positions belong to a row past the last."""

from keras import ops

from keras_din.ops.float32_sums import in_float32

_LOWEST = -3e38  # Nothing else is lower.


def row_ids(mask):
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
def gather_rows(x, rows):
    spare = ops.zeros_like(x[:1])
    return ops.take(ops.concatenate([x, spare]), rows, axis=0)


@in_float32
def gather_positions(values, places):
    return ops.take(values, places, axis=0)


def real_positions(rows, batch):
    places = ops.arange(ops.shape(rows)[0], dtype="int32")
    behind = ops.shape(rows)[0]
    return ops.cast(ops.argsort(ops.where(rows < batch, places, behind + places)), "int32")


@in_float32
def segment_sum(values, rows, batch):
    return ops.segment_sum(values, rows, num_segments=batch + 1)[:batch]


def affine(x, kernel, bias):
    return ops.matmul(x, kernel) + bias


@in_float32  # The gradient counts equal values.
def segment_max(values, rows, batch):
    highest = ops.segment_max(values, rows, num_segments=batch + 1)[:batch]
    # The maximum of nothing differs between backends (-inf or the lowest finite number).
    return ops.where(highest > _LOWEST, highest, ops.zeros_like(highest))


def attend_by_row_or_pair(of_row, of_pairs, query, keys, rows):
    return of_pairs()
