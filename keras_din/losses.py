"""The loss of click-through-rate models."""

import keras
from keras import ops

from keras_din.checks import positive_number


@keras.saving.register_keras_serializable(package="keras_din")
class BinaryCrossentropy(keras.losses.Loss):
    """Binary crossentropy of probabilities, averaged over the real candidates.

    `loss = sum_i w_i l_i / sum_i w_i`, `l_i = -(c y_i log p_i + (1 - y_i) log(1 - p_i))`, over all
    candidates `i` of the batch. A candidate of weight 0 changes neither the loss nor its
    gradient; when all weigh 0 the loss is 0. Keras' own loss of this name averages the
    candidates of a row first, so that it cannot take a weight for each.

    `positive_weight`, `c`, is for logs with few clicks; the `class_weight` of `fit` is not, which
    takes the place of a row's clicked candidate for a class. Beside sample weights it multiplies
    what is summed and not what that is divided by: how many positives a batch has by chance does
    not scale its gradient. The model learns odds that are `c` times as high as those of the log;
    `keras_din.metrics.recalibrated` makes its output probabilities again.

    Args:
        positive_weight: How much more the loss of a positive counts.
        name: Name of the loss.

    Call arguments:
        y_true: Tensor `(batch, candidates)` of 0 and 1.
        y_pred: Float tensor `(batch, candidates)`, probabilities, clipped to
            `keras.config.epsilon()` as in Keras.
        sample_weight: Float tensor `(batch, candidates)`, or `(batch,)` for one weight a row; 0
            for padding. Defaults to 1 for each candidate.

    Returns:
        Float32 scalar.

    Raises:
        ValueError: When `positive_weight` is not a positive number.
    """

    def __init__(self, positive_weight=1.0, name="binary_crossentropy"):
        super().__init__(name=name, reduction="mean_with_sample_weight", dtype="float32")
        self.positive_weight = positive_number("positive_weight", positive_weight)

    def __call__(self, y_true, y_pred, sample_weight=None):
        if sample_weight is not None:
            # Keras divides by the sum of the weights as they are given: one a candidate.
            weight = ops.convert_to_tensor(sample_weight, dtype=self.dtype)
            if len(weight.shape) == len(y_pred.shape) - 1:
                weight = ops.expand_dims(weight, -1)
            sample_weight = weight * ops.ones_like(y_pred, dtype=self.dtype)
        return super().__call__(y_true, y_pred, sample_weight)

    def call(self, y_true, y_pred):
        losses = ops.binary_crossentropy(y_true, y_pred)
        if self.positive_weight == 1:
            return losses
        return losses * (1 + (self.positive_weight - 1) * ops.cast(y_true, losses.dtype))

    def get_config(self):
        return {"positive_weight": self.positive_weight, "name": self.name}
