"""The pieces of a column, compared with the whole column."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_din.data.reading.column_pieces import ColumnPieces, WholeNumbers, convert_pieces
from keras_din.data.reading.column_types import from_csv
from keras_din.data.reading.columns import to_plain_series
from keras_din.data.reading.text_column import TextColumn


def fields(values: list) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values, pa.string()).cast(pa.binary())])


def collect(pieces: list, declared=None, is_named=False):
    column = ColumnPieces("x", declared, is_named)
    for number, piece in enumerate(pieces):
        column.add(f"{number}.csv", piece)
    return column.finish()


@given(
    st.lists(
        st.lists(st.sampled_from(["7", "-12", "", "007", "NA", "tea", "1.5", "0"]), max_size=4),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from([None, "text", "categorical", "numeric", "number"]),
)
def test_fields_have_the_type_of_the_whole_column(pieces, declared):
    found, facts = convert_pieces("x", collect(list(map(fields, pieces)), declared), declared)
    whole = [value for piece in pieces for value in piece]
    expected, expected_facts = from_csv(fields(whole), declared)
    assert facts == expected_facts
    pd.testing.assert_series_equal(to_plain_series(found), expected, check_dtype=bool(whole))


@pytest.mark.parametrize(
    "pieces, kind",
    [
        ([["7"], ["8", ""], ["-9"]], WholeNumbers),
        ([["7"], [""], ["8"]], WholeNumbers),
        ([["7"], []], WholeNumbers),
        ([["7"], ["NA"]], TextColumn),
        ([["7"], ["007"]], TextColumn),
        ([["tea"], ["7"]], TextColumn),
        ([["9" * 19]], TextColumn),
        ([[""], []], TextColumn),
    ],
)
def test_whole_numbers_are_kept_as_integers(pieces, kind):
    found = collect(list(map(fields, pieces)))
    assert isinstance(found, kind)
    text = [value for piece in pieces for value in piece]
    if kind is WholeNumbers:
        values = [None if value == "" else int(value) for value in text]
        assert found.numbers.to_pylist() == values
    else:
        assert [found.values[code].as_py() for code in found.codes] == text
    assert isinstance(collect(list(map(fields, pieces)), "text"), TextColumn)


def test_words_for_missing_values_beside_dates():
    dates = pa.chunked_array([pa.array([0], pa.timestamp("s"))])
    found = collect([fields(["", "NA"]), dates])
    assert found.type == pa.timestamp("s")
    assert found.null_count == 2


def test_integers_and_text_of_typed_files():
    pieces = [
        pa.chunked_array([[7, None]]),
        pa.chunked_array([["007"]]),
        pa.chunked_array([pa.nulls(1)]),
    ]
    found = collect(pieces, "categorical", is_named=True)
    assert [None if code < 0 else found.values[code].as_py() for code in found.codes] == [
        *("7", None, "007", None)
    ]
    with pytest.raises(ValueError, match=r"int64 in 0\.csv and string in 1\.csv"):
        collect(pieces, "categorical")


def test_other_types_stay_and_large_floats_raise():
    numbers = pa.chunked_array([[1.5]])
    found, facts = convert_pieces("x", collect([numbers, numbers]), None)
    assert found.tolist() == [1.5, 1.5]
    assert facts["type"] == "numeric"
    large = pa.chunked_array([[2.0**60]])
    with pytest.raises(ValueError, match="ids of a type that keeps all their digits"):
        convert_pieces("x", collect([large]), "categorical")
    assert convert_pieces("x", collect([large]), "numeric")[0].tolist() == [2.0**60]


def test_text_takes_four_bytes_per_row():
    names = [f"u{number:011x}" for number in range(50)]
    pieces = [pa.chunked_array([np.random.default_rng(i).choice(names, 1000)]) for i in range(9)]
    found, _ = convert_pieces("x", collect(pieces), "categorical")
    assert isinstance(found.dtype, pd.CategoricalDtype)
    assert found.memory_usage(index=False) < 4 * len(found)
    assert to_plain_series(found).tolist() == [v for piece in pieces for v in piece.to_pylist()]
