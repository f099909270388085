"""Colors, texts and Axes that all plots share."""

__all__ = [
    "COLORS",
    "GREY",
    "LESS_IS_BETTER",
    "MARKERS",
    "METRIC_LABELS",
    "NO_BEST",
    "axes_of",
    "line_style",
    "named",
    "number_range",
    "without_frame",
]

# Colors for all kinds of color vision (Okabe and Ito, 2008).
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
GREY = "0.6"
METRIC_LABELS = {
    "loss": "training loss (nats)",
    "logloss": "logloss of validation (nats)",
    "gauc": "GAUC of validation",
    "auc": "AUC of validation",
    "ne": "normalized entropy of validation",
    "ece": "calibration error of validation",
    "rmse": "root mean squared error of validation",
    "mae": "mean absolute error of validation",
    "calibration": "calibration of validation",
}
LESS_IS_BETTER = ("logloss", "ne", "ece", "rmse", "mae")
NO_BEST = ("loss", "calibration")


def named(name, values) -> dict:
    """Returns a dict of label -> values. Values without a label get the label `None`."""
    if isinstance(values, dict):
        if not values:
            raise ValueError(f"`{name}` must have at least one entry. Received: an empty dict.")
        return values
    return {None: values}


def number_range(first, last) -> str:
    return f"{first:,}" if first == last else f"{first:,}-{last:,}"


def line_style(i) -> dict:
    color, marker = COLORS[i % len(COLORS)], MARKERS[i % len(MARKERS)]
    return {"color": color, "marker": marker, "markersize": 4, "linewidth": 1.5}


def without_frame(ax):
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def axes_of(ax, inches=(6.4, 4)):
    """Returns `ax`, or the Axes of a new figure of the given size in inches."""
    if ax is not None:
        return ax
    try:
        from matplotlib import pyplot
    except ImportError:
        raise ImportError(
            "`keras_din.plots` needs matplotlib: python -m pip install 'keras_din[plots]'."
        ) from None
    return pyplot.subplots(figsize=inches, layout="constrained")[1]
