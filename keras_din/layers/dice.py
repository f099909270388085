"""The activation function of DIN, which adapts to the distribution of its input."""

import keras
from keras import ops

from keras_din.ops import masked_moments


@keras.saving.register_keras_serializable(package="keras_din")
class Dice(keras.layers.Layer):
    """Data-adaptive rectifier: a PReLU whose corner follows the mean of its input.

    `f(s) = p(s) s + (1 - p(s)) alpha s`, `p(s) = sigmoid((s - E[s]) / sqrt(Var[s] + epsilon))`.
    In training `E` and `Var` are those of the batch, over real entries only; at inference they
    are moving averages. `alpha` is learned, one a unit.

    Args:
        epsilon: The small constant of the equation.
        momentum: Momentum of the moving averages.

    Call arguments:
        inputs: Float tensor `(..., units)`.
        mask: Bool tensor `(...)`, `True` where an entry is real. Padding changes no statistic.
            Defaults to the Keras mask of `inputs`, else to all `True`.
        training: Whether to use and learn the statistics of the batch. A batch without a real
            entry leaves the moving averages as they are.

    Returns:
        Float tensor shaped like `inputs`, with its mask.

    Reference:
        [Zhou et al., 2018](https://arxiv.org/abs/1706.06978), Eq. (5). The authors' code adds
        a learned shift and never updates the averages that it uses at inference; we follow the
        paper.
    """

    def __init__(self, epsilon=1e-8, momentum=0.99, **kwargs):
        super().__init__(**kwargs)
        if not epsilon > 0:
            raise ValueError(f"`epsilon` must be positive. Received: epsilon={epsilon!r}.")
        if not 0 <= momentum < 1:
            raise ValueError(f"`momentum` must be in [0, 1). Received: momentum={momentum!r}.")
        self.epsilon = epsilon
        self.momentum = momentum
        self.supports_masking = True

    def build(self, inputs_shape):
        units = inputs_shape[-1]
        self.alpha = self.add_weight(name="alpha", shape=(units,), initializer="zeros")
        # Statistics stay in float32: a mean of many half-precision numbers is not one.
        self.moving_mean = self.add_weight(
            name="moving_mean",
            shape=(units,),
            initializer="zeros",
            trainable=False,
            autocast=False,
        )
        self.moving_variance = self.add_weight(
            name="moving_variance",
            shape=(units,),
            initializer="ones",
            trainable=False,
            autocast=False,
        )

    def call(self, inputs, mask=None, training=False):
        x = ops.cast(inputs, "float32")
        if training:
            mean, variance, count = masked_moments(x, mask)
            step = ops.where(count > 0, 1.0 - self.momentum, 0.0)
            for moving, new in ((self.moving_mean, mean), (self.moving_variance, variance)):
                moving.assign(moving + step * (ops.stop_gradient(new) - moving))
        else:
            mean, variance = self.moving_mean, self.moving_variance
        p = ops.sigmoid((x - mean) * ops.rsqrt(variance + self.epsilon))
        p = ops.cast(p, inputs.dtype)
        return inputs * (p + (1 - p) * ops.cast(self.alpha, inputs.dtype))

    def compute_output_shape(self, inputs_shape):
        return inputs_shape

    def get_config(self):
        return {**super().get_config(), "epsilon": self.epsilon, "momentum": self.momentum}
