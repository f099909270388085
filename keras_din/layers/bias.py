"""The number that a logit starts from."""

import keras


@keras.saving.register_keras_serializable(package="keras_din")
class Bias(keras.layers.Layer):
    """Adds one learned number a unit: `output = input + b`. It starts at 0.

    Call arguments:
        inputs: Float tensor `(..., units)`.

    Returns:
        Float tensor shaped like `inputs`.
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
