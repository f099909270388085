"""A transformer block over a candidate and the behaviors of its user."""

import keras
from keras import ops

from keras_din.checks import fraction, positive_integer
from keras_din.ops import gather_positions, gather_rows, row_attention


@keras.saving.register_keras_serializable(package="keras_din")
class TransformerBlock(keras.layers.Layer):
    """Computes `S = LayerNorm(x + Dropout(MH(x)))`, `LayerNorm(S + Dropout(FFN(S)))`.

    `MH` is multi-head self-attention over the behaviors of a user and the candidate.
    `FFN(S) = LeakyReLU(S W1 + b1) W2 + b2` is applied to each position separately.

    Args:
        num_heads: Number of attention heads. Each has `width / num_heads` units, rounded up.
        dropout: Fraction of units that training drops.

    Call arguments:
        target: Float tensor `(batch, candidates, width)`.
        behaviors: Packed float tensor `(positions, 1, width)`, the same for all candidates, or
            `(positions, candidates, width)`.
        rows: Int tensor `(positions,)`, the row of each position.
        pairs: The two int tensors `(pairs,)` of `position_pairs`, or `None` if only the output of
            the target is needed.

    Returns:
        Float tensors `(batch, candidates, width)` and `(positions, candidates, width)`. The second
        is `None` if `pairs` is `None`.
    """

    def __init__(self, num_heads=8, dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        self.num_heads = positive_integer("num_heads", num_heads)
        self.dropout = fraction("dropout", dropout)
        self.supports_jit = keras.backend.backend() != "tensorflow"

    def build(self, target_shape):
        width = target_shape[-1]
        units = -(-width // self.num_heads) * self.num_heads
        self.query, self.key, self.value = (self._dense(width, units, False) for _ in range(3))
        self.joined = self._dense(units, width, False)
        self.first, self.second = (self._dense(width, width, True) for _ in range(2))
        dtype = self.dtype_policy
        self.drop_attention, self.drop_ffn = (
            keras.layers.Dropout(self.dropout, dtype=dtype) for _ in range(2)
        )
        self.norm_attention, self.norm_ffn = (
            keras.layers.LayerNormalization(epsilon=1e-5, dtype=dtype) for _ in range(2)
        )
        self.norm_attention.build((None, None, width))
        self.norm_ffn.build((None, None, width))

    def _dense(self, width, units, use_bias):
        dense = keras.layers.Dense(units, use_bias=use_bias, dtype=self.dtype_policy)
        dense.build((None, width))
        return dense

    def call(self, target, behaviors, rows, pairs=None, training=False):
        query, key, value = (
            self._heads(dense, target) for dense in (self.query, self.key, self.value)
        )
        keys, values = (self._heads(dense, behaviors) for dense in (self.key, self.value))
        attended = row_attention(query, keys, values, key, value, rows)
        target = self._add(target, attended, training)
        if pairs is None:
            return target, None
        query_index, key_index = pairs
        attended = row_attention(
            self._heads(self.query, behaviors),
            gather_positions(keys, key_index),
            gather_positions(values, key_index),
            gather_rows(key, rows),
            gather_rows(value, rows),
            query_index,
        )
        return target, self._add(behaviors, attended, training)

    def _heads(self, dense, x):
        """Projects `x` and returns `(rows, candidates, heads, units / heads)`."""
        flat = dense(ops.reshape(x, (-1, x.shape[-1])))
        return ops.reshape(flat, (*ops.shape(x)[:2], self.num_heads, dense.units // self.num_heads))

    def _add(self, x, attended, training):
        """Adds the attention output and then the feed-forward network, each by a residual."""
        axes = ops.shape(attended)[:2]
        attended = self.joined(ops.reshape(attended, (-1, self.num_heads * attended.shape[-1])))
        attended = ops.reshape(attended, (*axes, self.joined.units))
        attended = self.drop_attention(attended, training=training)
        x = self.norm_attention(x + attended)
        hidden = ops.leaky_relu(dense_by_row(self.first, x))
        hidden = dense_by_row(self.second, hidden)
        return self.norm_ffn(x + self.drop_ffn(hidden, training=training))

    def get_config(self):
        return {**super().get_config(), "num_heads": self.num_heads, "dropout": self.dropout}


def dense_by_row(dense, x):
    """Applies a `Dense` to `(rows, candidates, dim)` as one matrix: a rank-3 product is slow."""
    flat = ops.reshape(x, (-1, x.shape[-1]))
    return ops.reshape(dense(flat), (*ops.shape(x)[:2], dense.units))
