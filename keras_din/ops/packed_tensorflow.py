"""The packed form on TensorFlow: padding positions are dropped."""

import tensorflow as tf


def row_of_position(mask):
    return tf.cast(tf.where(mask)[:, 0], tf.int32)


def pack(values, mask):
    return tf.boolean_mask(values, mask)


def take_rows(x, rows):
    return tf.gather(x, rows)


def sum_rows(values, rows, batch):
    return tf.math.unsorted_segment_sum(values, rows, batch)


def max_rows(values, rows, batch):
    return tf.math.unsorted_segment_max(values, rows, batch)
