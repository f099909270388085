"""Bags of a shared table: packed, looked up, pooled, with the numbers of `BagEmbedding`."""

import keras
import numpy as np
import pytest

from keras_din.layers import BagEmbedding, BagPooling, Embedding, PackBag

TABLE = np.array([[9, 9], [1, -8], [3, 2], [5, -4], [7, 0]], "float32")
BAGS = np.array([[[2, 0, 3, 0], [0, 0, 0, 0]], [[1, 99, 0, 4], [4, 4, 4, 4]]], "int32")


@pytest.mark.parametrize("pooling", ["mean", "sum", "max"])
def test_pooling_of_a_shared_table_equals_a_bag_embedding(pooling, tmp_path):
    whole, table = BagEmbedding(5, 2, pooling=pooling), Embedding(5, 2)
    for layer in (whole, table):
        layer.build()
        layer.embeddings.assign(TABLE)
    indices = keras.Input((None, None), dtype="int32", name="bags")
    pooled = BagPooling(pooling)(table(PackBag()(indices)), indices)
    model = keras.Model(indices, pooled)
    np.testing.assert_array_equal(model(BAGS), whole(BAGS))
    assert model.output.shape == (None, None, 2)
    model.save(tmp_path / "bags.keras")
    loaded = keras.saving.load_model(tmp_path / "bags.keras")
    np.testing.assert_array_equal(loaded(BAGS), whole(BAGS))


def test_padding_is_not_looked_up():
    assert PackBag()(BAGS).numpy().tolist() == [2, 3, 1, 99, 4, 4, 4, 4, 4]


def test_an_unknown_pooling():
    with pytest.raises(ValueError, match=r"`pooling` must be one of 'mean', 'sum', 'max'.*'x'"):
        BagPooling("x")


# Weights of `BAGS`: also at padding, where they do not count.
WEIGHTS = np.array(
    [[[2, 9, 6, np.nan], [5, 5, 5, 5]], [[1, 0.5, np.inf, 3], [0, 0, 0, 0]]], "float32"
)
# Index 99 has the row of index 1.
WEIGHTED_SUM = [[[2 * 3 + 6 * 5, 2 * 2 - 6 * 4], [0, 0]], [[1.5 * 1 + 3 * 7, -8 * 1.5], [0, 0]]]
WEIGHTED_MEAN = [[[36 / 8, -20 / 8], [0, 0]], [[22.5 / 4.5, -12 / 4.5], [0, 0]]]


def pooled(pooling, indices, weights=None, dtype="float32"):
    """Pools rows of `TABLE`, with or without weights."""
    table, pool = Embedding(5, 2, dtype=dtype), BagPooling(pooling, dtype=dtype)
    table.build()
    table.embeddings.assign(TABLE)
    arguments = [] if weights is None else [weights]
    out = pool(table(PackBag()(indices)), indices, *arguments)
    return np.asarray(keras.ops.cast(out, "float32"))


@pytest.mark.parametrize("pooling, by_hand", [("mean", WEIGHTED_MEAN), ("sum", WEIGHTED_SUM)])
def test_weights_by_hand(pooling, by_hand):
    np.testing.assert_allclose(pooled(pooling, BAGS, WEIGHTS), by_hand, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("pooling", ["mean", "sum"])
def test_weights_of_1_change_no_bit(pooling, dtype):
    ones = np.ones_like(WEIGHTS)
    expected = pooled(pooling, BAGS, dtype=dtype)
    np.testing.assert_array_equal(pooled(pooling, BAGS, ones, dtype), expected)


def test_scaled_weights_have_the_same_mean_also_in_half_precision():
    weights = np.random.default_rng(0).random(BAGS.shape).astype("float32")
    expected = pooled("mean", BAGS, weights)
    np.testing.assert_array_equal(pooled("mean", BAGS, 4 * weights), expected)
    np.testing.assert_allclose(pooled("mean", BAGS, 3 * weights), expected, rtol=1e-6)
    # In float16 these weights would be infinite.
    half = pooled("mean", BAGS, 1e6 * weights, "mixed_float16")
    np.testing.assert_allclose(half, expected, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("pooling", ["mean", "sum"])
def test_weights_that_are_negative_or_not_finite_count_as_0(pooling):
    wrong = np.array([[2, -3, np.nan, np.inf, -np.inf]], "float32")
    bags = np.array([[2, 3, 4, 1, 1]])
    expected = pooled(pooling, bags[:, :1], wrong[:, :1])
    np.testing.assert_array_equal(pooled(pooling, bags, wrong), expected)


def test_max_has_no_weights():
    match = r"`pooling` must be 'mean' or 'sum' if `weights` are given. Received: pooling='max'"
    with pytest.raises(ValueError, match=match):
        pooled("max", BAGS, np.ones_like(WEIGHTS))
