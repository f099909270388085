"""Attention of each row to its positions and to itself."""

import numpy as np
import pytest
import tensorflow as tf

from keras_din.ops import packed, position_pairs, row_attention
from keras_din.trace_context import tracing

FORMS = pytest.mark.parametrize("form", ["static", "native"])


def arrays(seed=0, batch=3, candidates=2, time=4, num_heads=2, units=3):
    rng = np.random.default_rng(seed)
    mask = rng.random((batch, time)) < 0.6
    mask[1] = False
    own = [
        rng.normal(size=(batch, candidates, num_heads, units)).astype("float32") for _ in range(3)
    ]
    padded = [
        rng.normal(size=(batch, time, 1, num_heads, units)).astype("float32") for _ in range(2)
    ]
    return mask, own, padded


def attend(form, mask, own, padded):
    queries, own_key, own_value = own
    with tracing(form=form):
        keys, values = (packed.pack(x, mask) for x in padded)
        return row_attention(queries, keys, values, own_key, own_value, packed.row_ids(mask))


def test_attention_weights_of_one_head():
    # One head of one unit. The query of row 0 is 1: its scores are ln 2 and ln 5, and 0 for its own
    # key. Row 1 has no position: its output is its own value.
    queries = np.array([1.0, 3.0]).reshape(2, 1, 1, 1)
    keys = np.log([2.0, 5.0]).reshape(2, 1, 1, 1)
    values = np.array([10.0, 20.0]).reshape(2, 1, 1, 1)
    own_key, own_value = np.array([[0.0, -400.0], [40.0, 7.0]]).reshape(2, 2, 1, 1, 1)
    arrays = [x.astype("float32") for x in (queries, keys, values, own_key, own_value)]
    out = row_attention(*arrays, np.array([0, 0]))
    expected = (2 * 10 + 5 * 20 + 1 * 40) / (2 + 5 + 1)
    np.testing.assert_allclose(np.ravel(out), [expected, 7], rtol=1e-6)


@FORMS
def test_row_attention_matches_numpy(form):
    mask, own, padded = arrays()
    out = np.asarray(attend(form, mask, own, padded))
    queries, own_key, own_value = own
    for b, c, h in np.ndindex(out.shape[:3]):
        keys, values = (x[b, mask[b], 0, h] for x in padded)
        keys, values = np.vstack([keys, own_key[b, c, h]]), np.vstack([values, own_value[b, c, h]])
        weights = np.exp(keys @ queries[b, c, h] / np.sqrt(3))
        expected = weights @ values / weights.sum()
        np.testing.assert_allclose(out[b, c, h], expected, rtol=1e-4, atol=1e-5)


@FORMS
@pytest.mark.parametrize("scale", [-1e4, 1e4])
def test_extreme_scores_and_their_gradients_are_finite(form, scale):
    mask, own, padded = arrays()
    own[1] = own[1] * scale
    variables = [tf.constant(x) for x in (*own, *padded)]
    with tf.GradientTape() as tape:
        tape.watch(variables)
        out = attend(form, mask, variables[:3], variables[3:])
    assert np.isfinite(out).all()
    for gradient in tape.gradient(out, variables):
        assert np.isfinite(tf.convert_to_tensor(gradient)).all()


@FORMS
def test_position_pairs_of_a_small_batch(form):
    mask = np.array([[False, True], [False, False], [True, True]])
    with tracing(form=form):
        query_index, key_index = (np.asarray(x) for x in position_pairs(mask))
    positions = 6 if form == "static" else 3
    real = query_index < positions
    names = np.flatnonzero(mask) if form == "static" else np.arange(3)
    a, b, c = names
    pairs = list(zip(query_index[real], key_index[real], strict=True))
    assert pairs == [(a, a), (b, b), (b, c), (c, b), (c, c)]
