"""Progressive Layered Extraction: experts of each label and shared experts, in several layers."""

import itertools
from collections.abc import Callable, Sequence

import keras
from keras import ops

from keras_din.checks import fraction, layer_sizes, positive_integer
from keras_din.layers.activation import activation_config, checked_activation
from keras_din.layers.mlp import MLP
from keras_din.ops import mix_experts


@keras.saving.register_keras_serializable(package="keras_din")
class PLE(keras.layers.Layer):
    """Computes one representation per label from its own experts and from shared experts.

    In extraction layer `j`, label `k` has the representation
    `g^{k,j} = softmax(W^{k,j} g^{k,j-1}) S^{k,j}`. The rows of `S^{k,j}` are the outputs of the
    label's own experts, which read `g^{k,j-1}`, and of the shared experts, which read `g^{s,j-1}`.
    The shared experts have a gate too, except in the last layer:
    `g^{s,j} = softmax(W^{s,j} g^{s,j-1}) S^{s,j}`, where the rows of `S^{s,j}` are the outputs of
    all experts of the layer. `g^{k,0} = g^{s,0} = x` is the input. One extraction layer is the
    CGC of the paper. The towers of the paper, which compute the output of a label from
    `g^{k,N}`, are not part of the layer.

    Args:
        num_tasks: Number of labels.
        num_specific_experts: Number of experts of each label, in each extraction layer.
        num_shared_experts: Number of shared experts, in each extraction layer.
        num_layers: Number of extraction layers.
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
    layer = kd.layers.PLE(num_tasks=2, num_layers=2, units=(8,))
    outputs = layer(np.ones((4, 5), "float32"))  # (4, 2, 8)
    ```

    Reference:
        [Tang et al., 2020](https://doi.org/10.1145/3383313.3412236), Eqs. (1) to (6). Gates have no
        bias, as in the paper and in DeepCTR, which can also put an MLP into a gate.
    """

    def __init__(
        self,
        num_tasks: int,
        num_specific_experts: int = 2,
        num_shared_experts: int = 2,
        num_layers: int = 1,
        units: Sequence[int] = (64,),
        activation: str | Callable | Sequence[str | Callable] = "relu",
        dropout: float = 0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_tasks = positive_integer("num_tasks", num_tasks)
        self.num_specific_experts = positive_integer("num_specific_experts", num_specific_experts)
        self.num_shared_experts = positive_integer("num_shared_experts", num_shared_experts)
        self.num_layers = positive_integer("num_layers", num_layers)
        self.units = layer_sizes("units", units, at_least_one=True)
        self.activation = checked_activation(activation)
        self.dropout = fraction("dropout", dropout)
        self.supports_masking = True

    def build(self, inputs_shape):
        dim, dtype = inputs_shape[-1], self.dtype_policy
        # Number of the experts of each label, and of the shared ones, which are the last group.
        self._sizes = [self.num_specific_experts] * self.num_tasks + [self.num_shared_experts]
        self.experts, self.gates = [], []  # One list per extraction layer.
        for j in range(self.num_layers):
            self.experts.append(
                [
                    [MLP(self.units, self.activation, self.dropout, dtype=dtype) for _ in range(n)]
                    for n in self._sizes
                ]
            )
            sizes = [self.num_specific_experts + self.num_shared_experts] * self.num_tasks
            if j < self.num_layers - 1:
                sizes.append(sum(self._sizes))
            self.gates.append([keras.layers.Dense(n, use_bias=False, dtype=dtype) for n in sizes])
            for layer in itertools.chain(*self.experts[j], self.gates[j]):
                layer.build((None, dim))
            dim = self.units[-1]

    def call(self, inputs, mask=None, training=False):
        axes = ops.shape(inputs)[:-1]
        x = ops.reshape(inputs, (-1, inputs.shape[-1]))
        mask = None if mask is None else ops.reshape(mask, (-1,))
        states = [x] * (self.num_tasks + 1)  # One per label, and the shared one.
        for experts, gates in zip(self.experts, self.gates, strict=True):
            outputs = [
                [expert(state, mask=mask, training=training) for expert in group]
                for group, state in zip(experts, states, strict=True)
            ]
            selected = [own + outputs[-1] for own in outputs[:-1]]
            selected.append(list(itertools.chain(*outputs)))
            states = [_mix(gate(states[k]), selected[k]) for k, gate in enumerate(gates)]
        return ops.reshape(ops.stack(states, axis=1), (*axes, self.num_tasks, self.units[-1]))

    def compute_mask(self, inputs, mask=None):
        return None

    def compute_output_shape(self, inputs_shape):
        return (*inputs_shape[:-1], self.num_tasks, self.units[-1])

    def get_config(self):
        return {
            **super().get_config(),
            "num_tasks": self.num_tasks,
            "num_specific_experts": self.num_specific_experts,
            "num_shared_experts": self.num_shared_experts,
            "num_layers": self.num_layers,
            "units": list(self.units),
            "activation": activation_config(self.activation),
            "dropout": self.dropout,
        }


def _mix(gate_logits, experts):
    """Mixes experts, a list of `(rows, units)`, with one gate `(rows, experts)`."""
    mixed = mix_experts(ops.expand_dims(gate_logits, 1), ops.stack(experts, axis=1))
    return ops.squeeze(mixed, 1)
