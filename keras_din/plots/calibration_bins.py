"""The plot of click rates by bins of the predictions."""

import numpy as np

from keras_din import metrics
from keras_din.plots.style import GREY, axes_of, line_style, named, number_range, without_frame

__all__ = ["calibration"]


def calibration(
    y_true, y_pred, bins: int = 10, ax=None, *, confidence: float = 0.95, side_by_side: bool = False
):
    """Draws the observed click rates by deciles of the predictions, with Wilson intervals.

    Each point is one of the bins of `keras_din.metrics.calibration_by_decile`: its mean prediction
    and its click rate, with the interval of `keras_din.metrics.wilson_interval`. On the diagonal
    predictions are calibrated. Below it they are too high.

    Args:
        y_true: `(rows,)` of 0 and 1.
        y_pred: `(rows,)` of probabilities. Or a dict of name -> probabilities, to compare models,
            or the probabilities before and after `keras_din.calibration.calibrate`.
        bins: Number of bins. With fewer rows than that, each row is a bin.
        ax: The Axes to draw into, or `None` for a new figure.
        confidence: The confidence of the intervals, in [0, 1).
        side_by_side: Whether each entry of the dict is drawn into Axes of its own, in a new
            figure. All have the same limits.

    Returns:
        The `matplotlib.axes.Axes`. With `side_by_side` a list of them.

    Raises:
        ValueError: If the arrays differ in length, there are no rows, or `ax` is given with
            `side_by_side`.

    Example:

    ```python
    y_true, before = [0, 0, 1, 0, 1, 1], np.array([0.1, 0.2, 0.3, 0.6, 0.7, 0.8])
    kd.plots.calibration(y_true, before, bins=2)
    after = {"before": before, "after": before / 2 + 0.25}
    kd.plots.calibration(y_true, after, bins=2, side_by_side=True)
    ```
    """
    y_pred = named("y_pred", y_pred)
    tables = {
        name: metrics.calibration_by_decile(y_true, p, bins, confidence)
        for name, p in y_pred.items()
    }
    if not len(next(iter(tables.values())).rows):
        raise ValueError("`y_true` must have at least one row. Received: none.")
    axes = _calibration_axes(len(tables), ax, side_by_side)
    highest = max(
        max(table.predicted_rate.max(), table.click_rate_high.max()) for table in tables.values()
    )
    limits = (-0.03 * highest, 1.05 * highest)
    for i, (name, table) in enumerate(tables.items()):
        found, rate = axes[i % len(axes)], table.click_rate
        error = [rate - table.click_rate_low, table.click_rate_high - rate]
        ece = f"ECE {np.average(table.ece, weights=table.rows):.4f}"
        label = ece if name is None else f"{name}, {ece}"
        found.errorbar(table.predicted_rate, rate, error, label=label, **line_style(i))
    for each in axes:
        each.plot(limits, limits, color=GREY, linewidth=1, linestyle="--", zorder=0)
        each.set(xlim=limits, ylim=limits, aspect="equal", ylabel="click rate")
        rows = number_range(table.rows.min(), table.rows.max())
        each.set_xlabel(f"mean prediction ({len(table.rows)} bins of {rows} rows)")
        each.legend(frameon=False, loc="upper left")
        without_frame(each)
    return axes if side_by_side else axes[0]


def _calibration_axes(count: int, ax, side_by_side: bool) -> list:
    if not side_by_side:
        return [axes_of(ax, (5, 5))]
    if ax is not None:
        raise ValueError(
            f"`ax` must be None with `side_by_side`, which makes a new figure. Received: {ax!r}."
        )
    figure = axes_of(None, (4.5 * count, 4.8)).figure
    figure.clear()
    return list(figure.subplots(1, count, squeeze=False)[0])
