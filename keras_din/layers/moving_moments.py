"""Batch statistics and their moving averages, shared by `Dice` and `BatchNormalization`."""

import keras
from keras import ops

from keras_din.checks import fraction, positive_number
from keras_din.ops import masked_moments

_MANY_STEPS = 1e9  # With so many steps, `1 / steps` is smaller than any `1 - momentum`.


class MovingMoments(keras.layers.Layer):
    """Base layer that keeps the mean and variance of each unit of its input `(..., units)`.

    The moving averages are `average += rate (batch - average)` with
    `rate = max(1 - momentum, 1 / k)` in step `k`. This is the plain mean of the first
    `1 / (1 - momentum)` steps, then an exponential average. So the averages do not depend on their
    initial values, and inference agrees with training from the first step on.

    Args:
        epsilon: The constant that a subclass adds to the variance.
        momentum: Momentum of the moving averages.
    """

    def __init__(self, epsilon, momentum, **kwargs):
        super().__init__(**kwargs)
        self.epsilon = positive_number("epsilon", epsilon)
        self.momentum = fraction("momentum", momentum)
        self.supports_masking = True

    def build_moments(self, units):
        """Creates the moving averages. Before the first step, mean is 0 and variance is 1."""
        # Statistics are float32: half precision cannot hold a mean of many values.
        self.moving_mean = self.add_weight(
            name="moving_mean",
            shape=(units,),
            initializer="zeros",
            dtype="float32",
            trainable=False,
            autocast=False,
        )
        self.moving_variance = self.add_weight(
            name="moving_variance",
            shape=(units,),
            initializer="ones",
            dtype="float32",
            trainable=False,
            autocast=False,
        )
        # Created last, because models saved by version 0.1 do not have this variable.
        self.steps_seen = self.add_weight(
            name="steps_seen",
            shape=(),
            initializer="zeros",
            dtype="float32",
            trainable=False,
            autocast=False,
        )

    def moments(self, x, mask, training):
        """Returns `(mean, variance)`, float32 `(units,)` each.

        In training these are the moments of `x`, over all replicas of a `tf.distribute` strategy,
        and the moving averages are updated, unless no entry is real. At inference, and in a frozen
        layer (`trainable=False`), these are the moving averages.

        Args:
            x: Float32 tensor `(..., units)`, 0 where `mask` is `False`.
            mask: Bool tensor `(...)`, `True` where an entry is real, or `None` if all are.
            training: Whether the layer is called in training.
        """
        if not (training and self.trainable):
            return self.moving_mean, self.moving_variance
        mean, variance, count = masked_moments(x, mask)
        has_entries = ops.cast(count > 0, "float32")
        steps = self.steps_seen + has_entries
        rate = has_entries * ops.maximum(1.0 - self.momentum, 1.0 / ops.maximum(steps, 1.0))
        for moving, new in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving + rate * (ops.stop_gradient(new) - moving))
        self.steps_seen.assign(steps)
        return mean, variance

    def load_own_variables(self, store):
        """Loads variables, also those saved by version 0.1, which did not count steps.

        The averages of such a model continue as exponential averages, as in version 0.1.
        """
        steps = str(len(self._trainable_variables) + len(self._non_trainable_variables) - 1)
        if steps not in store and len(store.keys()) == int(steps):
            store = dict(store) | {steps: _MANY_STEPS}
        super().load_own_variables(store)

    def compute_output_shape(self, inputs_shape):
        return inputs_shape

    def get_config(self):
        return {**super().get_config(), "epsilon": self.epsilon, "momentum": self.momentum}
