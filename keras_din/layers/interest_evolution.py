"""The interest evolution layer of DIEN: a GRU whose updates depend on the candidate."""

import keras
from keras import ops

from keras_din.checks import one_of, positive_integer
from keras_din.layers.pack_behaviors import pack_behaviors
from keras_din.ops import gather_rows, gru_last, segment_softmax

GRU_TYPES = ("AIGRU", "AGRU", "AUGRU")


@keras.saving.register_keras_serializable(package="keras_din")
class InterestEvolution(keras.layers.Layer):
    """Returns the last state of a GRU with attention over a user's interests.

    `a = softmax(h W q)` over a user's real behaviors is the relevance of the interest `h_t` at each
    time to the candidate `q`. A GRU over the interests, with update gate `u` and candidate state
    `h~`, uses it in one of three ways:

    - `"AIGRU"`, attentional input: the input is `a_t h_t`, and
      `h'_t = (1 - u_t) * h'_{t-1} + u_t * h~_t`.
    - `"AGRU"`, attention instead of the update gate:
      `h'_t = (1 - a_t) * h'_{t-1} + a_t * h~_t`.
    - `"AUGRU"`, attentional update gate: `u~_t = a_t * u_t`,
      `h'_t = (1 - u~_t) * h'_{t-1} + u~_t * h~_t`. An irrelevant interest does not change the
      state.

    Args:
        units: Width of the state.
        gru_type: `"AIGRU"`, `"AGRU"` or `"AUGRU"`.

    Call arguments:
        query: Float tensor `(batch, dim)` or `(batch, candidates, dim)`.
        keys: Float tensor `(batch, time, key_dim)`, padded or ragged: the interests over time, the
            most recent last. Or the packed form `(positions, key_dim)`: the real positions of
            `keys_mask`, row by row.
        keys_mask: Bool tensor `(batch, time)`, `True` where a behavior is real. Defaults to the
            Keras mask of `keys`, else to all `True`. Required with packed keys. May be ragged.

    Returns:
        Float tensor `(batch, units)` or `(batch, candidates, units)`, without a mask. Padding may
        be anywhere and changes nothing. A user without any behavior gives zeros.

    Raises:
        ValueError: If an argument or the shape of a call argument is invalid.

    Example:

    ```python
    layer = kd.layers.InterestEvolution(units=4)
    query, interests = np.ones((2, 3, 8), "float32"), np.ones((2, 5, 6), "float32")
    outputs = layer(query, interests, keys_mask=np.ones((2, 5), bool))  # (2, 3, 4)
    ```

    Reference:
        [Zhou et al., 2019](https://arxiv.org/abs/1809.03672), Eqs. (8) to (12). Two different
        layers are called AUGRU. The authors' code and DeepCTR compute
        `h' = u h'_{t-1} + (1 - u) h~` with `u = (1 - a_t) u_t`. There the weight `1 - u` of the new
        state is not scaled to 0, so an irrelevant interest (`a_t = 0`) still changes the state.
        This layer follows the paper, as FuxiCTR does. The reset gate multiplies the recurrent
        product as in the paper, Eq. (4). The authors' code and DeepCTR multiply the state before
        the product. The attention of the code is the MLP of DIN. Here it is the bilinear form of
        Eq. (8).
    """

    def __init__(self, units: int, gru_type: str = "AUGRU", **kwargs):
        super().__init__(**kwargs)
        self.units = positive_integer("units", units)
        self.gru_type = one_of("gru_type", gru_type, GRU_TYPES)
        self.supports_masking = True
        # Shapes of packed tensors depend on values: XLA would recompile for each length.
        self.supports_jit = keras.backend.backend() != "tensorflow"

    def build(self, query_shape, keys_shape):
        dim, key_dim, units = query_shape[-1], keys_shape[-1], self.units
        gates = 2 if self.gru_type == "AGRU" else 3  # Update, reset, candidate state.
        self.attention_kernel = self.add_weight(name="attention_kernel", shape=(key_dim, dim))
        self.kernel = self.add_weight(name="kernel", shape=(key_dim, gates * units))
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel", shape=(units, gates * units), initializer="orthogonal"
        )
        self.bias = self.add_weight(name="bias", shape=(gates * units,), initializer="zeros")

    def call(self, query, keys, keys_mask=None):
        one_candidate = len(query.shape) == 2
        if one_candidate:
            query = ops.expand_dims(query, 1)
        keys, rows, mask = pack_behaviors(keys, keys_mask)
        attention = self._attention(query, keys, rows)
        inputs = ops.expand_dims(ops.matmul(keys, self.kernel), 1)
        if self.gru_type == "AIGRU":
            inputs, attention = ops.expand_dims(attention, -1) * inputs, None
        last = gru_last(inputs + self.bias, attention, self.recurrent_kernel, mask)
        return last[:, 0] if one_candidate else last

    def _attention(self, query, keys, rows):
        """Computes `softmax(h W q)` for each candidate: `(positions, candidates)`."""
        batch, candidates = ops.shape(query)[:2]
        projected = ops.matmul(
            ops.reshape(query, (-1, query.shape[-1])), ops.transpose(self.attention_kernel)
        )
        projected = ops.reshape(projected, (batch, candidates, keys.shape[-1]))
        scores = ops.sum(gather_rows(projected, rows) * ops.expand_dims(keys, 1), axis=-1)
        return segment_softmax(scores, rows, batch)

    def compute_mask(self, query, keys=None, **masks):
        return None

    def compute_output_shape(self, query_shape, keys_shape):
        return (*query_shape[:-1], self.units)

    def get_config(self):
        return {**super().get_config(), "units": self.units, "gru_type": self.gru_type}
