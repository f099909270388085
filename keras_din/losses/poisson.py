"""The Poisson loss of counts and other numbers that are not negative."""

import keras
from keras import ops

from keras_din.losses.candidate_loss import CandidateLoss
from keras_din.losses.log_link import logits_of_numbers

# From here `exp` continues as its tangent: the square of its slope, 5.5e34, is finite in float32.
_LINEAR_FROM = 40.0


@keras.saving.register_keras_serializable(package="keras_din")
class Poisson(CandidateLoss):
    """The negative log-likelihood of a Poisson distribution, averaged over the real candidates.

    `l = exp(z) - t z`, without the constant `log(t!)`, so `t` need not be an integer. The output of
    the model is `exp(z)`. At the minimum it is `E[t]`.

    For the models of this library, the loss is computed from `z`. For outputs without logits,
    `z = log(max(output, 1e-7))`. Above `z = 40`, `exp(z)` is replaced by its tangent in 40, so that
    the loss and its gradient do not overflow.

    Args:
        name: Name of the loss.

    Call arguments:
        y_true: Tensor `(batch, candidates)` of numbers that are not negative.
        y_pred: Float tensor `(batch, candidates)`, `exp(z)`.
        sample_weight: Float tensor `(batch, candidates)`, or `(batch,)` for one weight per row; 0
            for padding. Defaults to 1 for each candidate.

    Returns:
        Float32 scalar.

    Example:

    ```python
    loss = kd.losses.Poisson()
    loss(np.array([[2.0, 0.0]]), np.array([[1.0, 3.0]]))  # (1 - 2 log(1) + 3) / 2
    ```
    """

    def __init__(self, name: str = "poisson"):
        super().__init__(name)

    def call(self, y_true, y_pred):
        z = logits_of_numbers(y_pred, self.from_logits)
        low = ops.minimum(z, _LINEAR_FROM)
        return ops.exp(low) * (1 + z - low) - ops.cast(y_true, z.dtype) * z
