"""A table of embeddings that touches only the rows that it is asked for."""

import keras
from keras import ops

from keras_din.checks import positive_integer

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf


@keras.saving.register_keras_serializable(package="keras_din")
class Embedding(keras.layers.Layer):
    """Turns indices into embeddings; index 0 is padding, index 1 is out-of-vocabulary.

    Padding gives zeros and gets no gradient. An index outside `[0, vocabulary_size)` is read as
    out-of-vocabulary, on every device: never an error, never another row.

    On the TensorFlow backend the rows are gathered from the variable itself and their gradient
    is an `IndexedSlices`, so a step's cost does not depend on the size of the table.
    (`keras.layers.Embedding` reads the whole variable first.)

    Args:
        vocabulary_size: Rows of the table, with those of padding and out-of-vocabulary.
        dim: Width of the embedding.
        embeddings_initializer: Initializer of the table.

    Call arguments:
        indices: Int tensor of any shape.

    Returns:
        Float tensor `(*indices.shape, dim)`, with the mask `indices != 0`.

    Raises:
        ValueError: When `vocabulary_size` or `dim` is not a positive integer.
    """

    def __init__(self, vocabulary_size, dim, embeddings_initializer="uniform", **kwargs):
        super().__init__(**kwargs)
        self.vocabulary_size = positive_integer("vocabulary_size", vocabulary_size)
        self.dim = positive_integer("dim", dim)
        self.embeddings_initializer = keras.initializers.get(embeddings_initializer)
        self.supports_masking = True

    def build(self, indices_shape=None):
        self.embeddings = self.add_weight(
            name="embeddings",
            shape=(self.vocabulary_size, self.dim),
            initializer=self.embeddings_initializer,
            # Cast after the lookup: casting the variable would read the whole table.
            autocast=False,
        )
        self.embeddings.is_embedding_table = True  # For `keras_din.optimizers`.

    def call(self, indices):
        indices = ops.cast(indices, "int32") if "int" not in str(indices.dtype) else indices
        known = ops.logical_and(indices >= 0, indices < self.vocabulary_size)
        rows = ops.where(known, indices, ops.ones_like(indices))
        if keras.backend.backend() == "tensorflow":
            embeddings = tf.gather(self.embeddings.value, rows)
        else:
            embeddings = ops.take(self.embeddings, rows, axis=0)
        embeddings = ops.cast(embeddings, self.compute_dtype)
        return embeddings * ops.expand_dims(ops.cast(indices != 0, embeddings.dtype), -1)

    def compute_mask(self, indices, mask=None):
        return ops.not_equal(indices, 0)

    def compute_output_shape(self, indices_shape):
        return (*indices_shape, self.dim)

    def get_config(self):
        initializer = keras.initializers.serialize(self.embeddings_initializer)
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "dim": self.dim,
            "embeddings_initializer": initializer,
        }
