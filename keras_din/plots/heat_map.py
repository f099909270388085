"""`attention_map`: attention weights of behaviors for several candidates."""

import numpy as np

from keras_din.plots.style import axes_of
from keras_din.plots.user_texts import user_texts

__all__ = ["attention_map"]


def attention_map(weights, behaviors=None, candidates=None, ax=None):
    """Draws a heat map of the attention weights of a user's behaviors for several candidates.

    Each behavior is a row, with the oldest at the top. Each candidate is a column. If weights are
    negative (`weight_normalization=False`), there are two colors, and 0 is white. Small maps also
    show the numbers.

    Args:
        weights: `(candidates, behaviors)`, see `attention_weights`.
        behaviors: One label per behavior. Defaults to its distance from the last one. Long labels
            are cut.
        candidates: One label per candidate. Defaults to numbers from 1.
        ax: The Axes to draw into, or `None` for a new figure.

    Returns:
        The `matplotlib.axes.Axes`.

    Raises:
        ValueError: If `weights` has another shape, or the number of labels is wrong.

    Example:

    ```python
    kd.plots.attention_map([[0.1, 0.2, 0.7], [0.5, 0.5, 0.0]], candidates=["mug", "spoon"])
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
    ax = axes_of(ax, size)
    behaviors, style = user_texts(behaviors)
    candidates, candidate_style = user_texts(candidates, 24)
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
    if max(map(len, candidates)) > 8:
        candidate_style |= {"rotation": 30, "ha": "right", "rotation_mode": "anchor"}
    ax.set_xticks(range(columns), candidates, **candidate_style)
    step = -(-rows // 30)  # At most 30 labels, always including the last.
    labeled = np.arange(rows - 1, -1, -step)[::-1]
    ax.set_yticks(labeled, [behaviors[i] for i in labeled], **style)
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


def _labels(name, labels, count) -> list:
    labels = [str(label) for label in labels]
    if len(labels) != count:
        raise ValueError(
            f"`{name}` must have one label for each of {count}. Received: {len(labels)} labels."
        )
    return labels
