"""The sigmoid at the end of a model."""

import keras
from keras import ops

from keras_din.logits import carry


@keras.saving.register_keras_serializable(package="keras_din")
class ClickProbability(keras.layers.Layer):
    """`output = sigmoid(logits)`, and the loss finds the logits.

    A probability of 1 - 2e-9 is 1 in float32: what a loss must know of a sure prediction is in
    its logit only. `CTRModel` hands it to the loss.

    Call arguments:
        logits: Float tensor of any shape.

    Returns:
        Float tensor shaped like `logits`.
    """

    def call(self, logits):
        return carry(ops.sigmoid(logits), logits)

    def compute_output_shape(self, logits_shape):
        return logits_shape
