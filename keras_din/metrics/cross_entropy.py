"""How likely the clicks are under a model: logloss and normalized entropy."""

import numpy as np

from keras_din.metrics.arguments import check_probabilities

_EPSILON = 1e-7  # As in Keras: a probability of 0 or 1 is taken as this far from it.


def logloss(y_true, y_pred) -> float:
    """`-mean(y log p + (1 - y) log(1 - p))`, with `p` clipped to `[1e-7, 1 - 1e-7]`.

    A prediction that is certain and wrong costs at most 16.1, the precision of a probability in
    float32. The loss that the models are trained with is not clipped, since it has the logits. So
    the loss of Keras' `evaluate` is higher where a model has such predictions.

    Args:
        y_true: `(rows,)` of 0 and 1.
        y_pred: `(rows,)` of probabilities.

    Returns:
        The logloss in nats, NaN without rows.
    """
    y_true, y_pred = check_probabilities(y_true, y_pred)
    p = np.clip(y_pred.astype("float64"), _EPSILON, 1 - _EPSILON)
    return -_mean(np.log(np.where(y_true == 1, p, 1 - p)))


def normalized_entropy(y_true, y_pred) -> float:
    """The logloss divided by that of the base rate: below 1 is better than the base rate.

    `NE = logloss / -(b log b + (1 - b) log(1 - b))`, `b = mean(y)`.

    Args:
        y_true: `(rows,)` of 0 and 1.
        y_pred: `(rows,)` of probabilities.

    Returns:
        The normalized entropy, NaN when there is one class only.

    Reference:
        [He et al., 2014](https://doi.org/10.1145/2648584.2648589), Eq. (1). There `b` is the click
        rate of the training data; here it is that of the rows that are evaluated.
    """
    loss, base = logloss(y_true, y_pred), _mean(y_true)
    if not 0 < base < 1:
        return float("nan")
    return float(loss / -(base * np.log(base) + (1 - base) * np.log1p(-base)))


def _mean(values) -> float:
    return float(np.mean(values, dtype="float64")) if len(values) else float("nan")
