"""Plots of attention weights, learning curves, calibration, and GAUC by history length or feature.

They require matplotlib: `python -m pip install 'keras_din[plots]'`. Each function takes arrays,
draws into `ax` or into a new figure, and returns the Axes.
"""

import keras
import numpy as np
import pandas as pd

from keras_din import metrics
from keras_din.layers import AttentionSequencePoolingLayer

__all__ = [
    "attention",
    "attention_weights",
    "calibration",
    "days",
    "feature_importance",
    "gauc_by_history_length",
    "learning_curve",
]

# Colors for all kinds of color vision (Okabe and Ito, 2008).
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_GREY = "0.6"
_LABELS = {
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
_LESS_IS_BETTER = ("logloss", "ne", "ece", "rmse", "mae")
_NO_BEST = ("loss", "calibration")


def attention_weights(model: keras.Model, sample: dict, sequence: str | None = None) -> np.ndarray:
    """Returns the attention weights of a user's behaviors for each candidate, in a DIN model.

    Args:
        model: A functional model with an `AttentionSequencePoolingLayer` named
            `interest_<sequence>`, such as that of `build_din`.
        sample: One row of the model's inputs, by name: context `(1,)`, target `(1, candidates)`,
            behaviors `(1, time)`.
        sequence: Name of the `Sequence`. Optional if the model has only one.

    Returns:
        Float array `(candidates, behaviors)`: real behaviors only, the oldest first.

    Raises:
        ValueError: If `model` has no such layer, or `sample` is not one row of its inputs.

    Example:

    ```python
    item = kd.Categorical("item_id", 100, dim=4)
    spec = kd.FeatureSpec(target=[item], sequences=[kd.Sequence("hist", of=[item])])
    model = kd.build_din(spec, attention_units=(8,), hidden_units=(8,))
    sample = {"item_id": np.array([[2, 3]]), "hist_item_id": np.array([[4, 5, 0]])}
    weights = kd.plots.attention_weights(model, sample)  # (2, 2)
    ```
    """
    layer = _attention(model, sequence)
    names = [tensor.name for tensor in model.inputs]
    if set(names) != set(sample):
        raise ValueError(
            f"`sample` must have the model's inputs {sorted(names)}. Received: {sorted(sample)}."
        )
    sample = {name: np.asarray(values) for name, values in sample.items()}
    for name, values in sample.items():
        if values.ndim == 0 or len(values) != 1:
            raise ValueError(
                f"`sample` must be one row, of shape (1, ...). Received: {name!r} of shape "
                f"{values.shape}."
            )
    query, keys, mask, *_ = layer.input
    inner = keras.Model({tensor.name: tensor for tensor in model.inputs}, [query, keys, mask])
    query, keys, mask = inner(sample)
    weights = keras.ops.convert_to_numpy(layer.attention_weights(query, keys, mask))
    return weights[0][:, keras.ops.convert_to_numpy(mask)[0]]


def attention(weights, behaviors=None, candidates=None, ax=None):
    """Draws a heat map of the attention weights of a user's behaviors for several candidates.

    Each behavior is a row, with the oldest at the top. Each candidate is a column. If weights are
    negative (`weight_normalization=False`), there are two colors, and 0 is white. Small maps also
    show the numbers.

    Args:
        weights: `(candidates, behaviors)`, see `attention_weights`.
        behaviors: One label per behavior. Defaults to its distance from the last one.
        candidates: One label per candidate. Defaults to numbers from 1.
        ax: The Axes to draw into, or `None` for a new figure.

    Returns:
        The `matplotlib.axes.Axes`.

    Raises:
        ValueError: If `weights` has another shape, or the number of labels is wrong.

    Example:

    ```python
    kd.plots.attention([[0.1, 0.2, 0.7], [0.5, 0.5, 0.0]], candidates=["mug", "spoon"])
    ```

    Reference:
        [Zhou et al., 2018](https://arxiv.org/abs/1706.06978), Fig. 5.
    """
    weights = np.asarray(weights, "float64")
    if weights.ndim != 2 or not weights.size:
        raise ValueError(
            "`weights` must be (candidates, behaviors), at least one of each. "
            f"Received: an array of shape {weights.shape}."
        )
    if not np.isfinite(weights).all():
        raise ValueError("`weights` must be finite. Received: an array with NaN or infinity.")
    columns, rows = weights.shape
    if behaviors is None:
        behaviors = [*(f"{ago} before" for ago in range(rows - 1, 0, -1)), "the last"]
    behaviors = _labels("behaviors", behaviors, rows)
    if candidates is None:
        candidates = range(1, columns + 1)
    candidates = _labels("candidates", candidates, columns)
    size = (min(2.5 + 0.9 * columns, 12), min(1.2 + 0.28 * rows, 9))
    ax = _axes(ax, size)
    limit = np.abs(weights).max() or 1.0
    signed = weights.min() < 0
    image = ax.imshow(
        weights.T,
        cmap="PuOr_r" if signed else "Blues",
        vmin=-limit if signed else 0,
        vmax=limit,
        aspect="auto",
    )
    ax.figure.colorbar(image, ax=ax, label="attention weight")
    ax.set_xticks(range(columns), candidates)
    if max(map(len, candidates)) > 8:
        ax.set_xticks(range(columns), candidates, rotation=30, ha="right", rotation_mode="anchor")
    step = -(-rows // 30)  # At most 30 labels, always including the last.
    labeled = np.arange(rows - 1, -1, -step)[::-1]
    ax.set_yticks(labeled, [behaviors[i] for i in labeled])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set(xlabel="candidate", ylabel="behavior")
    if rows <= 25 and columns <= 8:
        for candidate, behavior in np.ndindex(weights.shape):
            value = weights[candidate, behavior]
            dark = abs(value) > 0.6 * limit
            color = "white" if dark else "black"
            centered = {"ha": "center", "va": "center", "fontsize": "small"}
            ax.text(candidate, behavior, f"{value:.2f}", color=color, **centered)
    return ax


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
    kind = next((name for name in _LABELS if metric == name or metric.endswith(f"_{name}")), None)
    if kind is None:
        raise ValueError(
            f"`metric` must be one of {', '.join(map(repr, _LABELS))}. Received: metric={metric!r}."
        )
    output = metric.removesuffix(kind).rstrip("_")
    frames = {name: _frame(each, metric) for name, each in _named("history", history).items()}
    ax = _axes(ax)
    epochs = next(iter(frames.values())).dropna(subset="epoch").groupby("epoch")["step"].max()
    for step in epochs:
        ax.axvline(step, color="0.88", linewidth=1, zorder=0)
    for i, (name, frame) in enumerate(frames.items()):
        frame = frame.dropna(subset=metric)
        steps, values = frame["step"].to_numpy(), frame[metric].to_numpy("float64")
        if kind not in _NO_BEST:
            best = values.argmin() if kind in _LESS_IS_BETTER else values.argmax()
            best_label = f"best {values[best]:.4f}"
            name = best_label if name is None else f"{name}, {best_label}"
            ring = {"markersize": 11, "markerfacecolor": "none", "linestyle": ""}
            ax.plot(steps[best], values[best], **_style(i) | ring)
        ax.plot(steps, values, label=name, **_style(i))
    ax.set(xlabel="step", ylabel=_LABELS[kind] + (f" of {output}" if output else ""))
    above = ax.secondary_xaxis("top")
    stride = -(-len(epochs) // 12)  # At most 12 labels.
    above.set_xticks(epochs[::stride], [f"{int(epoch)}" for epoch in epochs.index[::stride]])
    above.tick_params(length=0)
    above.spines[:].set_visible(False)
    above.set_xlabel("epochs done")
    if kind not in _NO_BEST or None not in frames:
        ax.legend(frameon=False)
    return _without_frame(ax)


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
    y_pred = _named("y_pred", y_pred)
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
        found.errorbar(table.predicted_rate, rate, error, label=label, **_style(i))
    for each in axes:
        each.plot(limits, limits, color=_GREY, linewidth=1, linestyle="--", zorder=0)
        each.set(xlim=limits, ylim=limits, aspect="equal", ylabel="click rate")
        rows = _range(table.rows.min(), table.rows.max())
        each.set_xlabel(f"mean prediction ({len(table.rows)} bins of {rows} rows)")
        each.legend(frameon=False, loc="upper left")
        _without_frame(each)
    return axes if side_by_side else axes[0]


def _calibration_axes(count: int, ax, side_by_side: bool) -> list:
    if not side_by_side:
        return [_axes(ax, (5, 5))]
    if ax is not None:
        raise ValueError(
            f"`ax` must be None with `side_by_side`, which makes a new figure. Received: {ax!r}."
        )
    figure = _axes(None, (4.5 * count, 4.8)).figure
    figure.clear()
    return list(figure.subplots(1, count, squeeze=False)[0])


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
    import matplotlib.pyplot as plt

    if not updates:
        raise ValueError("`updates` must have at least one day. Received: none.")
    number = [update["day"] for update in updates]
    _, axes = plt.subplots(2, 2, figsize=(11, 7), layout="constrained", sharex=True)
    by_day = lambda name: [update.get(f"{prefix}{name}", np.nan) for update in updates]  # noqa: E731
    first, losses, unknown, sizes = axes.ravel()
    if any(f"{prefix}rmse" in update for update in updates):
        first.plot(number, by_day("rmse"), color=_COLORS[0], marker="o", label="RMSE")
        first.plot(number, by_day("mae"), color=_COLORS[1], marker="s", label="MAE")
        first.set_ylabel("error of the day, before training on it")
        first.legend()
        losses.set_ylabel("mean prediction / mean label")
    else:
        first.plot(number, by_day("gauc"), color=_COLORS[0], marker="o")
        first.set_ylabel("GAUC of the day, before training on it")
        losses.plot(number, by_day("logloss"), color=_COLORS[0], marker="o", label="logloss (nats)")
        losses.set_ylabel("logloss, and predicted / observed clicks")
    losses.plot(number, by_day("calibration"), color=_COLORS[1], marker="s", label="calibration")
    losses.axhline(1, color=_GREY, linewidth=0.8)
    losses.legend()
    for ax, key, label in (
        (unknown, "unknown", "share of rows with an unknown value"),
        (sizes, "values", "number of values in the table"),
    ):
        for i, name in enumerate(sorted({name for each in updates for name in each.get(key, {})})):
            values = [update.get(key, {}).get(name, np.nan) for update in updates]
            style = {"color": _COLORS[i % len(_COLORS)], "marker": _MARKERS[i % len(_MARKERS)]}
            ax.plot(number, values, label=name, **style)
        ax.set_ylabel(label)
        ax.set_xlabel("appended day")
        ax.set_ylim(bottom=0)
        if ax.lines:
            ax.legend()
    first.xaxis.get_major_locator().set_params(integer=True)
    return list(axes.ravel())


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
    ax = _axes(ax, (6.4, min(1.3 + 0.3 * len(table), 14)))
    places = np.arange(len(table))
    error = np.fmax(*(table[name].to_numpy("float64") for name in columns[2:]))
    ax.barh(places, table["importance"], height=0.7, color=_COLORS[0])
    has_error = np.isfinite(error)
    bars = {"fmt": "none", "ecolor": _COLORS[-1], "elinewidth": 1.2, "capsize": 3}
    ax.errorbar(table["importance"][has_error], places[has_error], xerr=error[has_error], **bars)
    ax.axvline(0, color=_GREY, linewidth=1)
    ax.set_yticks(places, [str(name) for name in table["feature"]])
    ax.set_ylim(len(table) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel(_importance_label(table.attrs))
    return _without_frame(ax)


def _importance_label(attrs: dict) -> str:
    """Returns the label of the axis, with what `keras_din.feature_importance` knows."""
    if "metric" not in attrs:
        return "importance"
    metric = attrs["metric"]
    name = _LABELS[metric].replace(" of validation", "")
    change = "rise" if metric in _LESS_IS_BETTER else "drop"
    return f"{change} of {name} when the feature is permuted, from {attrs['baseline']:.4f}"


def gauc_by_history_length(y_true, y_pred, groups, lengths, edges=None, ax=None):
    """Draws the GAUC by the length of the history, with standard errors.

    Rows are split by the length of their history. Each part has its GAUC, weighted by impressions.
    An error bar is one standard error over the `G` users of the part,
    `sqrt(G / (G - 1) sum_g w_g^2 (AUC_g - GAUC)^2) / sum_g w_g`; there is none for a single user.
    The axis also shows the number of impressions that count: those of users with both classes in
    the part.

    Args:
        y_true: `(rows,)` of 0 and 1.
        y_pred: `(rows,)` of finite scores. Or a dict of name -> scores, to compare models.
        groups: `(rows,)` of integers or strings, usually the user.
        lengths: `(rows,)`, the number of behaviors in the history of each row.
        edges: The shortest length of each part, ascending. The last part has no upper limit.
            Histories shorter than the first edge are left out. Defaults to 0, 1, 2, 4, 8, ...,
            without empty parts.
        ax: The Axes to draw into, or `None` for a new figure.

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
    y_pred = _named("y_pred", y_pred)
    whole = {name: metrics.gauc(y_true, scores, groups) for name, scores in y_pred.items()}
    y_true, groups = np.asarray(y_true).reshape(-1), np.asarray(groups).reshape(-1)
    lengths = np.asarray(lengths)
    if lengths.shape != y_true.shape or lengths.dtype.kind not in "iu" or (lengths < 0).any():
        raise ValueError(
            "`lengths` must have a non-negative integer for each label. "
            f"Received: {lengths.dtype} of shape {lengths.shape} and {len(y_true)} labels."
        )
    edges = _edges(lengths, edges)
    part = np.searchsorted(edges, lengths, side="right") - 1
    ax = _axes(ax)
    parts = np.arange(len(edges))
    for i, (name, scores) in enumerate(y_pred.items()):
        scores = np.asarray(scores).reshape(-1)
        found = [
            _gauc_and_error(y_true[part == k], scores[part == k], groups[part == k]) for k in parts
        ]
        gauc, error, counted = map(np.array, zip(*found, strict=True))
        offset = 0.12 * (i - (len(y_pred) - 1) / 2)
        label = f"all lengths {whole[name]:.4f}"
        label = label if name is None else f"{name}, {label}"
        ax.errorbar(parts + offset, gauc, error, label=label, **_style(i))
    ends = [*(edges[1:] - 1), None]
    ranges = [f"{a}+" if b is None else _range(a, b) for a, b in zip(edges, ends, strict=True)]
    ax.set_xticks(parts, [f"{a}\n{n:,}" for a, n in zip(ranges, counted, strict=True)])
    ax.set_xlim(-0.5, len(edges) - 0.5)
    ax.set(xlabel="behaviors in the history, and impressions that count", ylabel="GAUC")
    ax.legend(frameon=False)
    return _without_frame(ax)


def _attention(model, sequence) -> AttentionSequencePoolingLayer:
    """Returns the attention layer of a sequence, or raises a `ValueError` with the sequences."""
    if not getattr(model, "inputs", None):
        raise ValueError(f"`model` must be a functional keras.Model. Received: {model!r}.")
    layers = {
        layer.name.removeprefix("interest_"): layer
        for layer in model.layers
        if isinstance(layer, AttentionSequencePoolingLayer)
    }
    if sequence is None and len(layers) == 1:
        return next(iter(layers.values()))
    if sequence not in layers:
        raise ValueError(
            "`sequence` must be the name of a sequence with an attention layer, one of "
            f"{', '.join(map(repr, layers)) or 'none'}. "
            f"Received: sequence={sequence!r}."
        )
    return layers[sequence]


def _gauc_and_error(y_true, y_pred, groups) -> tuple:
    """Returns `(gauc, standard error, impressions of users with both classes)`."""
    by_group = metrics.group_auc(y_true, y_pred, groups)
    mean, error = metrics.mean_and_error(by_group.auc, by_group.impressions)
    return mean, error, int(by_group.impressions.sum())


def _edges(lengths, edges):
    if edges is None:
        highest = int(lengths.max(initial=0))
        powers = np.array([0, *(2**k for k in range(highest.bit_length()))])
        return powers[np.unique(np.searchsorted(powers, lengths, side="right") - 1)]
    edges = np.asarray(edges)
    if edges.ndim != 1 or not len(edges) or edges.dtype.kind not in "iu" or edges[0] < 0:
        raise ValueError(
            f"`edges` must be non-negative integers. Received: edges={edges.tolist()!r}."
        )
    if (np.diff(edges) <= 0).any():
        raise ValueError(f"`edges` must ascend. Received: edges={edges.tolist()!r}.")
    return edges


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


def _named(name, values) -> dict:
    """Returns a dict of label -> values. Values without a label get the label `None`."""
    if isinstance(values, dict):
        if not values:
            raise ValueError(f"`{name}` must have at least one entry. Received: an empty dict.")
        return values
    return {None: values}


def _labels(name, labels, count) -> list:
    labels = [str(label) for label in labels]
    if len(labels) != count:
        raise ValueError(
            f"`{name}` must have one label for each of {count}. Received: {len(labels)} labels."
        )
    return labels


def _range(first, last) -> str:
    return f"{first:,}" if first == last else f"{first:,}-{last:,}"


def _style(i) -> dict:
    color, marker = _COLORS[i % len(_COLORS)], _MARKERS[i % len(_MARKERS)]
    return {"color": color, "marker": marker, "markersize": 4, "linewidth": 1.5}


def _without_frame(ax):
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def _axes(ax, inches=(6.4, 4)):
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
