"""GAUC: the AUC within each group of samples, averaged over the groups."""

from typing import NamedTuple

import numpy as np

from keras_din.checks import one_of
from keras_din.metrics.arguments import check_groups_of_rows, check_scores
from keras_din.metrics.slices import count_classes, starts_new_value, sum_slices


class GroupAUC(NamedTuple):
    """The AUC of each group with both classes.

    All arrays have the shape `(groups,)` and are sorted by `groups`.

    Attributes:
        groups: The groups, each once.
        auc: AUC of each group, float64. A tie counts one half.
        impressions: Number of samples of each group, int64.
        positives: Number of samples with label 1 of each group, int64.
        groups_left_out: Number of groups with one class only.
        rows_left_out: Number of samples of these groups.

    Example:

    ```python
    result = kd.metrics.group_auc([1, 0, 1, 0, 1], [0.9, 0.1, 0.4, 0.6, 0.5], [7, 7, 8, 8, 9])
    result.groups  # [7, 8]; group 9 has one class only
    result.auc  # [1.0, 0.0]
    result.average("positives")  # 0.5
    ```
    """

    groups: np.ndarray
    auc: np.ndarray
    impressions: np.ndarray
    positives: np.ndarray
    groups_left_out: int
    rows_left_out: int

    def average(self, weight: str = "impressions") -> float:
        """Returns the GAUC. `weight` is the same as in `gauc`."""
        if not len(self.auc):
            return float("nan")
        weights = None if weight == "none" else getattr(self, weight)
        return float(np.average(self.auc, weights=weights))


def gauc(y_true, y_pred, groups, weight: str = "impressions") -> float:
    """The AUC within each group, averaged over the groups. A group is usually a user.

    `GAUC = sum_g w_g AUC_g / sum_g w_g`. A tie counts one half. Groups with one class only are
    left out. With one positive and one negative per group the GAUC is the pairwise accuracy.

    Args:
        y_true: `(rows,)` of 0 and 1.
        y_pred: `(rows,)` of finite scores.
        groups: `(rows,)` of integers or strings, in any order.
        weight: The weight of a group: `"impressions"` for its number of samples, `"positives"`
            for its number of samples with label 1, `"none"` for 1.

    Returns:
        The GAUC; NaN if no group has both classes.

    Raises:
        ValueError: If the arrays do not fit together.

    Example:

    ```python
    users = ["ann", "ann", "ann", "bob", "bob"]
    kd.metrics.gauc([1, 0, 0, 1, 0], [0.9, 0.1, 0.2, 0.4, 0.6], users)  # 0.6 = (3 * 1 + 2 * 0) / 5
    ```

    Reference:
        [Zhou et al., 2018](https://arxiv.org/abs/1706.06978), Eq. (10), weighted by impressions.
        The authors' code counts ties as wrong.
    """
    one_of("weight", weight, ("impressions", "none", "positives"))
    return group_auc(y_true, y_pred, groups).average(weight)


def group_auc(y_true, y_pred, groups) -> GroupAUC:
    """Computes the AUC of each group with both classes, and counts the other groups.

    Args:
        y_true: `(rows,)` of 0 and 1.
        y_pred: `(rows,)` of finite scores.
        groups: `(rows,)` of integers or strings, in any order.

    Returns:
        A `GroupAUC`.

    Raises:
        ValueError: If the arrays do not fit together.

    Example:

    ```python
    result = kd.metrics.group_auc([1, 0, 1], [0.9, 0.1, 0.5], [7, 7, 8])
    result.auc, result.groups_left_out  # [1.0] and 1
    ```
    """
    y_true, y_pred = check_scores(y_true, y_pred)
    groups = check_groups_of_rows(groups, len(y_true))
    order = np.argsort(y_pred)
    # A stable sort keeps the scores within a group in order.
    order = order[np.argsort(groups[order], kind="stable")]
    y_true, y_pred, groups = y_true[order], y_pred[order], groups[order]

    new_group = starts_new_value(groups)
    first = np.flatnonzero(new_group)
    ties = np.flatnonzero(new_group | starts_new_value(y_pred))
    positives, negatives = count_classes(y_true, ties)
    # All counts are integers, so that nothing is rounded before the last division. A positive
    # scores 2 for each negative with a lower score and 1 for each negative with the same score.
    # `before` counts the negatives of all earlier ties, also those of earlier groups.
    before = np.cumsum(negatives) - negatives
    first_tie = np.searchsorted(ties, first)
    wins = sum_slices(positives * (2 * before + negatives), first_tie)
    positives, negatives = sum_slices(positives, first_tie), sum_slices(negatives, first_tie)
    wins -= 2 * positives * before[first_tie]
    pairs = positives * negatives
    both_classes, impressions = pairs > 0, positives + negatives
    return GroupAUC(
        groups=groups[first][both_classes],
        auc=wins[both_classes] / (2 * pairs[both_classes]),
        impressions=impressions[both_classes],
        positives=positives[both_classes],
        groups_left_out=int(np.sum(~both_classes)),
        rows_left_out=int(impressions[~both_classes].sum()),
    )


def gauc_difference(y_true, y_pred, base_y_pred, groups) -> tuple:
    """The difference of the GAUCs of two models, and its standard error.

    Both models score the same rows. So the difference is computed per group: `d = sum_g w_g d_g
    / sum_g w_g`, `d_g = AUC_g - AUC_base,g`, with impressions as weights. Its standard error over
    the `G` groups is `sqrt(G / (G - 1) sum_g w_g^2 (d_g - d)^2) / sum_g w_g`. If the models are
    similar, it is much smaller than the standard error of either GAUC, since the same groups are
    hard for both. If they are independent, it is larger by `sqrt(2)`. It does not include the
    variance of training with different seeds.

    Args:
        y_true: `(rows,)` of 0 and 1.
        y_pred: `(rows,)` of finite scores.
        base_y_pred: `(rows,)` of finite scores of the other model.
        groups: `(rows,)` of integers or strings, in any order.

    Returns:
        `(difference, standard_error)`. Both are NaN if no group has both classes. With one group
        the standard error is NaN, since one value has no variance.

    Example:

    ```python
    labels, users = [1, 0, 1, 0], [7, 7, 8, 8]
    difference, error = kd.metrics.gauc_difference(
        labels, [0.9, 0.1, 0.6, 0.4], [0.9, 0.1, 0.4, 0.6], users
    )  # 0.5 and 0.5
    ```
    """
    by_group, base = (group_auc(y_true, scores, groups) for scores in (y_pred, base_y_pred))
    return mean_and_error(by_group.auc - base.auc, by_group.impressions)


def mean_and_error(values, weights) -> tuple:
    """The weighted mean of one value per group, and its standard error over the groups.

    `m = sum_g w_g v_g / sum_g w_g`, and `sqrt(G / (G - 1) sum_g w_g^2 (v_g - m)^2) / sum_g w_g`.
    The factor `G / (G - 1)` corrects for the mean, which is computed from the same `G` values.

    Args:
        values: `(groups,)` of numbers.
        weights: `(groups,)` of positive numbers.

    Returns:
        `(mean, standard_error)`. Both are NaN without groups. With one group the standard error
        is NaN.

    Example:

    ```python
    kd.metrics.mean_and_error(np.array([0.0, 1.0]), np.array([1, 1]))  # (0.5, 0.5)
    ```
    """
    groups = len(values)
    if not groups:
        return float("nan"), float("nan")
    mean = np.average(values, weights=weights)
    if groups == 1:
        return float(mean), float("nan")
    variance = groups / (groups - 1) * np.sum((weights * (values - mean)) ** 2)
    return float(mean), float(np.sqrt(variance) / np.sum(weights))
