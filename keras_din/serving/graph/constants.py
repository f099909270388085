"""Weights as constants of the graph, so that TensorFlow computes with them only once."""

import math

import keras
import tensorflow as tf

# A graph can have at most 2 GB, and each signature has its own constants.
MAX_BYTES = 2**27


def call_with_constants(model: keras.Model, x: dict):
    """Traces `model(x, training=False)` with constants in place of its weights.

    TensorFlow then computes sums and differences of weights once, when the graph is loaded, and
    keeps matrices in the order in which it multiplies. Tables stay variables, because only rows of
    them are read. So do all weights of a model whose weights are very large.

    The mapping from weights to constants is a `keras.StatelessScope`, which belongs to the calling
    thread.
    """
    weights = [
        weight
        for weight in model.weights
        if weight.dtype.startswith("float") and not getattr(weight, "is_embedding_table", False)
    ]
    if sum(4 * math.prod(weight.shape) for weight in weights) > MAX_BYTES:
        return model(x, training=False)
    with tf.init_scope():  # Eager, because values are read.
        values = [weight.numpy() for weight in weights]
    constants = [(w, tf.constant(value)) for w, value in zip(weights, values, strict=True)]
    with keras.StatelessScope(state_mapping=constants):
        return model(x, training=False)
