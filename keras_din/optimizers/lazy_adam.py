"""Adam whose step touches only the rows of its batch."""

import keras
from keras import ops

from keras_din.optimizers.row_sparse import RowSparse, is_table, touched_rows

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf


class LazyRule(RowSparse):
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
        step = self._step_size(variable, learning_rate)
        variable.scatter_sub(tf.IndexedSlices(step * m / (tf.sqrt(v) + self.epsilon), rows))

    def _step_size(self, variable, learning_rate):
        step = ops.cast(self.iterations + 1, variable.dtype)
        power = lambda beta: ops.power(ops.cast(beta, variable.dtype), step)  # noqa: E731
        return learning_rate * ops.sqrt(1 - power(self.beta_2)) / (1 - power(self.beta_1))

    def update_step(self, gradient, variable, learning_rate):
        if keras.backend.backend() == "tensorflow" or not is_table(variable):
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

    Clipping, loss scaling, `weight_decay` (of the rows touched) and schedules work on the sparse
    gradient, `use_ema` works and reads whole tables; `gradient_accumulation_steps` is refused.

    Args:
        learning_rate: A number or a schedule.
        beta_1: Decay of the first moment.
        beta_2: Decay of the second moment.
        epsilon: The small constant.
        amsgrad: Whether to divide by the largest second moment so far.
        **kwargs: Further arguments of `keras.optimizers.Adam`.

    Reference:
        [Kingma and Ba, 2015](https://arxiv.org/abs/1412.6980); the lazy form is that of
        TensorFlow Addons.
    """


@keras.saving.register_keras_serializable(package="keras_din")
class LazyAdamW(LazyRule, keras.optimizers.AdamW):
    """`LazyAdam` with decoupled weight decay: `w = w - lr decay w` before the update.

    Of a table only the rows that the batch touched decay.

    Args:
        learning_rate: A number or a schedule.
        weight_decay: The rate of decay.
        **kwargs: Further arguments of `keras.optimizers.AdamW`.

    Reference:
        [Loshchilov and Hutter, 2019](https://arxiv.org/abs/1711.05101).
    """
