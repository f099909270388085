"""The transformer over behaviors and candidate against a NumPy model of its equations."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_din.layers import BehaviorTransformer, Embedding
from keras_din.trace_context import tracing
from tests.layers.contract import check_layer
from tests.reference import behavior_transformer


def inputs(seed, batch=3, candidates=2, time=5, dim=4, side_features=0):
    rng = np.random.default_rng(seed)
    query = rng.normal(size=(batch, candidates, dim)).astype("float32")
    keys = rng.normal(size=(batch, time, dim + side_features)).astype("float32")
    mask = rng.random((batch, time)) < 0.6
    return query, keys, mask


def randomized(layer, seed=1):
    rng = np.random.default_rng(seed)
    for weight in layer.weights:
        weight.assign(rng.normal(size=weight.shape).astype("float32"))
    return layer


def expected(layer, query, keys, mask):
    out = np.zeros((*query.shape[:2], keys.shape[-1]))
    for b, c in np.ndindex(query.shape[:2]):
        out[b, c] = behavior_transformer(layer, query[b, c], keys[b][mask[b]])
    return out


@settings(max_examples=6, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    batch=st.integers(1, 4),
    candidates=st.integers(1, 3),
    time=st.integers(0, 6),
    side_features=st.integers(0, 2),
    num_heads=st.integers(1, 3),
    num_blocks=st.integers(1, 3),
    max_positions=st.sampled_from([0, 2, 9]),
)
def test_layer_matches_numpy(
    seed, batch, candidates, time, side_features, num_heads, num_blocks, max_positions
):
    query, keys, mask = inputs(seed, batch, candidates, time, 3, side_features)
    layer = BehaviorTransformer(num_heads, num_blocks, max_positions)
    layer.build(query.shape, keys.shape)
    randomized(layer, seed)
    close = {"rtol": 1e-3, "atol": 1e-3}
    right = expected(layer, query, keys, mask)
    np.testing.assert_allclose(layer(query, keys, keys_mask=mask), right, **close)
    np.testing.assert_allclose(layer(query, keys[mask], keys_mask=mask), right, **close)
    with tracing(form="static"):
        np.testing.assert_allclose(layer(query, keys, keys_mask=mask), right, **close)


def test_attention_of_one_head_without_positions():
    # Zero queries give the mean of all values. Values and output projection are the identity, and
    # FFN is 0.
    layer = BehaviorTransformer(num_heads=2, max_positions=0)
    query = np.array([[[1.0, 0.0, 4.0]]], "float32")
    keys = np.array([[[9.0, 9.0, 9.0], [3.0, 2.0, 2.0], [2.0, 1.0, 3.0]]], "float32")
    mask = np.array([[False, True, True]])
    layer.build(query.shape, keys.shape)
    (block,) = layer.transformer_blocks
    for dense in (block.query, block.second):
        dense.kernel.assign(np.zeros(dense.kernel.shape))
    for dense in (block.value, block.joined):  # Two heads of two units for a width of three.
        dense.kernel.assign(np.eye(*dense.kernel.shape))
    # (1, 0, 4) + mean((3, 2, 2), (2, 1, 3), (1, 0, 4)) = (3, 1, 7); its mean is 11 / 3 and its
    # variance 56 / 9. The second norm changes little: its input has variance 1 already.
    right = (np.array([3.0, 1.0, 7.0]) - 11 / 3) / np.sqrt(56 / 9)
    np.testing.assert_allclose(layer(query, keys, keys_mask=mask)[0, 0], right, atol=1e-4)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("num_blocks", [1, 3])
def test_padding_changes_nothing(training, num_blocks):
    query, keys, mask = inputs(0)
    garbage = np.full((3, 7, 4), 1e3, "float32")
    candidates = np.concatenate([query, garbage[:, :2]], axis=1)
    layer = BehaviorTransformer(2, num_blocks, 3)
    layer.build(query.shape, keys.shape)
    randomized(layer)
    plain = layer(query, keys, keys_mask=mask, training=training)
    for order in (1, -1):
        parts = [keys, garbage][::order]
        masks = [mask, np.zeros((3, 7), bool)][::order]
        padded = layer(
            candidates,
            np.concatenate(parts, axis=1),
            keys_mask=np.concatenate(masks, axis=1),
            training=training,
        )
        np.testing.assert_allclose(plain, padded[:, :2], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("num_blocks", [1, 2])
def test_gradients_of_packed_and_static_form_agree(num_blocks):
    query, keys, mask = inputs(3)
    mask[1] = False
    layer = BehaviorTransformer(2, num_blocks, 3)
    layer.build(query.shape, keys.shape)
    randomized(layer)
    q, k = tf.constant(query), tf.constant(keys)
    results = []
    for form in ("native", "static"):
        with tracing(form=form), tf.GradientTape() as tape:
            tape.watch([q, k])
            loss = tf.reduce_sum(layer(q, k, keys_mask=mask, training=True) ** 3)
        variables = [q, k, *(v.value for v in layer.trainable_variables)]
        gradients = tape.gradient(loss, variables)
        results.append([np.asarray(tf.convert_to_tensor(g)) for g in gradients])
    for packed_one, padded_one in zip(*results, strict=True):
        assert np.isfinite(packed_one).all()
        np.testing.assert_allclose(packed_one, padded_one, rtol=1e-2, atol=1e-3)


def test_empty_history_attends_only_to_the_candidate():
    query, keys, mask = inputs(0)
    layer = BehaviorTransformer(2, 2, 3)
    layer.build(query.shape, keys.shape)
    randomized(layer)
    out = layer(query, keys, keys_mask=np.zeros_like(mask))
    none = layer(query, keys[:, :0], keys_mask=mask[:, :0])
    np.testing.assert_allclose(out, none, rtol=1e-5)
    np.testing.assert_allclose(out, expected(layer, query, keys, mask & False), rtol=1e-3)


def test_order_matters_only_with_positions():
    query, keys, mask = inputs(0)
    mask[:] = True
    for max_positions, same in ((0, True), (1, True), (4, False)):
        layer = BehaviorTransformer(2, 1, max_positions)
        layer.build(query.shape, keys.shape)
        randomized(layer)
        there = layer(query, keys, keys_mask=mask)
        back = layer(query, keys[:, ::-1], keys_mask=mask)
        assert np.allclose(there, back, atol=1e-4) == same


def test_dropout_acts_in_training_only():
    query, keys, mask = inputs(0)
    layer = BehaviorTransformer(2, dropout=0.5)
    plain = layer(query, keys, keys_mask=mask)
    np.testing.assert_array_equal(layer(query, keys, keys_mask=mask), plain)
    assert not np.allclose(layer(query, keys, keys_mask=mask, training=True), plain)


def test_keras_mask_of_keys_is_used():
    embedding = Embedding(9, 4)
    layer = BehaviorTransformer(2)
    ids = np.array([[3, 0, 4], [0, 0, 0]], "int32")
    query, keys = embedding(np.array([2, 5], "int32")), embedding(ids)
    np.testing.assert_allclose(
        layer(query, keys), layer(query, keys, keys_mask=ids != 0), rtol=1e-6
    )


@pytest.mark.parametrize("options", [{}, {"num_blocks": 2, "max_positions": 0}])
def test_contract(tmp_path, options):
    query, keys, mask = inputs(0, side_features=1)
    masks = {"keys_mask": mask}
    layer = BehaviorTransformer(2, **options)
    check_layer(layer, {"query": query, "keys": keys}, tmp_path, masks)
    one = BehaviorTransformer(2, **options)
    check_layer(one, {"query": query[:, 0], "keys": keys}, tmp_path, masks)


def test_invalid_arguments():
    with pytest.raises(ValueError, match="`num_heads` must be a positive integer"):
        BehaviorTransformer(0)
    with pytest.raises(ValueError, match="`num_blocks` must be a positive integer"):
        BehaviorTransformer(num_blocks=0)
    with pytest.raises(ValueError, match="`max_positions` must be a non-negative integer"):
        BehaviorTransformer(max_positions=-1)
    with pytest.raises(ValueError, match=r"`dropout` must be a number in \[0, 1\)"):
        BehaviorTransformer(dropout=1.0)
    query, keys, _ = inputs(0)
    with pytest.raises(ValueError, match="`keys` must be at least as wide as `query`"):
        BehaviorTransformer()(query, keys[..., :2])
