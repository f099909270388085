"""Lookups of rows in a table that is split into several tensors, its shards."""

import keras
from keras import ops

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf


def gather_from_shards(shards, rows):
    """Gathers rows of a table from its shards; only the given rows are read. TensorFlow only.

    Each row is read from its own shard. The gradient of each shard is an `IndexedSlices` with one
    entry for each of its rows in `rows`.

    Args:
        shards: The shards, `tf.Variable`s `(size, dim)`: row `r` of the table is row `r // n` of
            the shard `r % n`, see `keras_din.row_shards`.
        rows: Int tensor of any shape, rows of the table.

    Returns:
        Tensor `(*rows.shape, dim)`.
    """
    count = len(shards)
    if count == 1:
        return tf.gather(shards[0], rows)
    flat = tf.reshape(rows, [-1])
    shard = tf.cast(flat % count, "int32")
    places = tf.dynamic_partition(flat // count, shard, count)
    positions = tf.dynamic_partition(tf.range(tf.size(flat)), shard, count)
    parts = [tf.gather(each, place) for each, place in zip(shards, places, strict=True)]
    values = tf.dynamic_stitch(positions, parts)
    return tf.reshape(values, tf.concat([tf.shape(rows), shards[0].shape[1:]], axis=0))


def take_from_shards(shards, rows):
    """Same as `gather_from_shards` on every backend. Each row is read from every shard.

    Args:
        shards: Tensors or Keras variables `(size, dim)`.
        rows: Int tensor of any shape.
    """
    count = len(shards)
    if count == 1:
        return ops.take(shards[0], rows, axis=0)
    shard = ops.expand_dims(rows % count, -1)
    values = None
    for index, table in enumerate(shards):
        # A shorter shard does not have the last place.
        found = ops.take(table, ops.minimum(rows // count, table.shape[0] - 1), axis=0)
        values = found if values is None else ops.where(shard == index, found, values)
    return values
