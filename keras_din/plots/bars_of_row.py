"""`attention`: the attention weights of the behaviors of one row of prepared data."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_din.checks import one_of, positive_integer
from keras_din.features import HashBuckets, id_feature
from keras_din.plots.style import COLORS, GREY, axes_of, without_frame
from keras_din.plots.user_texts import user_texts
from keras_din.plots.weights_of_model import attention_weights, sequence_name
from keras_din.spec_fingerprint import check_fingerprint

__all__ = ["attention"]

_CENTERED = {"ha": "center", "va": "center"}


def attention(
    model,
    data,
    row: int = 0,
    *,
    part: str = "test",
    sequence: str | None = None,
    feature: str | None = None,
    titles: Any = None,
    show: str = "latest",
    most: int = 20,
    ax=None,
):
    """Draws the attention weights of the behaviors of a row for its candidate, one bar each.

    The title of the plot is the candidate. Beside each bar is the behavior: its title, or the raw
    value of the log. Bars are in time order, the last behavior at the bottom. Of a longer history
    some are drawn, and the label of the axis says how many are not.

    Args:
        model: A functional model with attention, see `attention_weights`.
        data: The `keras_din.data.PreparedData`.
        row: Number of the row in the part. Negative numbers count from the end.
        part: Name of a part of `data`.
        sequence: Name of the `Sequence`. Optional if the model has attention to only one.
        feature: Name of the feature that labels the candidate and the behaviors, one of the
            features `of` the sequence. Defaults to its first `Categorical`, the item.
        titles: Raw value of the feature -> its title, a mapping or a `pandas.Series`. Values
            without a title, or with an empty one, are drawn as they are. Long titles are cut.
        show: Which behaviors of a long history are drawn: the `"latest"`, or those with the
            `"largest"` absolute weights.
        most: The most behaviors that are drawn.
        ax: The Axes to draw into, or `None` for a new figure.

    Returns:
        The `matplotlib.axes.Axes`. Without behaviors it says so.

    Raises:
        ValueError: If the model has no attention, `data` has another spec or no such row, or the
            keys of `titles` are no values of the feature.

    Example:

    ```python
    data = kd.data.synthetic_log(20, 8, interests=2, categories=4, held_out=1, dim=2)
    model = kd.build_din(data.spec, attention_units=(8,), hidden_units=(8,))
    kd.plots.attention(model, data, row=3, titles={5: "blue mug", 7: "tea pot"})
    ```

    Reference:
        [Zhou et al., 2018](https://arxiv.org/abs/1706.06978), Fig. 5.
    """
    one_of("show", show, ("latest", "largest"))
    most = positive_integer("most", most)
    name = sequence_name(model, sequence)
    sample = _inputs_of_row(model, data, part, row)
    found = next(each for each in data.spec.sequences if each.name == name)
    names = tuple(f.name for f in found.of if f.table is not None and not f.axes)
    feature = id_feature(found.of).name if feature is None else one_of("feature", feature, names)
    (weights,) = attention_weights(model, sample, name)
    is_real = sample[f"{name}_{id_feature(found.of).name}"][0] != 0
    behaviors = _texts(data.spec, feature, sample[f"{name}_{feature}"][0][is_real], titles)
    candidate = _texts(data.spec, feature, sample[feature][0], titles)
    order = np.argsort(-np.abs(weights), kind="stable")
    if show == "latest":
        order = np.arange(len(weights))[::-1]
    drawn, left_out = np.sort(order[:most]), order[most:]
    ax = axes_of(ax, (7, 1.5 + 0.28 * max(len(drawn), 2)))
    labels, style = user_texts([*candidate, *(behaviors[i] for i in drawn)])
    ax.set_title(f"candidate: {labels[0]}", loc="left", fontsize="medium", **style)
    if not len(drawn):
        ax.text(0.5, 0.5, f"{name}: no behaviors", transform=ax.transAxes, **_CENTERED)
        ax.set(xticks=[], yticks=[])
        return without_frame(ax)
    drawn_weights, places = weights[drawn], np.arange(len(drawn))
    colors = np.where(drawn_weights < 0, COLORS[1], COLORS[0])
    bars = ax.barh(places, drawn_weights, height=0.7, color=list(colors))
    decimals = max(2, 1 - math.floor(math.log10(max(np.abs(weights).max(), 1e-9))))
    numbers = [f"{weight:.{decimals}f}" for weight in drawn_weights]
    ax.bar_label(bars, numbers, padding=3, fontsize="small")
    ax.axvline(0, color=GREY, linewidth=1)
    ax.set_yticks(places, labels[1:], **style)
    ax.set_ylim(len(drawn) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.locator_params(axis="x", nbins=5)
    ax.margins(x=0.17)
    label = f"attention weight of {name}"
    if len(left_out):
        shown = f"the latest {len(drawn):,} of {len(weights):,} behaviors"
        if show == "largest":
            shown = f"the {len(drawn):,} largest of {len(weights):,} weights"
        rest = f"the sum of the other {len(left_out):,} is {weights[left_out].sum():.{decimals}f}"
        label += f"\n{shown};\n{rest}"
    ax.set_xlabel(label)
    return without_frame(ax)


def _inputs_of_row(model, data, part: str, row: int) -> dict:
    """Returns the model's inputs of one row, arrays `(1, ...)`."""
    if not all(hasattr(data, name) for name in ("spec", "parts", "take")):
        raise ValueError(
            "`data` must be the PreparedData of the model. To draw weights that you have, use "
            f"`keras_din.plots.attention_map`. Received: {type(data).__name__}."
        )
    rows = len(data.parts[one_of("part", part, tuple(data.parts))])
    is_row = isinstance(row, (int, np.integer)) and not isinstance(row, bool)
    if not is_row or not -rows <= row < rows:
        raise ValueError(
            f"`row` must be the number of a row of the part {part!r}, which has {rows:,}. "
            f"Received: row={row!r}."
        )
    check_fingerprint(model, data.spec, "`data`")
    ((x, *_),) = data.take(part, [row % rows]).dataset(part, batch_size=1)
    return {tensor.name: x[tensor.name].numpy() for tensor in model.inputs}


def _texts(spec, feature: str, indices, titles) -> list[str]:
    """Returns the titles, or else the raw values, of the indices of a feature."""
    if isinstance(spec.features[feature].values, HashBuckets):
        if titles is not None:
            raise ValueError(
                f"`titles` must be given for a feature with a vocabulary or indices: a bucket of "
                f"{feature!r} has many values."
            )
        return [f"bucket {index}" for index in indices]
    unknown = spec.features[feature].values.missing_value
    raw = spec.decode(feature, indices).tolist()
    known = {} if titles is None else _titles(titles, feature, raw)
    texts: list[str] = []
    for value in raw:
        title = known.get(value)
        if not isinstance(title, str) or not title.strip():
            title = "unknown" if value == unknown else str(value)
        texts.append(title)
    return texts


def _titles(titles, feature: str, raw: list) -> Mapping:
    """Checks the titles, and returns them as a mapping from raw values."""
    if hasattr(titles, "index") and hasattr(titles, "to_dict"):  # A `pandas.Series`.
        if not titles.index.is_unique:
            twice = titles.index[titles.index.duplicated()][0]
            raise ValueError(
                f"`titles` must have one title for each value. Received: several of {twice!r}."
            )
        titles = titles.to_dict()
    if not isinstance(titles, Mapping):
        raise ValueError(
            "`titles` must be a mapping or a Series, raw value -> title. "
            f"Received: {type(titles).__name__}."
        )
    kinds = {isinstance(key, str) for key in titles}
    if raw and titles and isinstance(raw[0], str) not in kinds:
        raise ValueError(
            f"The keys of `titles` must be raw values of {feature!r}, such as {raw[0]!r}. "
            f"Received: keys such as {next(iter(titles))!r}."
        )
    return titles
