"""Hashes of keys: the same in all logs that hold the same values, in columns of any type."""

import numpy as np
import pandas as pd
import pytest

from keras_din.data.prepare.count_keys import keys_of_columns


def hashes(*columns):
    keys = keys_of_columns([pd.Series(column) for column in columns])
    return keys.hashes[keys.code].tolist()


@pytest.mark.parametrize(
    "column",
    [
        ["7", "8", "7"],
        [7.0, 8.0, 7.0],
        np.array([7, 8, 7], np.uint8),
        pd.array([7, 8, 7], "Int64"),
        pd.Categorical(["7", "8", "7"]),
        pd.array(["7", "8", "7"], "string"),
        [7, "8", "7"],
    ],
)
def test_columns_of_all_types_have_equal_hashes(column):
    assert hashes(column) == hashes([7, 8, 7])
    assert hashes(column, column) == hashes([7, 8, 7], ["7", "8", "7"])


def test_a_missing_value_is_a_key_of_its_own():
    found = hashes(["a", None, "", np.nan, "None", "nan"])
    assert len(set(found[1:4])) == 1
    assert len(set(found)) == 4
    assert hashes([1, None])[1] == hashes([None, "x"])[0] == found[1]


def test_combinations_differ():
    first, second = ["a", "b", "a", "b", "ab"], ["b", "a", "a", "b", ""]
    found = hashes(first, second)
    assert len(set(found)) == 5
    assert hashes(first[:1], second[:1]) == found[:1]
    assert not set(found).intersection(hashes(first))
