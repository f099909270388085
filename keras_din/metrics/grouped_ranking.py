"""How well a model ranks within each group, as a rule each user: the GAUC."""

from typing import NamedTuple

import numpy as np

from keras_din.checks import one_of
from keras_din.metrics.arguments import check_groups_of_rows, check_scores
from keras_din.metrics.slices import count_classes, starts_new_value, sum_slices


class GroupAUC(NamedTuple):
    """The AUC of each group that has both classes; arrays are `(groups,)`, ordered by group.

    Attributes:
        groups: The groups, each once.
        auc: AUC of the group, float64, ties one half.
        impressions: Number of samples of the group, int64.
        positives: Number of samples of the group with label 1, int64.
        groups_left_out: Number of groups that have one class only.
        rows_left_out: Number of samples of these groups.
    """

    groups: np.ndarray
    auc: np.ndarray
    impressions: np.ndarray
    positives: np.ndarray
    groups_left_out: int
    rows_left_out: int

    def average(self, weight: str = "impressions") -> float:
        """The GAUC. `weight` is the same as in `gauc`."""
        if not len(self.auc):
            return float("nan")
        weights = None if weight == "none" else getattr(self, weight)
        return float(np.average(self.auc, weights=weights))


def gauc(y_true, y_pred, groups, weight: str = "impressions") -> float:
    """The AUC within a group (as a rule a user), averaged over groups.

    `GAUC = sum_g w_g AUC_g / sum_g w_g`. Ties count one half. Groups with one class only are left
    out. With one positive and one negative in each group it is the pairwise accuracy.

    Args:
        y_true: `(rows,)` of 0 and 1.
        y_pred: `(rows,)` of finite scores.
        groups: `(rows,)` of integers or strings, in any order.
        weight: The weight of a group: `"impressions"`, its number of samples; `"positives"`, its
            number of samples with label 1; `"none"`, 1.

    Returns:
        The GAUC, NaN when no group has both classes.

    Raises:
        ValueError: When the arrays do not fit together.

    Reference:
        [Zhou et al., 2018](https://arxiv.org/abs/1706.06978), Eq. (10), weighted by impressions.
        The authors' code counts ties as wrong.
    """
    one_of("weight", weight, ("impressions", "none", "positives"))
    return group_auc(y_true, y_pred, groups).average(weight)


def group_auc(y_true, y_pred, groups) -> GroupAUC:
    """The AUC of each group that has both classes, and what was left out.

    Args:
        y_true: `(rows,)` of 0 and 1.
        y_pred: `(rows,)` of finite scores.
        groups: `(rows,)` of integers or strings, in any order.

    Returns:
        A `GroupAUC`.

    Raises:
        ValueError: When the arrays do not fit together.
    """
    y_true, y_pred = check_scores(y_true, y_pred)
    groups = check_groups_of_rows(groups, len(y_true))
    order = np.argsort(y_pred)
    # Stable: within a group the scores stay in order.
    order = order[np.argsort(groups[order], kind="stable")]
    y_true, y_pred, groups = y_true[order], y_pred[order], groups[order]

    new_group = starts_new_value(groups)
    first = np.flatnonzero(new_group)
    ties = np.flatnonzero(new_group | starts_new_value(y_pred))
    positives, negatives = count_classes(y_true, ties)
    # Integers up to the last line, so that nothing is rounded. A positive wins 2 for a negative
    # with a lower score and 1 for one with the same. `before` is counted from the first group on.
    before = np.cumsum(negatives) - negatives
    first_tie = np.searchsorted(ties, first)
    wins = sum_slices(positives * (2 * before + negatives), first_tie)
    positives, negatives = sum_slices(positives, first_tie), sum_slices(negatives, first_tie)
    wins -= 2 * positives * before[first_tie]
    pairs = positives * negatives
    kept, impressions = pairs > 0, positives + negatives
    return GroupAUC(
        groups=groups[first][kept],
        auc=wins[kept] / (2 * pairs[kept]),
        impressions=impressions[kept],
        positives=positives[kept],
        groups_left_out=int(np.sum(~kept)),
        rows_left_out=int(impressions[~kept].sum()),
    )


def gauc_difference(y_true, y_pred, base_y_pred, groups) -> tuple:
    """The difference of the GAUCs of two models, and its standard error.

    Both models score the same rows, so the difference is taken group by group: `d = sum_g w_g d_g
    / sum_g w_g`, `d_g = AUC_g - AUC_base,g`, with impressions as weights. Its standard error over
    the `G` groups is `sqrt(G / (G - 1) sum_g w_g^2 (d_g - d)^2) / sum_g w_g`. It is much smaller
    than that of either GAUC where the models are similar: then a group that is hard for one is
    hard for the other. For models that have nothing in common it is larger than either, by
    `sqrt(2)`. It does not include how training varies with the seed.

    Args:
        y_true: `(rows,)` of 0 and 1.
        y_pred: `(rows,)` of finite scores.
        base_y_pred: `(rows,)` of finite scores of the other model.
        groups: `(rows,)` of integers or strings, in any order.

    Returns:
        `(difference, standard_error)`. Both are NaN when no group has both classes. With one group
        the standard error is NaN, since one value does not show how values vary.
    """
    by_group, base = (group_auc(y_true, scores, groups) for scores in (y_pred, base_y_pred))
    return mean_and_error(by_group.auc - base.auc, by_group.impressions)


def mean_and_error(values, weights) -> tuple:
    """The weighted mean of values, one per group, and its standard error over the groups.

    `m = sum_g w_g v_g / sum_g w_g`, and `sqrt(G / (G - 1) sum_g w_g^2 (v_g - m)^2) / sum_g w_g`.
    The factor `G / (G - 1)` corrects for the mean, which is computed from the same `G` values.

    Args:
        values: `(groups,)` of numbers.
        weights: `(groups,)` of positive numbers.

    Returns:
        `(mean, standard_error)`. Both are NaN without groups. With one group the standard error
        is NaN.
    """
    groups = len(values)
    if not groups:
        return float("nan"), float("nan")
    mean = np.average(values, weights=weights)
    if groups == 1:
        return float(mean), float("nan")
    variance = groups / (groups - 1) * np.sum((weights * (values - mean)) ** 2)
    return float(mean), float(np.sqrt(variance) / np.sum(weights))
