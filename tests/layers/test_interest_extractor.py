"""The interest extractor and its auxiliary loss against NumPy."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_din.layers import Embedding, InterestExtractor, SequencePooling
from tests import reference
from tests.layers.contract import check_layer


def keys_and_mask(seed=0, batch=3, time=5, key_dim=4):
    rng = np.random.default_rng(seed)
    mask = rng.random((batch, time)) < 0.6
    return rng.normal(size=(batch, time, key_dim)).astype("float32"), mask


def randomized(layer, keys, seed=1):
    layer.build(keys.shape)
    rng = np.random.default_rng(seed)
    for weight in layer.weights:
        weight.assign(rng.normal(size=weight.shape))
    return layer


def test_states_of_one_unit():
    # u = sigmoid(k + 2 h), r = sigmoid(3 k + 4 h), h~ = tanh(5 k + r * 6 h + 0.1).
    layer = InterestExtractor(1, auxiliary_loss_weight=0)
    keys = np.array([[[0.5], [9.0], [-0.2]]], "float32")
    layer.build(keys.shape)
    layer.kernel.assign([[1.0, 3.0, 5.0]])
    layer.recurrent_kernel.assign([[2.0, 4.0, 6.0]])
    layer.bias.assign([0.0, 0.0, 0.1])
    sigmoid = lambda x: 1 / (1 + math.exp(-x))  # noqa: E731
    first = sigmoid(0.5) * math.tanh(2.6)
    u, r = sigmoid(-0.2 + 2 * first), sigmoid(-0.6 + 4 * first)
    second = (1 - u) * first + u * math.tanh(-1 + r * 6 * first + 0.1)
    out = layer(keys, keys_mask=np.array([[True, False, True]]))
    np.testing.assert_allclose(out, [[[first], [0], [second]]], rtol=1e-5)


def test_padded_and_packed_states_match_numpy():
    keys, mask = keys_and_mask()
    mask[1] = False
    layer = randomized(InterestExtractor(3), keys)
    weights = [w.numpy() for w in (layer.kernel, layer.recurrent_kernel, layer.bias)]
    expected = np.zeros((3, 5, 3))
    for b in range(3):
        expected[b, mask[b]] = reference.gru(keys[b, mask[b]], *weights)
    np.testing.assert_allclose(layer(keys, keys_mask=mask), expected, rtol=1e-5, atol=1e-6)
    packed = layer(keys[mask], keys_mask=mask)
    np.testing.assert_allclose(packed, expected[mask], rtol=1e-5, atol=1e-6)


def draw(monkeypatch, other):
    """Replaces the random negatives by the given positions."""
    from keras_din.layers import interest_extractor
    from keras_din.ops import sample_next_and_negative

    def drawn(rows, batch, random):
        following, _, real = sample_next_and_negative(rows, batch, random)
        return following, tf.constant(other), real

    monkeypatch.setattr(interest_extractor, "sample_next_and_negative", drawn)


def test_auxiliary_loss_matches_numpy(monkeypatch):
    keys, _ = keys_and_mask(key_dim=2)
    mask = np.array([[1, 0, 1, 1, 0], [0, 0, 0, 0, 1], [0, 1, 1, 0, 0]], bool)
    layer = randomized(InterestExtractor(3, 0.7, (4, 2)), keys)
    other = [3, 4, 5, 0, 1, 2]
    draw(monkeypatch, other)
    states, k = np.asarray(layer(keys[mask], keys_mask=mask, training=True)), keys[mask]
    (loss,) = layer.losses

    def score(state, key):
        x = np.concatenate([state, key]) @ layer.auxiliary_kernel.numpy()
        x = reference.sigmoid(x + layer.auxiliary_bias.numpy())
        (dense,) = layer.auxiliary_mlp.dense_layers
        x = reference.sigmoid(x @ dense.kernel.numpy() + dense.bias.numpy())
        last = layer.auxiliary_score
        return (x @ last.kernel.numpy() + last.bias.numpy())[0]

    # Pairs: positions 0, 1, 2 of the first user, 3 of the second, 4, 5 of the third.
    losses = [
        -math.log(reference.sigmoid(score(states[t], k[t + 1])))
        - math.log(1 - reference.sigmoid(score(states[t], k[other[t]])))
        for t in (0, 1, 4)
    ]
    np.testing.assert_allclose(loss, 0.7 * np.mean(losses), rtol=1e-5)


def test_auxiliary_loss_only_in_training_and_with_a_next_behavior():
    keys, mask = keys_and_mask()
    layer = InterestExtractor(3)
    layer(keys, keys_mask=mask)
    assert layer.losses == []
    layer(keys, keys_mask=np.eye(3, 5) > 0, training=True)
    np.testing.assert_array_equal(layer.losses[-1], 0)
    without = InterestExtractor(3, auxiliary_loss_weight=0)
    without(keys, keys_mask=mask, training=True)
    assert without.losses == []
    assert len(without.weights) == 3


def test_seed_determines_the_negatives():
    keys, mask = keys_and_mask(batch=8, time=20)
    results = []
    for seed in (3, 3, 4):
        layer = randomized(InterestExtractor(3, seed=seed), keys)
        layer(keys, keys_mask=mask, training=True)
        first = float(layer.losses[0])
        layer(keys, keys_mask=mask, training=True)
        results.append((first, float(layer.losses[-1])))
    assert results[0] == results[1] != results[2]
    assert results[0][0] != results[0][1]


def test_layer_learns_to_predict_the_next_behavior():
    """Each behavior determines the next one, so the loss falls far below chance, 2 log 2."""
    keras.utils.set_random_seed(0)
    ids = (np.arange(6) + np.random.default_rng(0).integers(0, 20, (64, 1))) % 20
    keys = np.eye(20, dtype="float32")[ids]
    inputs = keras.Input((None, 20))
    layer = InterestExtractor(16, auxiliary_units=(32,))
    model = keras.Model(inputs, layer(inputs, keys_mask=None))
    model.compile(keras.optimizers.Adam(2e-2), lambda y, states: 0.0 * keras.ops.sum(states))
    first = model.evaluate(keys, keys, verbose=0)
    assert first == 0  # Without the auxiliary loss.
    losses = []
    for _ in range(150):
        model.reset_metrics()  # Older versions of Keras do not reset the mean.
        losses.append(float(model.train_on_batch(keys, keys)))
    assert abs(losses[0] - 2 * math.log(2)) < 0.3
    assert losses[-1] < 0.5 * losses[0]


def test_keras_mask_of_keys_is_used_and_kept():
    ids = np.array([[3, 0, 4], [0, 0, 0]], "int32")
    keys = Embedding(9, 4)(ids)
    layer = InterestExtractor(3, auxiliary_loss_weight=0)
    states = layer(keys)
    np.testing.assert_allclose(states, layer(keys, keys_mask=ids != 0), rtol=1e-6)
    np.testing.assert_array_equal(states[0, 1], np.zeros(3))
    np.testing.assert_array_equal(states._keras_mask, ids != 0)


class MaskOf(keras.layers.Layer):
    """Returns the Keras mask of a tensor, as the next layer reads it."""

    def __init__(self):
        super().__init__()
        self.supports_masking = True

    def call(self, keys, values, keys_mask=None):
        mask = keras.ops.ones_like(keys[..., 0], dtype="bool") if keys_mask is None else keys_mask
        return keras.ops.cast(mask, "float32")

    def compute_mask(self, keys, previous_mask):
        return None

    def compute_output_shape(self, keys_shape, values_shape):
        return keys_shape[:-1]


@pytest.mark.parametrize("of_keys", [None, np.array([[True] * 5] * 3)])
def test_given_mask_is_passed_on(of_keys):
    keys, mask = keys_and_mask()
    assert not mask.all()
    layer, pooling, mask_of = InterestExtractor(3), SequencePooling(), MaskOf()
    expected = pooling(layer(keys, keys_mask=mask), keys_mask=mask)
    keys = tf.constant(keys)
    if of_keys is not None:  # The given mask takes precedence.
        keys._keras_mask = tf.constant(of_keys)
    states = layer(keys, keys_mask=mask)
    np.testing.assert_array_equal(pooling(states), expected)
    np.testing.assert_array_equal(mask_of(states, states), mask)
    assert getattr(layer(tf.boolean_mask(keys, mask), keys_mask=mask), "_keras_mask", None) is None

    inputs = keras.Input((None, 4)), keras.Input((None,), dtype="bool")
    x = inputs[0] if of_keys is None else keras.layers.Masking(99.0)(inputs[0])
    states = layer(x, keys_mask=inputs[1])
    model = keras.Model(inputs, [pooling(states), mask_of(states, states)])
    pooled, read = model.predict_on_batch((np.asarray(keys), mask))
    np.testing.assert_allclose(pooled, expected, rtol=1e-6)
    np.testing.assert_array_equal(read, mask)


def test_mask_of_ragged_behaviors_is_passed_on():
    keys, mask = keys_and_mask()
    ragged = tf.RaggedTensor.from_tensor(keys, lengths=[5, 2, 4])
    layer, pooling = InterestExtractor(3), SequencePooling()
    states = layer(ragged, keys_mask=mask)
    expected = pooling(states, keys_mask=mask)
    np.testing.assert_array_equal(pooling(states), expected)


def test_contract(tmp_path):
    keys, mask = keys_and_mask()
    check_layer(InterestExtractor(3, seed=1), {"keys": keys}, tmp_path, {"keys_mask": mask})


def test_invalid_arguments():
    with pytest.raises(ValueError, match="`units` must be a positive integer"):
        InterestExtractor(0)
    with pytest.raises(
        ValueError, match=r"`auxiliary_loss_weight` must be a number, 0 or more\. Rec"
    ):
        InterestExtractor(3, -0.1)
    with pytest.raises(ValueError, match="`auxiliary_units` must hold at least one layer"):
        InterestExtractor(3, auxiliary_units=())
