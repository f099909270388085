"""AUC: the area under the ROC curve, and the relative improvement of it."""

import numpy as np

from keras_din.metrics.arguments import check_scores
from keras_din.metrics.slices import count_classes, starts_new_value


def auc(y_true, y_pred) -> float:
    """The probability that a positive has a higher score than a negative. A tie counts one half.

    Args:
        y_true: `(rows,)` of 0 and 1.
        y_pred: `(rows,)` of finite scores.

    Returns:
        The AUC; NaN if all labels are equal.

    Example:

    ```python
    kd.metrics.auc([1, 1, 0], [0.9, 0.4, 0.4])  # 0.75
    ```
    """
    y_true, y_pred = check_scores(y_true, y_pred)
    order = np.argsort(y_pred)
    ties = np.flatnonzero(starts_new_value(y_pred[order]))
    positives, negatives = count_classes(y_true[order], ties)
    before = np.cumsum(negatives) - negatives
    pairs = int(positives.sum()) * int(negatives.sum())
    wins = int(np.sum(positives * (2 * before + negatives)))
    return wins / (2 * pairs) if pairs else float("nan")


def rela_impr(auc: float, base_auc: float) -> float:
    """`(AUC - 0.5) / (AUC_base - 0.5) - 1`, the relative improvement over a base model.

    Args:
        auc: AUC or GAUC of the model.
        base_auc: The same metric of the base model.

    Returns:
        The relative improvement, 0.1 for 10 %; NaN if `base_auc` is 0.5.

    Example:

    ```python
    kd.metrics.rela_impr(0.75, 0.7)  # 0.25
    ```

    Reference:
        [Zhou et al., 2018](https://arxiv.org/abs/1706.06978), Eq. (11).
    """
    return (auc - 0.5) / (base_auc - 0.5) - 1 if base_auc != 0.5 else float("nan")
