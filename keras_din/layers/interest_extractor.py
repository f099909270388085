"""The interest extractor of DIEN: a GRU over the behaviors, trained to predict the next one."""

from collections.abc import Sequence

import keras
from keras import ops

from keras_din.checks import is_number, layer_sizes, positive_integer
from keras_din.layers.mlp import MLP
from keras_din.layers.pack_behaviors import pack_behaviors, unpack_behaviors, with_mask
from keras_din.ops import (
    gather_positions,
    gru_states,
    is_ragged,
    ragged_like,
    sample_next_and_negative,
)
from keras_din.replicas import mean_over_replicas, number_of_replicas


@keras.saving.register_keras_serializable(package="keras_din")
class InterestExtractor(keras.layers.Layer):
    """Runs a GRU over a user's behaviors; the state after each is the interest at that time.

    `u, r = sigmoid(W k_t + U h_{t-1} + b)`, `h~_t = tanh(W k_t + r * U h_{t-1} + b)`,
    `h_t = (1 - u) * h_{t-1} + u * h~_t`, where each gate has its own `W`, `U` and `b`.

    In training only, the layer adds a loss. From `h_t`, an MLP classifies whether a behavior is
    the next one, `k_{t+1}`, or a negative, drawn from the batch:
    `auxiliary_loss_weight * mean_t(-log p(h_t, k_{t+1}) - log(1 - p(h_t, k_negative)))`, over all
    behaviors of the batch that have a next one. The negative is any behavior of the batch except
    the next one. So popular items are drawn in proportion to their popularity, and no extra input
    is required. `evaluate` and validation do not include this loss.

    Args:
        units: Width of a state.
        auxiliary_loss_weight: Weight of the loss; 0 for none.
        auxiliary_units: Sizes of the hidden layers of the MLP `p`, with sigmoid activations.
        seed: Seed of the negatives.

    Call arguments:
        keys: Float tensor `(batch, time, key_dim)`, padded or ragged: the behaviors, the most
            recent last. Or the packed form `(positions, key_dim)`: the real positions of
            `keys_mask`, row by row.
        keys_mask: Bool tensor `(batch, time)`, `True` where a behavior is real. Defaults to the
            Keras mask of `keys`, else to all `True`. Required with packed keys. May be ragged.
        training: Whether to add the loss.

    Returns:
        Float tensor `(batch, time, units)`, 0 at padding; ragged if the keys are ragged;
        `(positions, units)` if they are packed. The Keras mask of the keys is kept, except for
        packed keys. On JAX, a `keys_mask` must also be given to the next layer. Padding may be
        anywhere and changes no state. (With static shapes, it changes which negatives are drawn.)

    Raises:
        ValueError: If an argument or the shape of a call argument is invalid.

    Example:

    ```python
    layer = kd.layers.InterestExtractor(units=6)
    keys = np.ones((2, 5, 4), "float32")
    interests = layer(keys, keys_mask=np.ones((2, 5), bool))  # (2, 5, 6)
    ```

    Reference:
        [Zhou et al., 2019](https://arxiv.org/abs/1809.03672), Eqs. (2) to (6). The reset gate
        multiplies the recurrent product as in the paper. The authors' code and DeepCTR multiply
        the state before the product. The MLP is that of the authors' code, without its batch
        normalization. Unlike an inner product, it allows states and behaviors of different widths.
        The paper sums the loss over a user's behaviors, and the code averages it over padding too.
        Here it is the mean over real behaviors, so that its weight is independent of lengths.
    """

    def __init__(
        self,
        units: int,
        auxiliary_loss_weight: float = 1.0,
        auxiliary_units: Sequence[int] = (100, 50),
        seed: int | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.units = positive_integer("units", units)
        self.auxiliary_loss_weight = _weight("auxiliary_loss_weight", auxiliary_loss_weight)
        self.auxiliary_units = layer_sizes("auxiliary_units", auxiliary_units, at_least_one=True)
        self.seed = seed
        if self.auxiliary_loss_weight:
            self.seed_generator = keras.random.SeedGenerator(seed)
        self.supports_masking = True
        # Shapes of packed tensors depend on values: XLA would recompile for each length.
        self.supports_jit = keras.backend.backend() != "tensorflow"

    def build(self, keys_shape):
        key_dim, units = keys_shape[-1], self.units
        self.kernel = self.add_weight(name="kernel", shape=(key_dim, 3 * units))
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel", shape=(units, 3 * units), initializer="orthogonal"
        )
        self.bias = self.add_weight(name="bias", shape=(3 * units,), initializer="zeros")
        if not self.auxiliary_loss_weight:
            return
        first, *rest = self.auxiliary_units
        self.auxiliary_kernel = self.add_weight(
            name="auxiliary_kernel", shape=(units + key_dim, first)
        )
        self.auxiliary_bias = self.add_weight(
            name="auxiliary_bias", shape=(first,), initializer="zeros"
        )
        self.auxiliary_mlp = MLP(rest, "sigmoid", dtype=self.dtype_policy)
        self.auxiliary_score = keras.layers.Dense(1, dtype=self.dtype_policy)
        self.auxiliary_mlp.build((None, first))
        self.auxiliary_score.build((None, self.auxiliary_units[-1]))

    def call(self, keys, keys_mask=None, training=False):
        behaviors = keys
        keys, rows, mask = pack_behaviors(behaviors, keys_mask)
        inputs = ops.matmul(keys, self.kernel) + self.bias
        states = gru_states(inputs, self.recurrent_kernel, mask)
        if training and self.auxiliary_loss_weight:
            seed = self.seed_generator
            random = keras.random.uniform(ops.shape(rows), dtype="float32", seed=seed)
            samples = sample_next_and_negative(rows, ops.shape(mask)[0], random)
            loss = self._next_behavior_loss(states, keys, *samples)
            self.add_loss(self.auxiliary_loss_weight * loss)
        if len(behaviors.shape) == 2:
            return states
        states = unpack_behaviors(states, mask)
        states = ragged_like(states, behaviors) if is_ragged(behaviors) else states
        return states if keys_mask is None else with_mask(states, mask)

    def _next_behavior_loss(self, states, keys, following, negative, has_next):
        """Returns the mean loss over positions that have a next one, a float32 scalar."""
        # The input of the first layer is `[h, k]`. Its terms of `h` and `k` are computed once.
        state_kernel, key_kernel = ops.split(self.auxiliary_kernel, (self.units,))
        state_terms = ops.matmul(states, state_kernel) + self.auxiliary_bias
        key_terms = ops.matmul(keys, key_kernel)
        x = [state_terms + gather_positions(key_terms, index) for index in (following, negative)]
        x = self.auxiliary_mlp(ops.sigmoid(ops.concatenate(x)))
        scores = ops.cast(self.auxiliary_score(x)[:, 0], "float32")
        next_scores, negative_scores = ops.split(scores, 2)
        losses = ops.softplus(-next_scores) + ops.softplus(negative_scores)
        losses = ops.where(has_next, losses, ops.zeros_like(losses))
        count = ops.sum(ops.cast(has_next, "float32"))
        # Keras divides each loss that is added by the number of replicas.
        share = mean_over_replicas(ops.sum(losses) / ops.maximum(count, 1), count)
        return share * number_of_replicas()

    def compute_mask(self, keys, keys_mask=None):
        return keys_mask if len(keys.shape) == 3 else None

    def compute_output_spec(self, keys, keys_mask=None, training=False):
        states = keras.KerasTensor(self.compute_output_shape(keys.shape), self.compute_dtype)
        return states if keys_mask is None or len(keys.shape) == 2 else with_mask(states, keys_mask)

    def compute_output_shape(self, keys_shape, keys_mask_shape=None):
        return (*keys_shape[:-1], self.units)

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "auxiliary_loss_weight": self.auxiliary_loss_weight,
            "auxiliary_units": list(self.auxiliary_units),
            "seed": self.seed,
        }


def _weight(name, value):
    if not is_number(value) or not 0 <= value < 1e9:
        raise ValueError(f"`{name}` must be a number, 0 or more. Received: {name}={value!r}.")
    return float(value)
