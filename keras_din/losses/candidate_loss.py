"""The base of losses that treat each candidate as a sample."""

import copy

import keras
from keras import ops

from keras_din.logits import logits_of
from keras_din.replicas import mean_over_replicas, number_of_replicas


class CandidateLoss(keras.losses.Loss):
    """A mean over the candidates of a batch, `sum_i w_i l_i / sum_i w_i`.

    A candidate of weight 0 affects neither the loss nor its gradient. If all weights are 0, the
    loss is 0. The losses of Keras average the candidates of a row first, so they do not support
    one weight per candidate.

    In a step of a `tf.distribute` strategy, both sums are over the candidates of all replicas, and
    each replica returns an equal share of the mean. (The losses of Keras average the means of the
    replicas, which differs if their weights do.)

    A subclass has the method `call(y_true, y_pred)`, which returns the loss per candidate. If
    `from_logits`, `y_pred` are the logits that the model's output was computed from.

    Args:
        name: Name of the loss.

    Call arguments:
        y_true: Tensor `(batch, candidates)`.
        y_pred: Float tensor `(batch, candidates)`.
        sample_weight: Float tensor `(batch, candidates)`, or `(batch,)` for one weight per row; 0
            for padding. Defaults to 1 for each candidate.

    Returns:
        Float32 scalar.
    """

    def __init__(self, name: str):
        super().__init__(name=name, reduction="mean_with_sample_weight", dtype="float32")
        self.from_logits = False

    def __call__(self, y_true, y_pred, sample_weight=None):
        logits = None if self.from_logits else logits_of(y_pred)
        if logits is not None:
            loss_of_logits = copy.copy(self)
            loss_of_logits.from_logits = True
            return loss_of_logits(y_true, logits, sample_weight)
        if sample_weight is not None:
            # Keras divides by the sum of the given weights, so there must be one per candidate.
            weight = ops.convert_to_tensor(sample_weight, dtype=self.dtype)
            if len(weight.shape) == len(y_pred.shape) - 1:
                weight = ops.expand_dims(weight, -1)
            sample_weight = weight * ops.ones_like(y_pred, dtype=self.dtype)
        loss = super().__call__(y_true, y_pred, sample_weight)
        replicas = number_of_replicas()
        if replicas == 1:
            return loss
        weight = ops.ones_like(y_pred, dtype=self.dtype) if sample_weight is None else sample_weight
        return mean_over_replicas(loss * replicas, ops.sum(weight))  # Keras has divided by them.

    def get_config(self) -> dict:
        return {"name": self.name}
