"""Serving of a peer that runs on TensorFlow: its SavedModel, in process."""

import os
import tempfile

import numpy as np
import tensorflow as tf


def server(save):
    """The function of a model and its inputs that answers by the SavedModel of the model.

    Args:
        save: Function of a model and a folder: writes the SavedModel.
    """

    def serve(model, inputs):
        with tempfile.TemporaryDirectory() as folder:
            folder = os.path.join(folder, "1")
            save(model, folder)
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

    return serve
