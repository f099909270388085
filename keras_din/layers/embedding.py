"""An embedding table whose lookup and gradient touch only the rows of the batch."""

import functools
import warnings
import zlib

import keras
import numpy as np
from keras import ops

from keras_din.checks import positive_integer
from keras_din.features import NUM_RESERVED, OOV_INDEX, PADDING_INDEX
from keras_din.layers.shard_values import (
    INDEPENDENT_OF_SHAPE,
    check_initializer,
    initial_shard,
    initial_table,
    with_seed,
)
from keras_din.ops import apply_mask, gather_from_shards, is_ragged, take_from_shards
from keras_din.replicas import copy_on_replica
from keras_din.row_shards import RowShards
from keras_din.trace_context import trace_context

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

_BLOCK = 1024  # Rows that `initial_rows` draws at once.
_SUMS_OVER_ROWS = (keras.regularizers.L1, keras.regularizers.L2, keras.regularizers.L1L2)


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

    With `shards`, the table is several variables, `layer.embedding_shards`: row `r` is row
    `r // shards` of the variable `r % shards`. So a table can be larger than the memory of one
    device: under a strategy of `tf.distribute`, each variable may be placed on another one. No
    tensor holds the whole table. Lookups, gradients and the steps of the optimizers in
    `keras_din.optimizers` are those of one variable. (Optimizers of Keras with `clipnorm` clip each
    variable alone.) Random initial values differ from those of one variable with the same seed,
    because each shard is drawn alone; `keras_din.with_shards` splits a table without a change.
    Weights of a layer with another number of shards can be loaded, see `keras_din.with_shards`. On
    JAX and PyTorch every lookup reads a row of each shard, and the gradients are dense, as for one
    variable.

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
        shards: Number of variables, at most `vocabulary_size`.

    Attributes:
        embeddings: The variable `(vocabulary_size, dim)` of a table with one shard.
        embedding_shards: List of the variables of all shards.
        row_shards: The `RowShards`, which has the places of the rows.

    Call arguments:
        indices: Int tensor of any shape, which may be ragged.

    Returns:
        Float tensor `(*indices.shape, dim)`, ragged like `indices`, with the mask `indices != 0`.

    Raises:
        ValueError: If `vocabulary_size`, `dim` or `shards` is not a positive integer, if the table
            has no rows for padding and out-of-vocabulary, or fewer rows than shards. With several
            shards: if the initializer or the regularizer needs the whole table.

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
        shards=1,
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
        self.shards = positive_integer("shards", shards)
        if self.shards > 1:
            self._check_shards()
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

    def _check_shards(self):
        if self.shards > self.vocabulary_size:
            raise ValueError(
                f"`shards` must be at most the number of rows, {self.vocabulary_size}. "
                f"Received: shards={self.shards}."
            )
        check_initializer(self.embeddings_initializer)
        regularizer = self.embeddings_regularizer
        if not isinstance(regularizer, (*_SUMS_OVER_ROWS, type(None))):
            raise ValueError(
                "`embeddings_regularizer` of a table with `shards` must be 'l1', 'l2' or 'l1_l2', "
                "whose value for a table is the sum over its shards. "
                f"Received: embeddings_regularizer={regularizer!r}."
            )

    def build(self, indices_shape=None):
        self.row_shards = RowShards(self.vocabulary_size, self.shards)
        if self.shards == 1:
            draw = functools.partial(initial_table, self.embeddings_initializer)
            self.embeddings = self._add_table("embeddings", 0, draw)
            return
        self._shard_variables = [
            self._add_table(
                f"embeddings_{shard}",
                shard,
                functools.partial(
                    initial_shard, self.embeddings_initializer, self.row_shards, shard
                ),
            )
            for shard in range(self.shards)
        ]

    def _add_table(self, name, shard, initializer):
        variable = self.add_weight(
            name=name,
            shape=(self.row_shards.size(shard), self.dim),
            initializer=initializer,
            regularizer=self.embeddings_regularizer,
            # Cast after the lookup: casting the variable would read the whole table.
            autocast=False,
        )
        # The optimizers in `keras_din.optimizers` read these attributes.
        variable.is_embedding_table = True
        variable.feature = self.feature
        variable.row_shards, variable.shard = self.row_shards, shard
        return variable

    @property
    def embedding_shards(self) -> list:
        """The variables of the table, one per shard."""
        return [self.embeddings] if self.shards == 1 else list(self._shard_variables)

    def read_rows(self, rows=None) -> np.ndarray:
        """Returns values of the table.

        Args:
            rows: Integers `(n,)`, or `None` for all rows: the whole table is then in the memory of
                this machine.

        Returns:
            Float array `(n, dim)`.
        """
        if rows is None:
            shards = [ops.convert_to_numpy(each) for each in self.embedding_shards]
            return self.row_shards.join(shards)
        rows = np.asarray(rows, np.int64)
        values = np.empty((len(rows), self.dim), self.variable_dtype)
        for shard, variable in enumerate(self.embedding_shards):
            own = rows % self.shards == shard
            part = ops.take(variable, rows[own] // self.shards, axis=0)
            values[own] = ops.convert_to_numpy(part)
        return values

    def assign_rows(self, rows, values) -> None:
        """Replaces values of the table.

        Args:
            rows: Integers `(n,)` without duplicates, or `None` for all rows.
            values: Floats `(n, dim)`.
        """
        rows = np.arange(self.vocabulary_size) if rows is None else np.asarray(rows, np.int64)
        for shard, variable in enumerate(self.embedding_shards):
            own = rows % self.shards == shard
            assign_rows(variable, rows[own] // self.shards, np.asarray(values)[own])

    def load_own_variables(self, store):
        """Loads the table, also from a layer with another number of shards."""
        saved = [store[name] for name in sorted(store.keys(), key=int)] if self.built else []
        if len(saved) in (0, self.shards) or not self._is_same_table(saved):
            super().load_own_variables(store)  # Its errors name the shapes.
            return
        for shard, variable in enumerate(self.embedding_shards):
            variable.assign(self.row_shards.from_other(saved, shard))

    def _is_same_table(self, saved) -> bool:
        other = RowShards(self.vocabulary_size, len(saved))
        shapes = [(other.size(shard), self.dim) for shard in range(len(saved))]
        return [tuple(each.shape) for each in saved] == shapes

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
        size = _BLOCK if isinstance(initializer, INDEPENDENT_OF_SHAPE) else self.vocabulary_size
        blocks = rows // size
        drawn = [np.zeros((0, self.dim), self.variable_dtype)]
        for part in np.split(rows, np.flatnonzero(np.diff(blocks)) + 1) if len(rows) else ():
            block = int(part[0]) // size
            key = zlib.crc32(f"{seed} {self.name} {block}".encode())
            values = with_seed(initializer, key)((size, self.dim), dtype=self.variable_dtype)
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
        shards = [copy_on_replica(each.value) for each in self.embedding_shards]
        return gather_from_shards(shards, rows)

    def _take(self, rows):
        return take_from_shards(self.embedding_shards, rows)

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
            "shards": self.shards,
        }


def assign_rows(variable, rows, values) -> None:
    """Replaces rows of a variable by `values`. `rows` are without duplicates."""
    values = ops.convert_to_tensor(values, variable.dtype)
    if len(rows) == variable.shape[0] and np.array_equal(rows, np.arange(len(rows))):
        variable.assign(values)
    elif len(rows):
        table = ops.convert_to_tensor(variable)
        variable.assign(ops.scatter_update(table, np.asarray(rows)[:, None], values))


def _signed(indices):
    """Casts indices to int32 or int64, which all operations support.

    Values that are too large become negative, and so out-of-vocabulary.
    """
    dtype = keras.backend.standardize_dtype(indices.dtype)
    if dtype in ("int32", "int64"):
        return indices
    return ops.cast(indices, "int64" if dtype == "uint64" else "int32")
