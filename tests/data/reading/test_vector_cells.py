"""Cells of vectors: lists, arrays and text, and why others are kept aside."""

import numpy as np
import pandas as pd
import pytest

import keras_din as kd
from keras_din.data.reading.bad_rows import bad_lines
from keras_din.data.reading.vector_cells import (
    VectorCell,
    check_vector_cells,
    vector_cells,
    vector_matrix,
)

Q = kd.Vector("q", 3)
KIND = "'q' is not a vector of 3 finite numbers: "


def column(*cells):
    found = np.empty(len(cells), object)
    found[:] = cells
    return pd.Series(found, name="q")


@pytest.mark.parametrize(
    "cell",
    [
        [0.5, 2, -1],
        (0.5, 2, -1),
        np.array([0.5, 2, -1]),
        np.array([0.5, 2, -1], "float16"),
        ["0.5", "2", "-1"],
        "0.5|2|-1",
        " 0.5|+2|-1 ",
        "5e-1|2.|-1",
    ],
)
def test_each_form_gives_the_same_vector(cell):
    cells, reasons = vector_cells(Q, column(cell, None, np.nan, "", []), "|")
    assert reasons.tolist() == [None] * 5
    assert cells.isna().tolist() == [False, True, True, True, True]
    matrix = vector_matrix(3, cells, "float16", 0)
    assert matrix.dtype == np.float16
    np.testing.assert_array_equal(matrix, [[0.5, 2, -1], *[[0, 0, 0]] * 4])
    again, _ = vector_cells(Q, cells, "|")
    assert again.tolist() == cells.tolist()


@pytest.mark.parametrize(
    "cell, reason",
    [
        ([1, 2], "2 numbers"),
        ("1|2|3|4", "4 numbers"),
        ([1, np.nan, 3], "no value"),
        ([1, None, 3], "no value"),
        ([1, 2, np.inf], "inf"),
        ("1|nan|3", "'nan'"),
        ("1|0,5|3", "'0,5'"),
        ([1, True, 3], "True"),
        ([1, [2], 3], "[2]"),
        ([1, np.ones(2), 3], "an array"),
        ([1, 2, 70_000], "70000, which is beyond 65504, the largest float16"),
        (7.5, "7.5"),
        ({"a": 1}, "{'a': 1}"),
        (b"abc", "b'abc'"),
        ("0.1,0.2,0.3", "1 numbers"),
    ],
)
def test_reasons(cell, reason):
    cells, (first, second) = vector_cells(Q, column(cell, [1, 2, 3]), "|")
    assert str(first) == KIND + reason
    assert first.kind == KIND.removesuffix(": ")
    assert second is None
    assert cells.notna().tolist() == [False, True]


def test_remedy_names_the_separator():
    _, (reason, other) = vector_cells(Q, column("1,2,3", "1|2"), "|")
    assert "another separator than '|'" in reason.remedy
    assert "`bags={'q': ' '}`" in reason.remedy
    assert other.remedy == ""


def test_float32_has_a_wider_range():
    feature = kd.Vector("q", 3, storage="float32")
    cells, reasons = vector_cells(feature, column([1, 2, 70_000], [1e39, 0, 0]), "|")
    assert reasons[0] is None
    assert str(reasons[1]).endswith("1e+39, which is beyond 3.40282e+38, the largest float32")
    np.testing.assert_array_equal(vector_matrix(3, cells[:1], "float32", 0), [[1, 2, 70_000]])


def test_bad_rows_have_their_lines():
    cells = column("1|2|3", "1|2", None).to_numpy()
    frame = pd.DataFrame({"user": [1, 2, 3], "q": cells}, index=[5, 6, 7])
    good, bad = check_vector_cells(frame, bad_lines([]), {"q": "|"}, {"q": Q, "other": Q})
    assert good.index.tolist() == [5, 7]
    assert bad["line"].tolist() == [6]
    assert bad["q"].tolist() == ["1|2"]
    assert str(bad["reason"][0]) == KIND + "2 numbers"
    assert str(good["q"].iloc[0]) == "[1.0, 2.0, 3.0]"
    assert isinstance(good["q"].iloc[0], VectorCell)
