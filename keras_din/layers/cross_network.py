"""The layer of DCN v2: explicit crosses of all units, one degree more per layer."""

from collections.abc import Sequence

import keras
from keras import ops

from keras_din.checks import positive_integer
from keras_din.old_saved_models import refuse_old_argument


@keras.saving.register_keras_serializable(package="keras_din")
class CrossNetwork(keras.layers.Layer):
    """A stack of cross layers `x_{l+1} = x_0 * (W_l x_l + b_l) + x_l`.

    `L` layers contain all products of up to `L + 1` units. `ranks[l]` and `num_experts` select the
    form of `W_l`:

    - `None`: a full matrix;
    - an integer: the low-rank matrix `U_l V_l^T`, where `U_l` and `V_l` have this many columns;
    - an integer and several experts: a gated mixture of low-rank projections,
      `x_{l+1} = sum_i G_i(x_l) x_0 * (U_i tanh(C_i tanh(V_i^T x_l)) + b_l) + x_l`, with the gate
      `G(x) = softmax(W_g x + b_g)`.

    Args:
        ranks: For each layer an integer or `None`.
        num_experts: Number of experts of each layer. More than 1 requires integer ranks.

    Call arguments:
        inputs: Float tensor `(..., dim)`, the `x_0`.

    Returns:
        Float tensor shaped like `inputs`; `inputs` itself if `ranks` is empty.

    Raises:
        ValueError: If an argument is invalid.

    Example:

    ```python
    layer = kd.layers.CrossNetwork(ranks=[2, 2], num_experts=2)
    outputs = layer(np.ones((3, 6), "float32"))  # (3, 6)
    ```

    Reference:
        [Wang et al., 2021](https://arxiv.org/abs/2008.13535), Eqs. (1) to (4). The paper does not
        fix the gate (sigmoid or softmax) and the activation of the low-rank space. FuxiCTR and
        DeepCTR use the same as here, but one gate for all layers. TorchRec uses ReLU, and with one
        expert it keeps `C` and the activation. The `Cross` layer of TensorFlow Recommenders, by the
        authors of the paper, has no experts.
    """

    def __init__(self, ranks: Sequence[int | None], num_experts: int = 1, **kwargs):
        super().__init__(**kwargs)
        self.ranks = checked_ranks("ranks", ranks, num_experts)
        self.num_experts = positive_integer("num_experts", num_experts)
        self.supports_masking = True

    def build(self, inputs_shape):
        dim, dtype = inputs_shape[-1], self.dtype_policy

        def dense(width, units, use_bias=True):
            layer = keras.layers.Dense(units, use_bias=use_bias, dtype=dtype)
            layer.build((None, width))
            return layer

        # The matrices of several experts are concatenated.
        widths = [dim if rank is None else self.num_experts * rank for rank in self.ranks]
        self.to_rank = [
            None if rank is None else dense(dim, width, use_bias=False)
            for rank, width in zip(self.ranks, widths, strict=True)
        ]
        self.to_output = [dense(width, dim) for width in widths]
        if self.num_experts > 1:
            self.gates = [dense(dim, self.num_experts) for _ in self.ranks]
            self.expert_kernels = [
                self.add_weight(name=f"expert_kernel_{i}", shape=(self.num_experts, rank, rank))
                for i, rank in enumerate(self.ranks)
            ]

    def call(self, inputs):
        if not self.ranks:
            return inputs
        # Reshapes to one matrix: products of tensors of higher rank make transposed copies.
        x_0 = x = ops.reshape(inputs, (-1, inputs.shape[-1]))
        for i, to_output in enumerate(self.to_output):
            x = x_0 * to_output(self._projected(x, i)) + x
        return ops.reshape(x, ops.shape(inputs))

    def _projected(self, x, i):
        """Projects `x` to the low-rank space of layer `i`; `x` itself if its matrix is full."""
        if self.ranks[i] is None:
            return x
        projected = self.to_rank[i](x)
        if self.num_experts == 1:
            return projected
        projected = ops.reshape(ops.tanh(projected), (-1, self.num_experts, self.ranks[i]))
        projected = ops.tanh(ops.einsum("ber,ers->bes", projected, self.expert_kernels[i]))
        # The gates sum to 1. So they can weigh the small projections, and `b_l` is added only once.
        gates = ops.softmax(self.gates[i](x), axis=-1)
        weighted = projected * ops.expand_dims(gates, -1)
        return ops.reshape(weighted, (-1, self.num_experts * self.ranks[i]))

    def compute_mask(self, inputs, mask=None):
        return None

    def compute_output_shape(self, inputs_shape):
        return tuple(inputs_shape)

    @classmethod
    def from_config(cls, config):
        refuse_old_argument(cls.__name__, config, "experts")
        return super().from_config(config)

    def get_config(self):
        return {
            **super().get_config(),
            "ranks": list(self.ranks),
            "num_experts": self.num_experts,
        }


def checked_ranks(name, ranks, num_experts):
    """Returns the ranks of cross layers as a tuple, or raises a `ValueError`."""
    try:
        checked = tuple(None if rank is None else positive_integer(name, rank) for rank in ranks)
    except (TypeError, ValueError):
        raise ValueError(
            f"`{name}` must be a list of positive integers or None, one per layer. "
            f"Received: {name}={ranks!r}."
        ) from None
    if positive_integer("num_experts", num_experts) > 1 and None in checked:
        raise ValueError(
            f"`{name}` must be integers if there are several experts. "
            f"Received: {name}={ranks!r}, num_experts={num_experts}."
        )
    return checked
