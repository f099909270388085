"""Metrics of click-through-rate models: pure functions of NumPy arrays, without a loop."""

from typing import NamedTuple

import numpy as np

from keras_din.checks import one_of, positive_integer, positive_number, rate

_EPSILON = 1e-7  # As in Keras: a probability of 0 or 1 is taken as this far from it.


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


def gauc(labels, predictions, groups, weight: str = "impressions") -> float:
    """The AUC within a group (as a rule a user), averaged over groups.

    `GAUC = sum_g w_g AUC_g / sum_g w_g`. Ties count one half. Groups with one class only are left
    out. With one positive and one negative in each group it is the pairwise accuracy.

    Args:
        labels: `(rows,)` of 0 and 1.
        predictions: `(rows,)` of finite scores.
        groups: `(rows,)` of integers or strings, in any order.
        weight: What a group weighs: `"impressions"`, its number of samples; `"positives"`, its
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
    return _average(group_auc(labels, predictions, groups), weight)


def group_auc(labels, predictions, groups) -> GroupAUC:
    """The AUC of each group that has both classes, and what was left out.

    Args:
        labels: `(rows,)` of 0 and 1.
        predictions: `(rows,)` of finite scores.
        groups: `(rows,)` of integers or strings, in any order.

    Returns:
        A `GroupAUC`.

    Raises:
        ValueError: When the arrays do not fit together.
    """
    labels, predictions = _labels_and_scores(labels, predictions)
    groups = _groups(groups, len(labels))
    order = np.argsort(predictions)
    # Stable: within a group the predictions stay in order.
    order = order[np.argsort(groups[order], kind="stable")]
    labels, predictions, groups = labels[order], predictions[order], groups[order]

    new_group = _changes(groups)
    first = np.flatnonzero(new_group)
    ties = np.flatnonzero(new_group | _changes(predictions))
    positives, negatives = _count(labels, ties)
    # Integers up to the last line, so that nothing is rounded. A positive wins 2 for a negative
    # that scores less and 1 for one that scores the same; `before` starts with the first group.
    before = np.cumsum(negatives) - negatives
    place = np.searchsorted(ties, first)
    wins = _sum(positives * (2 * before + negatives), place)
    positives, negatives = _sum(positives, place), _sum(negatives, place)
    wins -= 2 * positives * before[place]
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


def gauc_difference(labels, predictions, base_predictions, groups) -> tuple:
    """How much more GAUC one model has than another, and how sure that is.

    Both score the same rows, so the difference is taken group by group: `d = sum_g w_g d_g /
    sum_g w_g`, `d_g = AUC_g - AUC_base,g`, with impressions as weights. Its standard error over
    the `G` groups, `sqrt(G / (G - 1) sum_g w_g^2 (d_g - d)^2) / sum_g w_g`, is much smaller than
    that of either GAUC where the models are similar: then a group that is hard for one is hard
    for the other. Of models that have nothing in common it is larger than either, by `sqrt(2)`.
    It says nothing of how training varies with the seed.

    Args:
        labels: `(rows,)` of 0 and 1.
        predictions: `(rows,)` of finite scores.
        base_predictions: `(rows,)` of finite scores of the other model.
        groups: `(rows,)` of integers or strings, in any order.

    Returns:
        `(difference, standard_error)`. Both are NaN when no group has both classes; of one group
        the standard error is NaN, since one value says nothing of how values vary.
    """
    ours, base = (group_auc(labels, p, groups) for p in (predictions, base_predictions))
    return mean_and_error(ours.auc - base.auc, ours.impressions)


def mean_and_error(values, weights) -> tuple:
    """The weighted mean of values, one per group, and its standard error over the groups.

    `m = sum_g w_g v_g / sum_g w_g`, and `sqrt(G / (G - 1) sum_g w_g^2 (v_g - m)^2) / sum_g w_g`.
    The factor `G / (G - 1)` makes up for the mean, which is that of the same `G` values.

    Args:
        values: `(groups,)` of numbers.
        weights: `(groups,)` of positive numbers.

    Returns:
        `(mean, standard_error)`. Both are NaN without groups; of one group the standard error is.
    """
    groups = len(values)
    if not groups:
        return float("nan"), float("nan")
    mean = np.average(values, weights=weights)
    if groups == 1:
        return float(mean), float("nan")
    variance = groups / (groups - 1) * np.sum((weights * (values - mean)) ** 2)
    return float(mean), float(np.sqrt(variance) / np.sum(weights))


def auc(labels, predictions) -> float:
    """The probability that a positive scores more than a negative; ties count one half.

    Args:
        labels: `(rows,)` of 0 and 1.
        predictions: `(rows,)` of finite scores.

    Returns:
        The AUC, NaN when there is one class only.
    """
    labels, predictions = _labels_and_scores(labels, predictions)
    order = np.argsort(predictions)
    ties = np.flatnonzero(_changes(predictions[order]))
    positives, negatives = _count(labels[order], ties)
    before = np.cumsum(negatives) - negatives
    pairs = int(positives.sum()) * int(negatives.sum())
    wins = int(np.sum(positives * (2 * before + negatives)))
    return wins / (2 * pairs) if pairs else float("nan")


def logloss(labels, predictions) -> float:
    """`-mean(y log p + (1 - y) log(1 - p))`, with `p` clipped to `[1e-7, 1 - 1e-7]`.

    A prediction that is sure and wrong costs 16.1 at most: a probability in float32 says no more.
    The loss that a model of the zoo is trained with is not clipped, since it has the logits. So
    the loss of `evaluate` of Keras is higher where a model has such predictions.

    Args:
        labels: `(rows,)` of 0 and 1.
        predictions: `(rows,)` of probabilities.

    Returns:
        The logloss in nats, NaN without rows.
    """
    labels, predictions = _labels_and_probabilities(labels, predictions)
    p = np.clip(predictions.astype("float64"), _EPSILON, 1 - _EPSILON)
    return -_mean(np.log(np.where(labels == 1, p, 1 - p)))


def normalized_entropy(labels, predictions) -> float:
    """The logloss over the entropy of the base rate: less than 1 is better than the base rate.

    `NE = logloss / -(b log b + (1 - b) log(1 - b))`, `b = mean(y)`.

    Args:
        labels: `(rows,)` of 0 and 1.
        predictions: `(rows,)` of probabilities.

    Returns:
        The normalized entropy, NaN when there is one class only.

    Reference:
        [He et al., 2014](https://doi.org/10.1145/2648584.2648589), Eq. (1). There `b` is the click
        rate of the training data; here it is that of the rows that are evaluated.
    """
    loss, base = logloss(labels, predictions), _mean(labels)
    if not 0 < base < 1:
        return float("nan")
    return float(loss / -(base * np.log(base) + (1 - base) * np.log1p(-base)))


def calibration(labels, predictions) -> float:
    """`sum(p) / sum(y)`: more than 1 where a model promises more clicks than there are.

    Args:
        labels: `(rows,)` of 0 and 1.
        predictions: `(rows,)` of probabilities.

    Returns:
        The calibration, NaN without a positive.
    """
    labels, predictions = _labels_and_probabilities(labels, predictions)
    clicks = np.sum(labels, dtype="float64")
    return float(np.sum(predictions, dtype="float64") / clicks) if clicks else float("nan")


def expected_calibration_error(labels, predictions, bins: int = 10) -> float:
    """How far promised and real click rates are apart, on average over bins of the predictions.

    `ECE = sum_b n_b / n |mean_b(p) - mean_b(y)|`. Rows are sorted by prediction and cut into bins
    of equal size, by default deciles. Rows with the same prediction, which a cut may part, all
    count with their mean label, so that their order does not matter.

    Args:
        labels: `(rows,)` of 0 and 1.
        predictions: `(rows,)` of probabilities.
        bins: Number of bins. With fewer rows than that, each row is a bin.

    Returns:
        The expected calibration error, NaN without rows.
    """
    bins = positive_integer("bins", bins)
    labels, predictions = _labels_and_probabilities(labels, predictions)
    rows = len(labels)
    if not rows:
        return float("nan")
    order = np.argsort(predictions)
    labels, predictions = labels[order], predictions[order]
    ties = np.flatnonzero(_changes(predictions))
    positives, negatives = _count(labels, ties)
    size = positives + negatives
    gap = predictions - np.repeat(positives / size, size)
    bins = min(bins, rows)
    return float(np.abs(np.add.reduceat(gap, np.arange(bins) * rows // bins)).sum() / rows)


def recalibrate(predictions, positive_weight: float = 1.0, negative_rate: float = 1.0):
    """Probabilities of the log, of a model that was trained on positives made to count more.

    `p / (p + w (1 - p))`, `w = positive_weight / negative_rate`: the odds that the model learned
    are `w` times as high as those of the log. The order of candidates stays, and 0 and 1.

    Args:
        predictions: Array or tensor of any shape, probabilities. The output of a model may be
            one, also of a model that was loaded:
            `keras.Model(model.inputs, recalibrated(model.output, 10))`.
        positive_weight: That of `keras_din.losses.BinaryCrossentropy`.
        negative_rate: The fraction of negatives that training saw, in (0, 1].

    Returns:
        The same shape and kind; of the output of a model float32.

    Raises:
        ValueError: When a number is not as said here.

    Reference:
        [He et al., 2014](https://doi.org/10.1145/2648584.2648589), Sec. 6.3, for
        `negative_rate`.
    """
    factor = positive_number("positive_weight", positive_weight)
    factor /= rate("negative_rate", negative_rate)
    if hasattr(predictions, "_keras_history"):  # Of a model that is being built.
        from keras_din.recalibration import recalibrate_tensor

        return recalibrate_tensor(predictions, factor)
    return predictions / (predictions + factor * (1 - predictions))


def rela_impr(auc: float, base_auc: float) -> float:
    """`(AUC - 0.5) / (AUC_base - 0.5) - 1`: how much more a model knows than a base model.

    Args:
        auc: AUC or GAUC of the model.
        base_auc: The same metric of the base model.

    Returns:
        The relative improvement, 0.1 for 10 %; NaN when the base model knows nothing.

    Reference:
        [Zhou et al., 2018](https://arxiv.org/abs/1706.06978), Eq. (11).
    """
    return (auc - 0.5) / (base_auc - 0.5) - 1 if base_auc != 0.5 else float("nan")


def all_metrics(labels, predictions, groups=None) -> dict:
    """All metrics of this file, by name.

    Args:
        labels: `(rows,)` of 0 and 1.
        predictions: `(rows,)` of probabilities.
        groups: `(rows,)` of integers or strings, or `None`.

    Returns:
        A dict with the floats `gauc` (weighted by impressions), `auc`, `logloss`, `ne`,
        `calibration`, `ece`, and the integers `rows`, `groups` (those with both classes) and
        `groups_left_out`. Without groups there is no `gauc`, `groups` and `groups_left_out`.
    """
    return metrics_and_groups(labels, predictions, groups)[0]


def metrics_and_groups(labels, predictions, groups=None) -> tuple:
    """The dict of `all_metrics`, and the `GroupAUC` behind it, `None` without groups.

    Args:
        labels: `(rows,)` of 0 and 1.
        predictions: `(rows,)` of probabilities.
        groups: `(rows,)` of integers or strings, or `None`.
    """
    labels, predictions = _labels_and_probabilities(labels, predictions)
    # Sorted once: the sorts of the functions below are fast on sorted rows.
    order = np.argsort(predictions)
    labels, predictions = labels[order], predictions[order]
    result = {
        "auc": auc(labels, predictions),
        "logloss": logloss(labels, predictions),
        "ne": normalized_entropy(labels, predictions),
        "calibration": calibration(labels, predictions),
        "ece": expected_calibration_error(labels, predictions),
        "rows": len(labels),
    }
    if groups is None:
        return result, None
    by_group = group_auc(labels, predictions, _groups(groups, len(labels))[order])
    result = {
        "gauc": _average(by_group, "impressions"),
        **result,
        "groups": len(by_group.groups),
        "groups_left_out": by_group.groups_left_out,
    }
    return result, by_group


def _average(by_group, weight) -> float:
    if not len(by_group.auc):
        return float("nan")
    return float(
        np.average(by_group.auc, weights=None if weight == "none" else getattr(by_group, weight))
    )


def _changes(values):
    """Whether a value differs from the one before it; the first does."""
    result = np.ones(len(values), bool)
    np.not_equal(values[1:], values[:-1], out=result[1:])
    return result


def _sum(values, first):
    """Sums of the slices of integers that begin at `first`, which may be empty."""
    return np.add.reduceat(values, first) if len(first) else values[:0]


def _count(labels, first):
    """Numbers of positives and of negatives of the slices that begin at `first`."""
    positives = _sum(labels.astype("int64"), first)
    return positives, np.diff(first, append=len(labels)) - positives


def _mean(values) -> float:
    return float(np.mean(values, dtype="float64")) if len(values) else float("nan")


def _labels_and_scores(labels, predictions):
    """Labels and predictions as arrays `(rows,)` that fit together, or a `ValueError`."""
    labels, predictions = _column("labels", labels), _column("predictions", predictions)
    if len(labels) != len(predictions):
        raise ValueError(
            "`labels` and `predictions` must have the same length. "
            f"Received: {len(labels)} and {len(predictions)}."
        )
    _each("labels", labels, (labels == 0) | (labels == 1), "0 or 1")
    if predictions.dtype.kind not in "fiu":
        predictions = predictions.astype("float64")  # Such as bfloat16.
    _each("predictions", predictions, np.isfinite(predictions), "finite")
    return labels, predictions


def _labels_and_probabilities(labels, predictions):
    labels, predictions = _labels_and_scores(labels, predictions)
    inside = (predictions >= 0) & (predictions <= 1)
    _each("predictions", predictions, inside, "probabilities in [0, 1]")
    return labels, predictions


def check_groups(groups: np.ndarray) -> None:
    """Refuses groups that are neither all integers nor all strings: they could not be sorted."""
    if groups.dtype.kind not in "biuUSTO":
        raise ValueError(
            f"`groups` must be integers or strings. Received: groups of dtype {groups.dtype}."
        )
    if groups.dtype.kind not in "OT":
        return
    groups, good = groups.ravel().astype(object), np.ones(groups.size, bool)
    for kind in (str, bytes, (int, np.integer)):
        good = np.fromiter((isinstance(group, kind) for group in groups), bool, len(groups))
        if good.any():
            break
    _each("groups", groups, good, "all integers or all strings, and none of them missing")


def _groups(groups, rows):
    groups = _column("groups", groups)
    check_groups(groups)
    if len(groups) != rows:
        raise ValueError(
            "`groups` must have one entry for each label. "
            f"Received: {len(groups)} groups and {rows} labels."
        )
    return groups


def _column(word, values):
    values = np.asarray(values)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise ValueError(
            f"`{word}` must have the shape (rows,) or (rows, 1). Received: {values.shape}."
        )
    return values


def _each(word, values, good, wanted):
    if not good.all():
        row = int(np.argmin(good))
        raise ValueError(f"`{word}` must be {wanted}. Received: {values[row]} in row {row}.")
