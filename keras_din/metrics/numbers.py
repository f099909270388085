"""Metrics of labels that are numbers, such as watch time."""

import numpy as np

from keras_din.metrics.arguments import check_numbers


def mean_absolute_error(y_true, y_pred) -> float:
    """`mean(|p - y|)`, in units of the label.

    Args:
        y_true: `(rows,)` of finite numbers.
        y_pred: `(rows,)` of finite numbers.

    Returns:
        The mean absolute error; NaN without rows.

    Example:

    ```python
    kd.metrics.mean_absolute_error([10.0, 0.0], [7.0, 1.0])  # 2.0
    ```
    """
    y_true, y_pred = check_numbers(y_true, y_pred)
    return float(np.mean(np.abs(y_pred - y_true))) if len(y_true) else float("nan")


def root_mean_squared_error(y_true, y_pred) -> float:
    """`sqrt(mean((p - y)^2))`, in units of the label.

    Args:
        y_true: `(rows,)` of finite numbers.
        y_pred: `(rows,)` of finite numbers.

    Returns:
        The root mean squared error; NaN without rows.

    Example:

    ```python
    kd.metrics.root_mean_squared_error([10.0, 0.0], [7.0, 1.0])  # 2.2361, the root of 5
    ```
    """
    y_true, y_pred = check_numbers(y_true, y_pred)
    return float(np.sqrt(np.mean(np.square(y_pred - y_true)))) if len(y_true) else float("nan")


def number_calibration(y_true, y_pred) -> float:
    """`sum(p) / sum(y)`, the mean prediction divided by the mean label.

    Args:
        y_true: `(rows,)` of finite numbers.
        y_pred: `(rows,)` of finite numbers.

    Returns:
        The calibration; NaN if the labels have the sum 0.

    Example:

    ```python
    kd.metrics.number_calibration([10.0, 0.0], [7.0, 1.0])  # 0.8
    ```
    """
    y_true, y_pred = check_numbers(y_true, y_pred)
    total = np.sum(y_true)
    return float(np.sum(y_pred) / total) if total else float("nan")


def number_metrics(y_true, y_pred) -> dict:
    """Computes all metrics of a label that is a number.

    Args:
        y_true: `(rows,)` of finite numbers.
        y_pred: `(rows,)` of finite numbers.

    Returns:
        A dict with the floats `rmse`, `mae` and `calibration`, and the integer `rows`.

    Example:

    ```python
    results = kd.metrics.number_metrics([10.0, 0.0], [7.0, 1.0])
    results["mae"], results["calibration"]  # 2.0 and 0.8
    ```
    """
    y_true, y_pred = check_numbers(y_true, y_pred)
    return {
        "rmse": root_mean_squared_error(y_true, y_pred),
        "mae": mean_absolute_error(y_true, y_pred),
        "calibration": number_calibration(y_true, y_pred),
        "rows": len(y_true),
    }
