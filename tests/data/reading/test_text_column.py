"""Columns of text that store each value once, compared with the whole column."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from keras_din.data.reading.column_types import from_csv, from_series
from keras_din.data.reading.columns import from_arrow, to_plain_series
from keras_din.data.reading.text_column import TextColumn, TextPieces, convert_text


def pieces_of(values: list, count: int) -> list:
    rows = np.array_split(np.arange(len(values)), count)
    return [pa.chunked_array([[values[row] for row in part]], pa.string()) for part in rows]


@pytest.mark.parametrize("count", [1, 2, 7, 30])
def test_a_value_of_several_pieces_is_stored_once(count):
    rng = np.random.default_rng(count)
    values = rng.choice(["tea", "pot", "", None, *map(str, range(40))], 100).tolist()
    text = TextPieces()
    order = [text.add(piece) for piece in pieces_of(values, count)]
    assert order == list(range(count))
    codes, distinct, are_fields = text.finish(order, False)
    assert codes.dtype == np.int32
    assert not are_fields
    # In the order in which they occur.
    assert distinct.to_pylist() == list(dict.fromkeys(v for v in values if v is not None))
    assert [None if code < 0 else distinct[code].as_py() for code in codes] == values


def test_pieces_in_another_order_and_without_a_value():
    text = TextPieces()
    first = text.add(pa.chunked_array([["b", "a"]]))
    second = text.add(pa.chunked_array([pa.nulls(2)]))
    third = text.add(pa.chunked_array([["a", "c"], ["b"]]))
    assert [text.rows(number) for number in (first, second, third)] == [2, 2, 3]
    codes, values, _ = text.finish([third, first, second], True)
    assert values.to_pylist() == ["a", "c", "b"]
    assert codes.tolist() == [0, 1, 2, 2, 0, -1, -1]


def test_values_are_looked_up_rarely(monkeypatch):
    """New pieces are merged when they have as many values as all before."""
    merged, merge = [], TextPieces._merge
    monkeypatch.setattr(TextPieces, "_merge", lambda self: merged.append(1) or merge(self))
    text = TextPieces()
    order = [
        text.add(pa.chunked_array([[str(value) for value in range(10 * i, 10 * i + 10)]]))
        for i in range(64)
    ]
    assert len(merged) < 10
    assert len(text.finish(order, False).values) == 640


COLUMNS = {
    "text": ["tea", "", "NA", "pot", "\\N", "tea"] * 9,
    "ids": ["7", "007", "", "12", "NA"] * 9,
    "numbers": ["1.5", "2", "-", "1.5", "", "NA", "inf"] * 40,
    "a few words": [*["1.5", "2.25"] * 50, "n", "n", "tea"],
    "many words": [*["1.5", "2.25"] * 5, "n", "n", "tea"],
    "a refused word": [*["1.5", "2.25"] * 50, "1x", "1x"],
    "money": ["$1.50", "$2", "", "$1.50"] * 9,
    "booleans": ["true", "FALSE", "", "true"] * 9,
    "whole numbers": ["7", "+8", " 9", "7.0", ""] * 9,
    "floats with gaps": ["7.0", "8.0", "", "7.0"] * 9,
    "nothing": ["", "NA", "", "NA"],
    "empty": ["", ""],
}


@pytest.mark.parametrize("declared", [None, "text", "categorical", "numeric", "number"])
@pytest.mark.parametrize("values", COLUMNS.values(), ids=COLUMNS)
def test_fields_have_the_type_of_the_whole_column(values, declared):
    distinct = list(dict.fromkeys(values))
    codes = np.array([distinct.index(value) for value in values], np.int32)
    column = TextColumn(codes, pa.array(distinct, pa.large_string()), True)
    found, facts = convert_text("x", column, declared)
    whole = pa.chunked_array([pa.array(values).cast(pa.binary())])
    expected, expected_facts = from_csv(whole, declared)
    assert facts == expected_facts
    check_equal(found, expected)


@pytest.mark.parametrize("declared", [None, "text", "categorical", "numeric", "number"])
@pytest.mark.parametrize("values", COLUMNS.values(), ids=COLUMNS)
@pytest.mark.parametrize("has_nulls", [False, True])
def test_text_has_the_type_of_the_whole_column(values, declared, has_nulls):
    distinct = list(dict.fromkeys(values))
    codes = np.array([distinct.index(value) for value in values], np.int32)
    if has_nulls:
        values, codes = [*values, None, None], np.append(codes, np.full(2, -1, np.int32))
    column = TextColumn(codes, pa.array(distinct, pa.large_string()), False)
    found, facts = convert_text("x", column, declared)
    whole = from_arrow(pa.chunked_array([pa.array(values, pa.large_string())]))
    expected, expected_facts = from_series(whole, declared)
    assert facts == expected_facts
    check_equal(found, expected)


def check_equal(found: pd.Series, expected: pd.Series) -> None:
    if isinstance(found.dtype, pd.CategoricalDtype):
        categories = found.cat.categories
        assert list(categories) == sorted(set(expected.dropna()))
    pd.testing.assert_series_equal(to_plain_series(found), expected)


def test_ids_written_by_a_spreadsheet_raise():
    column = TextColumn(np.array([0], np.int32), pa.array(["1.87E+18"], pa.large_string()), True)
    with pytest.raises(ValueError, match=r"Column 'x' must hold ids.*1\.87E\+18"):
        convert_text("x", column, "categorical")
