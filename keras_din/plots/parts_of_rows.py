"""Plots of GAUC, AUC or logloss by parts of the rows."""

import itertools

import numpy as np

from keras_din import metrics
from keras_din.checks import one_of
from keras_din.plots.style import axes_of, line_style, named, number_range, without_frame

__all__ = ["gauc_by", "gauc_by_day", "gauc_by_history_length", "gauc_by_item_age"]

_PARTS = 5  # The number of parts of equal size.
_MOST_LABELS = 15  # The most parts with a label.
_WIDTH = 45  # The most characters of labels that are not rotated.
_DAY = 86_400_000_000  # Microseconds.
_NAMES = {"gauc": "GAUC", "auc": "AUC", "logloss": "logloss (nats)"}


def gauc_by(
    y_true, y_pred, groups, values, edges=None, *, metric: str = "gauc", label="value", ax=None
):
    """Draws the GAUC, AUC or logloss by a number per row, with standard errors over groups.

    Rows are split by their value. An error bar is one standard error, which is that of
    `metrics.mean_and_error` for GAUC, and of `metrics.auc_and_error` and
    `metrics.logloss_and_error`; there is none for a single group. The axis also shows the number of
    rows that count: for GAUC those of groups with both classes in the part. If these are few,
    use `metric="auc"`.

    Args:
        y_true: `(rows,)` of 0 and 1.
        y_pred: `(rows,)` of finite scores. Or a dict of name -> scores, to compare models.
        groups: `(rows,)` of integers or strings, usually the user.
        values: `(rows,)` of numbers, such as the price of the candidate. Rows with NaN are left
            out.
        edges: The lowest value of each part, ascending. The last part has no upper limit. Rows
            below the first edge are left out. Defaults to 5 parts of the same number of rows.
        metric: `"gauc"`, `"auc"` or `"logloss"`.
        label: What the values are, for the axis.
        ax: The Axes to draw into, or `None` for a new figure.

    Returns:
        The `matplotlib.axes.Axes`.

    Raises:
        ValueError: If the arrays differ in length, `edges` do not ascend, or all values are NaN.

    Example:

    ```python
    y_true, y_pred, users = [1, 0, 1, 0], [0.9, 0.1, 0.2, 0.7], ["a", "a", "b", "b"]
    price = [3.5, 2.0, 80.0, 75.0]
    kd.plots.gauc_by(y_true, y_pred, users, price, edges=[0, 10], label="price")
    ```
    """
    return _by_number(
        ("values", values), y_true, y_pred, groups, edges, metric, label, "all rows", ax
    )


def gauc_by_item_age(y_true, y_pred, groups, ages, edges=None, *, metric: str = "gauc", ax=None):
    """Draws the GAUC, AUC or logloss by the age of the candidate, see `gauc_by`.

    A model that knows items by their ids has learned little of new ones.

    Args:
        y_true: See `gauc_by`.
        y_pred: See `gauc_by`.
        groups: See `gauc_by`.
        ages: `(rows,)` of days, such as `data.item_ages("test")`: the time since the first event of
            the item in the log. Rows with NaN are left out.
        edges: The lowest age of each part, see `gauc_by`.
        metric: See `gauc_by`.
        ax: See `gauc_by`.

    Returns:
        The `matplotlib.axes.Axes`.

    Raises:
        ValueError: See `gauc_by`.

    Example:

    ```python
    y_true, y_pred, users = [1, 0, 1, 0], [0.9, 0.1, 0.2, 0.7], ["a", "a", "b", "b"]
    kd.plots.gauc_by_item_age(y_true, y_pred, users, [0.1, 0.5, 30, 12], edges=[0, 1, 7])
    ```
    """
    label = "days since the first event of the item"
    return _by_number(("ages", ages), y_true, y_pred, groups, edges, metric, label, "all ages", ax)


def gauc_by_day(y_true, y_pred, groups, time, *, metric: str = "gauc", ax=None):
    """Draws the GAUC, AUC or logloss by day (UTC), see `gauc_by`.

    For the metrics of a run that was updated day by day, see `days`.

    Args:
        y_true: See `gauc_by`.
        y_pred: See `gauc_by`.
        groups: See `gauc_by`.
        time: `(rows,)` of integers, microseconds since 1970, such as `data.parts["test"].time`, or
            of `datetime64`.
        metric: See `gauc_by`.
        ax: See `gauc_by`.

    Returns:
        The `matplotlib.axes.Axes`.

    Raises:
        ValueError: If the arrays differ in length, or `time` contains anything else.

    Example:

    ```python
    y_true, y_pred, users = [1, 0, 1, 0], [0.9, 0.1, 0.2, 0.7], ["a", "a", "b", "b"]
    time = np.array(["2026-11-01", "2026-11-01", "2026-11-02", "2026-11-02"], "datetime64[s]")
    kd.plots.gauc_by_day(y_true, y_pred, users, time)
    ```
    """
    time, rows = np.asarray(time), np.size(y_true)
    if time.dtype.kind == "M":
        is_time = not np.isnat(time).any()
        time = time.astype("datetime64[us]").astype("int64")
    else:
        is_time = time.dtype.kind in "iu"
    if time.shape != (rows,) or not rows or not is_time:
        raise ValueError(
            "`time` must have a time for each label: microseconds since 1970, or datetime64. "
            f"Received: {time.dtype} of shape {time.shape} and {rows} labels."
        )
    days = time // _DAY
    edges = np.unique(days)
    dates = edges.astype("datetime64[D]").astype(str)
    return _draw(y_true, y_pred, groups, days, edges, dates, metric, "day", "all days", ax)


def gauc_by_history_length(
    y_true, y_pred, groups, lengths, edges=None, ax=None, *, metric: str = "gauc"
):
    """Draws the GAUC, AUC or logloss by the length of the history, see `gauc_by`.

    Args:
        y_true: See `gauc_by`.
        y_pred: See `gauc_by`.
        groups: See `gauc_by`.
        lengths: `(rows,)`, the number of behaviors in the history of each row.
        edges: The shortest length of each part, see `gauc_by`. Defaults to 0, 1, 2, 4, 8, ...,
            without empty parts.
        ax: See `gauc_by`.
        metric: See `gauc_by`.

    Returns:
        The `matplotlib.axes.Axes`.

    Raises:
        ValueError: If the arrays differ in length, or `edges` are not ascending.

    Example:

    ```python
    y_true, y_pred = [1, 0, 1, 0], [0.9, 0.1, 0.2, 0.7]
    kd.plots.gauc_by_history_length(y_true, y_pred, ["a", "a", "b", "b"], np.array([1, 1, 5, 5]))
    ```
    """
    lengths, rows = np.asarray(lengths), np.size(y_true)
    if lengths.shape != (rows,) or lengths.dtype.kind not in "iu" or (lengths < 0).any():
        raise ValueError(
            "`lengths` must have a non-negative integer for each label. "
            f"Received: {lengths.dtype} of shape {lengths.shape} and {rows} labels."
        )
    if edges is None:
        powers = np.array([0, *(2**k for k in range(int(lengths.max(initial=0)).bit_length()))])
        edges = powers[np.unique(np.searchsorted(powers, lengths, side="right") - 1)]
    edges = _ascending(edges, integers=True)
    names = [number_range(a, b - 1) for a, b in itertools.pairwise(edges)]
    names.append(f"{edges[-1]}+")
    label = "behaviors in the history"
    return _draw(y_true, y_pred, groups, lengths, edges, names, metric, label, "all lengths", ax)


def _by_number(named_values, y_true, y_pred, groups, edges, metric, label, of_all, ax):
    """Draws a metric by a number; `named_values` are the name of the argument and the numbers."""
    values = _numbers(*named_values, y_true)
    if edges is None:
        known = values[~np.isnan(values)]
        edges = np.unique(np.quantile(known, np.arange(_PARTS) / _PARTS)) if len(known) else []
    edges = _ascending(edges, integers=False)
    names = [f"{_short(a)} to {_short(b)}" for a, b in itertools.pairwise(edges)]
    names.append(f"{_short(edges[-1])}+")
    return _draw(y_true, y_pred, groups, values, edges, names, metric, label, of_all, ax)


def _draw(y_true, y_pred, groups, values, edges, names, metric, label, of_all, ax):
    """Draws a metric of the rows from each edge to the next one, and of all rows in the legend."""
    one_of("metric", metric, tuple(_NAMES))
    y_pred = named("y_pred", y_pred)
    whole = {name: _of_part(metric, y_true, scores, groups)[0] for name, scores in y_pred.items()}
    y_true, groups = np.asarray(y_true).reshape(-1), np.asarray(groups).reshape(-1)
    part = np.searchsorted(edges, values, side="right") - 1
    part[np.isnan(values)] = -1
    ax = axes_of(ax)
    parts, counted = np.arange(len(edges)), None
    for i, (name, scores) in enumerate(y_pred.items()):
        scores = np.asarray(scores).reshape(-1)
        found = [
            _of_part(metric, y_true[part == k], scores[part == k], groups[part == k]) for k in parts
        ]
        measured, error, counted = map(np.array, zip(*found, strict=True))
        offset = 0.12 * (i - (len(y_pred) - 1) / 2)
        text = f"{of_all} {whole[name]:.4f}"
        text = text if name is None else f"{name}, {text}"
        ax.errorbar(parts + offset, measured, error, label=text, **line_style(i))
    labeled = parts[:: -(-len(parts) // _MOST_LABELS)]
    is_long = sum(len(names[k]) for k in labeled) > _WIDTH
    texts = [
        f"{names[k]}: {counted[k]:,}" if is_long else f"{names[k]}\n{counted[k]:,}" for k in labeled
    ]
    ax.set_xticks(labeled, texts)
    if is_long:
        ax.tick_params("x", rotation=30)
        ax.set_xticks(labeled, texts, ha="right", rotation_mode="anchor")
    ax.set_xlim(-0.5, len(edges) - 0.5)
    what = "impressions that count" if metric == "gauc" else "rows"
    missing = int(np.isnan(values).sum())
    left_out = f"\n{missing:,} rows without a value are left out" if missing else ""
    ax.set(xlabel=f"{label}, and {what}{left_out}", ylabel=_NAMES[metric])
    ax.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1))
    return without_frame(ax)


def _of_part(metric: str, y_true, y_pred, groups) -> tuple:
    """Returns `(metric, standard error, rows that count)`."""
    if metric == "gauc":
        by_group = metrics.group_auc(y_true, y_pred, groups)
        mean, error = metrics.mean_and_error(by_group.auc, by_group.impressions)
        return mean, error, int(by_group.impressions.sum())
    of_rows = {"auc": metrics.auc_and_error, "logloss": metrics.logloss_and_error}[metric]
    return *of_rows(y_true, y_pred, groups), len(y_true)


def _short(number: float) -> str:
    return f"{number:,.0f}" if 1000 <= abs(number) < 1e9 else f"{number:.3g}"


def _numbers(name: str, values, y_true) -> np.ndarray:
    """Returns a float64 array with a number for each label, or NaN."""
    values, rows = np.asarray(values), np.size(y_true)
    is_number = values.dtype.kind in "iuf" and not np.isinf(values.astype("float64")).any()
    if values.shape != (rows,) or not is_number or np.isnan(values.astype("float64")).all():
        raise ValueError(
            f"`{name}` must have a finite number or NaN for each label, and at least one number. "
            f"Received: {values.dtype} of shape {values.shape} and {rows} labels."
        )
    return values.astype("float64")


def _ascending(edges, integers: bool) -> np.ndarray:
    """Returns edges as an array, or raises a `ValueError`."""
    edges = np.asarray(edges)
    what = "non-negative integers" if integers else "finite numbers"
    valid = edges.ndim == 1 and len(edges) > 0 and edges.dtype.kind in ("iu" if integers else "iuf")
    if not valid or (integers and edges[0] < 0) or not np.isfinite(edges).all():
        raise ValueError(f"`edges` must be {what}. Received: edges={edges.tolist()!r}.")
    if (np.diff(edges) <= 0).any():
        raise ValueError(f"`edges` must ascend. Received: edges={edges.tolist()!r}.")
    return edges
