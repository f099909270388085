"""Batch normalization over what is real."""

import keras
from keras import ops

from keras_din.layers.moving_moments import MovingMoments
from keras_din.ops import apply_mask


@keras.saving.register_keras_serializable(package="keras_din")
class BatchNormalization(MovingMoments):
    """Standardizes each unit by the batch, then gives it a learned scale and shift.

    `f(s) = gamma (s - E[s]) / sqrt(Var[s] + epsilon) + beta`. In training `E` and `Var` are those
    of the batch, over real entries only; at inference, and where the layer is frozen
    (`trainable=False`), they are moving averages.

    The layer of Keras of this name takes a mask too, but a batch without a real entry moves its
    averages, and where entries are packed, to NaN.

    Args:
        epsilon: The small constant of the equation.
        momentum: Momentum of the moving averages.

    Call arguments:
        inputs: Float tensor `(..., units)`.
        mask: Bool tensor `(...)`, `True` where an entry is real. Padding changes no statistic and
            is read as 0, even NaN.
            Defaults to the Keras mask of `inputs`, else to all `True`.
        training: Whether to use and learn the statistics of the batch. A batch without a real
            entry leaves the moving averages as they are.

    Returns:
        Float tensor shaped like `inputs`, with its mask.

    Reference:
        [Ioffe and Szegedy, 2015](https://arxiv.org/abs/1502.03167), Alg. 1 and 2, with the biased
        variance at inference, as in Keras.
    """

    def __init__(self, epsilon=1e-3, momentum=0.99, **kwargs):
        super().__init__(epsilon, momentum, **kwargs)

    def build(self, inputs_shape):
        shape = (inputs_shape[-1],)
        self.gamma = self.add_weight(name="gamma", shape=shape, initializer="ones", autocast=False)
        self.beta = self.add_weight(name="beta", shape=shape, initializer="zeros", autocast=False)
        self.build_moments(inputs_shape[-1])

    def call(self, inputs, mask=None, training=False):
        inputs = apply_mask(inputs, mask)
        x = ops.cast(inputs, "float32")
        mean, variance = self.moments(x, mask, training)
        beta, gamma = (ops.cast(weight, "float32") for weight in (self.beta, self.gamma))
        x = ops.batch_normalization(x, mean, variance, -1, beta, gamma, self.epsilon)
        return ops.cast(x, inputs.dtype)
