"""Logits of numbers that a model predicts as `exp(logits)`."""

from keras import ops

_SMALLEST = 1e-7  # Same as `keras.config.epsilon()`.


def logits_of_numbers(y_pred, from_logits: bool):
    """Returns `y_pred` if these are logits, else `log(max(y_pred, 1e-7))`."""
    return y_pred if from_logits else ops.log(ops.maximum(y_pred, _SMALLEST))
