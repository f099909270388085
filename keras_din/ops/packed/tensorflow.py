"""The packed form on TensorFlow: padding positions are dropped, and row ids are sorted."""

import tensorflow as tf
from keras import ops

from keras_din.ops.custom_gradient_tensorflow import custom_gradient
from keras_din.ops.float32_sums import promote_half

# With more pairs of a behavior and a candidate per row than this, on average, a loop over rows is
# faster than all pairs at once.
MIN_PAIRS_PER_ROW = 2000
# Number of pairs per iteration of this loop: their intermediate results fit the processor's cache.
PAIRS_PER_ITERATION = 32_000


def row_ids(mask):
    return tf.cast(tf.where(mask)[:, 0], tf.int32)


def pack(values, mask):
    # `gather_nd` fails if `values` are shorter than `mask`; a flat gather would read another row.
    if len(values.shape) == 2:
        return tf.gather_nd(values, tf.where(mask))
    # Not `gather_nd`, which refuses an empty inner axis.
    batch, time, *inner = ops.shape(values)
    indices = tf.where(tf.reshape(mask, (batch * time,)))[:, 0]
    return tf.gather(tf.reshape(values, (batch * time, *inner)), indices)


def position_pairs(mask):
    lengths = tf.reduce_sum(tf.cast(mask, tf.int32), axis=1)
    ends = tf.cumsum(lengths)
    rows = row_ids(mask)
    key_index = tf.ragged.range(
        tf.gather(ends - lengths, rows), tf.gather(ends, rows), row_splits_dtype=tf.int32
    )
    return key_index.value_rowids(), key_index.values


def gather_rows(x, rows):
    x = tf.convert_to_tensor(x)
    return _gather_rows(x, rows) if x.dtype.is_floating else tf.gather(x, rows)


def _gradient_of_gather_rows(upstream, x, rows):
    # TensorFlow's own gradient would not use that `rows` are sorted.
    return (segment_sum(upstream, rows, tf.shape(x)[0]),)


@custom_gradient(_gradient_of_gather_rows)
def _gather_rows(x, rows):
    return (tf.gather(x, rows),)


def gather_positions(values, indices):
    return _gather_positions(values, indices)


def _gradient_of_gather_positions(upstream, values, indices):
    # TensorFlow's own gradient would be `IndexedSlices`, which are made dense anyway.
    return (promote_half(tf.math.unsorted_segment_sum)(upstream, indices, tf.shape(values)[0]),)


@custom_gradient(_gradient_of_gather_positions)
def _gather_positions(values, indices):
    return (tf.gather(values, indices),)


def real_positions(rows, batch):
    return tf.range(tf.shape(rows)[0])


@promote_half
def segment_sum(values, rows, batch):
    # Six times as fast on CPU as `unsorted_segment_sum`. The result ends with the last row that has
    # a position, so it is padded to `batch` rows.
    sums = tf.math.segment_sum(values, rows)
    missing = batch - tf.shape(sums)[0]
    sums = tf.pad(sums, [[0, missing], *[[0, 0]] * (len(values.shape) - 1)])
    return tf.ensure_shape(sums, [None, *values.shape[1:]])


def affine(x, kernel, bias):
    # TensorFlow fuses a sum by `+` into the product only if the size of the bias is known.
    return tf.nn.bias_add(tf.matmul(x, kernel), bias)


@promote_half  # The gradient counts the positions that hold the maximum.
def segment_max(values, rows, batch):
    return _segment_max(values, rows, batch)


def _gradient_of_segment_max(upstream, values, rows, batch, highest):
    # TensorFlow's own gradient would divide 0 by 0 for a row without a position.
    is_highest = values == tf.gather(highest, rows)
    ties = segment_sum(tf.cast(is_highest, values.dtype), rows, batch)
    share = tf.gather(upstream / tf.maximum(ties, 1), rows)
    return (tf.where(is_highest, share, tf.zeros_like(share)),)


@custom_gradient(_gradient_of_segment_max)
def _segment_max(values, rows, batch):
    highest = tf.math.unsorted_segment_max(values, rows, batch)
    # The maximum of an empty segment is the lowest float32, which is infinite in half precision.
    highest = tf.where(highest > highest.dtype.min, highest, tf.zeros_like(highest))
    return highest, highest


def attend_by_row_or_pair(attend_row, attend_pairs, query, keys, rows):
    batch, candidates, _ = ops.shape(query)
    many_pairs = tf.shape(rows)[0] * candidates > batch * MIN_PAIRS_PER_ROW
    return tf.cond(many_pairs, lambda: _loop_over_rows(attend_row, query, keys, rows), attend_pairs)


def _loop_over_rows(attend_row, query, keys, rows):
    batch, candidates, _ = ops.shape(query)
    ends = tf.searchsorted(rows, tf.range(batch), side="right")
    starts = tf.concat([[0], ends[:-1]], 0)
    mean_length = tf.maximum(tf.shape(rows)[0] // batch, 1)
    # An iteration handles `chunk` candidates of one row.
    chunk = tf.clip_by_value(PAIRS_PER_ITERATION // mean_length, 1, candidates)
    chunks = -(-candidates // chunk)

    def body(i, results):
        row, start = i // chunks, i % chunks * chunk
        result = attend_row(query[row, start : start + chunk], keys[starts[row] : ends[row]])
        return i + 1, results.write(i, result)

    results = tf.TensorArray(
        query.dtype, batch * chunks, element_shape=(None, keys.shape[-1]), infer_shape=False
    )
    _, results = tf.while_loop(lambda i, _: i < batch * chunks, body, (0, results))
    return tf.reshape(results.concat(), (batch, candidates, keys.shape[-1]))
