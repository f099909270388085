"""How predicted click rates compare with the observed ones, and how to correct them."""

import numpy as np

from keras_din.checks import positive_number, rate
from keras_din.metrics.arguments import check_probabilities
from keras_din.metrics.calibration_bins import calibration_bins


def calibration(y_true, y_pred) -> float:
    """`sum(p) / sum(y)`: above 1 where a model predicts more clicks than there are.

    Args:
        y_true: `(rows,)` of 0 and 1.
        y_pred: `(rows,)` of probabilities.

    Returns:
        The calibration, NaN without a positive.
    """
    y_true, y_pred = check_probabilities(y_true, y_pred)
    clicks = np.sum(y_true, dtype="float64")
    return float(np.sum(y_pred, dtype="float64") / clicks) if clicks else float("nan")


def expected_calibration_error(y_true, y_pred, bins: int = 10) -> float:
    """The mean difference of predicted and observed click rates over bins of the predictions.

    `ECE = sum_b n_b / n |mean_b(p) - mean_b(y)|`, with the bins of `calibration_bins`.

    Args:
        y_true: `(rows,)` of 0 and 1.
        y_pred: `(rows,)` of probabilities.
        bins: Number of bins. With fewer rows than that, each row is a bin.

    Returns:
        The expected calibration error, NaN without rows.
    """
    found = calibration_bins(y_true, y_pred, bins)
    if not len(found.rows):
        return float("nan")
    return float(np.average(np.abs(found.predicted_rate - found.click_rate), weights=found.rows))


def recalibrate(y_pred, positive_weight: float = 1.0, negative_rate: float = 1.0):
    """Click rates of the log, from a model that was trained with a higher weight of positives.

    `p / (p + w (1 - p))`, `w = positive_weight / negative_rate`: the odds that the model learned
    are `w` times as high as those of the log. The order of candidates stays, and 0 and 1.

    Args:
        y_pred: Array or tensor of any shape, probabilities. May be the output of a model that is
            being built or was loaded: `keras.Model(model.inputs, recalibrate(model.output, 10))`.
        positive_weight: That of `keras_din.losses.BinaryCrossentropy`.
        negative_rate: The fraction of negatives that training read, in (0, 1].

    Returns:
        The same shape and kind; for the output of a model float32.

    Raises:
        ValueError: When a number is out of its range.

    Reference:
        [He et al., 2014](https://doi.org/10.1145/2648584.2648589), Sec. 6.3, for
        `negative_rate`.
    """
    factor = positive_number("positive_weight", positive_weight)
    factor /= rate("negative_rate", negative_rate)
    if hasattr(y_pred, "_keras_history"):  # The output of a model.
        from keras_din.recalibration import recalibrate_tensor

        return recalibrate_tensor(y_pred, factor)
    return y_pred / (y_pred + factor * (1 - y_pred))
