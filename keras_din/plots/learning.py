"""The plot of a metric by training step."""

import pandas as pd

from keras_din.plots.style import (
    LESS_IS_BETTER,
    METRIC_LABELS,
    NO_BEST,
    axes_of,
    line_style,
    named,
    without_frame,
)

__all__ = ["learning_curve"]


def learning_curve(history, metric: str = "gauc", ax=None):
    """Draws a metric by training step, with the end of each epoch and the best evaluation.

    The model overfits if the training loss still decreases while the validation GAUC decreases too.

    Args:
        history: The evaluations of a training, in order: `kd.Evaluation(...).history`, or the
            `DataFrame` of a run's `metrics.csv` (version 0.1 counted epochs from 0; such a file
            works too). To compare, a dict of label -> history.
        metric: `"loss"`, the mean training loss since the previous evaluation, or a validation
            metric: `"gauc"`, `"auc"`, `"logloss"`, `"ne"`, `"ece"`, `"calibration"`; for a number
            `"rmse"`, `"mae"`, `"calibration"`. With several outputs, it starts with the name of
            one: `"cvr_gauc"`.
        ax: The Axes to draw into, or `None` for a new figure.

    Returns:
        The `matplotlib.axes.Axes`.

    Raises:
        ValueError: If a history is empty or lacks `metric`.

    Example:

    ```python
    history = [
        {"step": 10, "epoch": 1, "loss": 0.6, "gauc": 0.60},
        {"step": 20, "epoch": 2, "loss": 0.4, "gauc": 0.58},
    ]
    kd.plots.learning_curve(history, "gauc")
    ```

    Reference:
        [Zhou et al., 2018](https://arxiv.org/abs/1706.06978), Fig. 4.
    """
    kind = next(
        (name for name in METRIC_LABELS if metric == name or metric.endswith(f"_{name}")), None
    )
    if kind is None:
        raise ValueError(
            f"`metric` must be one of {', '.join(map(repr, METRIC_LABELS))}. "
            f"Received: metric={metric!r}."
        )
    output = metric.removesuffix(kind).rstrip("_")
    frames = {name: _frame(each, metric) for name, each in named("history", history).items()}
    ax = axes_of(ax)
    epochs = next(iter(frames.values())).dropna(subset="epoch").groupby("epoch")["step"].max()
    for step in epochs:
        ax.axvline(step, color="0.88", linewidth=1, zorder=0)
    for i, (name, frame) in enumerate(frames.items()):
        frame = frame.dropna(subset=metric)
        steps, values = frame["step"].to_numpy(), frame[metric].to_numpy("float64")
        if kind not in NO_BEST:
            best = values.argmin() if kind in LESS_IS_BETTER else values.argmax()
            best_label = f"best {values[best]:.4f}"
            name = best_label if name is None else f"{name}, {best_label}"
            ring = {"markersize": 11, "markerfacecolor": "none", "linestyle": ""}
            ax.plot(steps[best], values[best], **line_style(i) | ring)
        ax.plot(steps, values, label=name, **line_style(i))
    ax.set(xlabel="step", ylabel=METRIC_LABELS[kind] + (f" of {output}" if output else ""))
    above = ax.secondary_xaxis("top")
    stride = -(-len(epochs) // 12)  # At most 12 labels.
    above.set_xticks(epochs[::stride], [f"{int(epoch)}" for epoch in epochs.index[::stride]])
    above.tick_params(length=0)
    above.spines[:].set_visible(False)
    above.set_xlabel("epochs done")
    if kind not in NO_BEST or None not in frames:
        ax.legend(frameon=False)
    return without_frame(ax)


def _frame(history, metric) -> pd.DataFrame:
    frame = pd.DataFrame(history)
    missing = [name for name in ("step", "epoch", metric) if name not in frame]
    if missing or frame[metric].isna().all():
        raise ValueError(
            f"`history` must have 'step', 'epoch' and {metric!r} of at least one evaluation. "
            f"Received: {len(frame)} evaluations with {list(frame)}."
        )
    # Epochs count from 1. Version 0.1 counted from 0, which the first epoch shows.
    epoch = pd.to_numeric(frame["epoch"])
    return frame.assign(epoch=epoch + (epoch.min() == 0))
