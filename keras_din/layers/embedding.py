"""An embedding table whose lookup and gradient touch only the rows of the batch."""

import warnings
import zlib

import keras
import numpy as np
from keras import ops

from keras_din.checks import positive_integer
from keras_din.features import NUM_RESERVED, OOV_INDEX, PADDING_INDEX
from keras_din.ops import apply_mask, is_ragged
from keras_din.replicas import copy_on_replica
from keras_din.trace_context import trace_context

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

_BLOCK = 1024  # Rows that `initial_rows` draws at once.
# Initializers of Keras whose values do not depend on the shape.
_INDEPENDENT_OF_SHAPE = (
    keras.initializers.Constant,
    keras.initializers.Ones,
    keras.initializers.RandomNormal,
    keras.initializers.RandomUniform,
    keras.initializers.TruncatedNormal,
    keras.initializers.Zeros,
)


@keras.saving.register_keras_serializable(package="keras_din")
class Embedding(keras.layers.Layer):
    """Turns indices into embeddings; index 0 is padding, index 1 is out-of-vocabulary.

    Padding gives zeros and gets no gradient. On every device, an index outside
    `[0, vocabulary_size)` is treated as out-of-vocabulary. If the initial values are random, the
    out-of-vocabulary row starts at 0, their mean. So if training has no such value (`min_count=1`),
    a new value gets a neutral embedding and not a random one.

    On the TensorFlow backend the rows are gathered from the variable itself, and their gradient
    is an `IndexedSlices`. So the cost of a step does not depend on the size of the table.
    (`keras.layers.Embedding` reads the whole variable first.)

    Args:
        vocabulary_size: Number of rows of the table, including those of padding and
            out-of-vocabulary.
        dim: Width of the embedding.
        embeddings_initializer: Initializer of the table.
        embeddings_regularizer: Keras regularizer of the whole table. The cost of a step then grows
            with the size of the table, and the layer warns about it. The cost of
            `mini_batch_aware_l2` of the optimizers in `keras_din.optimizers` grows only with the
            batch.
        feature: Name of the table's feature, which is a key in `feature_counts` of an optimizer.
            Defaults to the name of the layer.

    Call arguments:
        indices: Int tensor of any shape, which may be ragged.

    Returns:
        Float tensor `(*indices.shape, dim)`, ragged like `indices`, with the mask `indices != 0`.

    Raises:
        ValueError: If `vocabulary_size` or `dim` is not a positive integer, or the table has no
            rows for padding and out-of-vocabulary.

    Example:

    ```python
    layer = kd.layers.Embedding(10, 4)
    outputs = layer(np.array([[2, 3, 0]]))  # (1, 3, 4); padding gives zeros
    ```
    """

    def __init__(
        self,
        vocabulary_size,
        dim,
        embeddings_initializer="uniform",
        embeddings_regularizer=None,
        feature=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.vocabulary_size = positive_integer("vocabulary_size", vocabulary_size)
        if self.vocabulary_size < NUM_RESERVED:
            raise ValueError(
                f"`vocabulary_size` must be at least {NUM_RESERVED}: it counts the rows of "
                f"padding (0) and of out-of-vocabulary (1). "
                f"Received: vocabulary_size={vocabulary_size!r}."
            )
        self.dim = positive_integer("dim", dim)
        if isinstance(embeddings_initializer, keras.initializers.Initializer):
            # A shared initializer would give all tables of one shape the same values.
            embeddings_initializer = embeddings_initializer.clone()
        self.embeddings_initializer = keras.initializers.get(embeddings_initializer)
        self.embeddings_regularizer = keras.regularizers.get(embeddings_regularizer)
        self.feature = self.name if feature is None else feature
        self.supports_masking = True
        # XLA would make the gradient of the table dense.
        self.supports_jit = keras.backend.backend() != "tensorflow"
        if self.embeddings_regularizer is not None:
            warnings.warn(
                "`embeddings_regularizer` reads the whole table and makes its gradient dense in "
                "each step. `mini_batch_aware_l2` of keras_din.optimizers.LazyAdam regularizes the "
                "rows of the batch only. "
                f"Received: embeddings_regularizer={embeddings_regularizer!r}.",
                stacklevel=2,
            )

    def build(self, indices_shape=None):
        self.embeddings = self.add_weight(
            name="embeddings",
            shape=(self.vocabulary_size, self.dim),
            initializer=self._initial_values,
            regularizer=self.embeddings_regularizer,
            # Cast after the lookup: casting the variable would read the whole table.
            autocast=False,
        )
        # The optimizers in `keras_din.optimizers` read these two attributes.
        self.embeddings.is_embedding_table = True
        self.embeddings.feature = self.feature

    def _initial_values(self, shape, dtype=None):
        values = self.embeddings_initializer(shape, dtype=dtype)
        if not hasattr(self.embeddings_initializer, "seed"):  # Not random.
            return values
        oov_row = ops.zeros_like(values[:1])
        return ops.concatenate([values[:OOV_INDEX], oov_row, values[OOV_INDEX + 1 :]], axis=0)

    def initial_rows(self, rows, seed: int = 0) -> np.ndarray:
        """Draws initial values of some rows, as `keras_din.grow` uses them.

        The values of a row depend on the seed, the name of the layer and the index of the row
        only. With an initializer that depends on the shape, such as `"glorot_uniform"`, they depend
        on the size of the table too.

        Args:
            rows: Integers `(n,)`, from 2 on and increasing.
            seed: The seed.

        Returns:
            Float array `(n, dim)`.
        """
        rows = np.asarray(rows, np.int64)
        initializer = self.embeddings_initializer
        size = _BLOCK if isinstance(initializer, _INDEPENDENT_OF_SHAPE) else self.vocabulary_size
        blocks = rows // size
        drawn = [np.zeros((0, self.dim), self.variable_dtype)]
        for part in np.split(rows, np.flatnonzero(np.diff(blocks)) + 1) if len(rows) else ():
            block = int(part[0]) // size
            key = zlib.crc32(f"{seed} {self.name} {block}".encode())
            values = _with_seed(initializer, key)((size, self.dim), dtype=self.variable_dtype)
            drawn.append(ops.convert_to_numpy(values)[part - block * size])
        return np.concatenate(drawn)

    def call(self, indices, training=False):
        if is_ragged(indices):
            return indices.with_flat_values(self.call(indices.flat_values, training))
        indices = _signed(indices)
        known = ops.logical_and(indices >= 0, indices < self.vocabulary_size)
        rows = ops.where(known, indices, ops.cast(OOV_INDEX, indices.dtype))
        context = trace_context()
        native = keras.backend.backend() == "tensorflow" and context.form != "portable"
        lookup = context.lookups.get(self, self._gather if native else self._take)
        embeddings = lookup(rows)
        if native and (training or context.form == "native"):
            # In place: a selection by the mask would make a copy, and its gradient another.
            padding = tf.where(indices == PADDING_INDEX)
            zeros = tf.zeros((tf.shape(padding)[0], self.dim), embeddings.dtype)
            embeddings = tf.tensor_scatter_nd_update(embeddings, padding, zeros)
            return ops.cast(embeddings, self.compute_dtype)
        embeddings = ops.cast(embeddings, self.compute_dtype)
        return apply_mask(embeddings, ops.not_equal(indices, PADDING_INDEX))

    def _gather(self, rows):
        # From the variable itself: its gradient is an `IndexedSlices`.
        return tf.gather(copy_on_replica(self.embeddings.value), rows)

    def _take(self, rows):
        return ops.take(self.embeddings, rows, axis=0)

    def compute_mask(self, indices, mask=None):
        return ops.not_equal(indices, PADDING_INDEX)

    def compute_output_shape(self, indices_shape):
        return (*indices_shape, self.dim)

    def get_config(self):
        initializer = keras.initializers.serialize(self.embeddings_initializer)
        regularizer = keras.regularizers.serialize(self.embeddings_regularizer)
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "dim": self.dim,
            "embeddings_initializer": initializer,
            "embeddings_regularizer": regularizer,
            "feature": self.feature,
        }


def _with_seed(initializer, seed: int):
    """Returns an initializer with another seed, or the initializer itself if it is not random."""
    if not hasattr(initializer, "seed"):
        return initializer
    return type(initializer).from_config({**initializer.get_config(), "seed": seed})


def _signed(indices):
    """Casts indices to int32 or int64, which all operations support.

    Values that are too large become negative, and so out-of-vocabulary.
    """
    dtype = keras.backend.standardize_dtype(indices.dtype)
    if dtype in ("int32", "int64"):
        return indices
    return ops.cast(indices, "int64" if dtype == "uint64" else "int32")
