"""Converts the batches of a dataset to NumPy arrays."""

import tensorflow as tf


def numpy_batches(data):
    return [tf.nest.map_structure(lambda t: t.numpy(), element) for element in data]
