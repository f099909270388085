"""What row-sparse optimizers share: a step costs what its batch touches, not what a table holds."""

import keras
from keras import ops

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

_PADDING = 0  # The row of a table that padding has, as in `keras_din.features`.


class RowSparse:
    """Mixin before a Keras optimizer: gradients of tables stay sparse on their way to the rule.

    On the TensorFlow backend the gradient of a table is an `IndexedSlices`: the rows that a batch
    looked up. Rows that occur several times are summed once, first; then loss scaling, clipping
    (whose norms are those of the summed gradient) and weight decay (of touched rows only) work on
    them. Row 0 of a table, padding, never decays. Elsewhere gradients are dense, and a row of a
    table counts as touched where its gradient is not 0.

    A subclass has `update_rows(rows, gradient, variable, learning_rate)` for the sparse case and
    the rule of its base for all other variables.
    """

    def __init__(self, *arguments, **keywords):
        super().__init__(*arguments, **keywords)
        if self.gradient_accumulation_steps:
            raise ValueError(
                "`gradient_accumulation_steps` would keep a dense gradient of every table; use a "
                "larger batch, or an optimizer of Keras. Received: gradient_accumulation_steps="
                f"{self.gradient_accumulation_steps}."
            )
        self._decayed_by_row = self._tables = frozenset()

    def apply(self, grads, trainable_variables=None):
        if keras.backend.backend() != "tensorflow":
            return super().apply(grads, trainable_variables)
        grads = [segment_sum_once(gradient) for gradient in grads]
        scale, self.loss_scale_factor = self.loss_scale_factor, None
        try:
            if scale is not None:
                grads = [g if g is None else scaled(g, 1 / scale) for g in grads]
            variables = trainable_variables or self._trainable_variables
            # Sets of keys, since the rule receives variables of TensorFlow, not those of Keras.
            self._tables = frozenset(self._var_key(v) for v in variables if is_table(v))
            self._decayed_by_row = self._tables | {
                self._var_key(variable)
                for variable, gradient in zip(variables, grads, strict=True)
                if isinstance(gradient, tf.IndexedSlices)
            }
            return super().apply(grads, trainable_variables)
        finally:
            self.loss_scale_factor = scale

    def _all_reduce_sum_gradients(self, grads_and_vars):
        reduced = super()._all_reduce_sum_gradients(grads_and_vars)
        if self._distribution_strategy.num_replicas_in_sync == 1:
            return reduced
        # Slices of several replicas are joined: a row may occur once in each.
        return [(segment_sum_once(gradient), variable) for gradient, variable in reduced]

    def _clip_gradients(self, grads):
        if keras.backend.backend() != "tensorflow":
            return super()._clip_gradients(grads)
        if self.clipnorm and self.clipnorm > 0:
            return [scaled(g, clip_factor(self.clipnorm, [g])) for g in grads]
        if self.global_clipnorm and self.global_clipnorm > 0:
            factor = clip_factor(self.global_clipnorm, grads)
            return [scaled(g, factor) for g in grads]
        if self.clipvalue and self.clipvalue > 0:
            clip = lambda values: tf.clip_by_value(values, -self.clipvalue, self.clipvalue)  # noqa: E731
            return [with_values(g, clip) for g in grads]
        return grads

    def _apply_weight_decay(self, variables):
        if keras.backend.backend() == "tensorflow":
            rest = [v for v in variables if self._var_key(v) not in self._decayed_by_row]
        else:
            rest = [v for v in variables if not is_table(v)]
        if rest:
            super()._apply_weight_decay(rest)

    def decay_touched(self, gradient, variable, learning_rate):
        """Weight decay of a table whose gradient is dense: of rows whose gradient is not 0.

        Row 0, padding, is none of them.
        """
        if self.weight_decay is not None and self._use_weight_decay(variable):
            values = ops.convert_to_tensor(variable)
            decay = ops.cast(self.weight_decay * learning_rate, values.dtype)
            touched = ops.logical_and(touched_rows(gradient), _not_padding(variable.shape[0]))
            self.assign_sub(variable, decay * ops.cast(touched, values.dtype) * values)

    def update_step(self, gradient, variable, learning_rate):
        if keras.backend.backend() == "tensorflow" and isinstance(gradient, tf.IndexedSlices):
            rows = gradient.indices
            rate = tf.cast(learning_rate, variable.dtype)
            if self.weight_decay is not None and self._use_weight_decay(variable):
                decay = tf.cast(self.weight_decay, variable.dtype) * rate
                if self._var_key(variable) in self._tables:
                    decay = decay * tf.cast(rows != _PADDING, variable.dtype)[:, None]
                values = tf.gather(variable, rows)
                variable.scatter_update(tf.IndexedSlices(values - decay * values, rows))
            self.update_rows(rows, tf.cast(gradient.values, variable.dtype), variable, rate)
        else:
            super().update_step(gradient, variable, learning_rate)

    def update_rows(self, rows, gradient, variable, learning_rate):
        """The rule for some rows of a table.

        Args:
            rows: Int tensor `(touched,)`, each once.
            gradient: Float tensor `(touched, dim)`.
            variable: The table, a `tf.Variable`.
            learning_rate: Float scalar of its dtype.
        """
        raise NotImplementedError


def segment_sum_once(gradient):
    """An `IndexedSlices` whose indices are each there once; any other gradient as it is."""
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient
    rows, places = tf.unique(gradient.indices)
    values = tf.math.unsorted_segment_sum(gradient.values, places, tf.shape(rows)[0])
    return tf.IndexedSlices(values, rows, gradient.dense_shape)


def subtract_from_rows(variable, rows, change):
    """Takes `change` from rows of a table, each there once.

    To read, subtract and write costs a quarter less than `scatter_sub`.
    """
    variable.scatter_update(tf.IndexedSlices(tf.gather(variable, rows) - change, rows))


def with_values(gradient, function):
    """`function` of the values of a gradient, dense or sparse."""
    if isinstance(gradient, tf.IndexedSlices):
        return tf.IndexedSlices(function(gradient.values), gradient.indices, gradient.dense_shape)
    return function(gradient)


def scaled(gradient, factor):
    """A gradient times a number."""
    return with_values(gradient, lambda values: values * tf.cast(factor, values.dtype))


def clip_factor(norm, grads):
    """What brings the norm of gradients together down to `norm`: `min(1, norm / ||g||)`."""
    squares = [
        tf.reduce_sum(tf.square(g.values if isinstance(g, tf.IndexedSlices) else g)) for g in grads
    ]
    length = tf.sqrt(tf.add_n([tf.cast(square, "float32") for square in squares]))
    return norm / tf.maximum(length, norm)


def touched_rows(gradient):
    """Which rows of a dense gradient are not 0: bool `(rows, 1)`."""
    return ops.any(ops.not_equal(gradient, 0), axis=-1, keepdims=True)


def _not_padding(rows):
    """Which rows of a table are not the row of padding: bool `(rows, 1)`."""
    return ops.expand_dims(ops.not_equal(ops.arange(rows), _PADDING), -1)


def is_table(variable) -> bool:
    """Whether a Keras variable is a table of embeddings of this library."""
    return getattr(variable, "is_embedding_table", False)
