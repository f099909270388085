"""The layer that makes probabilities of the log out of what a reweighted training learned."""

import math

import keras
from keras import ops

from keras_din.graph import operations_before
from keras_din.logits import carried


@keras.saving.register_keras_serializable(package="keras_din")
class Recalibration(keras.layers.Layer):
    """Divides the odds of a probability by a factor.

    `p / (p + factor (1 - p))`, in float32. Where the logits of the probability are known, it is
    `sigmoid(logits - log(factor))`, which is the same and exact near 1 too: on TensorFlow after
    any sigmoid, elsewhere where `keras_din.logits` carries them.

    Args:
        factor: How many times as high as those of the log the odds are. Positive.
        **kwargs: Those of `keras.layers.Layer`.

    Call arguments:
        predictions: Float tensor of any shape, probabilities.

    Returns:
        Float32 tensor of the same shape. The order of the values stays, and 0 and 1.
    """

    def __init__(self, factor, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.factor = float(factor)
        self.supports_masking = True
        self.built = True

    def call(self, predictions):
        logits = carried(predictions)
        if logits is not None:
            return ops.sigmoid(ops.cast(logits, "float32") - math.log(self.factor))
        return predictions / (predictions + self.factor * (1 - predictions))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        config = super().get_config()
        del config["dtype"]  # Always float32.
        return config | {"factor": self.factor}


def recalibrate_tensor(predictions, factor: float, taken: set | None = None):
    """A `Recalibration` of a `KerasTensor`, under a name that no operation before it has.

    A model that was loaded brings the names of its operations, and Keras counts the names of new
    ones from the start of the process: left to itself it would give one of them again.

    Args:
        predictions: A `KerasTensor`.
        factor: See `Recalibration`.
        taken: Names that are not to be used either; the new name is added. For a model with
            several outputs.
    """
    taken = set() if taken is None else taken
    taken |= {operation.name for operation in operations_before(predictions)}
    name, number = "recalibration", 0
    while name in taken:
        number += 1
        name = f"recalibration_{number}"
    taken.add(name)
    return Recalibration(factor, name=name)(predictions)
