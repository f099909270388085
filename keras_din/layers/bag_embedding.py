"""An embedding table for features with several values, pooled to one vector."""

import keras

from keras_din.checks import one_of
from keras_din.features import POOLINGS
from keras_din.layers.bag_pooling import pack_bags, pool_bags
from keras_din.layers.embedding import Embedding


@keras.saving.register_keras_serializable(package="keras_din")
class BagEmbedding(Embedding):
    """Turns each bag of indices into one vector: the pooled embeddings of its values.

    Over the embeddings `v_j` of the `n` real values of a bag, `output = sum_j v_j / n`,
    `sum_j v_j`, or the maximum of each unit. With weights `w_j` from 0 it is
    `sum_j w_j v_j / sum_j w_j` or `sum_j w_j v_j`. Padding may be anywhere and changes nothing.
    Invalid indices are treated as in `Embedding`. On the TensorFlow backend only real values are
    looked up, and the gradient of the table is an `IndexedSlices`.

    Args:
        vocabulary_size: Number of rows of the table, see `Embedding`.
        dim: Width of the embedding.
        embeddings_initializer: Initializer of the table.
        pooling: `"mean"`, `"sum"` or `"max"`. With `"max"`, equal maxima share the gradient
            equally.
        **kwargs: See `Embedding`.

    Call arguments:
        indices: Int tensor `(..., values)`, 0 for padding; may be ragged.
        weights: Float tensor with the shape of `indices`, optional, see `BagPooling`.

    Returns:
        Float tensor `(..., dim)`, without a mask. An empty bag gives zeros, and so does a bag whose
        weights are all 0.

    Raises:
        ValueError: If an argument is invalid, or `pooling` is `"max"` and weights are given.

    Example:

    ```python
    layer = kd.layers.BagEmbedding(10, 4, pooling="mean")
    outputs = layer(np.array([[3, 5, 0], [0, 0, 0]]))  # (2, 4); an empty bag gives zeros
    ```
    """

    def __init__(
        self,
        vocabulary_size: int,
        dim: int,
        embeddings_initializer: str | dict | keras.initializers.Initializer = "uniform",
        pooling: str = "mean",
        **kwargs,
    ):
        # No autocast: weights must keep their precision.
        kwargs = {"autocast": False, **kwargs}
        super().__init__(vocabulary_size, dim, embeddings_initializer, **kwargs)
        self.pooling = one_of("pooling", pooling, POOLINGS)

    def call(self, indices, weights=None, training=False):
        values, mask, outer = pack_bags(indices)
        return pool_bags(super().call(values, training), mask, outer, self.pooling, weights)

    def compute_mask(self, indices, mask=None):
        return None

    def compute_output_shape(self, indices_shape, weights_shape=None):
        return (*indices_shape[:-1], self.dim)

    def get_config(self):
        return {**super().get_config(), "pooling": self.pooling}
