"""Cells of weights: text, lists and single numbers, each with the values of its bag."""

import numpy as np
import pandas as pd
import pytest

from keras_din.data.reading.bad_rows import bad_lines
from keras_din.data.reading.weight_cells import check_weight_cells, to_weights, weight_cells

LENGTH = "'w' does not have one weight for each value of 'tags': "
NUMBER = "'w' holds a value that is not a weight, a finite number from 0: "


def convert(bag, weights, separator="|"):
    bags, weights = (
        pd.Series([each, None], dtype=object, name=name)
        for each, name in ((bag, "tags"), (weights, "w"))
    )
    bags, found, reasons = weight_cells(bags, weights, separator)
    assert (found[1], reasons[1]) == ((), None)
    return bags[0], found[0], reasons[0] and str(reasons[0])


@pytest.mark.parametrize(
    "bag, weights, expected",
    [
        ("a|b", "0.5|2", (0.5, 2.0)),
        ("a", " 1e-3 ", (1e-3,)),
        ("a", 3, (3.0,)),
        (["a", "b"], [1, 0.25], (1.0, 0.25)),
        (np.array([7, 8]), np.array([1, 0.25]), (1.0, 0.25)),
        (["a"], ["2.5"], (2.5,)),
        ("", "", ()),
        (None, np.nan, ()),
        ([], None, ()),
    ],
)
def test_valid_weights(bag, weights, expected):
    assert convert(bag, weights)[1:] == (expected, None)


def test_weights_of_missing_values_are_left_out():
    assert convert("a||b", "1|nan|3") == ("a|b", (1.0, 3.0), None)
    found = convert(["a", None, "", "b", np.nan], [1, None, -5, 3, 2])
    assert found[1:] == ((1.0, 3.0), None)


@pytest.mark.parametrize(
    "bag, weights, reason",
    [
        ("a|b", "1", LENGTH + "1 weight of 2 values"),
        ("a", "1|2|3", LENGTH + "3 weights of 1 value"),
        ("a", None, LENGTH + "0 weights of 1 value"),
        (None, [1], LENGTH + "1 weight of 0 values"),
        (["a", "b"], [1, -0.5], NUMBER + "-0.5"),
        ("a|b", "1|nan", NUMBER + "'nan'"),
        ("a", "inf", NUMBER + "'inf'"),
        ("a", "0,5", NUMBER + "'0,5'"),
        ("a", "1_0", NUMBER + "'1_0'"),
        ("a", "", LENGTH + "0 weights of 1 value"),
        (["a"], [1e39], NUMBER + "1e+39"),
        (["a"], [None], NUMBER + "None"),
        (["a"], [[1]], NUMBER + "[1]"),
        (["a"], [True], NUMBER + "True"),
    ],
)
def test_rows_with_other_weights_have_a_reason(bag, weights, reason):
    assert convert(bag, weights)[1:] == ((), reason)


def test_bad_rows_are_kept_aside_with_their_line():
    frame = pd.DataFrame({"tags": ["a|b", "a", "c"], "w": ["1|2", "-1", "3"]}, index=[2, 3, 4])
    kept, bad = check_weight_cells(frame, bad_lines([]), {"tags": "|"}, {"tags": "w"})
    assert kept["w"].tolist() == [(1.0, 2.0), (3.0,)]
    assert kept.index.tolist() == [2, 4]
    assert bad[["line", "w"]].values.tolist() == [[3, "-1"]]
    assert str(bad["reason"][0]) == NUMBER + "'-1'"


def test_a_bag_and_its_weights_must_be_in_one_table():
    match = "'tags' and 'w', a bag and its weights, must be in the same table.*'w' only"
    with pytest.raises(ValueError, match=match):
        check_weight_cells(pd.DataFrame({"w": ["1"]}), bad_lines([]), {}, {"tags": "w"})


def test_to_weights():
    found = to_weights(pd.Series([1, 0.5, -1, np.inf, np.nan, 1e39]))
    np.testing.assert_array_equal(found, np.array([1, 0.5] + 4 * [np.nan], "float32"))
    found = to_weights(pd.Series(["2", 3, None, "x"], dtype=object))
    np.testing.assert_array_equal(found, np.array([2, 3, np.nan, np.nan], "float32"))
    assert found.dtype == np.float32
