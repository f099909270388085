"""The click rate per item, a baseline for all other models."""

from typing import Any

import keras
import numpy as np

from keras_din.checks import positive_number
from keras_din.ctr_model import check_batches
from keras_din.dataset_facts import specs_of
from keras_din.embed import check_spec, read_inputs, valid_mask
from keras_din.features import OOV_INDEX, PADDING_INDEX, FeatureSpec, id_feature
from keras_din.head import ctr_model, only_label, probability
from keras_din.layers import ItemLogits
from keras_din.spec_fingerprint import check_fingerprint

# 1, 2, 5, 10, ... 50,000. The best on validation is used; without validation, the default.
PRIOR_STRENGTHS = tuple(step * 10.0**power for power in range(5) for step in (1, 2, 5))
DEFAULT_STRENGTH = 10.0


def build_popularity(
    spec: FeatureSpec,
    *,
    embeddings_initializer: str | dict | keras.initializers.Initializer = "zeros",
    name: str = "popularity",
) -> keras.Model:
    """Builds `ctr_A = (c_A + k p) / (n_A + k)`: the smoothed click rate per item.

    `c_A` and `n_A` are the clicks and impressions of the candidate's item `A` in the training part,
    `p` is the click rate of the whole part and `k` the prior strength. The model reads nothing
    about the user. If negatives are drawn uniformly, it is a strong baseline. So compare each
    result with it.

    The rates are counted, not trained: `fit_popularity` computes them and stores their logits.
    Before that every prediction is 0.5. `fit` is an error, because gradient steps would only
    approach these rates.

    Args:
        spec: A `FeatureSpec`. The first `Categorical` of its target is the item.
        embeddings_initializer: Initializer of the logits, before `fit_popularity`.
        name: Name of the model.

    Returns:
        A functional `keras.Model`. Inputs and output are those of `build_din`.

    Raises:
        ValueError: If the spec has several labels, or one that is a number.

    Example:

    ```python
    spec = kd.FeatureSpec(target=[kd.Categorical("item_id", 100, dim=4)])
    model = kd.build_popularity(spec)
    ctr = model({"item_id": np.array([[2, 3]])})  # (1, 2), all 0.5
    ```
    """
    check_spec(spec)
    label = only_label(spec)
    if not label.is_binary:
        raise ValueError(
            "`spec` of the popularity model must have a label of 0 and 1, because the model counts "
            f"clicks. Received: {label!r}."
        )
    inputs, values = read_inputs(spec)
    item = id_feature(spec.target)
    table = ItemLogits(
        item.table.values.size,
        embeddings_initializer,
        item.name,
        shards=item.table.shards,
        name="item_logits",
        dtype="float32",  # In half precision, different items would get equal logits.
    )
    mask = valid_mask(spec.target, [values[feature.name] for feature in spec.target])
    ctr = probability(table(values[item.name]), mask, label.output)
    return ctr_model(inputs, ctr, name=name)


def fit_popularity(
    model: keras.Model, train: Any, valid: Any = None, *, prior_strength: float | None = None
) -> float:
    """Counts clicks and impressions per item, and stores the logits of the smoothed rates.

    The prior strength is the one of `PRIOR_STRENGTHS` with the lowest logloss on `valid`. For this
    logloss the odds are scaled to the click rate of `valid`, so that a training part with
    downsampled negatives (`PreparedData.downsample_negatives`) gives the same choice as the whole
    part. Sample weights of `train` weight the counts. Those of `valid` do not. An item without
    impressions gets the click rate of the whole part.

    Args:
        model: A model of `build_popularity`. Its logits are replaced.
        train: Batches `(x, y)` or `(x, y, sample_weight)`, such as `data.dataset("train")`, or
            one such tuple of arrays. `x` is a dict. Only the item's indices are read.
        valid: Batches of the part on which the prior strength is chosen. Without it the prior
            strength is 10.
        prior_strength: The prior strength, or `None` to choose it on `valid`.

    Returns:
        The prior strength.

    Raises:
        ValueError: If `model` is another model or has another spec, or if `train` has no clicks or
            only clicks.

    Example:

    ```python
    spec = kd.FeatureSpec(target=[kd.Categorical("item_id", 100, dim=4)])
    model = kd.build_popularity(spec)
    x, y = {"item_id": np.array([[2], [2], [3]])}, np.array([[1], [0], [0]])
    strength = kd.models.fit_popularity(model, (x, y))  # 10.0
    ```
    """
    if not isinstance(model, keras.Model):
        raise ValueError(f"`model` must be a Keras model. Received: a {type(model).__name__}.")
    layer = next((layer for layer in model.layers if isinstance(layer, ItemLogits)), None)
    if layer is None:
        raise ValueError(
            "`model` must be built by `build_popularity` of this version. "
            f"Received: {model.name!r} without the layer ItemLogits."
        )
    for word, batches in (("train", train), ("valid", valid)):
        check_batches(word, batches)
        for spec in specs_of(batches):
            check_fingerprint(model, spec, f"`{word}`")
    clicks, impressions = _count(layer, train, weighted=True)
    if not 0 < clicks.sum() < impressions.sum():
        raise ValueError(
            "`train` must have rows with a click and rows without. "
            f"Received: {clicks.sum():g} clicks in {impressions.sum():g} rows."
        )
    if prior_strength is not None:
        prior_strength = positive_number("prior_strength", prior_strength)
    elif valid is None:
        prior_strength = DEFAULT_STRENGTH
    else:
        held_out = _count(layer, valid, weighted=False)
        mean_logit = _mean_logit(clicks, impressions)
        prior_strength = min(
            PRIOR_STRENGTHS,
            key=lambda k: _logloss(click_logits(clicks, impressions, k), mean_logit, held_out),
        )
    layer.assign_rows(None, click_logits(clicks, impressions, prior_strength)[:, None])
    return prior_strength


def click_logits(clicks, impressions, prior_strength):
    """Computes `log((c + k p) / (n - c + k (1 - p)))`, `p = sum c / sum n`.

    Args:
        clicks: `c`, floats `(items,)`.
        impressions: `n`, floats `(items,)`.
        prior_strength: `k`, the number of impressions at the mean rate added to each item.

    Returns:
        float64 `(items,)`.
    """
    rate = np.sum(clicks) / np.sum(impressions)
    smoothed_clicks = clicks + prior_strength * rate
    smoothed_skips = impressions - clicks + prior_strength * (1 - rate)
    return np.log(smoothed_clicks) - np.log(smoothed_skips)


def _count(layer, batches, weighted: bool) -> tuple:
    """Counts clicks and impressions per item, float64 `(items,)` each, without padding."""
    size = layer.vocabulary_size
    clicks, impressions = np.zeros(size), np.zeros(size)
    is_one = isinstance(batches, tuple) and isinstance(batches[0], dict)
    for x, y, *weight in [batches] if is_one else batches:
        items, labels = np.asarray(x[layer.feature]), np.asarray(y)
        weights = np.asarray(weight[0] if weight else 1.0, "float64")
        if weights.ndim == items.ndim - 1 and weights.ndim:
            weights = weights[..., None]  # One weight per row.
        weights = np.broadcast_to(weights, items.shape).reshape(-1)
        items, labels = items.reshape(-1), labels.reshape(-1)
        if not weighted:
            weights = (weights != 0).astype("float64")
        weights = weights * (items != PADDING_INDEX)
        items = np.where((items >= 0) & (items < size), items, OOV_INDEX)
        clicks += np.bincount(items, weights * labels, size)
        impressions += np.bincount(items, weights, size)
    return clicks, impressions


def _mean_logit(clicks, impressions) -> float:
    return float(np.log(clicks.sum()) - np.log(impressions.sum() - clicks.sum()))


def _logloss(logits, mean_logit, held_out) -> float:
    """Sums the logloss on held-out counts, with the logits shifted to their mean click rate."""
    clicks, impressions = held_out
    if 0 < clicks.sum() < impressions.sum():
        logits = logits - mean_logit + _mean_logit(clicks, impressions)
    return float(np.sum(impressions * np.logaddexp(0, logits) - clicks * logits))
