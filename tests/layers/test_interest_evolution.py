"""The interest evolution against its equations in NumPy."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_din.layers import InterestEvolution
from keras_din.layers.interest_evolution import GRU_TYPES
from tests.layers.contract import check_layer
from tests.layers.gru_by_hand import expected


def inputs(seed, batch=3, candidates=2, time=5, dim=3, key_dim=4):
    rng = np.random.default_rng(seed)
    query = rng.normal(size=(batch, candidates, dim)).astype("float32")
    keys = rng.normal(size=(batch, time, key_dim)).astype("float32")
    return query, keys, rng.random((batch, time)) < 0.6


def randomized(layer, query, keys, seed=1):
    layer.build(query.shape, keys.shape)
    rng = np.random.default_rng(seed)
    for weight in layer.weights:
        weight.assign(rng.normal(size=weight.shape))
    return layer


@pytest.mark.parametrize("gru_type", GRU_TYPES)
def test_last_state_of_one_unit(gru_type):
    # Scores h q = log 3 and 0: attention 3/4 and 1/4.
    layer = InterestEvolution(1, gru_type)
    query, keys = np.array([[1.0]], "float32"), np.array([[[math.log(3)], [0.0]]], "float32")
    layer.build(query.shape, keys.shape)
    gates = 2 if gru_type == "AGRU" else 3
    # u = sigmoid(1 h), r = sigmoid(2 h) and h~ = tanh(3 h + r * s + 0.5).
    layer.attention_kernel.assign([[1.0]])
    layer.kernel.assign([[1.0, 2.0, 3.0][-gates:]])
    layer.recurrent_kernel.assign([[0.0, 0.0, 1.0][-gates:]])
    layer.bias.assign([0.0, 0.0, 0.5][-gates:])
    sigmoid = lambda x: 1 / (1 + math.exp(-x))  # noqa: E731
    state = 0.0
    for h, a in ((math.log(3), 0.75), (0.0, 0.25)):
        i = a * h if gru_type == "AIGRU" else h
        new = math.tanh(3 * i + sigmoid(2 * i) * state + 0.5)
        update = {"AIGRU": sigmoid(i), "AGRU": a, "AUGRU": a * sigmoid(i)}[gru_type]
        state = (1 - update) * state + update * new
    np.testing.assert_allclose(layer(query, keys), [[state]], rtol=1e-5)


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    batch=st.integers(1, 4),
    candidates=st.integers(1, 3),
    time=st.integers(0, 5),
    gru_type=st.sampled_from(GRU_TYPES),
)
def test_layer_matches_numpy(seed, batch, candidates, time, gru_type):
    query, keys, mask = inputs(seed, batch, candidates, time)
    layer = randomized(InterestEvolution(2, gru_type), query, keys, seed)
    out = expected(layer, query, keys, mask)
    close = {"rtol": 1e-4, "atol": 1e-5}
    np.testing.assert_allclose(layer(query, keys, keys_mask=mask), out, **close)
    np.testing.assert_allclose(layer(query, keys[mask], keys_mask=mask), out, **close)
    one = layer(query[:, 0], keys, keys_mask=mask)
    np.testing.assert_allclose(one, out[:, 0], **close)


def test_irrelevant_interest_keeps_the_state():
    """As in the paper, attention 0 keeps the state. The authors' code would change it."""
    query, keys, _ = inputs(0, batch=1, candidates=1, time=2)
    layer = randomized(InterestEvolution(2), query, keys)
    layer.attention_kernel.assign(np.ones((4, 3)) * 1e3)
    query[:], keys[0, 0], keys[0, 1] = 1, abs(keys[0, 0]), -abs(keys[0, 1])
    both = layer(query, keys)
    np.testing.assert_allclose(both, layer(query, keys[:, :1]), rtol=1e-6)


@pytest.mark.parametrize("gru_type", GRU_TYPES)
def test_padding_changes_nothing(gru_type):
    query, keys, mask = inputs(0)
    layer = randomized(InterestEvolution(2, gru_type), query, keys)
    plain = layer(query, keys, keys_mask=mask)
    garbage, none = np.full((3, 4, 4), 1e3, "float32"), np.zeros((3, 4), bool)
    for parts in ((0, 1), (1, 0)):
        padded = np.concatenate([(keys, garbage)[i] for i in parts], axis=1)
        masks = np.concatenate([(mask, none)[i] for i in parts], axis=1)
        np.testing.assert_allclose(layer(query, padded, keys_mask=masks), plain, rtol=1e-5)


@pytest.mark.parametrize("gru_type", GRU_TYPES)
def test_contract(tmp_path, gru_type):
    query, keys, mask = inputs(0)
    layer = InterestEvolution(2, gru_type)
    check_layer(layer, {"query": query, "keys": keys}, tmp_path, {"keys_mask": mask})


def test_invalid_arguments():
    with pytest.raises(ValueError, match="`gru_type` must be one of 'AIGRU', 'AGRU', 'AUGRU'"):
        InterestEvolution(2, "GRU")
    with pytest.raises(ValueError, match="`units` must be a positive integer"):
        InterestEvolution(-1)
