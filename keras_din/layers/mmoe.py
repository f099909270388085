"""Multi-gate Mixture-of-Experts: experts that all labels share, with a gate per label."""

from collections.abc import Callable, Sequence

import keras
from keras import ops

from keras_din.checks import fraction, layer_sizes, positive_integer
from keras_din.layers.activation import activation_config, checked_activation
from keras_din.layers.mlp import MLP
from keras_din.ops import mix_experts


@keras.saving.register_keras_serializable(package="keras_din")
class MMoE(keras.layers.Layer):
    """Computes one representation per label from experts that all labels share.

    `f^k(x) = sum_i g^k(x)_i f_i(x)` for label `k`, with experts `f_i`, which are MLPs, and the gate
    `g^k(x) = softmax(W_gk x)`. The towers `h^k` of the paper, which compute the output
    `h^k(f^k(x))` of a label, are not part of the layer.

    Args:
        num_tasks: Number of labels.
        num_experts: Number of experts.
        units: Sizes of the layers of each expert.
        activation: Activation of these layers, see `MLP`.
        dropout: Fraction of the units of experts that training drops.

    Call arguments:
        inputs: Float tensor `(..., dim)`, such as `(batch, candidates, dim)`.
        mask: Bool tensor `(...)`, `True` where an entry is real, for Dice and batch normalization.

    Returns:
        Float tensor `(..., num_tasks, units[-1])`.

    Raises:
        ValueError: If an argument is invalid.

    Example:

    ```python
    layer = kd.layers.MMoE(num_tasks=2, num_experts=3, units=(8,))
    outputs = layer(np.ones((4, 5), "float32"))  # (4, 2, 8)
    ```

    Reference:
        [Ma et al., 2018](https://doi.org/10.1145/3219819.3220007), Eqs. (6) and (7). Gates have no
        bias, as in the paper and in DeepCTR. The gates of keras-mmoe and EasyRec have one. DeepCTR
        can also put an MLP into a gate.
    """

    def __init__(
        self,
        num_tasks: int,
        num_experts: int = 4,
        units: Sequence[int] = (64,),
        activation: str | Callable | Sequence[str | Callable] = "relu",
        dropout: float = 0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_tasks = positive_integer("num_tasks", num_tasks)
        self.num_experts = positive_integer("num_experts", num_experts)
        self.units = layer_sizes("units", units, at_least_one=True)
        self.activation = checked_activation(activation)
        self.dropout = fraction("dropout", dropout)
        self.supports_masking = True

    def build(self, inputs_shape):
        shape, dtype = (None, inputs_shape[-1]), self.dtype_policy
        self.experts = [
            MLP(self.units, self.activation, self.dropout, dtype=dtype)
            for _ in range(self.num_experts)
        ]
        # The matrices of all gates are concatenated.
        size = self.num_tasks * self.num_experts
        self.gates = keras.layers.Dense(size, use_bias=False, dtype=dtype)
        for layer in (*self.experts, self.gates):
            layer.build(shape)

    def call(self, inputs, mask=None, training=False):
        axes = ops.shape(inputs)[:-1]
        x = ops.reshape(inputs, (-1, inputs.shape[-1]))
        mask = None if mask is None else ops.reshape(mask, (-1,))
        experts = [expert(x, mask=mask, training=training) for expert in self.experts]
        gates = ops.reshape(self.gates(x), (-1, self.num_tasks, self.num_experts))
        mixed = mix_experts(gates, ops.stack(experts, axis=1))
        return ops.reshape(mixed, (*axes, self.num_tasks, self.units[-1]))

    def compute_mask(self, inputs, mask=None):
        return None

    def compute_output_shape(self, inputs_shape):
        return (*inputs_shape[:-1], self.num_tasks, self.units[-1])

    def get_config(self):
        return {
            **super().get_config(),
            "num_tasks": self.num_tasks,
            "num_experts": self.num_experts,
            "units": list(self.units),
            "activation": activation_config(self.activation),
            "dropout": self.dropout,
        }
