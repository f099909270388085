"""A learned bias per unit."""

import keras


@keras.saving.register_keras_serializable(package="keras_din")
class Bias(keras.layers.Layer):
    """Adds one learned number per unit: `output = input + b`, initially `b = 0`.

    Call arguments:
        inputs: Float tensor `(..., units)`.

    Returns:
        Float tensor shaped like `inputs`.

    Example:

    ```python
    layer = kd.layers.Bias()
    outputs = layer(np.ones((2, 1), "float32"))  # (2, 1)
    ```
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def build(self, inputs_shape):
        self.bias = self.add_weight(name="bias", shape=(inputs_shape[-1],), initializer="zeros")

    def call(self, inputs):
        return inputs + self.bias

    def compute_output_shape(self, inputs_shape):
        return inputs_shape
