"""The packed form for static shapes: padding positions stay, with a row id past the last row."""

from keras import ops

from keras_din.ops.float32_sums import promote_half

_LOWEST = -3e38  # Lower than any score.


def row_ids(mask):
    batch = ops.shape(mask)[0]
    rows = ops.expand_dims(ops.arange(batch, dtype="int32"), 1)
    return ops.reshape(ops.where(mask, rows, batch), (-1,))


def pack(values, mask):
    return ops.reshape(values, (-1, *ops.shape(values)[2:]))


def position_pairs(mask):
    batch, time = ops.shape(mask)
    positions = ops.reshape(ops.arange(batch * time, dtype="int32"), (batch, time))
    both = ops.logical_and(ops.expand_dims(mask, 2), ops.expand_dims(mask, 1))
    query_index = ops.where(both, ops.expand_dims(positions, 2), batch * time)
    key_index = ops.broadcast_to(ops.expand_dims(positions, 1), (batch, time, time))
    return ops.reshape(query_index, (-1,)), ops.reshape(key_index, (-1,))


@promote_half  # The gradient is a sum.
def gather_rows(x, rows):
    padding_row = ops.zeros_like(x[:1])
    return ops.take(ops.concatenate([x, padding_row]), rows, axis=0)


@promote_half
def gather_positions(values, indices):
    return ops.take(values, indices, axis=0)


def real_positions(rows, batch):
    count = ops.shape(rows)[0]
    indices = ops.arange(count, dtype="int32")
    return ops.cast(ops.argsort(ops.where(rows < batch, indices, count + indices)), "int32")


@promote_half
def segment_sum(values, rows, batch):
    return ops.segment_sum(values, rows, num_segments=batch + 1)[:batch]


def affine(x, kernel, bias):
    return ops.matmul(x, kernel) + bias


@promote_half  # The gradient counts the positions that hold the maximum.
def segment_max(values, rows, batch):
    highest = ops.segment_max(values, rows, num_segments=batch + 1)[:batch]
    # The maximum of an empty segment is -inf or the lowest finite number, depending on the backend.
    return ops.where(highest > _LOWEST, highest, ops.zeros_like(highest))


def attend_by_row_or_pair(attend_row, attend_pairs, query, keys, rows):
    return attend_pairs()
