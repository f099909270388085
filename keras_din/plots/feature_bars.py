"""The plot of the importance of features."""

import numpy as np
import pandas as pd

from keras_din.plots.style import (
    COLORS,
    GREY,
    LESS_IS_BETTER,
    METRIC_LABELS,
    axes_of,
    without_frame,
)
from keras_din.plots.user_texts import user_texts

__all__ = ["feature_importance"]


def feature_importance(table: pd.DataFrame, ax=None):
    """Draws the importance of each feature as a horizontal bar, with its standard error.

    An error bar is one standard error to both sides: the larger one of that over the repeats and
    that over users. There is none where both are NaN.

    Args:
        table: The result of `keras_din.feature_importance`, or some rows of it, such as
            `table.head(20)`. They are drawn in this order, the first at the top.
        ax: The Axes to draw into, or `None` for a new figure.

    Returns:
        The `matplotlib.axes.Axes`.

    Raises:
        ValueError: If the table lacks a column, or has no rows.

    Example:

    ```python
    import pandas as pd

    table = pd.DataFrame({"feature": ["item_id", "hist"], "importance": [0.04, 0.01]})
    table["standard_error"] = [0.002, 0.001]
    table["standard_error_of_users"] = [0.003, 0.002]
    kd.plots.feature_importance(table)
    ```
    """
    columns = ["feature", "importance", "standard_error", "standard_error_of_users"]
    lacking = [name for name in columns if name not in table]
    if lacking or not len(table):
        raise ValueError(
            f"`table` must have the columns {columns} and at least one row. "
            f"Received: {len(table)} rows with {list(table)}."
        )
    longest = min(max(map(len, map(str, table["feature"]))), 40)
    ax = axes_of(ax, (5 + 0.08 * longest, min(1.5 + 0.3 * len(table), 14)))
    places = np.arange(len(table))
    error = np.fmax(*(table[name].to_numpy("float64") for name in columns[2:]))
    ax.barh(places, table["importance"], height=0.7, color=COLORS[0])
    has_error = np.isfinite(error)
    bars = {"fmt": "none", "ecolor": COLORS[-1], "elinewidth": 1.2, "capsize": 3}
    ax.errorbar(table["importance"][has_error], places[has_error], xerr=error[has_error], **bars)
    ax.axvline(0, color=GREY, linewidth=1)
    names, style = user_texts(table["feature"])
    ax.set_yticks(places, names, **style)
    ax.locator_params(axis="x", nbins=6)
    ax.set_ylim(len(table) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel(_importance_label(table.attrs))
    return without_frame(ax)


def _importance_label(attrs: dict) -> str:
    """Returns the label of the axis, with what `keras_din.feature_importance` knows."""
    if "metric" not in attrs:
        return "importance"
    metric = attrs["metric"]
    name = METRIC_LABELS[metric].replace(" of validation", "")
    change = "rise" if metric in LESS_IS_BETTER else "drop"
    return f"{change} of {name} when the feature is permuted,\nfrom {attrs['baseline']:.4f}"
