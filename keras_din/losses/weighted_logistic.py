"""Weighted logistic regression of numbers that are not negative, such as watch time."""

import keras
from keras import ops

from keras_din.losses.candidate_loss import CandidateLoss
from keras_din.losses.log_link import logits_of_numbers


@keras.saving.register_keras_serializable(package="keras_din")
class WeightedLogistic(CandidateLoss):
    """Weighted logistic regression of a number `t`, averaged over the real candidates.

    `l = -(t log p + 1[t = 0] log(1 - p))`, `p = sigmoid(z)`: a logistic regression of `t > 0`
    where a row with `t > 0` has weight `t`, and a row with `t = 0` has weight 1. The output of the
    model is `exp(z)`, the odds that were learned.

    The odds at the minimum are `E[t] / P(t = 0)`. So the output is the expected number if `t` is 0
    in nearly all rows, as in the paper, where `t` is the time watched after an impression and few
    impressions are clicked. If `t` is rarely 0, the output is too high by `1 / P(t = 0)`. Then use
    `Poisson`, whose output is `E[t]` for any share of zeros.

    For the models of this library, the loss is computed from `z`. For outputs without logits,
    `z = log(max(output, 1e-7))`.

    Args:
        name: Name of the loss.

    Call arguments:
        y_true: Tensor `(batch, candidates)` of numbers that are not negative.
        y_pred: Float tensor `(batch, candidates)`, `exp(z)`.
        sample_weight: Float tensor `(batch, candidates)`, or `(batch,)` for one weight per row; 0
            for padding. Defaults to 1 for each candidate. The loss is `sum_i w_i l_i / sum_i w_i`:
            `t` does not change the divisor.

    Returns:
        Float32 scalar.

    Example:

    ```python
    loss = kd.losses.WeightedLogistic()
    loss(np.array([[30.0, 0.0]]), np.array([[3.0, 1.0]]))  # -(30 log(3/4) + log(1/2)) / 2
    ```

    Reference:
        [Covington et al., 2016](https://doi.org/10.1145/2959100.2959190), Sec. 4.2.
    """

    def __init__(self, name: str = "weighted_logistic"):
        super().__init__(name)

    def call(self, y_true, y_pred):
        z = logits_of_numbers(y_pred, self.from_logits)
        y_true = ops.cast(y_true, z.dtype)
        is_zero = ops.cast(ops.equal(y_true, 0), z.dtype)
        return y_true * ops.softplus(-z) + is_zero * ops.softplus(z)
