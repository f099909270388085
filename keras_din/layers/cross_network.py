"""Crosses of all units with all units, one degree more a layer: the heart of DCN v2."""

import keras
from keras import ops

from keras_din.checks import positive_integer


@keras.saving.register_keras_serializable(package="keras_din")
class CrossNetwork(keras.layers.Layer):
    """A stack of cross layers `x_{l+1} = x_0 * (W_l x_l + b_l) + x_l`.

    `L` layers hold all products of up to `L + 1` units. `W_l` is, by `ranks[l]` and `experts`:

    - `None`: a full matrix;
    - an integer: `U_l V_l^T`, `U_l` and `V_l` of this many columns;
    - an integer and several experts, each its own view of `x_l` in a small space:
      `x_{l+1} = sum_i G_i(x_l) x_0 * (U_i tanh(C_i tanh(V_i^T x_l)) + b_l) + x_l`, where the
      gate is `G(x) = softmax(W_g x + b_g)`.

    Args:
        ranks: For each layer an integer or `None`.
        experts: Number of experts of each layer; more than 1 only with ranks that are integers.

    Call arguments:
        inputs: Float tensor `(..., dim)`, the `x_0`.

    Returns:
        Float tensor shaped like `inputs`; `inputs` itself where `ranks` is empty.

    Raises:
        ValueError: When an argument is not as said here.

    Reference:
        [Wang et al., 2021](https://arxiv.org/abs/2008.13535), Eqs. (1) to (4). The paper leaves
        the gate (sigmoid or softmax) and the activation in the small space open. FuxiCTR and
        DeepCTR take these too, with one gate for all layers; TorchRec has ReLU, and its only
        expert keeps `C` and the activation. The `Cross` layer of TensorFlow Recommenders, by the
        paper's authors, has no experts.
    """

    def __init__(self, ranks, experts=1, **kwargs):
        super().__init__(**kwargs)
        self.ranks = checked_ranks("ranks", ranks, experts)
        self.experts = positive_integer("experts", experts)
        self.supports_masking = True

    def build(self, inputs_shape):
        dim, dtype = inputs_shape[-1], self.dtype_policy

        def dense(width, units, use_bias=True):
            layer = keras.layers.Dense(units, use_bias=use_bias, dtype=dtype)
            layer.build((None, width))
            return layer

        # The matrices of several experts stand side by side.
        widths = [dim if rank is None else self.experts * rank for rank in self.ranks]
        self.to_rank = [
            None if rank is None else dense(dim, width, use_bias=False)
            for rank, width in zip(self.ranks, widths, strict=True)
        ]
        self.to_output = [dense(width, dim) for width in widths]
        if self.experts > 1:
            self.gates = [dense(dim, self.experts) for _ in self.ranks]
            self.of_experts = [
                self.add_weight(name=f"of_experts_{i}", shape=(self.experts, rank, rank))
                for i, rank in enumerate(self.ranks)
            ]

    def call(self, inputs):
        if not self.ranks:
            return inputs
        # As one matrix: products of more axes make transposed copies.
        x_0 = x = ops.reshape(inputs, (-1, inputs.shape[-1]))
        for i, to_output in enumerate(self.to_output):
            x = x_0 * to_output(self._seen(x, i)) + x
        return ops.reshape(x, ops.shape(inputs))

    def _seen(self, x, i):
        """What the matrix of the output works on: `x` itself, or as few numbers of it."""
        if self.ranks[i] is None:
            return x
        seen = self.to_rank[i](x)
        if self.experts == 1:
            return seen
        seen = ops.reshape(ops.tanh(seen), (-1, self.experts, self.ranks[i]))
        seen = ops.tanh(ops.einsum("ber,ers->bes", seen, self.of_experts[i]))
        # The gates sum to 1, so they may weigh what is small, and `b` and `x_0` come once.
        gates = ops.softmax(self.gates[i](x), axis=-1)
        return ops.reshape(seen * ops.expand_dims(gates, -1), (-1, self.experts * self.ranks[i]))

    def compute_mask(self, inputs, mask=None):
        return None

    def compute_output_shape(self, inputs_shape):
        return tuple(inputs_shape)

    def get_config(self):
        return {
            **super().get_config(),
            "ranks": list(self.ranks),
            "experts": self.experts,
        }


def checked_ranks(word, ranks, experts):
    """The ranks of cross layers of so many experts as a tuple, or a `ValueError`."""
    try:
        checked = tuple(None if rank is None else positive_integer(word, rank) for rank in ranks)
    except (TypeError, ValueError):
        raise ValueError(
            f"`{word}` must be a list of positive integers or None, one a layer. "
            f"Received: {word}={ranks!r}."
        ) from None
    if positive_integer("experts", experts) > 1 and None in checked:
        raise ValueError(
            f"`{word}` must be integers where there are several experts. "
            f"Received: {word}={ranks!r}, experts={experts}."
        )
    return checked
