"""Bins of equal size of sorted predictions, with the click rate of each."""

from typing import NamedTuple

import numpy as np

from keras_din.checks import positive_integer
from keras_din.metrics.arguments import check_probabilities
from keras_din.metrics.slices import count_classes, starts_new_value, sum_slices


class CalibrationBins(NamedTuple):
    """Rows cut into bins by their prediction; arrays are `(bins,)`, lowest predictions first.

    Attributes:
        rows: Number of rows, int64.
        predicted_rate: Mean prediction, float64.
        click_rate: Mean label, float64.
    """

    rows: np.ndarray
    predicted_rate: np.ndarray
    click_rate: np.ndarray


def calibration_bins(y_true, y_pred, bins: int = 10) -> CalibrationBins:
    """Predicted and observed click rates of bins of equal size.

    Rows are sorted by prediction and cut into bins, by default deciles. A cut may part rows with
    the same prediction. All of them count with their mean label, so that their order does not
    matter.

    Args:
        y_true: `(rows,)` of 0 and 1.
        y_pred: `(rows,)` of probabilities.
        bins: Number of bins. With fewer rows than that, each row is a bin.

    Returns:
        `CalibrationBins`, without rows those of no bin.

    Raises:
        ValueError: When the arrays do not fit together, or `bins` is no positive integer.
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
