"""The click rate of each item: the baseline that every other model must beat."""

import keras
import numpy as np

from keras_din.checks import positive_number
from keras_din.ctr_model import check_batches
from keras_din.embed import read_inputs, valid_mask
from keras_din.features import OOV_INDEX, PADDING_INDEX, Categorical
from keras_din.head import ctr_model, probability
from keras_din.layers import ItemLogits
from keras_din.spec_fingerprint import check_fingerprint

# 1, 2, 5, 10, ... 50,000 are tried on validation; without it the default is used.
PRIOR_STRENGTHS = tuple(step * 10.0**power for power in range(5) for step in (1, 2, 5))
DEFAULT_STRENGTH = 10.0


def build_popularity(spec, *, embeddings_initializer="zeros", name="popularity") -> keras.Model:
    """Builds `ctr_A = (c_A + k p) / (n_A + k)`: the smoothed click rate per item.

    `c_A` and `n_A` are the clicks and impressions of the candidate's item `A` in the training part,
    `p` is the click rate of the whole part and `k` the prior strength. The model reads nothing
    about the user. Where negatives are drawn uniformly it is strong already, so a result without
    this baseline beside it says little.

    The rates are counted, not trained: `fit_popularity` computes them and stores their logits.
    Before that every answer is .5. `fit` is an error, because gradient steps would only
    approach these rates.

    Args:
        spec: A `FeatureSpec`. The first `Categorical` of its target is the item.
        embeddings_initializer: Initializer of the logits before they are counted.
        name: Name of the model.

    Returns:
        A functional `keras.Model` with the inputs and the output of `build_din`.
    """
    inputs, values = read_inputs(spec)
    item = next(feature for feature in spec.target if isinstance(feature, Categorical))
    table = ItemLogits(
        item.vocabulary_size,
        embeddings_initializer,
        item.name,
        name="item_logits",
        dtype="float32",  # A logit in half precision would make items equal that are not.
    )
    mask = valid_mask(spec.target, [values[feature.name] for feature in spec.target])
    return ctr_model(inputs, probability(table(values[item.name]), mask), name=name)


def fit_popularity(model, train, valid=None, *, prior_strength=None) -> float:
    """Counts clicks and impressions per item, and stores the logits of the smoothed rates.

    The prior strength is the one of `PRIOR_STRENGTHS` with the least logloss on `valid`. There the
    odds are scaled to the click rate of `valid`, so that a training part with fewer negatives
    (`PreparedData.downsample_negatives`) chooses as the whole one does. Sample weights of `train`
    weigh the counts; those of `valid` do not. An item without impressions gets the rate of the
    whole part.

    Args:
        model: A model of `build_popularity`. Its logits are replaced.
        train: Batches `(x, y)` or `(x, y, sample_weight)`: `data.dataset("train")`,
            or one such tuple of arrays. `x` is a dict with the item's indices; only these are
            read.
        valid: The same of the part on which the prior strength is chosen. Without it the prior
            strength is 10.
        prior_strength: A prior strength to use; nothing is chosen then.

    Returns:
        The prior strength.

    Raises:
        ValueError: When `model` is another model or one of another spec, or `train` has no clicks
            or nothing else.
    """
    if not isinstance(model, keras.Model):
        raise ValueError(f"`model` must be a Keras model. Received: a {type(model).__name__}.")
    layer = next((layer for layer in model.layers if isinstance(layer, ItemLogits)), None)
    if layer is None:
        raise ValueError(
            "`model` must be one that `build_popularity` of this version built. "
            f"Received: {model.name!r} without the layer ItemLogits."
        )
    for word, batches in (("train", train), ("valid", valid)):
        check_batches(word, batches)
        check_fingerprint(model, getattr(batches, "spec", None), f"`{word}`")
    clicks, shown = _count(layer, train, weighted=True)
    if not 0 < clicks.sum() < shown.sum():
        raise ValueError(
            "`train` must have clicks and rows without a click. "
            f"Received: {clicks.sum():g} clicks in {shown.sum():g} rows."
        )
    if prior_strength is not None:
        prior_strength = positive_number("prior_strength", prior_strength)
    elif valid is None:
        prior_strength = DEFAULT_STRENGTH
    else:
        held_out = _count(layer, valid, weighted=False)
        prior_strength = min(
            PRIOR_STRENGTHS,
            key=lambda k: _logloss(click_logits(clicks, shown, k), _logit(clicks, shown), held_out),
        )
    layer.embeddings.assign(click_logits(clicks, shown, prior_strength)[:, None])
    return prior_strength


def click_logits(clicks, impressions, prior_strength):
    """`log((c + k p) / (n - c + k (1 - p)))`, `p = sum c / sum n`.

    Args:
        clicks: `c`, floats `(items,)`.
        impressions: `n`, floats `(items,)`.
        prior_strength: `k`, the number of impressions at the mean rate that each item is given.

    Returns:
        float64 `(items,)`.
    """
    rate = np.sum(clicks) / np.sum(impressions)
    without = impressions - clicks + prior_strength * (1 - rate)
    return np.log(clicks + prior_strength * rate) - np.log(without)


def _count(layer, batches, weighted: bool) -> tuple:
    """Clicks and impressions of each item, float64 `(items,)` each; padding counts nothing."""
    size = layer.vocabulary_size
    clicks, shown = np.zeros(size), np.zeros(size)
    for x, y, *weight in [batches] if isinstance(batches, tuple) else batches:
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
        shown += np.bincount(items, weights, size)
    return clicks, shown


def _logit(clicks, shown) -> float:
    return float(np.log(clicks.sum()) - np.log(shown.sum() - clicks.sum()))


def _logloss(logits, base, held_out) -> float:
    """The summed logloss of logits on counts, whose mean click rate takes the place of `base`."""
    clicks, shown = held_out
    if 0 < clicks.sum() < shown.sum():
        logits = logits - base + _logit(clicks, shown)
    return float(np.sum(shown * np.logaddexp(0, logits) - clicks * logits))
