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
