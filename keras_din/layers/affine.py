"""A learned scale and shift per unit."""

import keras


@keras.saving.register_keras_serializable(package="keras_din")
class Affine(keras.layers.Layer):
    """Scales and shifts each unit: `output = g * input + b`, initially `g = 1`, `b = 0`.

    Call arguments:
        inputs: Float tensor `(..., units)`.

    Returns:
        Float tensor shaped like `inputs`.

    Example:

    ```python
    layer = kd.layers.Affine()
    outputs = layer(np.ones((2, 3), "float32"))  # (2, 3)
    ```
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def build(self, inputs_shape):
        units = (inputs_shape[-1],)
        self.kernel = self.add_weight(name="kernel", shape=units, initializer="ones")
        self.bias = self.add_weight(name="bias", shape=units, initializer="zeros")

    def call(self, inputs):
        return inputs * self.kernel + self.bias

    def compute_output_shape(self, inputs_shape):
        return inputs_shape
