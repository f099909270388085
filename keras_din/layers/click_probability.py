"""The sigmoid at the end of a model."""

import keras
from keras import ops

from keras_din.logits import attach_logits


@keras.saving.register_keras_serializable(package="keras_din")
class ClickProbability(keras.layers.Layer):
    """Computes `output = sigmoid(logits)` and keeps the logits for the loss.

    In float32 a probability of 1 - 2e-9 is 1. The loss of such a confident prediction can only be
    computed from its logit, which `CTRModel` passes to the loss.

    Call arguments:
        logits: Float tensor of any shape.

    Returns:
        Float tensor shaped like `logits`.

    Example:

    ```python
    layer = kd.layers.ClickProbability()
    ctr = layer(np.zeros((2, 3), "float32"))  # (2, 3), all 0.5
    ```
    """

    def call(self, logits):
        return attach_logits(ops.sigmoid(logits), logits)

    def compute_output_shape(self, logits_shape):
        return logits_shape
