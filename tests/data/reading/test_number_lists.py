"""Lists of numbers, read at once: those that are clean, and which cells are left."""

import numpy as np
import pandas as pd
import pytest

from keras_din.data.reading import number_lists as module
from keras_din.data.reading.number_lists import known_lists, number_lists


def objects(*cells):
    found = np.empty(len(cells), object)
    found[:] = cells
    return found


def of_rows(lists):
    values = [
        lists.values[s : s + n].tolist() for s, n in zip(lists.start, lists.lengths, strict=True)
    ]
    return values, lists.is_read.tolist()


def test_numbers_of_each_form():
    cells = objects("1|2.5", None, [3, 4.5], "", np.array([5.0], "float32"), (6,), np.nan, pd.NA)
    found, is_read = of_rows(number_lists(cells, "|"))
    assert found == [[1.0, 2.5], [], [3.0, 4.5], [], [5.0], [6.0], [], []]
    assert all(is_read)
    found, _ = of_rows(number_lists(objects("1|2", "7"), None))
    np.testing.assert_equal(found, [[np.nan], [7.0]])
    found, _ = of_rows(number_lists(objects(["1", ".5", "1e-3", "2."]), None))
    assert found == [[1.0, 0.5, 0.001, 2.0]]


@pytest.mark.parametrize(
    "text", ["nan", "inf", "-inf", "1_0", "0,5", " 1", "+1", "0x1", "", "1e999", "\u0661", "x"]
)
def test_other_text_is_not_a_number(text):
    found, is_read = of_rows(number_lists(objects(f"1|{text}", [text]), "|"))
    np.testing.assert_equal(found, [[1.0, np.nan], [np.nan]])
    assert all(is_read)


def test_missing_numbers_in_lists():
    found, _ = of_rows(number_lists(objects([1, None], [np.nan], [np.inf]), "|"))
    np.testing.assert_equal(found, [[1.0, np.nan], [np.nan], [np.nan]])


@pytest.mark.parametrize("odd", [[True], [[1]], np.ones((1, 1)), [{}], ["a", 1]])
def test_cells_that_are_left(odd, monkeypatch):
    monkeypatch.setattr(module, "_AT_ONCE", 2)
    found, is_read = of_rows(number_lists(objects([1], [2], [3], odd, [4], 5, b"6", {}), "|"))
    assert is_read == [True, True, False, False, True, False, False, False]
    assert found[:2] == [[1.0], [2.0]]
    assert found[4] == [4.0]


def test_known_values():
    cells = objects("a||b", ["a", None, ""], [1, 2], None, np.array([7]), [1, np.nan])
    found, is_read = of_rows(known_lists(cells, "|"))
    assert found[:2] == [[True, False, True], []]  # The chunk has text and numbers.
    assert is_read == [True, False, False, True, False, False]
    found, _ = of_rows(known_lists(objects(["a", None, ""]), "|"))
    assert found == [[True, False, False]]
    found, _ = of_rows(known_lists(objects([1, np.nan], [2]), "|"))
    assert found == [[True, False], [True]]
