"""A number as a model reads it: how far from the mean, in standard deviations."""

import keras
from keras import ops

from keras_din.checks import positive_number

_LARGEST = 3.4028234663852886e38  # Of float32.


@keras.saving.register_keras_serializable(package="keras_din")
class Standardize(keras.layers.Layer):
    """`output = (input - mean) / std`, made in float32 and then of the layer's dtype.

    An input that is NaN or infinite is a missing number: the mean stands for it, output 0.

    Raw numbers, such as prices and times, are larger than half precision goes; the difference is
    taken first, since it is exact where both are large. (`keras.layers.Rescaling` does neither.)

    Args:
        mean: Mean of the values in training.
        std: Standard deviation of the values in training.

    Call arguments:
        inputs: Float tensor of any shape.

    Returns:
        Float tensor shaped like `inputs`.

    Raises:
        ValueError: When `std` is not positive.
    """

    def __init__(self, mean=0.0, std=1.0, **kwargs):
        super().__init__(**{"autocast": False, **kwargs})
        self.mean = float(mean)
        self.std = positive_number("std", std)
        self.supports_masking = True

    def call(self, inputs):
        x = ops.cast(inputs, "float32")
        # In these steps, of which LiteRT has all: a selection becomes a product in ONNX, where
        # infinity times 0 is NaN, but for one by `isnan`.
        x = ops.clip(ops.where(ops.isnan(x), self.mean, x), -_LARGEST, _LARGEST)
        x = ops.where(ops.abs(x) < _LARGEST, x, self.mean)
        return ops.cast((x - self.mean) / self.std, self.compute_dtype)

    def compute_output_shape(self, inputs_shape):
        return inputs_shape

    def get_config(self):
        return {**super().get_config(), "mean": self.mean, "std": self.std}
