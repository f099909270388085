"""Standardization of numbers: the distance from the mean, in standard deviations."""

import keras
from keras import ops

from keras_din.checks import positive_number
from keras_din.ops import replace_missing


@keras.saving.register_keras_serializable(package="keras_din")
class Standardize(keras.layers.Layer):
    """Computes `output = (input - mean) / std` in float32, then casts to the layer's dtype.

    NaN and infinity are missing numbers. They are replaced by the mean, so the output is 0.

    Raw numbers, such as prices and times, may exceed the range of half precision, so the
    computation is in float32. The mean is subtracted first, because the difference of two large
    numbers is exact. (`keras.layers.Rescaling` does neither.)

    Args:
        mean: Mean of the values in training.
        std: Standard deviation of the values in training.

    Call arguments:
        inputs: Float tensor of any shape.

    Returns:
        Float tensor shaped like `inputs`.

    Raises:
        ValueError: If `std` is not positive.

    Example:

    ```python
    layer = kd.layers.Standardize(mean=30.0, std=10.0)
    outputs = layer(np.array([20.0, 40.0, np.nan]))  # [-1, 1, 0]
    ```
    """

    def __init__(self, mean: float = 0.0, std: float = 1.0, **kwargs):
        super().__init__(**{"autocast": False, **kwargs})
        self.mean = float(mean)
        self.std = positive_number("std", std)
        self.supports_masking = True

    def call(self, inputs):
        x = replace_missing(ops.cast(inputs, "float32"), self.mean)
        return ops.cast((x - self.mean) / self.std, self.compute_dtype)

    def compute_output_shape(self, inputs_shape):
        return inputs_shape

    def get_config(self):
        return {**super().get_config(), "mean": self.mean, "std": self.std}
