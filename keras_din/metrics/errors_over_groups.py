"""AUC and logloss with their standard errors over groups, such as users."""

import numpy as np

from keras_din.metrics.arguments import check_groups_of_rows, check_probabilities, check_scores
from keras_din.metrics.cross_entropy import row_losses
from keras_din.metrics.grouped_ranking import mean_and_error
from keras_din.metrics.slices import count_classes, starts_new_value


def auc_and_error(y_true, y_pred, groups) -> tuple:
    """The AUC of all rows, and its standard error over groups.

    With `m` positives and `n` negatives, let `V_i` be the fraction of rows of the other class that
    row `i` is ordered correctly with, where a tie counts one half. Row `i` contributes
    `d_i = (V_i - AUC) / m` as a positive, `(V_i - AUC) / n` as a negative. The standard error is
    `sqrt(G / (G - 1) sum_g (sum_{i in g} d_i)^2)`: rows of one group may depend on each other.

    Args:
        y_true: `(rows,)` of 0 and 1.
        y_pred: `(rows,)` of finite scores.
        groups: `(rows,)` of integers or strings, usually the user.

    Returns:
        `(auc, standard_error)`. Both are NaN if all labels are equal. With one group the standard
        error is NaN.

    Example:

    ```python
    kd.metrics.auc_and_error([1, 0, 1, 0], [0.9, 0.1, 0.2, 0.7], [1, 1, 2, 2])  # (0.75, 0.354)
    ```

    Reference:
        [Obuchowski, 1997](https://doi.org/10.2307/2533958), Sec. 3, who corrects positives and
        negatives by the number of groups that have them. Here there is one factor for all groups.
        With one row per group it is the variance of DeLong et al., 1988, up to these factors.
    """
    y_true, y_pred = check_scores(y_true, y_pred)
    groups = check_groups_of_rows(groups, len(y_true))
    positives = int(np.sum(y_true == 1))
    negatives = len(y_true) - positives
    if not positives or not negatives:
        return float("nan"), float("nan")
    order = np.argsort(y_pred)
    new = starts_new_value(y_pred[order])
    of_ties = np.stack(count_classes(y_true[order], np.flatnonzero(new)))
    below = np.cumsum(of_ties, axis=1) - of_ties
    # The rows of the other class below each value, with half of the ties.
    tie = np.cumsum(new) - 1
    positives_below, negatives_below = (below + of_ties / 2)[:, tie]
    is_positive = y_true[order] == 1
    share = np.where(is_positive, negatives_below / negatives, 1 - positives_below / positives)
    area = float(np.mean(share[is_positive]))
    rows_of_class = np.where(is_positive, positives, negatives)
    _, number = np.unique(groups[order], return_inverse=True)
    of_group = np.bincount(number, (share - area) / rows_of_class)
    count = len(of_group)
    if count == 1:
        return area, float("nan")
    return area, float(np.sqrt(count / (count - 1) * np.sum(of_group**2)))


def logloss_and_error(y_true, y_pred, groups) -> tuple:
    """The logloss of all rows, and its standard error over groups, see `mean_and_error`.

    Args:
        y_true: `(rows,)` of 0 and 1.
        y_pred: `(rows,)` of probabilities.
        groups: `(rows,)` of integers or strings, usually the user.

    Returns:
        `(logloss, standard_error)`. Both are NaN without rows. With one group the standard error
        is NaN.

    Example:

    ```python
    kd.metrics.logloss_and_error([1, 0], [0.5, 0.9], [1, 2])  # (1.498, 0.805)
    ```
    """
    y_true, y_pred = check_probabilities(y_true, y_pred)
    groups = check_groups_of_rows(groups, len(y_true))
    _, number, rows = np.unique(groups, return_inverse=True, return_counts=True)
    return mean_and_error(np.bincount(number, row_losses(y_true, y_pred)) / rows, rows)
