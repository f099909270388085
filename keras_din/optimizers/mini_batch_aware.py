"""Adds the mini-batch aware regularization of the DIN paper to the gradients of tables."""

import math
import types
from collections.abc import Mapping

import keras
import numpy as np
from keras import ops

from keras_din.checks import is_number
from keras_din.old_saved_models import refuse_old_argument
from keras_din.optimizers.row_sparse import RowSparse, is_table, touched_rows
from keras_din.replicas import copy_on_replica
from keras_din.row_shards import row_shards

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf


class MiniBatchAware(RowSparse):
    """`RowSparse` with the regularization of the DIN paper.

    For each row `r` of the batch:

    `g_r = g_r + mini_batch_aware_l2 w_r / n_r`,

    where `n_r` is the number of occurrences of the index `r` in all training samples, at least 1.
    The term is added once per batch, also if `r` occurs several times in it or in the parts of
    several replicas. It is the gradient of
    `mini_batch_aware_l2 / 2 * sum_r ||w_r||^2 / n_r`. For a penalty without the factor 1/2, pass
    twice its strength. The term is part of the gradient of the loss: it is added after loss scaling
    and before clipping, and it enters the moments. Other rows and row 0, which is padding, are not
    regularized.

    Only tables of `keras_din.layers.Embedding` whose feature has counts are regularized. On the
    TensorFlow backend, a row is in the batch if the batch looked it up. On other backends, where
    gradients are dense, a row is in the batch if its gradient is not 0.

    The counts are part of the optimizer's state, one float32 per row. They are saved and loaded
    with the state, where loaded counts replace given ones. They are not part of the config.

    Args:
        mini_batch_aware_l2: A number of at least 0, or `None` for no regularization.
        feature_counts: Feature name -> integers `(vocabulary_size,)`. Required with
            `mini_batch_aware_l2`, and not allowed without it.

    Raises:
        ValueError: If an argument is invalid; if a feature has no table, or its table has another
            number of rows than its counts; if an optimizer from a config is applied before its
            state is loaded.

    Reference:
        [Zhou et al., 2018](https://arxiv.org/abs/1706.06978), Sec. 5.1, Eq. (7), which omits the
        factor 2 of the derivative too.
    """

    def __init__(self, *arguments, mini_batch_aware_l2=None, feature_counts=None, **keywords):
        super().__init__(*arguments, **keywords)
        if feature_counts is not None and not isinstance(feature_counts, Mapping):
            raise ValueError(
                "`feature_counts` must be a dict of the counts of each feature, as "
                "`PreparedData.feature_counts` returns it. "
                f"Received: feature_counts={feature_counts!r}."
            )
        if (mini_batch_aware_l2 is None) != (feature_counts is None):
            names = None if feature_counts is None else list(feature_counts)
            raise ValueError(
                "`mini_batch_aware_l2` and `feature_counts` must be given together: each row's "
                "share is divided by its count, see `PreparedData.feature_counts`. "
                f"Received: mini_batch_aware_l2={mini_batch_aware_l2!r}, feature_counts={names}."
            )
        self.mini_batch_aware_l2 = None
        self._lacks_feature_counts = False
        if mini_batch_aware_l2 is not None:
            self.mini_batch_aware_l2 = _checked_strength(mini_batch_aware_l2)
            given = {name: _checked_counts(name, values) for name, values in feature_counts.items()}
            # A read-only view, because Keras would track a dict as state.
            self._given_feature_counts = types.MappingProxyType(given)

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Creates the optimizer of a config. Its counts are loaded with its saved state."""
        refuse_old_argument(cls.__name__, config, "mini_batch_aware")
        config = dict(config)
        strength = config.pop("mini_batch_aware_l2", None)
        optimizer = super().from_config(config, custom_objects)
        if strength is not None:
            optimizer.mini_batch_aware_l2 = _checked_strength(strength)
            optimizer._given_feature_counts = None
            optimizer._lacks_feature_counts = True
        return optimizer

    def get_config(self):
        return {**super().get_config(), "mini_batch_aware_l2": self.mini_batch_aware_l2}

    def build(self, variables):
        if self.built:
            return
        self.build_feature_counts(variables)
        super().build(variables)

    def build_feature_counts(self, variables):
        """Creates a variable `(rows,)` per table, or shard of it: 0 for rows without a penalty."""
        if self.mini_batch_aware_l2 is None:
            return
        given = self._given_feature_counts or {}
        _check_tables(given, [variable for variable in variables if is_table(variable)])
        self._feature_counts = [
            self.add_variable_beside(
                variable,
                shape=variable.shape[:1],
                initializer=_initializer(given.get(variable.feature), variable),
                dtype="float32",
                name=f"{variable.feature}_feature_counts",
            )
            if is_table(variable)
            else None
            for variable in variables
        ]
        self._given_feature_counts = None

    def set_feature_counts(self, feature_counts):
        """Replaces the counts of the given features, for example after a day of log was appended.

        Args:
            feature_counts: Feature name -> integers `(vocabulary_size,)`, see
                `PreparedData.feature_counts`.

        Raises:
            ValueError: If the optimizer has no `mini_batch_aware_l2` or has not been built, if a
                feature has no table, or its table has another number of rows.
        """
        for row_counts, counts, table in self._tables_of("set_feature_counts", feature_counts):
            row_counts.assign(_own_rows(_row_counts(counts), table))
        self.has_feature_counts()

    def add_feature_counts(self, feature_counts):
        """Adds the counts of further samples, for example of the next day of the log.

        A row without an occurrence has a count of 1, so its next count is too large by 1.

        Args:
            feature_counts: Feature name -> integers `(vocabulary_size,)`, see
                `PreparedData.feature_counts`.

        Raises:
            ValueError: See `set_feature_counts`.
        """
        for row_counts, counts, table in self._tables_of("add_feature_counts", feature_counts):
            added = counts.astype("float32")
            added[0] = 0  # Padding.
            row_counts.assign_add(_own_rows(added, table))

    def _tables_of(self, method, feature_counts):
        """Returns `(variable of the counts, given counts, table)` of each given feature's tables.

        A table with several shards has a variable of the counts per shard.
        """
        if self.mini_batch_aware_l2 is None or not self.built:
            raise ValueError(
                f"`{method}` must be called on an optimizer that has a `mini_batch_aware_l2` and "
                "has been built: pass `feature_counts` to a new one. "
                f"Received: mini_batch_aware_l2={self.mini_batch_aware_l2}, built={self.built}."
            )
        given = {name: _checked_counts(name, values) for name, values in feature_counts.items()}
        pairs = zip(self._trainable_variables, self._feature_counts, strict=True)
        tables = [(variable, row_counts) for variable, row_counts in pairs if is_table(variable)]
        _check_tables(given, [table for table, _ in tables])
        return [
            (row_counts, given[table.feature], table)
            for table, row_counts in tables
            if table.feature in given
        ]

    def load_own_variables(self, store):
        super().load_own_variables(store)
        if len(store.keys()) == len(self.variables):  # Otherwise Keras warns and loads nothing.
            self.has_feature_counts()

    def set_weights(self, weights):
        super().set_weights(weights)
        self.has_feature_counts()

    def has_feature_counts(self):
        """Marks that the variables of the counts have their values."""
        self._lacks_feature_counts = False

    def _backend_apply_gradients(self, grads, trainable_variables):
        # At this point Keras has undone the loss scaling and not yet clipped the gradients.
        if self.mini_batch_aware_l2 is not None:
            if self._lacks_feature_counts:
                raise ValueError(
                    "An optimizer created from a config must load its saved state before it is "
                    "applied, or must be created with `feature_counts`. "
                    f"Received: mini_batch_aware_l2={self.mini_batch_aware_l2} without counts."
                )
            grads = [
                self._regularized(gradient, variable) if is_table(variable) else gradient
                for gradient, variable in zip(grads, trainable_variables, strict=True)
            ]
        return super()._backend_apply_gradients(grads, trainable_variables)

    def _regularized(self, gradient, table):
        feature_counts = self._feature_counts[self._get_variable_index(table)]
        if keras.backend.backend() == "tensorflow" and isinstance(gradient, tf.IndexedSlices):
            rows = gradient.indices
            read = lambda variable: tf.gather(copy_on_replica(variable.value), rows)  # noqa: E731
            weights, counts = read(table), read(feature_counts)
            penalty = self._penalty_gradient(weights, counts, gradient.dtype)
            return tf.IndexedSlices(gradient.values + penalty, rows, gradient.dense_shape)
        weights = ops.convert_to_tensor(table)
        penalty = self._penalty_gradient(weights, feature_counts, gradient.dtype)
        return gradient + ops.where(touched_rows(gradient), penalty, ops.zeros_like(penalty))

    def _penalty_gradient(self, weights, counts, dtype):
        counts = ops.expand_dims(counts, -1)
        has_count = ops.cast(counts > 0, "float32")
        factor = self.mini_batch_aware_l2 * has_count / ops.maximum(counts, 1)
        return ops.cast(factor * ops.cast(weights, "float32"), dtype)


def _checked_strength(value) -> float:
    if not is_number(value) or not 0 <= value < math.inf:
        raise ValueError(
            "`mini_batch_aware_l2` must be a number of at least 0, or None. "
            f"Received: mini_batch_aware_l2={value!r}."
        )
    return float(value)


def _checked_counts(name: str, values) -> np.ndarray:
    values = np.asarray(values)
    if values.ndim != 1 or values.dtype.kind not in "iu" or (values.size and values.min() < 0):
        raise ValueError(
            f"`feature_counts` of {name!r} must be a vector of non-negative integers. "
            f"Received: {np.array2string(values, threshold=8)}."
        )
    return values


def _check_tables(feature_counts: Mapping[str, np.ndarray], tables: list) -> None:
    """Raises a `ValueError` unless each feature has a table with one row per count."""
    unknown = set(feature_counts) - {table.feature for table in tables}
    if unknown:
        raise ValueError(
            "Each feature of `feature_counts` must have a trainable table, one of "
            f"{sorted({table.feature for table in tables})}. "
            f"Received: {sorted(unknown)}."
        )
    for table in tables:
        name, rows = table.feature, row_shards(table)[0].rows
        if name in feature_counts and len(feature_counts[name]) != rows:
            raise ValueError(
                f"`feature_counts` of {name!r} must have one entry for each of the "
                f"{rows} rows of its table. "
                f"Received: {len(feature_counts[name])} entries."
            )


def _row_counts(counts: np.ndarray) -> np.ndarray:
    """Returns the counts of the rows of a table: at least 1, except 0 for padding."""
    counts = np.maximum(counts, 1).astype("float32")
    counts[0] = 0
    return counts


def _own_rows(counts: np.ndarray, table) -> np.ndarray:
    """Returns the counts of the rows of a variable, which may be a shard of a table."""
    shards, shard = row_shards(table)
    return shards.own(counts, shard)


def _initializer(counts, table):
    if counts is None:
        return "zeros"
    own = _own_rows(_row_counts(counts), table)
    return lambda shape, dtype: ops.convert_to_tensor(own, dtype)
