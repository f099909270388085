"""Predicted and observed click rates in bins of equal size."""

from typing import NamedTuple

import numpy as np

from keras_din.checks import positive_integer
from keras_din.metrics.arguments import check_probabilities
from keras_din.metrics.slices import count_classes, starts_new_value, sum_slices


class CalibrationBins(NamedTuple):
    """Rows divided into bins by their prediction, the bin of the lowest predictions first.

    All arrays have the shape `(bins,)`.

    Attributes:
        rows: Number of rows, int64.
        predicted_rate: Mean prediction, float64.
        click_rate: Mean label, float64.

    Example:

    ```python
    bins = kd.metrics.calibration_bins([0, 1, 1, 1], [0.1, 0.3, 0.6, 0.8], bins=2)
    bins.rows  # [2, 2]
    bins.predicted_rate  # [0.2, 0.7]
    bins.click_rate  # [0.5, 1.0]
    ```
    """

    rows: np.ndarray
    predicted_rate: np.ndarray
    click_rate: np.ndarray


def calibration_bins(y_true, y_pred, bins: int = 10) -> CalibrationBins:
    """Computes the predicted and the observed click rates in bins of equal size.

    Rows are sorted by prediction and divided into bins, by default deciles. Rows with the same
    prediction may be in two bins. Each of them counts with their mean label, so that the result
    does not depend on the order of the rows.

    Args:
        y_true: `(rows,)` of 0 and 1.
        y_pred: `(rows,)` of probabilities.
        bins: Number of bins. If there are fewer rows, each row is a bin.

    Returns:
        `CalibrationBins`. Without rows its arrays are empty.

    Raises:
        ValueError: If the arrays do not fit together, or `bins` is not a positive integer.

    Example:

    ```python
    bins = kd.metrics.calibration_bins([0, 1, 1, 1], [0.1, 0.3, 0.6, 0.8], bins=2)
    bins.click_rate - bins.predicted_rate  # [0.3, 0.3]
    ```
    """
    bins = positive_integer("bins", bins)
    y_true, y_pred = check_probabilities(y_true, y_pred)
    order = np.argsort(y_pred)
    y_true, y_pred = y_true[order], y_pred[order]
    positives, negatives = count_classes(y_true, np.flatnonzero(starts_new_value(y_pred)))
    size = positives + negatives
    label = np.repeat(positives / size, size)
    bins = min(bins, len(y_true))
    first = np.arange(bins) * len(y_true) // max(bins, 1)
    rows = np.diff(first, append=len(y_true))
    sums = (sum_slices(values.astype("float64"), first) for values in (y_pred, label))
    return CalibrationBins(rows, *(total / rows for total in sums))
