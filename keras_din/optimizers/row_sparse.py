"""The base of row-sparse optimizers: the cost of a step does not grow with the tables."""

import contextvars

import keras
from keras import ops

from keras_din.replicas import beside, number_of_replicas
from keras_din.row_shards import row_shards

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

_PADDING = 0  # The row of padding in a table, see `keras_din.features`.
# Whether the calling thread has undone the loss scaling. The replicas of a strategy are threads.
_unscaled: contextvars.ContextVar[bool] = contextvars.ContextVar("unscaled", default=False)


class RowSparse:
    """Mixin before a Keras optimizer that keeps the gradients of tables sparse.

    On the TensorFlow backend the gradient of a table is an `IndexedSlices`: the rows that a batch
    looked up. First, the gradients of a row that occurs several times are summed, also over the
    replicas of a `tf.distribute` strategy. Then loss scaling, clipping (by the norm of the summed
    gradient; the optimizers of Keras clip the gradient of each replica) and weight decay (of the
    rows of the batch only) are applied to the sparse gradient. Row 0 of a table, which is padding,
    never decays. On other backends gradients are dense, and a row is treated as in the batch if its
    gradient is not 0.

    The shards of a table, see `keras_din.row_shards`, are treated as one variable: `clipnorm` clips
    the norm of the gradient of the whole table.

    A subclass implements `update_rows(rows, gradient, variable, learning_rate)` for sparse
    gradients. Other variables are updated by the rule of its Keras base class.
    """

    def __init__(self, *arguments, **keywords):
        super().__init__(*arguments, **keywords)
        if self.gradient_accumulation_steps:
            raise ValueError(
                "`gradient_accumulation_steps` must be None: it would keep a dense gradient of "
                "every table. Use a larger batch or a Keras optimizer. "
                "Received: gradient_accumulation_steps="
                f"{self.gradient_accumulation_steps}."
            )
        self._decayed_by_row = self._tables = self._with_padding = frozenset()
        self._clipped_together = ()

    def apply(self, grads, trainable_variables=None):
        if keras.backend.backend() != "tensorflow":
            return super().apply(grads, trainable_variables)
        grads = [deduplicate_rows(gradient) for gradient in grads]
        scale = self.loss_scale_factor
        token = _unscaled.set(True)
        try:
            if scale is not None:
                grads = [g if g is None else scaled(g, 1 / scale) for g in grads]
            variables = list(trainable_variables or self._trainable_variables)
            if number_of_replicas() > 1:
                # Before clipping and regularization, which apply to the gradient of the batch.
                filled = [_with_a_row(gradient) for gradient in grads]
                pairs = super()._all_reduce_sum_gradients(zip(filled, variables, strict=True))
                # Slices of replicas are concatenated, so a row may occur once per replica.
                grads = [deduplicate_rows(_without_that_row(gradient)) for gradient, _ in pairs]
            # Keys, because `update_step` receives TensorFlow variables, not Keras variables.
            self._tables = frozenset(self._var_key(v) for v in variables if is_table(v))
            self._with_padding = frozenset(self._var_key(v) for v in variables if has_padding(v))
            self._decayed_by_row = self._tables | {
                self._var_key(variable)
                for variable, gradient in zip(variables, grads, strict=True)
                if isinstance(gradient, tf.IndexedSlices)
            }
            return super().apply(grads, trainable_variables)
        finally:
            _unscaled.reset(token)

    @property
    def loss_scale_factor(self):
        """The factor of the loss, `None` where the gradients are no longer scaled."""
        return None if _unscaled.get() else self._loss_scale_factor

    @loss_scale_factor.setter
    def loss_scale_factor(self, factor):
        self._loss_scale_factor = factor

    def _all_reduce_sum_gradients(self, grads_and_vars):
        if number_of_replicas() > 1:
            return grads_and_vars  # `apply` has summed them.
        return super()._all_reduce_sum_gradients(grads_and_vars)

    def _backend_apply_gradients(self, grads, trainable_variables):
        # Of each gradient, the object that all shards of its table share.
        owners = [getattr(v, "row_shards", v) for v in trainable_variables]
        self._clipped_together = tuple(map(id, owners))
        return super()._backend_apply_gradients(grads, trainable_variables)

    def _clip_gradients(self, grads):
        if self.clipnorm and self.clipnorm > 0:
            return self._clip_tables(grads)
        if keras.backend.backend() != "tensorflow":
            return super()._clip_gradients(grads)
        if self.global_clipnorm and self.global_clipnorm > 0:
            factor = clip_factor(self.global_clipnorm, grads)
            return [scaled(g, factor) for g in grads]
        if self.clipvalue and self.clipvalue > 0:
            clip = lambda values: tf.clip_by_value(values, -self.clipvalue, self.clipvalue)  # noqa: E731
            return [map_values(clip, g) for g in grads]
        return grads

    def _clip_tables(self, grads):
        """Clips the norm of the gradient of each variable, or of all shards of a table."""
        parts: dict[int, list] = {}
        for owner, gradient in zip(self._clipped_together, grads, strict=True):
            parts.setdefault(owner, []).append(gradient)
        factors = {owner: clip_factor(self.clipnorm, each) for owner, each in parts.items()}
        pairs = zip(self._clipped_together, grads, strict=True)
        return [scaled(gradient, factors[owner]) for owner, gradient in pairs]

    def _apply_weight_decay(self, variables):
        if keras.backend.backend() == "tensorflow":
            dense = [v for v in variables if self._var_key(v) not in self._decayed_by_row]
        else:
            dense = [v for v in variables if not is_table(v)]
        if dense:
            super()._apply_weight_decay(dense)

    def add_variable_beside(self, reference, **arguments):
        """Adds a variable, of any shape, which lies on the parameter server of another one."""
        with beside(reference):
            return self.add_variable(**arguments)

    def decay_touched(self, gradient, variable, learning_rate):
        """Applies weight decay to a table with a dense gradient.

        Only rows with a nonzero gradient decay. Row 0, which is padding, never does.
        """
        if self.weight_decay is not None and self._use_weight_decay(variable):
            values = ops.convert_to_tensor(variable)
            decay = ops.cast(self.weight_decay * learning_rate, values.dtype)
            touched = touched_rows(gradient)
            if self._has_padding(variable):
                touched = ops.logical_and(touched, _not_padding(variable.shape[0]))
            self.assign_sub(variable, decay * ops.cast(touched, values.dtype) * values)

    def _has_padding(self, variable):
        if keras.backend.backend() == "tensorflow":
            return self._var_key(variable) in self._with_padding
        return has_padding(variable)

    def update_step(self, gradient, variable, learning_rate):
        if keras.backend.backend() == "tensorflow" and isinstance(gradient, tf.IndexedSlices):
            rows = gradient.indices
            rate = tf.cast(learning_rate, variable.dtype)
            if self.weight_decay is not None and self._use_weight_decay(variable):
                decay = tf.cast(self.weight_decay, variable.dtype) * rate
                if self._has_padding(variable):
                    decay = decay * tf.cast(rows != _PADDING, variable.dtype)[:, None]
                values = tf.gather(variable, rows)
                variable.scatter_update(tf.IndexedSlices(values - decay * values, rows))
            self.update_rows(rows, tf.cast(gradient.values, variable.dtype), variable, rate)
        else:
            super().update_step(gradient, variable, learning_rate)

    def update_rows(self, rows, gradient, variable, learning_rate):
        """Updates some rows of a table.

        Args:
            rows: Int tensor `(rows,)` without duplicates.
            gradient: Float tensor `(rows, dim)`.
            variable: The table, a `tf.Variable`.
            learning_rate: Float scalar of the table's dtype.
        """
        raise NotImplementedError


def deduplicate_rows(gradient):
    """Sums the gradients of equal rows of an `IndexedSlices`; returns others unchanged."""
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient
    rows, index = tf.unique(gradient.indices)
    values = tf.math.unsorted_segment_sum(gradient.values, index, tf.shape(rows)[0])
    return tf.IndexedSlices(values, rows, gradient.dense_shape)


def _with_a_row(gradient):
    """Appends the row -1 to an `IndexedSlices`.

    TensorFlow crashes if it concatenates the slices of all replicas and all are empty, for example
    because no row of a shard is in the batch.
    """
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient
    rows = tf.pad(gradient.indices, [[0, 1]], constant_values=-1)
    values = tf.pad(gradient.values, [[0, 1], [0, 0]])
    return tf.IndexedSlices(values, rows, gradient.dense_shape)


def _without_that_row(gradient):
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient
    kept = tf.where(gradient.indices >= 0)[:, 0]
    return tf.IndexedSlices(
        tf.gather(gradient.values, kept),
        tf.gather(gradient.indices, kept),
        gradient.dense_shape,
    )


def subtract_from_rows(variable, rows, change):
    """Subtracts `change` from rows of a table, which must be distinct.

    Reading, subtracting and writing takes a quarter less time than `scatter_sub`.
    """
    variable.scatter_update(tf.IndexedSlices(tf.gather(variable, rows) - change, rows))


def map_values(function, gradient):
    """Applies `function` to the values of a dense or sparse gradient."""
    if is_sparse(gradient):
        return tf.IndexedSlices(function(gradient.values), gradient.indices, gradient.dense_shape)
    return function(gradient)


def scaled(gradient, factor):
    """Multiplies a dense or sparse gradient by a number."""
    return map_values(lambda values: values * ops.cast(factor, values.dtype), gradient)


def clip_factor(norm, grads):
    """Returns the factor that clips the joint norm of gradients: `min(1, norm / ||g||)`."""
    squares = [ops.sum(ops.square(g.values if is_sparse(g) else g)) for g in grads]
    joint_norm = ops.sqrt(sum(ops.cast(square, "float32") for square in squares))
    return norm / ops.maximum(joint_norm, norm)


def is_sparse(gradient) -> bool:
    """Returns whether a gradient is a `tf.IndexedSlices`."""
    return keras.backend.backend() == "tensorflow" and isinstance(gradient, tf.IndexedSlices)


def touched_rows(gradient):
    """Returns the mask of rows of a dense gradient that are not 0: bool `(rows, 1)`."""
    return ops.any(ops.not_equal(gradient, 0), axis=-1, keepdims=True)


def _not_padding(rows):
    """Returns the mask of rows of a table that are not padding: bool `(rows, 1)`."""
    return ops.expand_dims(ops.not_equal(ops.arange(rows), _PADDING), -1)


def is_table(variable) -> bool:
    """Returns whether a Keras variable is an embedding table of this library."""
    return getattr(variable, "is_embedding_table", False)


def has_padding(variable) -> bool:
    """Returns whether row 0 of a Keras variable is padding: that of a table or of shard 0 of it."""
    return is_table(variable) and row_shards(variable)[1] == 0
