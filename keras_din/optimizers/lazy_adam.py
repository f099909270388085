"""Adam whose step touches only the rows of its batch."""

import keras
from keras import ops

from keras_din.optimizers.mini_batch_aware import MiniBatchAware
from keras_din.optimizers.row_sparse import is_table, subtract_from_rows, touched_rows

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf


class LazyRule(MiniBatchAware):
    """The update of rows by Adam's rule; stands before Adam or AdamW of Keras."""

    def update_rows(self, rows, gradient, variable, learning_rate):
        index = self._get_variable_index(variable)
        momentum, velocity = self._momentums[index].value, self._velocities[index].value
        m, v = tf.gather(momentum, rows), tf.gather(velocity, rows)
        m += (gradient - m) * (1 - self.beta_1)
        v += (tf.square(gradient) - v) * (1 - self.beta_2)
        momentum.scatter_update(tf.IndexedSlices(m, rows))
        velocity.scatter_update(tf.IndexedSlices(v, rows))
        if self.amsgrad:
            highest = self._velocity_hats[index].value
            v = tf.maximum(tf.gather(highest, rows), v)
            highest.scatter_update(tf.IndexedSlices(v, rows))
        power_1, power_2 = (tf.cast(power, variable.dtype) for power in self._powers)
        step = learning_rate * tf.sqrt(1 - power_2) / (1 - power_1)
        subtract_from_rows(variable, rows, step * m / (tf.sqrt(v) + self.epsilon))

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        # Once a step, not once a variable.
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
        # Where gradients are dense: the same rule, kept from rows whose gradient is 0.
        self.decay_touched(gradient, variable, learning_rate)
        index = self._get_variable_index(variable)
        state = [self._momentums[index], self._velocities[index]]
        if self.amsgrad:
            state.append(self._velocity_hats[index])
        state.append(variable)
        before = [ops.copy(ops.convert_to_tensor(each)) for each in state]
        super().update_step(gradient, variable, learning_rate)
        touched = touched_rows(gradient)
        for each, old in zip(state, before, strict=True):
            each.assign(ops.where(touched, ops.convert_to_tensor(each), old))

    def _update_dense(self, gradient, variable, learning_rate):
        """Adam's rule for a whole variable as one operation, where Keras makes a dozen."""
        index = self._get_variable_index(variable)
        as_its_dtype = lambda value: tf.cast(value, variable.dtype)  # noqa: E731
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=as_its_dtype(self._powers[0]),
            beta2_power=as_its_dtype(self._powers[1]),
            lr=as_its_dtype(learning_rate),
            beta1=as_its_dtype(self.beta_1),
            beta2=as_its_dtype(self.beta_2),
            epsilon=as_its_dtype(self.epsilon),
            grad=as_its_dtype(gradient),
        )


@keras.saving.register_keras_serializable(package="keras_din")
class LazyAdam(LazyRule, keras.optimizers.Adam):
    """Adam that updates, of a table of embeddings, only the rows that its batch looked up.

    For a row `r` that the batch touched, with gradient `g`, summed over its occurrences, at step
    `t` (the optimizer's, not the row's):

    `m_r = b1 m_r + (1 - b1) g`, `v_r = b2 v_r + (1 - b2) g^2`,
    `w_r = w_r - lr sqrt(1 - b2^t) / (1 - b1^t) m_r / (sqrt(v_r) + epsilon)`.

    All other rows stay as they are. There it differs from Adam, which moves them too, by what is
    left of their momentum, and lets their moments decay: here they do neither. So a step's cost
    does not grow with the table. Variables whose gradient is dense have Adam's own rule.

    Clipping, loss scaling, `weight_decay` (of the rows touched, but row 0, padding) and schedules
    work on the sparse gradient, `use_ema` works and reads whole tables;
    `gradient_accumulation_steps` is refused.
    (`weight_decay` of `keras.optimizers.Adam` lets every row of every table decay in each step,
    touched or not, and costs what the tables hold.)

    Args:
        learning_rate: A number or a schedule.
        beta_1: Decay of the first moment.
        beta_2: Decay of the second moment.
        epsilon: The small constant.
        amsgrad: Whether to divide by the largest second moment so far.
        mini_batch_aware_l2: Strength of mini-batch aware regularization (Sec. 5.1 of the DIN
            paper), or `None`: a row `r` of the batch gets `mini_batch_aware w_r / n_r` added to its
            gradient, before clipping. All of it in `keras_din/optimizers/mini_batch_aware.py`.
        feature_counts: Its `n_r`: feature name -> how often each index occurs in training, as
            `PreparedData.feature_counts` counts. Tables of other features are not regularized.
        **kwargs: Further arguments of `keras.optimizers.Adam`.

    Reference:
        [Kingma and Ba, 2015](https://arxiv.org/abs/1412.6980); the lazy form is that of
        TensorFlow Addons.
    """


@keras.saving.register_keras_serializable(package="keras_din")
class LazyAdamW(LazyRule, keras.optimizers.AdamW):
    """`LazyAdam` with decoupled weight decay: `w = w - lr decay w` before the update.

    Of a table only the rows that the batch touched decay, row 0, padding, never.

    Args:
        learning_rate: A number or a schedule.
        weight_decay: The rate of decay.
        mini_batch_aware_l2: As of `LazyAdam`.
        feature_counts: As of `LazyAdam`.
        **kwargs: Further arguments of `keras.optimizers.AdamW`.

    Reference:
        [Loshchilov and Hutter, 2019](https://arxiv.org/abs/1711.05101).
    """
