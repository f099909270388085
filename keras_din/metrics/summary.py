"""All metrics of an evaluation in one dict."""

import numpy as np

from keras_din.metrics.arguments import check_groups_of_rows, check_probabilities
from keras_din.metrics.click_rate import calibration, expected_calibration_error
from keras_din.metrics.cross_entropy import logloss, normalized_entropy
from keras_din.metrics.grouped_ranking import GroupAUC, group_auc
from keras_din.metrics.ranking import auc


def all_metrics(y_true, y_pred, groups=None) -> dict:
    """Computes all metrics.

    Args:
        y_true: `(rows,)` of 0 and 1.
        y_pred: `(rows,)` of probabilities.
        groups: `(rows,)` of integers or strings, or `None`.

    Returns:
        A dict with the floats `gauc` (weighted by impressions), `auc`, `logloss`, `ne`,
        `calibration`, `ece`, and the integers `rows`, `groups` (groups with both classes) and
        `groups_left_out`. Without groups the dict has no `gauc`, `groups` and `groups_left_out`.

    Example:

    ```python
    results = kd.metrics.all_metrics([1, 0, 0], [0.6, 0.3, 0.1], groups=["ann", "ann", "ann"])
    results["gauc"], results["calibration"], results["rows"]  # 1.0, 1.0 and 3
    ```
    """
    return metrics_and_groups(y_true, y_pred, groups)[0]


def metrics_and_groups(y_true, y_pred, groups=None) -> tuple:
    """Computes all metrics and the `GroupAUC` from which the GAUC is computed.

    Args:
        y_true: `(rows,)` of 0 and 1.
        y_pred: `(rows,)` of probabilities.
        groups: `(rows,)` of integers or strings, or `None`.

    Returns:
        `(metrics, group_auc)`: the dict of `all_metrics`, and a `GroupAUC`, or `None` without
        groups.

    Example:

    ```python
    _, by_group = kd.metrics.metrics_and_groups([1, 0], [0.6, 0.3], groups=[7, 7])
    by_group.auc  # [1.0]
    ```
    """
    y_true, y_pred = check_probabilities(y_true, y_pred)
    # The functions below sort again, which is fast on sorted rows.
    order = np.argsort(y_pred)
    y_true, y_pred = y_true[order], y_pred[order]
    result = {
        "auc": auc(y_true, y_pred),
        "logloss": logloss(y_true, y_pred),
        "ne": normalized_entropy(y_true, y_pred),
        "calibration": calibration(y_true, y_pred),
        "ece": expected_calibration_error(y_true, y_pred),
        "rows": len(y_true),
    }
    if groups is None:
        return result, None
    by_group = group_auc(y_true, y_pred, check_groups_of_rows(groups, len(y_true))[order])
    return with_groups(result, by_group), by_group


def with_groups(metrics: dict, by_group: GroupAUC) -> dict:
    """Adds `gauc`, `groups` and `groups_left_out` to metrics without groups.

    Args:
        metrics: The dict of `all_metrics` without groups.
        by_group: The `GroupAUC` of the same rows.
    """
    return {
        "gauc": by_group.average(),
        **metrics,
        "groups": len(by_group.groups),
        "groups_left_out": by_group.groups_left_out,
    }
