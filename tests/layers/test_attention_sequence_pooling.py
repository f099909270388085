"""Attention pooling against a NumPy model of its equation."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_din.layers import AttentionSequencePoolingLayer, Embedding
from keras_din.ops.packed import tensorflow as packed_tensorflow
from tests import reference
from tests.layers.contract import check_layer


def inputs(seed, batch=3, candidates=2, time=5, dim=4, side_features=0):
    rng = np.random.default_rng(seed)
    query = rng.normal(size=(batch, candidates, dim)).astype("float32")
    keys = rng.normal(size=(batch, time, dim + side_features)).astype("float32")
    mask = rng.random((batch, time)) < 0.6
    return query, keys, mask


def randomized(layer, seed=1):
    rng = np.random.default_rng(seed)
    for weight in layer.weights:
        new = rng.normal(size=weight.shape).astype("float32")
        weight.assign(np.abs(new) + 0.1 if "variance" in weight.path else new)
    return layer


def expected(layer, query, keys, mask):
    """Computes the layer's output and weights in NumPy, with the layer's variables."""
    hidden = [(layer.kernel, layer.bias)]
    hidden += [(dense.kernel, dense.bias) for dense in layer.mlp.dense_layers]
    hidden = [(kernel.numpy(), bias.numpy()) for kernel, bias in hidden]
    last = (layer.score.kernel.numpy(), layer.score.bias.numpy())
    if layer.activation == "dice":
        functions = [
            lambda s, d=d: reference.dice(
                s, d.alpha.numpy(), d.moving_mean.numpy(), d.moving_variance.numpy()
            )
            for d in [layer.first_activation, *layer.mlp.activations]
        ]
    else:
        functions = [reference.sigmoid] * len(hidden)
    pairs = [
        [
            reference.attention_pooling(
                q, keys[b], mask[b], hidden, last, functions, layer.weight_normalization
            )
            for q in query[b]
        ]
        for b in range(len(query))
    ]
    return np.array([[p[0] for p in row] for row in pairs]), np.array(
        [[p[1] for p in row] for row in pairs]
    )


def test_sum_is_weighted_by_scores():
    # One hidden unit without bias: s = relu(q + 2 k + 3 (q - k) + 4 q k), w = 2 s.
    layer = AttentionSequencePoolingLayer((1,), "relu", weight_normalization=False)
    query, keys = np.array([[1.0]], "float32"), np.array([[[2.0], [-1.0], [9.0]]], "float32")
    layer(query, keys)
    layer.kernel.assign([[1.0], [2.0], [3.0], [4.0]])
    layer.score.kernel.assign([[2.0]])
    # k = 2: 1 + 4 - 3 + 8 = 10, w = 20; k = -1: 1 - 2 + 6 - 4 = 1, w = 2; k = 9 is padding.
    out = layer(query, keys, keys_mask=np.array([[True, True, False]]))
    np.testing.assert_allclose(out, [[20 * 2 + 2 * -1]], rtol=1e-6)
    weights = layer.attention_weights(query, keys, np.array([[True, True, False]]))
    np.testing.assert_allclose(weights, [[20, 2, 0]], rtol=1e-6)


@settings(max_examples=10, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    batch=st.integers(1, 4),
    candidates=st.integers(1, 3),
    time=st.integers(0, 6),
    side_features=st.integers(0, 2),
    activation=st.sampled_from(["dice", "sigmoid"]),
    softmax=st.booleans(),
)
def test_layer_matches_numpy(seed, batch, candidates, time, side_features, activation, softmax):
    query, keys, mask = inputs(seed, batch, candidates, time, 3, side_features)
    layer = AttentionSequencePoolingLayer((4, 3), activation, softmax)
    layer.build(query.shape, keys.shape)
    randomized(layer, seed)
    interest, weights = expected(layer, query, keys, mask)
    close = {"rtol": 1e-4, "atol": 1e-4}
    np.testing.assert_allclose(layer(query, keys, keys_mask=mask), interest, **close)
    np.testing.assert_allclose(layer.attention_weights(query, keys, mask), weights, **close)
    packed = layer(query, keys[mask], keys_mask=mask)
    np.testing.assert_allclose(packed, interest, **close)
    np.testing.assert_allclose(layer.attention_weights(query, keys[mask], mask), weights, **close)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("activation", ["dice", "prelu"])
@pytest.mark.parametrize("softmax", [False, True])
def test_padding_changes_nothing(training, activation, softmax):
    query, keys, mask = inputs(0)
    garbage = np.full((3, 7, 4), 1e3, "float32")
    candidates = np.concatenate([query, garbage[:, :2]], axis=1)
    real = np.array([[True, True, False, False]] * 3)
    layers = [AttentionSequencePoolingLayer((4, 3), activation, softmax) for _ in range(2)]
    for layer in layers:
        layer.build(query.shape, keys.shape)
        randomized(layer)
    plain = layers[0](query, keys, keys_mask=mask, training=training)
    for side_features in "front", "back":
        parts, masks = [keys, garbage], [mask, np.zeros((3, 7), bool)]
        if side_features == "front":
            parts, masks = parts[::-1], masks[::-1]
        padded = layers[1](
            candidates,
            np.concatenate(parts, axis=1),
            keys_mask=np.concatenate(masks, axis=1),
            query_mask=real,
            training=training,
        )
        np.testing.assert_allclose(plain, padded[:, :2], rtol=1e-4, atol=1e-4)


def test_empty_history_gives_zeros_and_no_nan_in_gradients():
    query, keys, mask = inputs(0)
    mask[1] = False
    for softmax in (False, True):
        layer = AttentionSequencePoolingLayer((4, 3), "dice", softmax)
        query_t, keys_t = tf.constant(query), tf.constant(keys)
        with tf.GradientTape() as tape:
            tape.watch([query_t, keys_t])
            out = layer(query_t, keys_t, keys_mask=mask, training=True)
        np.testing.assert_array_equal(out[1], np.zeros((2, 4)))
        for gradient in tape.gradient(out, [query_t, keys_t, *layer.trainable_variables]):
            assert np.isfinite(tf.convert_to_tensor(gradient)).all()
        nothing = layer(query, keys, keys_mask=np.zeros_like(mask), training=True)
        np.testing.assert_array_equal(nothing, np.zeros((3, 2, 4)))


def test_gradients_of_split_kernel_match_concatenation():
    query, keys, mask = inputs(3, candidates=1)
    layer = randomized_layer = AttentionSequencePoolingLayer((4,), "sigmoid", False)
    layer.build(query.shape, keys.shape)
    randomized(randomized_layer)
    q, k = tf.constant(query), tf.constant(keys)

    def plain():
        tiled = tf.broadcast_to(q, k.shape)
        x = tf.concat([tiled, k, tiled - k, tiled * k], -1)
        x = tf.sigmoid(x @ layer.kernel.value + layer.bias.value)
        w = x @ layer.score.kernel.value + layer.score.bias.value
        return tf.reduce_sum(tf.where(mask[..., None], w * k, 0.0), 1, keepdims=True)

    results = []
    for form in (plain, lambda: layer(q, k, keys_mask=mask)):
        with tf.GradientTape() as tape:
            tape.watch([q, k])
            loss = tf.reduce_sum(form() ** 2)
        variables = [q, k, *(v.value for v in layer.trainable_variables)]
        results.append([loss, *tape.gradient(loss, variables)])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3)


def test_gradients_with_side_features_have_no_slow_operation():
    query, keys, mask = inputs(3, side_features=2)
    layer = AttentionSequencePoolingLayer((4,), "relu")

    @tf.function
    def gradients(query, keys):
        with tf.GradientTape() as tape:
            tape.watch(keys)
            loss = tf.reduce_sum(layer(query, keys, keys_mask=mask, training=True))
        return tape.gradient(loss, keys)

    graph = gradients.get_concrete_function(tf.constant(query), tf.constant(keys)).graph
    found = [
        operation
        for operation in graph.get_operations()
        if operation.type == "StridedSliceGrad" and operation.outputs[0].dtype.is_floating
    ]
    assert not found


def test_weights_sum_to_one_with_normalization():
    query, keys, mask = inputs(0)
    mask[:, 0] = True
    layer = AttentionSequencePoolingLayer((4,), "dice", weight_normalization=True)
    weights = layer.attention_weights(query, keys, mask)
    np.testing.assert_allclose(np.sum(weights, -1), np.ones((3, 2)), rtol=1e-5)


@pytest.mark.parametrize("dtype, resolution", [("bfloat16", 2**-8), ("float16", 2**-11)])
@pytest.mark.parametrize("weight_normalization", [True, "scaled"])
def test_long_histories_in_half_precision(weight_normalization, dtype, resolution):
    layer = AttentionSequencePoolingLayer(
        (4,), "sigmoid", weight_normalization, dtype=f"mixed_{dtype}"
    )
    query, keys, _ = inputs(0, batch=1, candidates=1, time=1)
    query, keys = (keras.ops.cast(x, dtype) for x in (query, np.repeat(keys, 1000, axis=1)))
    weights = keras.ops.cast(layer.attention_weights(query, keys), "float32")
    np.testing.assert_allclose(weights, np.full((1, 1, 1000), 1 / 1000), rtol=resolution)
    np.testing.assert_allclose(np.sum(weights), 1, rtol=resolution)
    # All pairs at once and, with many candidates, row by row.
    for candidates in (1, 3):
        out = layer(keras.ops.repeat(query, candidates, axis=1), keys)
        expected = np.repeat(keras.ops.cast(keys[:, :1], "float32"), candidates, axis=1)
        np.testing.assert_allclose(keras.ops.cast(out, "float32"), expected, rtol=2 * resolution)


def test_keras_mask_of_keys_is_used():
    embedding = Embedding(9, 4)
    layer = AttentionSequencePoolingLayer((4,), "dice")
    ids = np.array([[3, 0, 4], [0, 0, 0]], "int32")
    query, keys = embedding(np.array([2, 5], "int32")), embedding(ids)
    np.testing.assert_allclose(
        layer(query, keys), layer(query, keys, keys_mask=ids != 0), rtol=1e-6
    )


@pytest.mark.parametrize("activation", ["dice", "prelu"])
def test_contract(tmp_path, activation):
    query, keys, mask = inputs(0)
    layer = AttentionSequencePoolingLayer((4, 3), activation)
    check_layer(layer, {"query": query, "keys": keys}, tmp_path, {"keys_mask": mask})
    one = AttentionSequencePoolingLayer((4, 3), activation)
    check_layer(one, {"query": query[:, 0], "keys": keys}, tmp_path, {"keys_mask": mask})


def test_invalid_arguments():
    with pytest.raises(ValueError, match="`units` must hold at least one layer"):
        AttentionSequencePoolingLayer(())
    layer = AttentionSequencePoolingLayer((4,))
    query, keys, mask = inputs(0)
    with pytest.raises(ValueError, match="`keys` must be at least as wide as `query`"):
        layer(query, keys[..., :2])
    with pytest.raises(ValueError, match=r"`keys_mask` of shape .* must be given with packed"):
        layer(query, keys[mask])
    with pytest.raises(ValueError, match="`keys` must have the shape"):
        layer(query, keys[..., None])


def test_call_has_no_flag_for_returned_values():
    query, keys, mask = inputs(0)
    out = AttentionSequencePoolingLayer((4,))(query, keys, keys_mask=mask)
    assert keras.ops.is_tensor(out)


@pytest.mark.parametrize(
    ("side_features", "weight_normalization", "activation"),
    [(0, True, "sigmoid"), (3, True, "dice"), (0, False, "dice"), (3, "scaled", "sigmoid")],
)
def test_many_candidates_are_computed_row_by_row(
    monkeypatch, side_features, weight_normalization, activation
):
    layer = AttentionSequencePoolingLayer((5, 3), activation, weight_normalization)
    query, keys, mask = inputs(3, batch=4, candidates=6, side_features=side_features)
    mask[1] = False
    layer(query, keys, keys_mask=mask)
    randomized(layer)
    of_pairs = layer(query, keys, keys_mask=mask)
    assert not np.asarray(of_pairs)[1].any()

    taken = []
    of_row = layer._attend_row
    monkeypatch.setattr(layer, "_attend_row", lambda *row: taken.append(row) or of_row(*row))
    assert mask.sum() * 6 <= 4 * packed_tensorflow.MIN_PAIRS_PER_ROW
    layer(query, keys, keys_mask=mask)
    assert not taken
    monkeypatch.setattr(packed_tensorflow, "MIN_PAIRS_PER_ROW", mask.sum() * 6 / 4 - 0.25)
    of_rows = layer(query, keys, keys_mask=mask)
    assert len(taken) == 4
    np.testing.assert_allclose(of_rows, of_pairs, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(tf.function(layer)(query, keys, keys_mask=mask), of_pairs, rtol=1e-4)
    layer(query, keys, keys_mask=mask, training=True)
    assert len(taken) == 5  # The fifth call is the tracing. Training computes all pairs at once.


def test_many_pairs_of_a_row_take_several_iterations(monkeypatch):
    layer = AttentionSequencePoolingLayer((5, 3), "sigmoid")
    query, keys, mask = inputs(3, batch=4, candidates=7)
    mask[:, :2] = True  # Keras warns about a softmax over one entry.
    mask[1] = False
    layer(query, keys, keys_mask=mask)
    randomized(layer)
    of_pairs = layer(query, keys, keys_mask=mask)
    taken = []
    of_row = layer._attend_row
    monkeypatch.setattr(
        layer, "_attend_row", lambda w, q, k: taken.append(len(q)) or of_row(w, q, k)
    )
    monkeypatch.setattr(packed_tensorflow, "MIN_PAIRS_PER_ROW", 0)
    # Iterations with three candidates, the last with one; then one candidate per iteration.
    for pairs, sizes in ((mask.sum() // 4 * 3, [3, 3, 1]), (1, [1] * 7)):
        monkeypatch.setattr(packed_tensorflow, "PAIRS_PER_ITERATION", pairs)
        of_turns = layer(query, keys, keys_mask=mask)
        assert taken == sizes * 4
        np.testing.assert_allclose(of_turns, of_pairs, rtol=1e-4, atol=1e-5)
        taken.clear()
