"""The packed form on TensorFlow: padding positions are dropped, so rows stand in order."""

import tensorflow as tf
from keras import ops

from keras_din.ops.custom_gradient_tensorflow import custom_gradient
from keras_din.ops.float32_sums import in_float32

# So many pairs of a behavior and a candidate, in the mean of rows, are worth a turn of a loop.
PAIRS_OF_A_ROW = 2000
# So many are a turn: what it makes of them stays in the cache.
PAIRS_OF_A_TURN = 32_000


def row_ids(mask):
    return tf.cast(tf.where(mask)[:, 0], tf.int32)


def pack(values, mask):
    # Values that end before a real position are an error, not what another row holds.
    if len(values.shape) == 2:
        return tf.gather_nd(values, tf.where(mask))
    batch, time, *inner = ops.shape(values)  # Which may be 0: then `gather_nd` refuses.
    places = tf.where(tf.reshape(mask, (batch * time,)))[:, 0]
    return tf.gather(tf.reshape(values, (batch * time, *inner)), places)


def pairs_of_rows(mask):
    lengths = tf.reduce_sum(tf.cast(mask, tf.int32), axis=1)
    ends = tf.cumsum(lengths)
    rows = row_ids(mask)
    answering = tf.ragged.range(
        tf.gather(ends - lengths, rows), tf.gather(ends, rows), row_splits_dtype=tf.int32
    )
    return answering.value_rowids(), answering.values


def gather_rows(x, rows):
    x = tf.convert_to_tensor(x)
    return _gather_rows(x, rows) if x.dtype.is_floating else tf.gather(x, rows)


def _gradient_of_gather_rows(of_taken, x, rows):
    # TensorFlow's own gradient would sum the rows as if they stood in any order.
    return (segment_sum(of_taken, rows, tf.shape(x)[0]),)


@custom_gradient(_gradient_of_gather_rows)
def _gather_rows(x, rows):
    return (tf.gather(x, rows),)


def gather_positions(values, places):
    return _gather_positions(values, places)


def _gradient_of_gather_positions(of_taken, values, places):
    # TensorFlow's own gradient would be slices of a tensor that is dense anyway.
    return (in_float32(tf.math.unsorted_segment_sum)(of_taken, places, tf.shape(values)[0]),)


@custom_gradient(_gradient_of_gather_positions)
def _gather_positions(values, places):
    return (tf.gather(values, places),)


def real_positions(rows, batch):
    return tf.range(tf.shape(rows)[0])


@in_float32
def segment_sum(values, rows, batch):
    # Of rows in order the sum is six times as fast as `unsorted_segment_sum` on CPU, but ends
    # with the last row that has a position.
    sums = tf.math.segment_sum(values, rows)
    rest = batch - tf.shape(sums)[0]
    sums = tf.pad(sums, [[0, rest], *[[0, 0]] * (len(values.shape) - 1)])
    return tf.ensure_shape(sums, [None, *values.shape[1:]])


def affine(x, kernel, bias):
    # Of a sum by `+` only a bias whose size is known becomes a part of the product.
    return tf.nn.bias_add(tf.matmul(x, kernel), bias)


@in_float32  # The gradient counts equal values.
def segment_max(values, rows, batch):
    return _segment_max(values, rows, batch)


def _gradient_of_segment_max(of_highest, values, rows, batch, highest):
    # TensorFlow's own gradient would divide 0 by 0 where a row has no position.
    is_highest = values == tf.gather(highest, rows)
    equal = segment_sum(tf.cast(is_highest, values.dtype), rows, batch)
    of_each = tf.gather(of_highest / tf.maximum(equal, 1), rows)
    return (tf.where(is_highest, of_each, tf.zeros_like(of_each)),)


@custom_gradient(_gradient_of_segment_max)
def _segment_max(values, rows, batch):
    highest = tf.math.unsorted_segment_max(values, rows, batch)
    # That of nothing is the lowest number, which half precision takes for infinite.
    highest = tf.where(highest > highest.dtype.min, highest, tf.zeros_like(highest))
    return highest, highest


def attend_by_row_or_pair(of_row, of_pairs, query, keys, rows):
    batch, candidates, _ = ops.shape(query)
    many = tf.shape(rows)[0] * candidates > batch * PAIRS_OF_A_ROW
    return tf.cond(many, lambda: _by_row(of_row, query, keys, rows), of_pairs)


def _by_row(of_row, query, keys, rows):
    batch, candidates, _ = ops.shape(query)
    ends = tf.searchsorted(rows, tf.range(batch), side="right")
    starts = tf.concat([[0], ends[:-1]], 0)
    a_row = tf.maximum(tf.shape(rows)[0] // batch, 1)  # Positions, in the mean.
    size = tf.clip_by_value(PAIRS_OF_A_TURN // a_row, 1, candidates)
    turns = -(-candidates // size)

    def body(turn, results):
        row, start = turn // turns, turn % turns * size
        result = of_row(query[row, start : start + size], keys[starts[row] : ends[row]])
        return turn + 1, results.write(turn, result)

    results = tf.TensorArray(
        query.dtype, batch * turns, element_shape=(None, keys.shape[-1]), infer_shape=False
    )
    _, results = tf.while_loop(lambda turn, _: turn < batch * turns, body, (0, results))
    return tf.reshape(results.concat(), (batch, candidates, keys.shape[-1]))
