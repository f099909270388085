"""Embeddings of bags: poolings, empty bags, sparse gradients."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_din.layers import BagEmbedding, Embedding
from tests.layers.contract import check_layer

TABLE = np.array([[9, 9], [1, -8], [3, 2], [5, -4], [7, 0]], "float32")
# Values 2 and 3; empty; out of vocabulary twice (once by an index out of range) and 4.
BAGS = np.array([[2, 0, 3, 0], [0, 0, 0, 0], [1, 99, 0, 4]], "int32")
POOLED = {
    "mean": [[4, -1], [0, 0], [3, -16 / 3]],
    "sum": [[8, -2], [0, 0], [9, -16]],
    "max": [[5, 2], [0, 0], [7, 0]],
}
every_pooling = pytest.mark.parametrize("pooling", POOLED)


def a_layer(pooling, **words):
    layer = BagEmbedding(5, 2, pooling=pooling, **words)
    layer.build()
    layer.embeddings.assign(TABLE)
    return layer


@every_pooling
def test_pooling_of_small_bags(pooling):
    layer = a_layer(pooling)
    out = layer(BAGS)
    np.testing.assert_allclose(out, POOLED[pooling], rtol=1e-6)
    assert getattr(out, "_keras_mask", None) is None
    np.testing.assert_allclose(layer(BAGS[0]), POOLED[pooling][0], rtol=1e-6)
    np.testing.assert_array_equal(layer(BAGS[:, None, :])[:, 0], out)


def test_max_of_negative_values_is_negative():
    np.testing.assert_array_equal(a_layer("max")(np.array([[1, 3, 0]]))[0], [5, -4])
    np.testing.assert_array_equal(a_layer("max")(np.array([[1, 0, 0]]))[0], [1, -8])


@every_pooling
def test_padding_changes_nothing(pooling):
    layer = a_layer(pooling)
    for where in ((3, 0), (0, 2), (1, 1)):
        padded = np.pad(BAGS, ((0, 0), where))
        np.testing.assert_array_equal(layer(padded), layer(BAGS))


@every_pooling
@pytest.mark.parametrize("shape", [(3, 0), (0, 3), (2, 0, 3), (2, 3, 0), (0, 0)])
def test_empty_axes(pooling, shape):
    layer = a_layer(pooling)
    signature = tf.TensorSpec([None] * len(shape), tf.int32)
    for call in (layer, tf.function(layer, input_signature=[signature])):
        out = call(tf.zeros(shape, tf.int32))
        np.testing.assert_array_equal(out, np.zeros((*shape[:-1], 2)))


@pytest.mark.parametrize(
    "pooling, expected",
    [
        # Gradient of sum(output): index 2 occurs once, 3 once, 1 twice, 4 once.
        ("sum", [[0, 0], [2, 2], [1, 1], [1, 1], [1, 1]]),
        ("mean", [[0, 0], [2 / 3, 2 / 3], [1 / 2, 1 / 2], [1 / 2, 1 / 2], [1 / 3, 1 / 3]]),
        # The maxima are 5 (index 3), 2 (index 2), and 7 and 0 (index 4).
        ("max", [[0, 0], [0, 0], [0, 1], [1, 0], [1, 1]]),
    ],
)
def test_gradients_are_sparse_and_shared_by_values(pooling, expected):
    layer = a_layer(pooling)

    @tf.function
    def gradient(bags):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(bags))
        found = tape.gradient(loss, layer.embeddings.value)
        assert isinstance(found, tf.IndexedSlices)
        return found.indices, tf.convert_to_tensor(found)

    rows, dense = gradient(tf.constant(BAGS))
    np.testing.assert_allclose(dense, expected, rtol=1e-6)
    np.testing.assert_array_equal(np.sort(rows), [1, 1, 2, 3, 4])  # No row for padding.


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_long_bags_in_half_precision(dtype):
    layer = a_layer("mean", dtype=dtype)
    out = layer(np.repeat([[3], [4]], 5000, axis=1))
    np.testing.assert_array_equal(keras.ops.cast(out, "float32"), TABLE[[3, 4]])


@every_pooling
def test_only_real_values_are_looked_up(pooling):
    bags, values = 7, 211  # Sizes that are unique in the graph.
    layer = a_layer(pooling)
    graph = tf.function(layer).get_concrete_function(tf.TensorSpec((bags, values), tf.int32)).graph
    shapes = [
        tensor.shape
        for operation in graph.get_operations()
        for tensor in operation.outputs
        if tensor.dtype.is_floating
    ]
    assert shapes
    assert not [s for s in shapes if s.rank and (values in s or bags * values in s)]
    kinds = {operation.type for operation in graph.get_operations()}
    assert "ResourceGather" in kinds
    assert "ReadVariableOp" not in kinds


@every_pooling
def test_contract(pooling, tmp_path):
    layer = BagEmbedding(5, 2, pooling=pooling, feature="tags")
    check_layer(layer, {"indices": BAGS}, tmp_path)
    assert layer.get_config()["pooling"] == pooling
    assert isinstance(layer, Embedding)
    assert layer.embeddings.feature == "tags"


def test_invalid_arguments():
    with pytest.raises(ValueError, match=r"`pooling` must be one of 'mean', 'sum', 'max'\. .*'x'"):
        BagEmbedding(5, 2, pooling="x")
    with pytest.raises(ValueError, match="`dim` must be a positive integer"):
        BagEmbedding(5, 0)
    assert keras.saving.serialize_keras_object(BagEmbedding(5, 2))


WEIGHTS = np.array([[2, 9, 6, np.nan], [5, 5, 5, 5], [1, 0.5, np.inf, 3]], "float32")
WEIGHTED = {"mean": [4.5, -2.5], "sum": [36, -20]}  # Of the first bag.
weighted_pooling = pytest.mark.parametrize("pooling", ["mean", "sum"])


@weighted_pooling
def test_layer_contract_with_weights(pooling, tmp_path):
    check_layer(a_layer(pooling), {"indices": BAGS, "weights": WEIGHTS}, tmp_path)


@weighted_pooling
def test_padding_and_its_weights_change_nothing(pooling):
    layer = a_layer(pooling)
    for where in ((3, 0), (0, 2), (1, 1)):
        padded = np.pad(BAGS, ((0, 0), where))
        for weight in (0, 7, np.nan, -np.inf):
            weights = np.pad(WEIGHTS, ((0, 0), where), constant_values=weight)
            np.testing.assert_array_equal(layer(padded, weights), layer(BAGS, WEIGHTS))


@weighted_pooling
@pytest.mark.parametrize("shape", [(3, 0), (0, 3), (2, 0, 3), (2, 3, 0)])
def test_empty_axes_with_weights(pooling, shape):
    out = a_layer(pooling)(tf.zeros(shape, tf.int32), tf.zeros(shape))
    np.testing.assert_array_equal(out, np.zeros((*shape[:-1], 2)))


@weighted_pooling
def test_ragged_bags_and_weights(pooling):
    bags, weights = tf.ragged.constant([[2, 3], [], [4]]), tf.ragged.constant([[2.0, 6], [], [1]])
    expected = [WEIGHTED[pooling], [0, 0], TABLE[4]]
    np.testing.assert_allclose(a_layer(pooling)(bags, weights), expected)


@weighted_pooling
def test_gradient_of_weighted_rows_is_sparse_and_equals_formula_and_differences(pooling):
    layer = a_layer(pooling)
    factors = np.random.default_rng(0).normal(size=(3, 2)).astype("float32")

    def loss():
        return tf.reduce_sum(factors * layer(BAGS, WEIGHTS, training=True))

    with tf.GradientTape() as tape:
        value = loss()
    gradient = tape.gradient(value, layer.embeddings.value)
    assert isinstance(gradient, tf.IndexedSlices)
    assert sorted(gradient.indices.numpy().tolist()) == [1, 1, 2, 3, 4]  # No padding.
    dense = tf.convert_to_tensor(gradient).numpy()
    weights = np.where(BAGS != 0, WEIGHTS, 0).astype("float64")
    if pooling == "mean":
        weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1)
    by_formula, rows = np.zeros((5, 2)), np.where(BAGS < 5, BAGS, 1)
    for row, value in np.ndindex(*BAGS.shape):
        by_formula[rows[row, value]] += weights[row, value] * factors[row]
    np.testing.assert_allclose(dense, by_formula, rtol=1e-5, atol=1e-6)
    for row, unit in np.ndindex(5, 2):
        changed = TABLE.copy()
        values = []
        for step in (0.5, -0.5):
            changed[row, unit] = TABLE[row, unit] + step
            layer.embeddings.assign(changed)
            values.append(float(loss()))
        np.testing.assert_allclose(values[0] - values[1], dense[row, unit], atol=1e-4)
