"""Batch statistics and their moving averages, shared by `Dice` and `BatchNormalization`."""

import keras
from keras import ops

from keras_din.checks import fraction, positive_number
from keras_din.ops import masked_moments

_MANY_STEPS = 1e9  # 1 / steps is then below every `1 - momentum`.


class MovingMoments(keras.layers.Layer):
    """Base layer with the mean and variance of each unit of its input `(..., units)`.

    The moving averages are `average += rate (batch - average)` with
    `rate = max(1 - momentum, 1 / k)` in step `k`: the plain mean of the first
    `1 / (1 - momentum)` steps, then an exponential average. So they hold nothing of the values
    that they start from, and inference agrees with training from the first step on.

    Args:
        epsilon: What its equation adds to a variance.
        momentum: Momentum of the moving averages.
    """

    def __init__(self, epsilon, momentum, **kwargs):
        super().__init__(**kwargs)
        self.epsilon = positive_number("epsilon", epsilon)
        self.momentum = fraction("momentum", momentum)
        self.supports_masking = True

    def build_moments(self, units):
        """Creates the moving averages; before the first step they are mean 0 and variance 1."""
        # Statistics stay in float32: a mean of many half-precision numbers is not one.
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
        # The last variable, since models saved by version 0.1 lack it.
        self.steps_seen = self.add_weight(
            name="steps_seen",
            shape=(),
            initializer="zeros",
            dtype="float32",
            trainable=False,
            autocast=False,
        )

    def moments(self, x, mask, of_batch):
        """`(mean, variance)`, float32 `(units,)` each.

        Args:
            x: Float32 tensor `(..., units)`, 0 where `mask` is `False`.
            mask: Bool tensor `(...)`, `True` where an entry is real, or `None` for all.
            of_batch: Whether to take those of `x` and learn them, or the moving averages. Without
                a real entry these stay as they are, and so they do in a frozen layer
                (`trainable=False`), which takes the averages always.
        """
        if not (of_batch and self.trainable):
            return self.moving_mean, self.moving_variance
        mean, variance, count = masked_moments(x, mask)
        counts = ops.cast(count > 0, "float32")
        steps = self.steps_seen + counts
        rate = counts * ops.maximum(1.0 - self.momentum, 1.0 / ops.maximum(steps, 1.0))
        for moving, new in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving + rate * (ops.stop_gradient(new) - moving))
        self.steps_seen.assign(steps)
        return mean, variance

    def load_own_variables(self, store):
        """Loads what `save_own_variables` wrote, or version 0.1, which did not count steps.

        The averages of such a model go on as exponential averages, as in version 0.1.
        """
        steps = str(len(self._trainable_variables) + len(self._non_trainable_variables) - 1)
        if steps not in store and len(store.keys()) == int(steps):
            store = dict(store) | {steps: _MANY_STEPS}
        super().load_own_variables(store)

    def compute_output_shape(self, inputs_shape):
        return inputs_shape

    def get_config(self):
        return {**super().get_config(), "epsilon": self.epsilon, "momentum": self.momentum}
