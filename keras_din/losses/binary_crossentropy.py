"""The loss of labels that are 0 or 1."""

import keras
from keras import ops

from keras_din.checks import positive_number, rate
from keras_din.losses.candidate_loss import CandidateLoss


@keras.saving.register_keras_serializable(package="keras_din")
class BinaryCrossentropy(CandidateLoss):
    """Binary crossentropy of probabilities, averaged over the real candidates.

    `loss = sum_i w_i l_i / sum_i w_i`, `l_i = -(c y_i log p_i + (1 - y_i) log(1 - p_i))`, over all
    candidates `i` of the batch. A candidate of weight 0 affects neither the loss nor its gradient.
    If all weights are 0, the loss is 0. `keras.losses.BinaryCrossentropy` averages the candidates
    of a row first, so it does not support one weight per candidate.

    `positive_weight`, `c`, is for logs with few clicks. (Do not use `class_weight` of `fit`, which
    would take the index of a row's clicked candidate as a class.) It multiplies the losses of
    positives in the sum, but not the divisor. So the number of positives in a batch does not scale
    the gradient. The model learns odds that are `c` times as high as in the log.
    `keras_din.metrics.recalibrate` converts its output to probabilities of the log.

    For the models of this library, the loss is computed from logits on every backend. So a
    confident, wrong prediction has a loss equal to its logit, with gradient 1. For probabilities
    without logits, the loss is computed as in Keras, with probabilities clipped by
    `keras.config.epsilon()`: it is at most 16.1, and beyond that its gradient is 0.

    `negative_rate` does not change the loss. It is the fraction of the log's negatives on which the
    model is trained (`data.downsample_negatives`). It is saved with the model. `keras_din.export`
    reads it and `positive_weight`, so that an exported version returns click rates of the log.

    Args:
        positive_weight: Factor of the loss of positives.
        negative_rate: The fraction of negatives in training, in (0, 1], such as
            `data.negative_rate`; `None` if not given.
        name: Name of the loss.

    Call arguments:
        y_true: Tensor `(batch, candidates)` of 0 and 1.
        y_pred: Float tensor `(batch, candidates)`, probabilities.
        sample_weight: Float tensor `(batch, candidates)`, or `(batch,)` for one weight per row; 0
            for padding. Defaults to 1 for each candidate.

    Returns:
        Float32 scalar.

    Raises:
        ValueError: If `positive_weight` is not a positive number, or `negative_rate` not in (0, 1].

    Example:

    ```python
    loss = kd.losses.BinaryCrossentropy(positive_weight=2.0)
    y_true, y_pred = np.array([[1, 0]]), np.array([[0.9, 0.2]])
    value = loss(y_true, y_pred, sample_weight=np.array([[1.0, 0.0]]))  # -2 log(0.9)
    ```
    """

    def __init__(
        self,
        positive_weight: float = 1.0,
        name: str = "binary_crossentropy",
        *,
        negative_rate: float | None = None,
    ):
        super().__init__(name)
        self.positive_weight = positive_number("positive_weight", positive_weight)
        self.negative_rate = None if negative_rate is None else rate("negative_rate", negative_rate)

    def call(self, y_true, y_pred):
        losses = ops.binary_crossentropy(y_true, y_pred, from_logits=self.from_logits)
        if self.positive_weight == 1:
            return losses
        return losses * (1 + (self.positive_weight - 1) * ops.cast(y_true, losses.dtype))

    def get_config(self) -> dict:
        config = {"positive_weight": self.positive_weight, "name": self.name}
        return config | {"negative_rate": self.negative_rate}
