"""The interest extractor of DIEN: a GRU over the behaviors that must tell what comes next."""

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


@keras.saving.register_keras_serializable(package="keras_din")
class InterestExtractor(keras.layers.Layer):
    """Reads a user's behaviors one by one: the state after each is his interest at that time.

    `u, r = sigmoid(W k_t + U h_{t-1} + b)`, `h~_t = tanh(W k_t + r * U h_{t-1} + b)`,
    `h_t = (1 - u) * h_{t-1} + u * h~_t`, a GRU, each with its own `W`, `U` and `b`.

    In training, and only then, the layer adds a loss: from `h_t` an MLP must tell the behavior
    `k_{t+1}` that came next from one drawn from the batch,
    `auxiliary_loss * mean_t(-log p(h_t, k_{t+1}) - log(1 - p(h_t, k_other)))`, over all behaviors
    of the batch that have a next one. The other behavior is any of the batch but the next one:
    popular ones are drawn as often as users behave so, and no input is needed. What `evaluate`
    and validation see is without this loss.

    Args:
        units: Width of a state.
        auxiliary_loss_weight: Weight of the loss; 0 for none.
        auxiliary_units: Sizes of the hidden layers of the MLP `p`, with sigmoids.
        seed: Seed of the behaviors that are drawn.

    Call arguments:
        keys: Float tensor `(batch, time, key_dim)`, padded or ragged: the behaviors, the most
            recent last. Or the packed form `(positions, key_dim)`: the real positions of
            `keys_mask`, row by row.
        keys_mask: Bool tensor `(batch, time)`, `True` where a behavior is real. Defaults to the
            Keras mask of `keys`, else to all `True`. Needed with packed keys. May be ragged.
        training: Whether to add the loss.

    Returns:
        Float tensor `(batch, time, units)`, zeros at padding; ragged of ragged keys; or
        `(positions, units)` of packed ones. The Keras mask of all but packed ones is that of the
        keys; on JAX a `keys_mask` must be given to the next layer too. Padding may stand anywhere
        and changes no state. (Where shapes are static, it changes which behaviors are drawn.)

    Raises:
        ValueError: When an argument or the shape of a call argument is not as said here.

    Reference:
        [Zhou et al., 2019](https://arxiv.org/abs/1809.03672), Eqs. (2) to (6). The reset gate
        multiplies the recurrent product as there; the authors' code and DeepCTR multiply the state
        before the product. The MLP is that of
        the authors' code, without its batch normalization; unlike an inner product it lets states
        and behaviors differ in width. The paper sums the loss over a user's behaviors and the
        code averages it over padding too; here it is a mean over what is real, so that its weight
        means the same for all lengths.
    """

    def __init__(
        self, units, auxiliary_loss_weight=1.0, auxiliary_units=(100, 50), seed=None, **kwargs
    ):
        super().__init__(**kwargs)
        self.units = positive_integer("units", units)
        self.auxiliary_loss_weight = _weight("auxiliary_loss_weight", auxiliary_loss_weight)
        self.auxiliary_units = layer_sizes("auxiliary_units", auxiliary_units, at_least_one=True)
        self.seed = seed
        if self.auxiliary_loss_weight:
            self.seed_generator = keras.random.SeedGenerator(seed)
        self.supports_masking = True
        # Packing has shapes that depend on values: XLA would compile anew for each length.
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
            following, other, real = sample_next_and_negative(rows, ops.shape(mask)[0], random)
            loss = self._next_behavior_loss(states, keys, following, other, real)
            self.add_loss(self.auxiliary_loss_weight * loss)
        if len(behaviors.shape) == 2:
            return states
        states = unpack_behaviors(states, mask)
        states = ragged_like(states, behaviors) if is_ragged(behaviors) else states
        return states if keys_mask is None else with_mask(states, mask)

    def _next_behavior_loss(self, states, keys, following, other, real):
        """The mean over real positions of the loss of both, a float32 scalar."""
        # The first layer reads `[h, k]`: what it makes of each is computed once.
        of_state, of_key = ops.split(self.auxiliary_kernel, (self.units,))
        state = ops.matmul(states, of_state) + self.auxiliary_bias
        key = ops.matmul(keys, of_key)
        x = [state + gather_positions(key, places) for places in (following, other)]
        x = self.auxiliary_mlp(ops.sigmoid(ops.concatenate(x)))
        scores = ops.cast(self.auxiliary_score(x)[:, 0], "float32")
        of_next, of_other = ops.split(scores, 2)
        losses = ops.softplus(-of_next) + ops.softplus(of_other)
        losses = ops.where(real, losses, ops.zeros_like(losses))
        return ops.sum(losses) / ops.maximum(ops.sum(ops.cast(real, "float32")), 1)

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


def _weight(word, value):
    if not is_number(value) or not 0 <= value < 1e9:
        raise ValueError(f"`{word}` must be a number, 0 or more. Received: {word}={value!r}.")
    return float(value)
