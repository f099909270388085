"""Packing of bags, and pooling of the embeddings of their values."""

import math

import keras
from keras import ops

from keras_din.checks import one_of
from keras_din.features import PADDING_INDEX, POOLINGS
from keras_din.ops import (
    pack,
    ragged_to_padded,
    row_ids,
    segment_max,
    segment_mean,
    segment_sum,
    segment_weighted_mean,
    segment_weighted_sum,
)


@keras.saving.register_keras_serializable(package="keras_din")
class PackBag(keras.layers.Layer):
    """Keeps only the real values of bags, bag by bag, so that padding is not looked up.

    Call arguments:
        indices: Int tensor `(..., values)`, 0 for padding; may be ragged.

    Returns:
        Int tensor `(all values,)`. Backends with static shapes keep padding.

    Example:

    ```python
    values = kd.layers.PackBag()(np.array([[3, 0], [4, 5]]))  # [3, 4, 5] on TensorFlow
    ```
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        # Output shapes depend on values: XLA would recompile for each length.
        self.supports_jit = keras.backend.backend() != "tensorflow"

    def call(self, indices):
        return pack_bags(indices)[0]

    def compute_output_shape(self, indices_shape):
        return (None,)


@keras.saving.register_keras_serializable(package="keras_din")
class BagPooling(keras.layers.Layer):
    """Pools the embeddings of the values of each bag to one vector.

    Over the embeddings `v_j` of the `n` real values of a bag, `output = sum_j v_j / n`,
    `sum_j v_j`, or the maximum of each unit. With weights `w_j` from 0 it is
    `sum_j w_j v_j / sum_j w_j` or `sum_j w_j v_j`. Padding may be anywhere and changes nothing.

    Args:
        pooling: `"mean"`, `"sum"` or `"max"`. With `"max"`, equal maxima share the gradient
            equally.

    Call arguments:
        embeddings: Float tensor `(all values, dim)`: the embeddings of the values of `PackBag`.
        indices: Int tensor `(..., values)`, 0 for padding; may be ragged.
        weights: Float tensor with the shape of `indices`, optional. A weight that is negative or
            not finite counts as 0. Anything may be at padding.

    Returns:
        Float tensor `(..., dim)`. An empty bag gives zeros, and so does a bag whose weights are
        all 0.

    Raises:
        ValueError: If `pooling` is invalid, or is `"max"` and weights are given.

    Example:

    ```python
    indices = np.array([[3, 0], [4, 5]])
    embeddings = kd.layers.Embedding(10, 4)(kd.layers.PackBag()(indices))
    pooled = kd.layers.BagPooling("mean")(embeddings, indices)  # (2, 4)
    ```
    """

    def __init__(self, pooling: str = "mean", **kwargs):
        # No autocast: weights must keep their precision.
        super().__init__(**{"autocast": False, **kwargs})
        self.pooling = one_of("pooling", pooling, POOLINGS)
        self.supports_jit = keras.backend.backend() != "tensorflow"
        self.supports_masking = True

    def call(self, embeddings, indices, weights=None):
        _, mask, outer = pack_bags(indices)
        embeddings = ops.cast(embeddings, self.compute_dtype)
        return pool_bags(embeddings, mask, outer, self.pooling, weights)

    def compute_mask(self, inputs, previous_mask=None):
        return None

    def compute_output_shape(self, embeddings_shape, indices_shape, weights_shape=None):
        return (*indices_shape[:-1], embeddings_shape[-1])

    def get_config(self):
        return {**super().get_config(), "pooling": self.pooling}


def pack_bags(indices):
    """Returns `(values, mask, outer)`: packed values, bool `(bags, values)`, and the outer axes."""
    indices = ragged_to_padded(indices)
    *outer, values = ops.shape(indices)
    indices = ops.reshape(indices, (math.prod(outer), values))
    mask = ops.not_equal(indices, PADDING_INDEX)
    return pack(indices, mask), mask, outer


def pool_bags(embeddings, mask, outer, pooling, weights=None):
    """Pools the embeddings of packed bags to `(*outer, dim)`. `weights` are not packed."""
    rows, bags = row_ids(mask), math.prod(outer)
    if weights is not None:
        pooled = _pool_weighted(embeddings, rows, bags, pooling, _pack_weights(weights, mask))
    elif pooling == "mean":
        pooled = segment_mean(embeddings, rows, ops.sum(ops.cast(mask, "int32"), axis=1))
    elif pooling == "sum":
        pooled = segment_sum(embeddings, rows, bags)
    else:
        pooled = segment_max(embeddings, rows, bags)
        has_values = ops.any(mask, axis=1, keepdims=True)
        pooled = ops.where(has_values, pooled, ops.zeros_like(pooled))
    return ops.reshape(pooled, (*outer, embeddings.shape[-1]))


def _pack_weights(weights, mask):
    """Returns the weights of packed bags, `(positions,)`, 0 for those that are no weights."""
    weights = pack(ops.reshape(ragged_to_padded(weights), ops.shape(mask)), mask)
    is_weight = ops.logical_and(weights >= 0, ops.isfinite(weights))
    return ops.where(is_weight, weights, ops.zeros_like(weights))


def _pool_weighted(embeddings, rows, bags, pooling, weights):
    # At least float32: half precision would round the weights.
    weights = ops.cast(weights, keras.backend.result_type(embeddings.dtype, "float32"))
    if pooling == "mean":
        return segment_weighted_mean(embeddings, weights, rows, bags)
    if pooling == "sum":
        return segment_weighted_sum(embeddings, weights, rows, bags)
    raise ValueError(
        f"`pooling` must be 'mean' or 'sum' if `weights` are given. Received: pooling={pooling!r}."
    )
