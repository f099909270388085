"""The layer of DIN: attention pooling of a behavior sequence."""

import math
from collections.abc import Callable, Sequence
from functools import partial

import keras
from keras import ops

from keras_din.checks import layer_sizes, one_of
from keras_din.layers.activation import (
    activate,
    activation_config,
    activation_layer,
    checked_activation,
)
from keras_din.layers.mlp import MLP
from keras_din.layers.pack_behaviors import pack_behaviors, unpack_weights
from keras_din.ops import (
    attend_by_row_or_pair,
    gather_rows,
    row_scores,
    segment_softmax,
    segment_sum,
    split_kernel,
    split_projection,
)

# TensorFlow fuses a matrix product, its bias and one of these activations into one operation.
_FUSED_ACTIVATIONS = ("elu", "leaky_relu", "relu", "relu6", "sigmoid", "tanh")


@keras.saving.register_keras_serializable(package="keras_din")
class AttentionSequencePoolingLayer(keras.layers.Layer):
    """Sums a user's behaviors, each weighted by its relevance to a candidate.

    `output = sum_j w_j k_j`, where the activation unit `a(q, k_j)` is an MLP on
    `[q, k, q - k, q * k]` with one output unit. The weights are `w = softmax(a)` over the real
    behaviors, `w = softmax(a / sqrt(key_dim))`, or `w = a`. Without normalization, the norm of the
    output grows with the strength of the interest.

    Keys may be wider than the query. Their first `dim` units are compared with the query. The
    others (side features of a behavior) are inputs of `a` and are part of the sum.

    Args:
        units: Sizes of the hidden layers of `a`.
        activation: Activation of these layers, see `MLP`.
        weight_normalization: `True` for a softmax over the real behaviors, so that weights sum to
            1; `"scaled"` for the softmax of `a / sqrt(key_dim)`; `False` for no softmax, as in the
            paper. On Amazon Beauty and Sports, the layer ranked worse than a plain mean without
            softmax and better with it. On KuaiRand there was no clear difference.

    Call arguments:
        query: Float tensor `(batch, dim)` or `(batch, candidates, dim)`.
        keys: Float tensor `(batch, time, key_dim)`, `key_dim >= dim`, padded or ragged. The
            behaviors. Or the packed form `(positions, key_dim)`: the real positions of
            `keys_mask`, row by row.
        keys_mask: Bool tensor `(batch, time)`, `True` where a behavior is real. Defaults to the
            Keras mask of `keys`, else to all `True`. Required with packed keys. May be ragged.
        query_mask: Bool tensor `(batch, candidates)`, `True` where a candidate is real. Dice and
            batch normalization compute their statistics over real candidates.

    Returns:
        Float tensor `(batch, key_dim)` or `(batch, candidates, key_dim)`, without a mask.
        The weight of padding is exactly 0. A user without any behavior gives zeros.

    Raises:
        ValueError: If an argument or the shape of a call argument is invalid.

    Example:

    ```python
    layer = kd.layers.AttentionSequencePoolingLayer(units=(8, 4))
    query, keys = np.ones((2, 3, 4), "float32"), np.ones((2, 5, 4), "float32")
    interests = layer(query, keys, keys_mask=np.ones((2, 5), bool))  # (2, 3, 4)
    ```

    Reference:
        [Zhou et al., 2018](https://arxiv.org/abs/1706.06978), Eq. (3), which is
        `weight_normalization=False`. The inputs of `a` are those of the authors' code. That code
        also differs from the paper in `weight_normalization="scaled"` and `activation="sigmoid"`.
    """

    def __init__(
        self,
        units: Sequence[int] = (80, 40),
        activation: str | Callable | Sequence[str | Callable] = "dice",
        weight_normalization: bool | str = True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.units = layer_sizes("units", units, at_least_one=True)
        self.activation = checked_activation(activation)
        one_of("weight_normalization", weight_normalization, (True, False, "scaled"))
        scaled = weight_normalization == "scaled"
        self.weight_normalization = weight_normalization if scaled else bool(weight_normalization)
        self.supports_masking = True
        # Shapes of packed tensors depend on values: XLA would recompile for each length.
        self.supports_jit = keras.backend.backend() != "tensorflow"

    def build(self, query_shape, keys_shape):
        dim, key_dim = query_shape[-1], keys_shape[-1]
        if dim is None or key_dim is None or key_dim < dim:
            raise ValueError(
                "`keys` must be at least as wide as `query`. "
                f"Received: query of shape {query_shape}, keys of shape {keys_shape}."
            )
        self.kernel = self.add_weight(
            name="kernel", shape=(3 * dim + key_dim, self.units[0]), initializer="glorot_uniform"
        )
        self.bias = self.add_weight(name="bias", shape=(self.units[0],), initializer="zeros")
        dtype = self.dtype_policy
        self.first_activation = activation_layer(self.activation, dtype)
        self.mlp = MLP(self.units[1:], self.activation, dtype=dtype)
        self.score = keras.layers.Dense(1, dtype=dtype)
        hidden = (None, self.units[0])  # One row per pair of a position and a candidate.
        self.first_activation.build(hidden)
        self.mlp.build(hidden)
        self.score.build((None, self.units[-1]))

    def call(self, query, keys, keys_mask=None, query_mask=None, training=False):
        one_candidate = len(query.shape) == 2
        if one_candidate:
            query = ops.expand_dims(query, 1)
        keys, rows, _ = pack_behaviors(keys, keys_mask)
        # Outside of the conditional branches, so that an export can make it a constant.
        kernels = self._kernels(query, keys)
        attend_pairs = partial(self._attend_pairs, query, keys, rows, kernels, query_mask, training)
        if training:
            interest = attend_pairs()
        else:
            attend_row = partial(self._attend_row, kernels)
            interest = attend_by_row_or_pair(attend_row, attend_pairs, query, keys, rows)
        return interest[:, 0] if one_candidate else interest

    def _kernels(self, query, keys):
        return split_kernel(self.kernel, query.shape[-1], keys.shape[-1])

    def _attend_pairs(self, query, keys, rows, kernels, query_mask, training):
        """Computes the interests of all rows at once: `(batch, candidates, key_dim)`."""
        batch = ops.shape(query)[0]
        weights = self._weights(query, keys, rows, kernels, query_mask, training)
        return segment_sum(ops.expand_dims(weights, -1) * ops.expand_dims(keys, 1), rows, batch)

    def _attend_row(self, kernels, query, keys):
        """Computes the interests of one row, from `(candidates, dim)` and `(time, key_dim)`."""
        scores = row_scores(self._score, query, keys, kernels, self.bias)
        return ops.matmul(self._normalized(scores, keys, ops.softmax), keys)

    def _score(self, x):
        """Scores concatenated projections: `(rows, others * units)` -> `(pairs, 1)`."""
        pairs = (-1, self.units[0])
        if self.activation in _FUSED_ACTIVATIONS:
            x = ops.reshape(self.first_activation(x), pairs)
        else:
            x = activate(self.first_activation, ops.reshape(x, pairs), None, False)
        return self.score(self.mlp(x))

    def _weights(self, query, keys, rows, kernels, query_mask, training):
        """Returns the weight of each behavior for each candidate: `(positions, candidates)`."""
        batch = ops.shape(query)[0]
        mask = self._pair_mask(query, rows, batch, query_mask)
        x = split_projection(query, keys, rows, kernels, self.bias)
        x = activate(self.first_activation, x, mask, training)
        scores = self.score(self.mlp(x, mask=mask, training=training))
        scores = ops.reshape(scores, (ops.shape(rows)[0], ops.shape(query)[1]))
        return self._normalized(scores, keys, lambda scores: segment_softmax(scores, rows, batch))

    def _normalized(self, scores, keys, softmax):
        if not self.weight_normalization:
            return scores
        if self.weight_normalization == "scaled":
            scores = scores / math.sqrt(keys.shape[-1])
        return softmax(scores)

    def _pair_mask(self, query, rows, batch, query_mask):
        """Returns the mask of pairs of a position and a candidate, `(pairs,)`, or `None`."""
        if query_mask is None:
            if keras.backend.backend() == "tensorflow":
                return None
            query_mask = ops.ones(ops.shape(query)[:2], dtype="bool")
        return ops.reshape(gather_rows(query_mask, rows), (-1,))

    def attention_weights(self, query, keys, keys_mask=None):
        """Returns the attention weights, for inspection.

        Args:
            query: As in `call`.
            keys: As in `call`.
            keys_mask: As in `call`.

        Returns:
            Float tensor `(batch, time)` or `(batch, candidates, time)`, 0 at padding.
        """
        one_candidate = len(query.shape) == 2
        if one_candidate:
            query = ops.expand_dims(query, 1)
        if not self.built:
            self.build(query.shape, keys.shape)
        keys, rows, mask = pack_behaviors(keys, keys_mask)
        weights = self._weights(query, keys, rows, self._kernels(query, keys), None, False)
        weights = unpack_weights(weights, mask)
        return weights[:, 0] if one_candidate else weights

    def compute_mask(self, query, keys=None, **masks):
        return None

    def compute_output_shape(self, query_shape, keys_shape):
        return (*query_shape[:-1], keys_shape[-1])

    def get_config(self):
        return {
            **super().get_config(),
            "units": list(self.units),
            "activation": activation_config(self.activation),
            "weight_normalization": self.weight_normalization,
        }
