"""Adagrad with one accumulator per row of a table."""

import keras
from keras import ops

from keras_din.optimizers.mini_batch_aware import MiniBatchAware
from keras_din.optimizers.row_sparse import is_table, subtract_from_rows
from keras_din.replicas import copy_on_replica

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf


@keras.saving.register_keras_serializable(package="keras_din")
class RowwiseAdagrad(MiniBatchAware, keras.optimizers.Adagrad):
    """Adagrad with one accumulator per row of an embedding table, instead of one per weight.

    For each row `r` of the batch, with its gradient `g` summed over its occurrences:

    `a_r = a_r + mean(g^2)`, `w_r = w_r - lr g / sqrt(a_r + epsilon)`.

    Other rows have no gradient and do not change, as in Adagrad itself. All variables except tables
    of `keras_din.layers.Embedding` are updated by Adagrad's own rule, with one accumulator per
    weight. For tables, the optimizer needs at most a quarter of the memory of Adam's moments.

    Args:
        learning_rate: A number or a schedule.
        initial_accumulator_value: Initial value of the accumulators.
        epsilon: The small constant of the equation.
        mini_batch_aware_l2: See `LazyAdam`.
        feature_counts: See `LazyAdam`.
        **kwargs: Further arguments of `keras.optimizers.Adagrad`.

    Example:

    ```python
    item = kd.Categorical("item_id", 100, dim=4)
    spec = kd.FeatureSpec(target=[item], sequences=[kd.Sequence("hist", of=[item])])
    model = kd.build_base(spec, hidden_units=(8,))
    model.compile(kd.optimizers.RowwiseAdagrad(0.01), kd.losses.BinaryCrossentropy())
    ```

    Reference:
        [Duchi et al., 2011](https://jmlr.org/papers/v12/duchi11a.html); one accumulator per row as
        in [Naumov et al., 2019](https://arxiv.org/abs/1906.00091) (DLRM).
    """

    def build(self, variables):
        if self.built:
            return
        self.build_feature_counts(variables)
        keras.optimizers.Optimizer.build(self, variables)
        initializer = keras.initializers.Constant(self.initial_accumulator_value)
        self._accumulators = [
            self.add_variable_beside(
                variable,
                shape=variable.shape[:1] if is_table(variable) else variable.shape,
                initializer=initializer,
                dtype=variable.dtype,
                name=f"{variable.name}_accumulator",
            )
            for variable in variables
        ]

    def update_rows(self, rows, gradient, variable, learning_rate):
        index = self._get_variable_index(variable)
        accumulator = copy_on_replica(self._accumulators[index].value)
        square = tf.square(gradient)
        if accumulator.shape.rank == 1:
            square = tf.reduce_mean(square, axis=-1)
        sums = tf.gather(accumulator, rows) + square
        accumulator.scatter_update(tf.IndexedSlices(sums, rows))
        if accumulator.shape.rank == 1:
            sums = sums[:, None]
        change = learning_rate * gradient / tf.sqrt(sums + self.epsilon)
        subtract_from_rows(variable, rows, change)

    def update_step(self, gradient, variable, learning_rate):
        accumulator = self._accumulators[self._get_variable_index(variable)]
        sparse = keras.backend.backend() == "tensorflow" and isinstance(gradient, tf.IndexedSlices)
        if sparse or len(accumulator.shape) == len(variable.shape):
            super().update_step(gradient, variable, learning_rate)
            return
        # A table with a dense gradient. Rows with gradient 0 do not change.
        self.decay_touched(gradient, variable, learning_rate)
        rate = ops.cast(learning_rate, variable.dtype)
        gradient = ops.cast(gradient, variable.dtype)
        sums = accumulator + ops.mean(ops.square(gradient), axis=-1)
        self.assign(accumulator, sums)
        root = ops.sqrt(ops.expand_dims(sums, -1) + self.epsilon)
        self.assign_sub(variable, rate * gradient / root)
