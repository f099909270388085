"""Calibration by decile of the predictions and by the values of a field, with intervals."""

import statistics
from typing import NamedTuple

import numpy as np

from keras_din.checks import fraction, positive_integer
from keras_din.metrics.arguments import check_groups_of_rows, check_probabilities
from keras_din.metrics.calibration_bins import calibration_bins
from keras_din.metrics.click_rate import expected_calibration_error


class CalibrationTable(NamedTuple):
    """Predicted and observed click rates of parts of the rows, with intervals.

    All arrays have the shape `(parts,)`. An interval of the click rate is that of
    `wilson_interval`. The interval of the calibration follows from it, `predicted_rate / high` to
    `predicted_rate / low`: the predictions are exact, only clicks vary.

    Attributes:
        values: The value of the field, or the number of the bin from 1, the lowest predictions
            first.
        rows: Number of rows, int64.
        predicted_rate: Mean prediction.
        click_rate: Mean label.
        click_rate_low: Lower end of the interval of the click rate.
        click_rate_high: Upper end of this interval.
        calibration: `predicted_rate / click_rate`; NaN without clicks.
        calibration_low: Lower end of the interval of the calibration.
        calibration_high: Upper end of this interval; infinite without clicks.
        ece: The expected calibration error within the part. Of few rows it is large even if the
            predictions are right: compare it with `(click_rate_high - click_rate_low) / 2`.

    Example:

    ```python
    table = kd.metrics.calibration_by_decile([0, 1, 1, 1], [0.1, 0.3, 0.6, 0.8], bins=2)
    table.click_rate  # [0.5, 1.0]
    ```
    """

    values: np.ndarray
    rows: np.ndarray
    predicted_rate: np.ndarray
    click_rate: np.ndarray
    click_rate_low: np.ndarray
    click_rate_high: np.ndarray
    calibration: np.ndarray
    calibration_low: np.ndarray
    calibration_high: np.ndarray
    ece: np.ndarray


def wilson_interval(clicks, rows, confidence: float = 0.95) -> tuple:
    """Computes the Wilson score interval of click rates.

    `(r + z^2 / (2 n) -+ z sqrt(r (1 - r) / n + z^2 / (4 n^2))) / (1 + z^2 / n)`, with `r` the
    click rate of `n` rows and `z` the normal quantile, 1.96 for 95 %. Unlike the normal interval,
    it stays in [0, 1] and is not empty without clicks.

    Args:
        clicks: Number of clicks, an array of any shape. It need not be an integer.
        rows: Number of rows, of the same shape.
        confidence: The confidence, in [0, 1).

    Returns:
        `(low, high)`, float64 arrays. NaN where there are no rows.

    Example:

    ```python
    low, high = kd.metrics.wilson_interval(5, 50)  # 0.0435 and 0.2136
    ```

    Reference:
        [Wilson, 1927](https://doi.org/10.1080/01621459.1927.10502953).
    """
    z = statistics.NormalDist().inv_cdf(0.5 + fraction("confidence", confidence) / 2)
    clicks, rows = np.asarray(clicks, "float64"), np.asarray(rows, "float64")
    with np.errstate(invalid="ignore", divide="ignore"):
        rate, share = clicks / rows, z * z / rows
        center = rate + share / 2
        half = z * np.sqrt(np.maximum(rate * (1 - rate), 0) / rows + share / (4 * rows))
        low, high = (center - half) / (1 + share), (center + half) / (1 + share)
    # Rounding may leave [0, 1], or the click rate out of its interval.
    return np.clip(np.minimum(low, rate), 0, 1), np.clip(np.maximum(high, rate), 0, 1)


def calibration_by_decile(
    y_true, y_pred, bins: int = 10, confidence: float = 0.95
) -> CalibrationTable:
    """Computes the calibration in bins of equal size by prediction, by default deciles.

    The bins are those of `calibration_bins`.

    Args:
        y_true: `(rows,)` of 0 and 1.
        y_pred: `(rows,)` of probabilities.
        bins: Number of bins. If there are fewer rows, each row is a bin.
        confidence: The confidence of the intervals, in [0, 1).

    Returns:
        A `CalibrationTable` with one entry per bin. `ece` is the absolute difference of the
        predicted and the observed click rate.

    Raises:
        ValueError: If the arrays do not fit together, or another argument is invalid.

    Example:

    ```python
    table = kd.metrics.calibration_by_decile([0, 1, 0, 1], [0.1, 0.1, 0.6, 0.8], bins=2)
    table.calibration  # [0.2, 1.4]
    ```
    """
    found = calibration_bins(y_true, y_pred, bins)
    ece = np.abs(found.predicted_rate - found.click_rate)
    return _table(np.arange(1, len(found.rows) + 1), *found, ece, confidence)


def calibration_by_value(
    y_true, y_pred, values, bins: int = 10, confidence: float = 0.95
) -> CalibrationTable:
    """Computes the calibration for each value of a field, such as the position or the tab.

    Args:
        y_true: `(rows,)` of 0 and 1.
        y_pred: `(rows,)` of probabilities.
        values: `(rows,)` of integers or strings, the value of the field in each row.
        bins: Number of bins of the expected calibration error within a value.
        confidence: The confidence of the intervals, in [0, 1).

    Returns:
        A `CalibrationTable` with one entry per value, in ascending order.

    Raises:
        ValueError: If the arrays do not fit together, or another argument is invalid.

    Example:

    ```python
    table = kd.metrics.calibration_by_value([0, 1, 1], [0.2, 0.2, 0.8], ["b", "b", "a"])
    table.values, table.calibration  # ["a", "b"], [0.8, 0.4]
    ```
    """
    bins = positive_integer("bins", bins)
    y_true, y_pred = check_probabilities(y_true, y_pred)
    values = check_groups_of_rows(values, len(y_true), "values")
    distinct, which = np.unique(values, return_inverse=True)
    order = np.argsort(which, kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(which, minlength=len(distinct)))[:-1])
    parts = parts if len(distinct) else []
    rows = np.array([len(part) for part in parts], "int64")
    mean = lambda array: np.array([np.mean(array[p], dtype="float64") for p in parts])  # noqa: E731
    ece = np.array([expected_calibration_error(y_true[p], y_pred[p], bins) for p in parts])
    return _table(distinct, rows, mean(y_pred), mean(y_true), ece, confidence)


def _table(values, rows, predicted, click_rate, ece, confidence) -> CalibrationTable:
    low, high = wilson_interval(click_rate * rows, rows, confidence)
    with np.errstate(divide="ignore", invalid="ignore"):
        calibration = np.where(click_rate > 0, predicted / click_rate, np.nan)
        least, most = predicted / high, predicted / low
    return CalibrationTable(
        values, rows, predicted, click_rate, low, high, calibration, least, most, ece
    )
