"""Calibration of predicted click rates, and its correction."""

import numpy as np

from keras_din.checks import positive_number, rate
from keras_din.metrics.arguments import check_probabilities
from keras_din.metrics.calibration_bins import calibration_bins


def calibration(y_true, y_pred) -> float:
    """`sum(p) / sum(y)`: more than 1 if a model predicts more clicks than there are.

    Args:
        y_true: `(rows,)` of 0 and 1.
        y_pred: `(rows,)` of probabilities.

    Returns:
        The calibration; NaN if no label is 1.

    Example:

    ```python
    kd.metrics.calibration([1, 0, 0, 0], [0.2, 0.1, 0.1, 0.1])  # 0.5
    ```
    """
    y_true, y_pred = check_probabilities(y_true, y_pred)
    clicks = np.sum(y_true, dtype="float64")
    return float(np.sum(y_pred, dtype="float64") / clicks) if clicks else float("nan")


def expected_calibration_error(y_true, y_pred, bins: int = 10) -> float:
    """The mean absolute difference of predicted and observed click rates over bins.

    `ECE = sum_b n_b / n |mean_b(p) - mean_b(y)|`, with the bins of `calibration_bins`.

    Args:
        y_true: `(rows,)` of 0 and 1.
        y_pred: `(rows,)` of probabilities.
        bins: Number of bins. If there are fewer rows, each row is a bin.

    Returns:
        The expected calibration error; NaN without rows.

    Example:

    ```python
    kd.metrics.expected_calibration_error([0, 1, 1, 1], [0.1, 0.3, 0.6, 0.8], bins=2)  # 0.3
    ```
    """
    found = calibration_bins(y_true, y_pred, bins)
    if not len(found.rows):
        return float("nan")
    return float(np.average(np.abs(found.predicted_rate - found.click_rate), weights=found.rows))


def recalibrate(y_pred, positive_weight: float = 1.0, negative_rate: float = 1.0):
    """Converts the predictions of a model trained on reweighted clicks to click rates of the log.

    `p / (p + w (1 - p))`, `w = positive_weight / negative_rate`: the odds that the model learned
    are `w` times as high as those of the log. The order of candidates does not change, and 0 and
    1 remain 0 and 1.

    Args:
        y_pred: Array or tensor of any shape, probabilities. It may also be the symbolic output of
            a model: `keras.Model(model.inputs, recalibrate(model.output, 10))`.
        positive_weight: See `keras_din.losses.BinaryCrossentropy`.
        negative_rate: The fraction of the negatives that the model was trained on, in (0, 1].

    Returns:
        An array or tensor of the same shape; for the output of a model float32.

    Raises:
        ValueError: If a number is out of its range.

    Example:

    ```python
    kd.metrics.recalibrate(np.array([0.5, 0.8]), positive_weight=4)  # [0.2, 0.5]
    ```

    Reference:
        [He et al., 2014](https://doi.org/10.1145/2648584.2648589), Sec. 6.3, for
        `negative_rate`.
    """
    factor = positive_number("positive_weight", positive_weight)
    factor /= rate("negative_rate", negative_rate)
    if hasattr(y_pred, "_keras_history"):  # A symbolic tensor.
        from keras_din.recalibration import recalibrate_tensor

        return recalibrate_tensor(y_pred, factor)
    return y_pred / (y_pred + factor * (1 - y_pred))
