"""Recalibration of a model that was trained with weighted positives or downsampled negatives."""

import math

import keras
from keras import ops

from keras_din.graph import unused_name
from keras_din.logits import logits_of


@keras.saving.register_keras_serializable(package="keras_din")
class Recalibration(keras.layers.Layer):
    """Divides the odds of a probability by a factor.

    `output = p / (p + factor (1 - p))`, in float32. If the logits of the probability are available,
    the layer computes `sigmoid(logits - log(factor))`, which is the same and also exact near 1.
    Logits are available on TensorFlow after any sigmoid, on other backends after
    `ClickProbability`.

    Args:
        factor: The ratio of the model's odds to the odds of the log. Positive.
        **kwargs: See `keras.layers.Layer`.

    Call arguments:
        predictions: Float tensor of any shape, probabilities.

    Returns:
        Float32 tensor of the same shape. The order of values does not change; 0 and 1 stay 0 and 1.

    Example:

    ```python
    layer = kd.layers.Recalibration(factor=10.0)
    click_rates = layer(np.array([0.5, 0.9], "float32"))  # [0.0909, 0.4737]
    ```
    """

    def __init__(self, factor, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.factor = float(factor)
        self.supports_masking = True
        self.built = True

    def call(self, predictions):
        logits = logits_of(predictions)
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
    """Applies a `Recalibration` with a unique name to a `KerasTensor`.

    Args:
        predictions: A `KerasTensor`.
        factor: See `Recalibration`.
        taken: See `unused_name`.
    """
    name = unused_name("recalibration", predictions, set() if taken is None else taken)
    return Recalibration(factor, name=name)(predictions)
