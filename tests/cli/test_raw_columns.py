"""Columns of prepared data as raw values."""

import numpy as np

from keras_din.cli.raw_columns import raw_column
from keras_din.data.store.bags import Bags
from keras_din.features import Bag, BagWeights, Bucketized, Categorical

VALUES = {"vocabulary": ["a", None, "b"], "capacity": 4}


def test_unknown_values_and_spare_rows_are_null():
    column = raw_column(Categorical("f", **VALUES), np.array([2, 1, 3, 4, 5], np.int32))
    assert column.to_pylist() == ["a", None, None, "b", None]
    assert raw_column(Categorical("f", 5), np.array([1, 4], np.int32)).to_pylist() == [1, 4]
    bags = Bags(place=[0, 1, 2], offsets=[0, 3, 3, 4], values=[4, 3, 1, 2])
    column = raw_column(Bag("f", **VALUES), bags)
    assert column.to_pylist() == [["b", None, None], [], ["a"]]


def test_buckets_are_ranges():
    found = raw_column(Bucketized("a", boundaries=[0.5, 9]), np.array([1, 2, 3, 4, 3], np.int32))
    expected = [None, "[-inf, 0.5)", "[0.5, 9)", "[9, inf)", "[0.5, 9)"]
    assert found.to_pylist() == expected
    one = raw_column(Bucketized("a", boundaries=[]), np.array([2, 1], np.int32))
    assert one.to_pylist() == ["[-inf, inf)", None]


def test_weights_have_the_digits_of_the_log():
    bags = Bags(place=[1, 0], offsets=[0, 2, 3], values=np.float32([0.1, 16777216, 1e-9]))
    column = raw_column(BagWeights("w", "tags", max_values=9), bags)
    assert column.to_pylist() == [[1e-9], [0.1, 16777216]]
