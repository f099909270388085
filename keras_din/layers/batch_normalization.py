"""Masked batch normalization."""

import keras
from keras import ops

from keras_din.layers.moving_moments import MovingMoments
from keras_din.ops import apply_mask


@keras.saving.register_keras_serializable(package="keras_din")
class BatchNormalization(MovingMoments):
    """Standardizes each unit over the real entries of a batch, then scales and shifts it.

    `f(s) = gamma (s - E[s]) / sqrt(Var[s] + epsilon) + beta`. In training, `E` and `Var` are the
    mean and variance of the batch, over real entries only. At inference, and in a frozen layer
    (`trainable=False`), they are moving averages.

    `keras.layers.BatchNormalization` takes a mask too. But a batch without a real entry changes its
    moving averages, and with packed entries they become NaN.

    Args:
        epsilon: The small constant of the equation.
        momentum: Momentum of the moving averages.

    Call arguments:
        inputs: Float tensor `(..., units)`.
        mask: Bool tensor `(...)`, `True` where an entry is real. Padding does not affect the
            statistics and is read as 0, even if it is NaN. Defaults to the Keras mask of `inputs`,
            else to all `True`.
        training: Whether to use the statistics of the batch and update the moving averages. A
            batch without a real entry does not change the moving averages.

    Returns:
        Float tensor shaped like `inputs`, with its mask.

    Example:

    ```python
    layer = kd.layers.BatchNormalization()
    outputs = layer(np.ones((4, 3), "float32"), mask=np.array([True, True, True, False]))
    ```

    Reference:
        [Ioffe and Szegedy, 2015](https://arxiv.org/abs/1502.03167), Alg. 1 and 2, with the biased
        variance at inference, as in Keras.
    """

    def __init__(self, epsilon: float = 1e-3, momentum: float = 0.99, **kwargs):
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
