"""Replaces missing vectors by zeros."""

import keras
from keras import ops

from keras_din.ops import zero_missing_vectors


@keras.saving.register_keras_serializable(package="keras_din")
class ZeroMissingVectors(keras.layers.Layer):
    """Replaces vectors with NaN or infinity, which are missing, by zeros.

    A projection without a bias then gives zeros, which is what a missing vector adds to the first
    layer of a model. The comparison is in float32; the result has the layer's dtype.

    Call arguments:
        inputs: Float tensor `(..., size)`.

    Returns:
        Float tensor shaped like `inputs`.

    Example:

    ```python
    layer = kd.layers.ZeroMissingVectors()
    outputs = layer(np.array([[1.0, 2.0], [np.nan, 3.0]]))  # [[1, 2], [0, 0]]
    ```
    """

    def __init__(self, **kwargs):
        super().__init__(**{"autocast": False, **kwargs})
        self.supports_masking = True

    def call(self, inputs):
        return ops.cast(zero_missing_vectors(ops.cast(inputs, "float32")), self.compute_dtype)

    def compute_output_shape(self, inputs_shape):
        return inputs_shape
