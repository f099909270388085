"""A table of embeddings for features of several values, pooled to one vector."""

import math

import keras
from keras import ops

from keras_din.checks import one_of
from keras_din.features import PADDING_INDEX, POOLINGS
from keras_din.layers.embedding import Embedding
from keras_din.ops import pack, ragged_to_padded, row_ids, segment_max, segment_mean, segment_sum


@keras.saving.register_keras_serializable(package="keras_din")
class BagEmbedding(Embedding):
    """Turns bags of indices into one vector each: the pooled embeddings of their values.

    Over the `n` real values `v_j` of a bag, `output = sum_j v_j / n`, `sum_j v_j`, or the maximum
    of each unit. Padding may stand anywhere and changes nothing; indices are read as `Embedding`
    reads them. On the TensorFlow backend only real values are looked up, and the gradient of the
    table is an `IndexedSlices`.

    Args:
        vocabulary_size: As of `Embedding`, like all that is not said here.
        dim: Width of the embedding.
        embeddings_initializer: Initializer of the table.
        pooling: `"mean"`, `"sum"` or `"max"`. Of equal values that are the maximum each gets an
            equal part of the gradient.

    Call arguments:
        indices: Int tensor `(..., values)`, 0 where there is no value; may be ragged.

    Returns:
        Float tensor `(..., dim)`, without a mask. An empty bag gives zeros.

    Raises:
        ValueError: When an argument is not as said here.
    """

    def __init__(
        self, vocabulary_size, dim, embeddings_initializer="uniform", pooling="mean", **kwargs
    ):
        super().__init__(vocabulary_size, dim, embeddings_initializer, **kwargs)
        self.pooling = one_of("pooling", pooling, POOLINGS)

    def call(self, indices, training=False):
        indices = ragged_to_padded(indices)
        *outer, values = ops.shape(indices)
        bags = math.prod(outer)
        indices = ops.reshape(indices, (bags, values))
        mask = ops.not_equal(indices, PADDING_INDEX)
        rows = row_ids(mask)
        embeddings = super().call(pack(indices, mask), training)
        if self.pooling == "mean":
            pooled = segment_mean(embeddings, rows, ops.sum(ops.cast(mask, "int32"), axis=1))
        elif self.pooling == "sum":
            pooled = segment_sum(embeddings, rows, bags)
        else:
            pooled = segment_max(embeddings, rows, bags)
            some = ops.any(mask, axis=1, keepdims=True)
            pooled = ops.where(some, pooled, ops.zeros_like(pooled))
        return ops.reshape(pooled, (*outer, self.dim))

    def compute_mask(self, indices, mask=None):
        return None

    def compute_output_shape(self, indices_shape):
        return (*indices_shape[:-1], self.dim)

    def get_config(self):
        return {**super().get_config(), "pooling": self.pooling}
