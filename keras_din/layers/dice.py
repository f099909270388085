"""The activation function of DIN, which adapts to the distribution of its input."""

import keras
from keras import ops

from keras_din.layers.moving_moments import MovingMoments
from keras_din.ops import apply_mask


@keras.saving.register_keras_serializable(package="keras_din")
class Dice(MovingMoments):
    """Data-adaptive rectifier: a PReLU whose corner follows the mean of its input.

    `f(s) = p(s) s + (1 - p(s)) alpha s`, `p(s) = sigmoid((s - E[s]) / sqrt(Var[s] + epsilon))`.
    In training `E` and `Var` are those of the batch, over real entries only; at inference, and
    where the layer is frozen (`trainable=False`), they are moving averages. `alpha` is learned,
    one a unit.

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
        [Zhou et al., 2018](https://arxiv.org/abs/1706.06978), Eq. (9). The moving variance is the
        biased one, as in Keras' batch normalization. The authors' code has a learned factor
        inside the sigmoid and never updates the averages that it uses at inference; we follow the
        paper.
    """

    def __init__(self, epsilon=1e-8, momentum=0.99, **kwargs):
        super().__init__(epsilon, momentum, **kwargs)

    def build(self, inputs_shape):
        units = inputs_shape[-1]
        self.alpha = self.add_weight(name="alpha", shape=(units,), initializer="zeros")
        self.build_moments(units)

    def call(self, inputs, mask=None, training=False):
        inputs = apply_mask(inputs, mask)
        x = ops.cast(inputs, "float32")
        mean, variance = self.moments(x, mask, training)
        # p = (1 + t) / 2, t = tanh of half of what p is the sigmoid of: fewer and faster passes.
        t = ops.tanh((x - mean) * (0.5 * ops.rsqrt(variance + self.epsilon)))
        t = ops.cast(t, inputs.dtype)
        alpha = ops.cast(self.alpha, inputs.dtype)
        return inputs * (t * (0.5 - 0.5 * alpha) + (0.5 + 0.5 * alpha))
