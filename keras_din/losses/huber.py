"""The Huber loss of numbers."""

import keras
from keras import ops

from keras_din.checks import positive_number
from keras_din.losses.candidate_loss import CandidateLoss


@keras.saving.register_keras_serializable(package="keras_din")
class Huber(CandidateLoss):
    """The Huber loss of a number, averaged over the real candidates.

    `l = e^2 / 2` if `|e| <= delta`, else `delta (|e| - delta / 2)`, `e = y_true - y_pred`. The
    output of the model is the number itself.

    Args:
        delta: The error above which the loss is linear, in units of the label. That of a
            `kd.Label` is its own `delta`.
        name: Name of the loss.

    Call arguments:
        y_true: Tensor `(batch, candidates)` of numbers.
        y_pred: Float tensor `(batch, candidates)`.
        sample_weight: Float tensor `(batch, candidates)`, or `(batch,)` for one weight per row; 0
            for padding. Defaults to 1 for each candidate.

    Returns:
        Float32 scalar.

    Raises:
        ValueError: If `delta` is not a positive number.

    Example:

    ```python
    loss = kd.losses.Huber()
    loss(np.array([[2.0, 0.0]]), np.array([[1.5, 3.0]]))  # (0.125 + 2.5) / 2
    ```
    """

    def __init__(self, delta: float = 1.0, name: str = "huber"):
        super().__init__(name)
        self.delta = positive_number("delta", delta)

    def call(self, y_true, y_pred):
        error = ops.abs(ops.cast(y_true, y_pred.dtype) - y_pred)
        small = ops.minimum(error, self.delta)
        return small * (error - 0.5 * small)

    def get_config(self) -> dict:
        return {"delta": self.delta, **super().get_config()}
