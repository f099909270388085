"""A lookup in a table of precomputed vectors, which is never trained."""

import keras
from keras import ops

from keras_din.checks import one_of, positive_integer
from keras_din.features import OOV_INDEX, PADDING_INDEX
from keras_din.features.vector import STORAGES
from keras_din.replicas import copy_on_replica
from keras_din.trace_context import trace_context

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf


@keras.saving.register_keras_serializable(package="keras_din")
class FrozenVectors(keras.layers.Layer):
    """Turns indices into precomputed vectors; index 0 is padding, index 1 is an unknown item.

    The table is stored in half precision or in 8 bits. Only the rows of the batch are converted
    to the dtype in which the layer computes. The table is not trainable: it has no gradient and no
    state of an optimizer.

    Args:
        vocabulary_size: Number of rows of the table.
        size: Number of values of a vector.
        storage: The dtype of the table: `"float16"`, `"float32"` or `"int8"`. An int8 table has
            one scale per row.
        feature: Name of the feature, see `keras_din.Vector`. Defaults to the name of the layer.
        vectors: The `keras_din.features.VectorTable`, the initial values. Without it the table is
            zeros until weights are loaded. It is not part of the config of the layer.

    Call arguments:
        indices: Int tensor of any shape. An index outside `[0, vocabulary_size)` is treated as
            unknown.

    Returns:
        Float tensor `(*indices.shape, size)`, with the mask `indices != 0`.

    Raises:
        ValueError: If an argument is invalid.

    Example:

    ```python
    values = np.array([[0, 0], [2, 3], [1, 2], [3, 4]], "float16")
    table = kd.features.VectorTable(values)
    layer = kd.layers.FrozenVectors(4, 2, vectors=table)
    outputs = layer(np.array([[3, 7, 0]]))  # [[3, 4], [2, 3], [0, 0]]
    ```
    """

    def __init__(
        self, vocabulary_size, size, storage="float16", feature=None, vectors=None, **kwargs
    ):
        super().__init__(**kwargs)
        self.vocabulary_size = positive_integer("vocabulary_size", vocabulary_size)
        self.size = positive_integer("size", size)
        self.storage = one_of("storage", storage, STORAGES)
        self.feature = self.name if feature is None else feature
        if vectors is not None:
            wanted = (self.vocabulary_size, self.size, self.storage)
            if (vectors.rows, vectors.size, vectors.storage) != wanted:
                raise ValueError(
                    f"`vectors` must have {wanted[0]} rows of size {wanted[1]} in {wanted[2]}. "
                    f"Received: {vectors!r}."
                )
        self._initial = vectors
        self.supports_masking = True

    def build(self, indices_shape=None):
        initial, self._initial = self._initial, None  # The variable has a copy.
        self.vectors = self.add_weight(
            name="vectors",
            shape=(self.vocabulary_size, self.size),
            initializer=_initializer(None if initial is None else initial.values),
            dtype=self.storage,
            trainable=False,
            # Cast after the lookup: casting the variable would read the whole table.
            autocast=False,
        )
        self.vectors.is_embedding_table = self.vectors.is_stored = True
        self.scales = None
        if self.storage == "int8":
            self.scales = self.add_weight(
                name="scales",
                shape=(self.vocabulary_size,),
                initializer=_initializer(None if initial is None else initial.scales),
                dtype="float32",
                trainable=False,
                autocast=False,
            )
            self.scales.is_embedding_table = True

    def call(self, indices):
        known = ops.logical_and(indices >= 0, indices < self.vocabulary_size)
        rows = ops.where(known, indices, ops.cast(OOV_INDEX, indices.dtype))
        vectors = self._take(self.vectors, rows)
        if self.scales is not None:
            scales = ops.expand_dims(self._take(self.scales, rows), -1)
            vectors = ops.cast(vectors, "float32") * scales
        return ops.cast(vectors, self.compute_dtype)

    def _take(self, variable, rows):
        if trace_context().form == "portable":
            # LiteRT cannot gather float16. The cast of a constant is done once, by its converter.
            table = ops.cast(variable, "float32") if variable.dtype == "float16" else variable
            return ops.take(table, rows, axis=0)
        if keras.backend.backend() != "tensorflow":
            return ops.take(variable, rows, axis=0)
        # The whole table is not read first.
        return tf.gather(copy_on_replica(variable.value), rows)

    def compute_mask(self, indices, mask=None):
        return ops.not_equal(indices, PADDING_INDEX)

    def compute_output_shape(self, indices_shape):
        return (*indices_shape, self.size)

    def get_config(self):
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "size": self.size,
            "storage": self.storage,
            "feature": self.feature,
        }


def is_stored(variable) -> bool:
    """Returns whether the dtype of a variable is only that of its storage, and not of results."""
    return getattr(variable, "is_stored", False)


def _initializer(values):
    """Returns the initializer of a variable with known values, or of zeros."""
    if values is None:
        return "zeros"
    return lambda shape, dtype=None: ops.convert_to_tensor(values, dtype)
