"""What `Dice` and `BatchNormalization` share: statistics of the batch, averaged for inference."""

import keras
from keras import ops

from keras_din.checks import fraction, positive_number
from keras_din.ops import masked_moments


class MovingMoments(keras.layers.Layer):
    """A layer that knows mean and variance of each unit of its input `(..., units)`.

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
        """Makes the moving averages, which start as those of a standardized input."""
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

    def moments(self, x, mask, of_batch):
        """`(mean, variance)`, float32 `(units,)` each.

        Args:
            x: Float32 tensor `(..., units)`.
            mask: Bool tensor `(...)`, `True` where an entry is real, or `None` for all.
            of_batch: Whether to take those of `x` and learn them, or the moving averages. Without
                a real entry these stay as they are, and so they do in a frozen layer
                (`trainable=False`), which takes the averages always.
        """
        if not (of_batch and self.trainable):
            return self.moving_mean, self.moving_variance
        mean, variance, count = masked_moments(x, mask)
        step = ops.cast(ops.where(count > 0, 1.0 - self.momentum, 0.0), "float32")
        for moving, new in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving + step * (ops.stop_gradient(new) - moving))
        return mean, variance

    def compute_output_shape(self, inputs_shape):
        return inputs_shape

    def get_config(self):
        return {**super().get_config(), "epsilon": self.epsilon, "momentum": self.momentum}
