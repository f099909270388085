"""Logloss and normalized entropy."""

import numpy as np

from keras_din.metrics.arguments import check_probabilities

_EPSILON = 1e-7  # Same as `keras.config.epsilon()`.


def logloss(y_true, y_pred) -> float:
    """`-mean(y log p + (1 - y) log(1 - p))`, with `p` clipped to `[1e-7, 1 - 1e-7]`.

    Therefore a wrong prediction of 0 or 1 costs 16.1. The loss of training is computed from logits
    and is not clipped. For this reason `keras.Model.evaluate` can return a higher loss.

    Args:
        y_true: `(rows,)` of 0 and 1.
        y_pred: `(rows,)` of probabilities.

    Returns:
        The logloss in nats; NaN without rows.

    Example:

    ```python
    kd.metrics.logloss([1, 0], [0.5, 0.5])  # 0.6931, the natural logarithm of 2
    ```
    """
    return _mean(row_losses(*check_probabilities(y_true, y_pred)))


def row_losses(y_true, y_pred) -> np.ndarray:
    """Returns the crossentropy of each row, float64, of checked labels and probabilities."""
    p = np.clip(y_pred.astype("float64"), _EPSILON, 1 - _EPSILON)
    return -np.log(np.where(y_true == 1, p, 1 - p))


def normalized_entropy(y_true, y_pred) -> float:
    """The logloss of a model divided by the logloss of predicting the mean click rate.

    `NE = logloss / -(b log b + (1 - b) log(1 - b))`, `b = mean(y)`. Less than 1 is better than to
    predict `b` for each row.

    Args:
        y_true: `(rows,)` of 0 and 1.
        y_pred: `(rows,)` of probabilities.

    Returns:
        The normalized entropy; NaN if all labels are equal.

    Example:

    ```python
    kd.metrics.normalized_entropy([1, 0, 0, 0], [0.25, 0.25, 0.25, 0.25])  # 1.0
    ```

    Reference:
        [He et al., 2014](https://doi.org/10.1145/2648584.2648589), Eq. (1). There `b` is the click
        rate of the training data. Here it is the click rate of the evaluated rows.
    """
    loss, base = logloss(y_true, y_pred), _mean(y_true)
    if not 0 < base < 1:
        return float("nan")
    return float(loss / -(base * np.log(base) + (1 - base) * np.log1p(-base)))


def _mean(values) -> float:
    return float(np.mean(values, dtype="float64")) if len(values) else float("nan")
