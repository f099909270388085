"""Serving of a peer that runs on TensorFlow: its SavedModel, in process."""

import numpy as np
import tensorflow as tf


def caller(folder: str, inputs: dict):
    """A function without arguments that answers once by a SavedModel.

    Args:
        folder: Where it is.
        inputs: A row a candidate, as of `ranking.tiled`.
    """
    loaded = tf.saved_model.load(folder)
    signature = loaded.signatures["serving_default"]
    wanted = signature.structured_input_signature[1]
    tensors = {}
    for name, values in inputs.items():
        shape = (-1,) if wanted[name].shape.rank == 1 else (len(values), -1)
        tensors[name] = tf.constant(np.reshape(values, shape), wanted[name].dtype)

    def call(loaded=loaded):  # Which must stay alive.
        return [each.numpy() for each in signature(**tensors).values()]

    return call
