"""Curves per value of a feature, with shrinkage toward the curve of all rows."""

import numpy as np

from keras_din.calibration.curves import Curve, fit_curve

_POINTS = 100  # Of the curve of all rows that shrinkage uses.
_CLICKS = 100  # Of the default shrinkage.


def default_shrinkage(labels) -> float:
    """Returns the number of rows that have 100 clicks on average, or 100 rows without a click.

    The rarer of the two counts.
    """
    rate = float(np.mean(labels, dtype="float64"))
    return _CLICKS / min(rate, 1 - rate)


def fit_by_value(method: str, logits, labels, weights, index, shrinkage: float) -> tuple:
    """Fits the curve of all rows, and one per value.

    The curve of a value is fitted to its `n` rows and to `shrinkage` further rows, which have the
    distribution of all logits and the probabilities of the curve of all rows as labels. So near a
    logit where a value has as many rows as all rows have on average, its own click rate has the
    weight `n / (n + shrinkage)`.

    Args:
        method: See `fit_curve`, also for `logits`, `labels` and `weights`.
        index: Integers `(rows,)`, the index of the value of each row.
        shrinkage: The number of further rows, positive.

    Returns:
        `(curves, indices)`: the curve of all rows and the curves of `indices`, a list of int.
    """
    every = fit_curve(method, logits, labels, weights)
    at = np.quantile(logits, np.linspace(0, 1, _POINTS))  # Also the lowest and the highest.
    p = 1 / (1 + np.exp(-every(at)))
    prior = (
        np.concatenate([at, at]),
        np.repeat([1, 0], _POINTS),
        np.concatenate([p, 1 - p]) * shrinkage / _POINTS,
    )
    curves, indices = [every], np.unique(index)
    for value in indices:
        rows = index == value
        own = (each[rows] for each in (logits, labels, weights))
        x, y, weight = map(np.concatenate, zip(own, prior, strict=True))
        curves.append(fit_curve(method, x, y, weight, bounded=False))
    return curves, indices.tolist()


def apply_by_value(curves: list[Curve], indices: list, logits, index) -> np.ndarray:
    """Returns calibrated logits, float64: what the layer `Calibration` computes in float32."""
    result = curves[0](logits)
    for curve, value in zip(curves[1:], indices, strict=True):
        rows = index == value
        result[rows] = curve(logits[rows])
    return result
