"""Curves from the logits of a model to calibrated logits, fitted to labels."""

import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from keras_din.scikit_learn import scikit_learn

LEAST_SLOPE = 0.01
_SEGMENTS = 10  # Of "piecewise_linear".


class Curve(NamedTuple):
    """A piecewise linear function that grows by at least `LEAST_SLOPE` per logit.

    The first and the last line go on beyond the points.

    Attributes:
        logits: The logits of its points, float64, ascending.
        values: The calibrated logits of its points, float64.
    """

    logits: np.ndarray
    values: np.ndarray

    def __call__(self, logits) -> np.ndarray:
        """Returns the calibrated logits, float64."""
        x, y = self
        slopes = np.diff(y) / np.diff(x)
        segment = np.clip(np.searchsorted(x, logits, side="right") - 1, 0, len(slopes) - 1)
        return y[segment] + slopes[segment] * (logits - x[segment])


def fit_curve(method: str, logits, labels, weights, bounded: bool = True) -> Curve:
    """Fits a curve.

    Args:
        method: A name in `METHODS`.
        logits: Finite numbers `(rows,)`.
        labels: 0 or 1, `(rows,)`. Both must occur.
        weights: Positive numbers `(rows,)`. A row with a probability as label is two rows.
        bounded: Whether to add half a click at the lowest logit, and half a row without a click at
            the highest. They keep the ends of `"isotonic"` and `"piecewise_linear"` from 0 and 1,
            which have no logit. Not necessary if both ends have both labels.
    """
    logits, labels, weights = (np.asarray(each, "float64") for each in (logits, labels, weights))
    if np.ptp(logits) == 0:  # A model with one prediction has no slope.
        rate = np.average(labels, weights=weights)
        return _line(1.0, _logit(rate) - logits[0])
    if bounded and method != "platt":
        logits = np.concatenate([logits, [logits.min(), logits.max()]])
        labels, weights = np.concatenate([labels, [1, 0]]), np.concatenate([weights, [0.5, 0.5]])
    return METHODS[method](logits, labels, weights)


def _platt(logits, labels, weights) -> Curve:
    """The logistic regression of scikit-learn on the logits, without a penalty."""
    linear_model = scikit_learn("linear_model", "`calibrate`")
    clicks, others = logits[labels == 1], logits[labels == 0]
    if clicks.min() >= others.max():
        raise ValueError(
            "The logits of clicks and of rows without a click must overlap for method='platt', "
            "which has no finite slope otherwise: use more rows, or method='isotonic'. Received: "
            f"clicks from {clicks.min():.4g}, and other rows up to {others.max():.4g}."
        )
    slope = 0.0
    if clicks.max() > others.min():  # Otherwise no click has a higher logit than another row.
        center, scale = logits.mean(), logits.std()
        # `C=inf` means no penalty, in each version of scikit-learn.
        model = linear_model.LogisticRegression(C=np.inf, tol=1e-9, max_iter=1000)
        model.fit(((logits - center) / scale)[:, None], labels, sample_weight=weights)
        slope = model.coef_[0, 0] / scale
        if slope >= LEAST_SLOPE:
            return _line(slope, model.intercept_[0] - slope * center)
    warnings.warn(
        f"method='platt' uses the slope {LEAST_SLOPE} instead of {slope:.2g}, so that the order "
        "does not change: the scores of the model do not rank the calibration rows.",
        stacklevel=2,
    )
    return _line(LEAST_SLOPE, _offset(LEAST_SLOPE * logits, labels, weights))


def _isotonic(logits, labels, weights) -> Curve:
    """The isotonic regression of scikit-learn, whose steps get the slope `LEAST_SLOPE`."""
    isotonic = scikit_learn("isotonic", "`calibrate`").IsotonicRegression
    steps = isotonic().fit(logits, labels, sample_weight=weights)
    at, rate = steps.X_thresholds_, steps.y_thresholds_
    # A step has a knot at each of its ends. The weight of its rows is divided between them.
    step_of_row, step_of_knot = (
        np.searchsorted(rate, each - 1e-12) for each in (steps.predict(logits), rate)
    )
    weight = np.bincount(step_of_row, weights, len(rate))[step_of_knot]
    weight = weight / np.bincount(step_of_knot)[step_of_knot]
    values = _with_least_slope(at, _logit(rate), weight)
    # Beyond the rows the curve goes on with this slope.
    at = np.concatenate([[at[0] - 1], at, [at[-1] + 1]])
    return Curve(
        at, np.concatenate([[values[0] - LEAST_SLOPE], values, [values[-1] + LEAST_SLOPE]])
    )


def _piecewise_linear(logits, labels, weights) -> Curve:
    """Lines between the deciles of the logits, with the lowest logloss.

    The parameters are the value at the first knot and the increase to each next one, at least
    `LEAST_SLOPE` times its distance. The logloss is convex in them, and L-BFGS-B finds its minimum
    within these bounds.
    """
    scikit_learn("isotonic", "`calibrate`")  # It depends on SciPy.
    from scipy.optimize import minimize

    knots = _quantiles(logits, weights, np.linspace(0, 1, _SEGMENTS + 1))
    widths = np.diff(knots)
    shares = np.clip((logits[:, None] - knots[:-1]) / widths, 0, 1)
    weights = weights / weights.sum()

    def loss(parameters):
        z = parameters[0] + shares @ parameters[1:]
        error = weights * (_sigmoid(z) - labels)
        value = weights @ (np.logaddexp(0, z) - labels * z)
        return value, np.concatenate([[error.sum()], error @ shares])

    least = LEAST_SLOPE * widths
    start = np.concatenate([[_logit(weights @ labels) - widths.sum() / 2], widths])
    bounds = [(None, None), *((bound, None) for bound in least)]
    options = {"maxiter": 2000, "maxfun": 4000, "ftol": 1e-13, "gtol": 1e-9}
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
    return Curve(knots, found[0] + np.concatenate([[0], np.cumsum(np.maximum(found[1:], least))]))


METHODS: dict[str, Callable] = {
    "platt": _platt,
    "isotonic": _isotonic,
    "piecewise_linear": _piecewise_linear,
}


def _with_least_slope(x, values, weights) -> np.ndarray:
    """Returns the closest values whose slope is at least `LEAST_SLOPE`, by weighted squares."""
    isotonic = scikit_learn("isotonic", "`calibrate`").IsotonicRegression
    least = LEAST_SLOPE * x
    return isotonic().fit(x, values - least, sample_weight=weights).predict(x) + least


def _quantiles(values, weights, shares) -> np.ndarray:
    """Returns distinct weighted quantiles, with the smallest and the largest value."""
    order = np.argsort(values)
    values, cumulative = values[order], np.cumsum(weights[order])
    found = values[np.searchsorted(cumulative, shares[1:-1] * cumulative[-1])]
    return np.unique(np.concatenate([values[:1], found, values[-1:]]))


def _line(slope: float, intercept: float) -> Curve:
    return Curve(np.array([0.0, 1.0]), np.array([intercept, intercept + slope]))


def _offset(logits, labels, weights) -> float:
    """Returns the number to add to logits so that the mean prediction is the click rate."""
    from scipy.optimize import brentq

    def error(offset):
        return weights @ (_sigmoid(logits + offset) - labels)

    return brentq(error, -100 - logits.max(), 100 - logits.min())


def _logit(p):
    return np.log(p) - np.log1p(-p)


def _sigmoid(x):
    return np.exp(-np.logaddexp(0, -x))


def check_installed() -> None:
    """Raises an `ImportError` if scikit-learn is missing."""
    scikit_learn("isotonic", "`calibrate`")
