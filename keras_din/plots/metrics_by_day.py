"""The plot of the metrics of a run by appended day."""

import numpy as np

from keras_din.plots.style import COLORS, GREY, MARKERS, axes_of

__all__ = ["days"]


def days(updates: list, prefix: str = "") -> list:
    """Draws the metrics of a run by day, see `keras_din.training.update`.

    Args:
        updates: `run.days` of a run that was updated.
        prefix: Prefix of the names of the metrics, such as `"cvr_"`, if there are several outputs.

    Returns:
        The Axes of GAUC, of logloss and calibration, of the shares of rows with an unknown value,
        and of the number of values per table. For an output that is a number, those of the root
        mean squared and the mean absolute error instead of GAUC, and of calibration.

    Example:

    ```python
    day = {"day": 1, "gauc": 0.61, "logloss": 0.31, "calibration": 1.02}
    day |= {"unknown": {"item": 0.05}, "values": {"item": 900}}
    axes = kd.plots.days([day, day | {"day": 2, "gauc": 0.62}])
    ```
    """

    if not updates:
        raise ValueError("`updates` must have at least one day. Received: none.")
    number = [update["day"] for update in updates]
    figure = axes_of(None, (11, 7)).figure
    figure.clear()
    axes = figure.subplots(2, 2, sharex=True)
    by_day = lambda name: [update.get(f"{prefix}{name}", np.nan) for update in updates]  # noqa: E731
    first, losses, unknown, sizes = axes.ravel()
    if any(f"{prefix}rmse" in update for update in updates):
        first.plot(number, by_day("rmse"), color=COLORS[0], marker="o", label="RMSE")
        first.plot(number, by_day("mae"), color=COLORS[1], marker="s", label="MAE")
        first.set_ylabel("error of the day, before training on it")
        first.legend()
        losses.set_ylabel("mean prediction / mean label")
    else:
        first.plot(number, by_day("gauc"), color=COLORS[0], marker="o")
        first.set_ylabel("GAUC of the day, before training on it")
        losses.plot(number, by_day("logloss"), color=COLORS[0], marker="o", label="logloss (nats)")
        losses.set_ylabel("logloss, and predicted / observed clicks")
    losses.plot(number, by_day("calibration"), color=COLORS[1], marker="s", label="calibration")
    losses.axhline(1, color=GREY, linewidth=0.8)
    losses.legend()
    for ax, key, label in (
        (unknown, "unknown", "share of rows with an unknown value"),
        (sizes, "values", "number of values in the table"),
    ):
        for i, name in enumerate(sorted({name for each in updates for name in each.get(key, {})})):
            values = [update.get(key, {}).get(name, np.nan) for update in updates]
            style = {"color": COLORS[i % len(COLORS)], "marker": MARKERS[i % len(MARKERS)]}
            style["linestyle"] = ("-", "--", ":")[i // len(COLORS) % 3]
            ax.plot(number, values, label=name, **style)
        ax.set_ylabel(label)
        ax.set_xlabel("appended day")
        ax.set_ylim(bottom=0)
        if ax.lines:  # Beside the curves, which may be many.
            ax.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5), fontsize="small")
    first.xaxis.get_major_locator().set_params(integer=True)
    return list(axes.ravel())
