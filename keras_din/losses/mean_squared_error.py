"""The squared error of numbers."""

import keras
from keras import ops

from keras_din.losses.candidate_loss import CandidateLoss


@keras.saving.register_keras_serializable(package="keras_din")
class MeanSquaredError(CandidateLoss):
    """The squared error of a number, `(y_true - y_pred)^2`, averaged over the real candidates.

    The output of the model is the number itself. At the minimum it is the expected number.

    Args:
        name: Name of the loss.

    Call arguments:
        y_true: Tensor `(batch, candidates)` of numbers.
        y_pred: Float tensor `(batch, candidates)`.
        sample_weight: Float tensor `(batch, candidates)`, or `(batch,)` for one weight per row; 0
            for padding. Defaults to 1 for each candidate.

    Returns:
        Float32 scalar.

    Example:

    ```python
    loss = kd.losses.MeanSquaredError()
    loss(np.array([[2.0, 0.0]]), np.array([[1.5, 3.0]]))  # (0.25 + 9) / 2
    ```
    """

    def __init__(self, name: str = "mean_squared_error"):
        super().__init__(name)

    def call(self, y_true, y_pred):
        return ops.square(ops.cast(y_true, y_pred.dtype) - y_pred)
