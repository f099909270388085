"""The activation function of DIN, which adapts to the distribution of its input."""

import keras
from keras import ops

from keras_din.layers.moving_moments import MovingMoments
from keras_din.ops import apply_mask


@keras.saving.register_keras_serializable(package="keras_din")
class Dice(MovingMoments):
    """Data-adaptive activation: a smooth PReLU whose corner is at the mean of its input.

    `f(s) = p(s) s + (1 - p(s)) alpha s`, `p(s) = sigmoid((s - E[s]) / sqrt(Var[s] + epsilon))`.
    In training, `E` and `Var` are the mean and variance of the batch, over real entries only. At
    inference, and in a frozen layer (`trainable=False`), they are moving averages. `alpha` is
    learned, one per unit.

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
    layer = kd.layers.Dice()
    outputs = layer(np.ones((4, 3), "float32"), mask=np.array([True, True, True, False]))
    ```

    Reference:
        [Zhou et al., 2018](https://arxiv.org/abs/1706.06978), Eq. (9). The moving variance is the
        biased one, as in Keras' batch normalization. The authors' code has a learned factor
        inside the sigmoid and never updates the averages that it uses at inference. This layer
        follows the paper.
    """

    def __init__(self, epsilon: float = 1e-8, momentum: float = 0.99, **kwargs):
        super().__init__(epsilon, momentum, **kwargs)

    def build(self, inputs_shape):
        units = inputs_shape[-1]
        self.alpha = self.add_weight(name="alpha", shape=(units,), initializer="zeros")
        self.build_moments(units)

    def call(self, inputs, mask=None, training=False):
        inputs = apply_mask(inputs, mask)
        x = ops.cast(inputs, "float32")
        mean, variance = self.moments(x, mask, training)
        # sigmoid(z) = (1 + tanh(z / 2)) / 2: fewer and faster passes over the tensor.
        t = ops.tanh((x - mean) * (0.5 * ops.rsqrt(variance + self.epsilon)))
        t = ops.cast(t, inputs.dtype)
        alpha = ops.cast(self.alpha, inputs.dtype)
        return inputs * (t * (0.5 - 0.5 * alpha) + (0.5 + 0.5 * alpha))
