"""Adam and AdamW that update only the rows of a table that are in the batch."""

import keras
from keras import ops

from keras_din.optimizers.mini_batch_aware import MiniBatchAware
from keras_din.optimizers.row_sparse import is_table, subtract_from_rows, touched_rows
from keras_din.replicas import copy_on_replica

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf


class LazyRule(MiniBatchAware):
    """Mixin before Keras' Adam or AdamW: updates single rows of a table by Adam's rule."""

    def update_rows(self, rows, gradient, variable, learning_rate):
        index = self._get_variable_index(variable)
        momentum = copy_on_replica(self._momentums[index].value)
        velocity = copy_on_replica(self._velocities[index].value)
        m, v = tf.gather(momentum, rows), tf.gather(velocity, rows)
        m += (gradient - m) * (1 - self.beta_1)
        v += (tf.square(gradient) - v) * (1 - self.beta_2)
        momentum.scatter_update(tf.IndexedSlices(m, rows))
        velocity.scatter_update(tf.IndexedSlices(v, rows))
        if self.amsgrad:
            highest = copy_on_replica(self._velocity_hats[index].value)
            v = tf.maximum(tf.gather(highest, rows), v)
            highest.scatter_update(tf.IndexedSlices(v, rows))
        power_1, power_2 = (tf.cast(power, variable.dtype) for power in self._powers)
        step = learning_rate * tf.sqrt(1 - power_2) / (1 - power_1)
        subtract_from_rows(variable, rows, step * m / (tf.sqrt(v) + self.epsilon))

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        # Computed once per step, not once per variable.
        step = ops.cast(self.iterations + 1, "float32")
        self._powers = [ops.power(beta, step) for beta in (self.beta_1, self.beta_2)]
        super()._backend_update_step(grads, trainable_variables, learning_rate)
        self._powers = None

    def update_step(self, gradient, variable, learning_rate):
        if keras.backend.backend() == "tensorflow":
            sparse = isinstance(gradient, tf.IndexedSlices)
            if not sparse and self._var_key(variable) in self._tables:
                self.decay_touched(gradient, variable, learning_rate)
            if self.amsgrad or sparse:
                super().update_step(gradient, variable, learning_rate)
            else:
                self._update_dense(gradient, variable, learning_rate)
            return
        if not is_table(variable):
            super().update_step(gradient, variable, learning_rate)
            return
        # On backends with dense gradients: the same rule, only for rows with a nonzero gradient.
        self.decay_touched(gradient, variable, learning_rate)
        index = self._get_variable_index(variable)
        changed = [self._momentums[index], self._velocities[index], variable]
        if self.amsgrad:
            changed.append(self._velocity_hats[index])
        old_values = [ops.copy(ops.convert_to_tensor(each)) for each in changed]
        super().update_step(gradient, variable, learning_rate)
        touched = touched_rows(gradient)
        for each, old in zip(changed, old_values, strict=True):
            each.assign(ops.where(touched, ops.convert_to_tensor(each), old))

    def _update_dense(self, gradient, variable, learning_rate):
        """Applies Adam's rule to a whole variable in one operation, where Keras uses a dozen."""
        index = self._get_variable_index(variable)
        cast = lambda value: tf.cast(value, variable.dtype)  # noqa: E731
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=cast(self._powers[0]),
            beta2_power=cast(self._powers[1]),
            lr=cast(learning_rate),
            beta1=cast(self.beta_1),
            beta2=cast(self.beta_2),
            epsilon=cast(self.epsilon),
            grad=cast(gradient),
        )


@keras.saving.register_keras_serializable(package="keras_din")
class LazyAdam(LazyRule, keras.optimizers.Adam):
    """Adam that updates only the rows of an embedding table that the batch looked up.

    For each row `r` of the batch, with its gradient `g` summed over its occurrences, at step `t` of
    the optimizer:

    `m_r = b1 m_r + (1 - b1) g`, `v_r = b2 v_r + (1 - b2) g^2`,
    `w_r = w_r - lr sqrt(1 - b2^t) / (1 - b1^t) m_r / (sqrt(v_r) + epsilon)`.

    All other rows and their moments do not change. Adam would change them too, by their remaining
    momentum. So the cost of a step does not grow with the size of the table. Variables with a dense
    gradient are updated by Adam's own rule.

    Clipping, loss scaling and schedules work on the sparse gradient. `weight_decay` applies to the
    rows of the batch, except row 0, which is padding. (`weight_decay` of `keras.optimizers.Adam`
    applies to all rows of all tables in each step.) `use_ema` works, but reads whole tables.
    `gradient_accumulation_steps` is not supported.

    Args:
        learning_rate: A number or a schedule.
        beta_1: Decay of the first moment.
        beta_2: Decay of the second moment.
        epsilon: The small constant of the equation.
        amsgrad: Whether to divide by the largest second moment so far.
        mini_batch_aware_l2: Strength of mini-batch aware regularization (Sec. 5.1 of the DIN
            paper), or `None`. It adds `mini_batch_aware_l2 w_r / n_r` to the gradient of each row
            `r` of the batch, before clipping.
        feature_counts: The counts `n_r`, a dict: feature name -> how often each index occurs in
            training, see `PreparedData.feature_counts`. Tables of other features are not
            regularized.
        **kwargs: Further arguments of `keras.optimizers.Adam`.

    Example:

    ```python
    item = kd.Categorical("item_id", 100, dim=4)
    spec = kd.FeatureSpec(target=[item], sequences=[kd.Sequence("hist", of=[item])])
    model = kd.build_base(spec, hidden_units=(8,))
    model.compile(kd.optimizers.LazyAdam(1e-3), kd.losses.BinaryCrossentropy())
    ```

    Reference:
        [Kingma and Ba, 2015](https://arxiv.org/abs/1412.6980); the lazy form is that of
        TensorFlow Addons.
    """


@keras.saving.register_keras_serializable(package="keras_din")
class LazyAdamW(LazyRule, keras.optimizers.AdamW):
    """`LazyAdam` with decoupled weight decay: `w = w - lr decay w` before the update.

    Only the rows of a table that are in the batch decay. Row 0, which is padding, never does.

    Args:
        learning_rate: A number or a schedule.
        weight_decay: The rate of decay.
        mini_batch_aware_l2: See `LazyAdam`.
        feature_counts: See `LazyAdam`.
        **kwargs: Further arguments of `keras.optimizers.AdamW`.

    Example:

    ```python
    item = kd.Categorical("item_id", 100, dim=4)
    spec = kd.FeatureSpec(target=[item], sequences=[kd.Sequence("hist", of=[item])])
    model = kd.build_base(spec, hidden_units=(8,))
    model.compile(kd.optimizers.LazyAdamW(1e-3, weight_decay=0.01), kd.losses.BinaryCrossentropy())
    ```

    Reference:
        [Loshchilov and Hutter, 2019](https://arxiv.org/abs/1711.05101).
    """
