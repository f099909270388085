"""The layer of BST: a transformer over a user's behaviors and the candidate."""

import keras
from keras import ops

from keras_din.checks import fraction, positive_integer
from keras_din.layers.pack_behaviors import pack_behaviors
from keras_din.layers.transformer_block import TransformerBlock
from keras_din.ops import gather_positions, pack, position_pairs


@keras.saving.register_keras_serializable(package="keras_din")
class BehaviorTransformer(keras.layers.Layer):
    """Appends a candidate to the behaviors of a user and runs a transformer over all of them.

    `output = F_A` of `[F_1 ... F_n, F_A] = block(... block([k_1 + p_n, ..., k_n + p_1, q + p_0]))`.
    A block is multi-head self-attention and a feed-forward network, each with dropout, a residual
    connection and layer normalization: see `TransformerBlock`.

    The position embeddings `p` are learned and counted from the end, because histories are cut and
    differ in length. The candidate has position 0, the most recent behavior position 1. To use the
    time since a behavior, put it in `side_features` of the `Sequence`, as a number or in buckets.

    Keys may be wider than the query (side features of a behavior). The query is padded with zeros
    to the width of the keys; `p_0` learns values for these units.

    Cost: with one block, only the candidate attends. So the time is linear in the length of a
    history, and its keys and values are computed once for all candidates. Each further block
    computes all pairs of behaviors, `sum(length ** 2)` over the rows of a batch, in time and
    memory: the second block once for all candidates, later blocks once per candidate.

    Args:
        num_heads: Number of attention heads. Each has `key_dim / num_heads` units, rounded up.
        num_blocks: Number of blocks.
        max_positions: Number of the most recent behaviors that have their own position embedding.
            Older ones share the last. 0 for no positions: then the order of behaviors is ignored.
        dropout: Fraction of units that training drops.

    Call arguments:
        query: Float tensor `(batch, dim)` or `(batch, candidates, dim)`.
        keys: Float tensor `(batch, time, key_dim)`, `key_dim >= dim`, padded or ragged. The
            behaviors, the most recent last. Or the packed form `(positions, key_dim)`: the real
            positions of `keys_mask`, row by row.
        keys_mask: Bool tensor `(batch, time)`, `True` where a behavior is real. Defaults to the
            Keras mask of `keys`, else to all `True`. Required with packed keys. May be ragged.

    Returns:
        Float tensor `(batch, key_dim)` or `(batch, candidates, key_dim)`, without a mask. Padding
        changes nothing. Without any behavior the candidate attends only to itself.

    Raises:
        ValueError: If an argument or the shape of a call argument is invalid.

    Example:

    ```python
    layer = kd.layers.BehaviorTransformer(num_heads=2)
    query, keys = np.ones((2, 3, 4), "float32"), np.ones((2, 5, 4), "float32")
    outputs = layer(query, keys, keys_mask=np.ones((2, 5), bool))  # (2, 3, 4)
    ```

    Reference:
        [Chen et al., 2019](https://arxiv.org/abs/1905.06874), Sec. 2.2. The paper concatenates the
        outputs of all positions, which requires a fixed length (20). This layer allows any length
        and returns the output of the candidate. FuxiCTR returns the mean by default, which
        computes all pairs in every block; its option `"target"` is the same as here. DeepCTR leaves
        the candidate out of the transformer. The paper concatenates embeddings of the time since a
        behavior; here position embeddings are added. The paper does not give the slope of LeakyReLU
        (0.2 here) and the width of the feed-forward network (`key_dim` here).
    """

    def __init__(
        self,
        num_heads: int = 8,
        num_blocks: int = 1,
        max_positions: int = 100,
        dropout: float = 0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_heads = positive_integer("num_heads", num_heads)
        self.num_blocks = positive_integer("num_blocks", num_blocks)
        self.max_positions = positive_integer("max_positions", max_positions, minimum=0)
        self.dropout = fraction("dropout", dropout)
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
        if self.max_positions:
            self.position = self.add_weight(
                name="position", shape=(self.max_positions + 1, key_dim), initializer="zeros"
            )
        self.transformer_blocks = [
            TransformerBlock(self.num_heads, self.dropout, dtype=self.dtype_policy)
            for _ in range(self.num_blocks)
        ]
        for block in self.transformer_blocks:
            block.build((None, None, key_dim))

    def call(self, query, keys, keys_mask=None, training=False):
        one_candidate = len(query.shape) == 2
        if one_candidate:
            query = ops.expand_dims(query, 1)
        keys, rows, mask = pack_behaviors(keys, keys_mask)
        target = ops.pad(query, ((0, 0), (0, 0), (0, keys.shape[-1] - query.shape[-1])))
        if self.max_positions:
            target = target + self.position[0]
            keys = keys + gather_positions(self.position, self._position_from_end(mask))
        behaviors = ops.expand_dims(keys, 1)
        pairs = position_pairs(mask) if self.num_blocks > 1 else None
        *first_blocks, last = self.transformer_blocks
        for block in first_blocks:
            target, behaviors = block(target, behaviors, rows, pairs, training=training)
        target, _ = last(target, behaviors, rows, training=training)
        return target[:, 0] if one_candidate else target

    def _position_from_end(self, mask):
        """Returns positions `(positions,)` counted from the end: 1 for the most recent behavior."""
        is_real = ops.cast(mask, "int32")
        later = ops.sum(is_real, axis=1, keepdims=True) - ops.cumsum(is_real, axis=1)
        return pack(ops.minimum(later + 1, self.max_positions), mask)

    def compute_mask(self, query, keys=None, **masks):
        return None

    def compute_output_shape(self, query_shape, keys_shape):
        return (*query_shape[:-1], keys_shape[-1])

    def get_config(self):
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "num_blocks": self.num_blocks,
            "max_positions": self.max_positions,
            "dropout": self.dropout,
        }
