"""Rows that contain their histories give the same batches as the log."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from keras_din.data import prepare_rows, rows_dataset, rows_to_samples
from keras_din.features import Bag, Categorical, FeatureSpec, Numeric, Sequence

ITEM = Categorical("item", 50, dim=4)
PRICE = Numeric("price")
SPEC = FeatureSpec(
    context=[Numeric("age")],
    target=[ITEM, PRICE],
    sequences=[Sequence("hist", of=[ITEM, PRICE], max_length=3)],
)


def a_frame(**changes):
    columns = {
        "age": [20, 30, 40],
        "item": [2, 3, 4],
        "price": [0.5, 1.5, 2.5],
        "hist_item": [[5, 6], None, [7, 8, 9, 10]],
        "hist_price": [[0.1, 0.2], None, [1, 2, 3, 4]],
        "click": [1, 0, 1],
        "user": ["b", "a", "b"],
    }
    return pd.DataFrame(columns | changes)


def test_batches():
    data = rows_dataset(a_frame(), SPEC, "click", group="user")
    ((x, y),) = data
    np.testing.assert_array_equal(x["age"], [20, 30, 40])
    np.testing.assert_array_equal(x["item"], [[2], [3], [4]])
    np.testing.assert_array_equal(x["price"], [[0.5], [1.5], [2.5]])
    np.testing.assert_array_equal(x["hist_item"], [[5, 6, 0], [0, 0, 0], [8, 9, 10]])
    np.testing.assert_allclose(x["hist_price"], [[0.1, 0.2, 0], [0, 0, 0], [2, 3, 4]])
    np.testing.assert_array_equal(y, [[1], [0], [1]])
    np.testing.assert_array_equal(data.groups, [0, 1, 0])


def test_batches_by_user():
    data = rows_dataset(a_frame(), SPEC, "click", group="user", batch_by="user")
    ((x, y),) = data
    np.testing.assert_array_equal(x["age"], [20, 40, 30])
    np.testing.assert_array_equal(x["_group"], [0, 0, 1])
    np.testing.assert_array_equal(y, [[1], [1], [0]])
    np.testing.assert_array_equal(data.groups, [0, 0, 1])
    with pytest.raises(ValueError, match="`batch_by` requires the users of rows: pass `group`"):
        rows_dataset(a_frame(), SPEC, "click", batch_by="user")


def test_weights():
    frame = a_frame(weight=[1, 0.5, 2])
    ((_, _, weight),) = rows_dataset(frame, SPEC, "click", weight="weight")
    np.testing.assert_array_equal(weight, [[1], [0.5], [2]])
    frame["weight"] = pd.array([1, None, 2], "Int64")
    with pytest.raises(
        ValueError, match=r"Weights 'weight' must be .* Received: no value in row 1\."
    ):
        rows_dataset(frame, SPEC, "click", weight="weight")
    frame["weight"] = ["1", "-", "2"]
    with pytest.raises(
        ValueError, match=r"Weights 'weight' must be numbers .* Received: '-' in row"
    ):
        rows_dataset(frame, SPEC, "click", weight="weight")
    with pytest.raises(ValueError, match=r"\['w'\] are missing"):
        rows_dataset(frame, SPEC, "click", weight="w")


@pytest.mark.parametrize(
    "item, price",
    [
        ([np.array([5, 6]), np.array([]), np.array([7])], [np.array([1.0, 2.0]), [], (3.0,)]),
        ([[5, 6], np.nan, [7]], [[1, 2], np.nan, [3]]),
        (
            [[0, 5, 6], [0, 0, 0], [0, 0, 7]],
            [[0, 1, 2], [0, 0, 0], [0, 0, 3]],
        ),  # RaggedToDense first.
        ([[5, 0, 6], [], [7, 0]], [[1, 9, 2], [], [3, 9]]),
        ([[5.0, 6.0], None, [7.0]], [[1, 2], None, [3]]),
    ],
)
def test_forms_of_lists(item, price):
    frame = a_frame(hist_item=pd.Series(item), hist_price=pd.Series(price))
    behaviors, _ = rows_to_samples(frame, SPEC)
    np.testing.assert_array_equal(behaviors["hist"].offsets, [0, 2, 2, 3])
    np.testing.assert_array_equal(behaviors["hist"].columns["item"], [5, 6, 7])
    np.testing.assert_array_equal(behaviors["hist"].columns["price"], [1, 2, 3])


@pytest.mark.parametrize("engine", ["numpy", "pyarrow"])
def test_through_parquet(tmp_path, engine):
    a_frame().to_parquet(tmp_path / "rows.parquet")
    options = {} if engine == "numpy" else {"dtype_backend": "pyarrow"}
    frame = pd.read_parquet(tmp_path / "rows.parquet", **options)
    ((x, y),) = rows_dataset(frame, SPEC, "click")
    np.testing.assert_array_equal(x["hist_item"], [[5, 6, 0], [0, 0, 0], [8, 9, 10]])
    np.testing.assert_array_equal(y, [[1], [0], [1]])


@pytest.mark.parametrize("empty", [None, [], np.nan])
def test_all_histories_empty(empty):
    frame = a_frame(hist_item=[empty] * 3, hist_price=[empty] * 3)
    ((x, _),) = rows_dataset(frame, SPEC)
    assert x["hist_item"].shape == x["hist_price"].shape == (3, 0)


def test_without_a_label_all_labels_are_0_and_each_row_is_a_group():
    _, samples = rows_to_samples(a_frame().drop(columns="click"), SPEC)
    np.testing.assert_array_equal(samples.label, [0, 0, 0])
    np.testing.assert_array_equal(samples.group, [0, 1, 2])


def test_index_of_the_frame_is_ignored():
    frame = a_frame().set_index(pd.Index([9, 9, 3]))
    ((x, _),) = rows_dataset(frame, SPEC)
    np.testing.assert_array_equal(x["hist_item"], [[5, 6, 0], [0, 0, 0], [8, 9, 10]])


@pytest.mark.parametrize(
    "changes, message",
    [
        (
            {"hist_price": [[0.1, 0.2], None, [1.0, 2.0, 3.0]]},
            r"one length in a row\. Received: 4 in 'hist_item' and 3 in 'hist_price' in row 2\.",
        ),
        ({"hist_item": [["a"], None, ["b"]]}, "'hist_item' must hold integer indices.*'a'"),
        ({"hist_item": [2, 3, 4]}, "must hold lists of integer indices. .* type int64, 2 in row 0"),
        ({"hist_item": [[1], 3, "x"]}, "hold lists of integer indices. Received: 3 in row 1"),
        ({"hist_price": ["1|2", None, "3"]}, "lists of numbers. .*string, '1|2' in row 0"),
        ({"hist_item": [[5, 6], None, [7, 8, None, 9]]}, "'hist_item' must hold integer.*nan"),
        ({"item": [2, 2.5, 3]}, r"'item' must hold integer indices\. Received: 2\.5"),
        ({"item": ["a", "b", "c"]}, "'item' must hold integer indices.*'a'"),
        ({"item": [2, None, 3]}, "'item' must hold integer indices. Received: nan"),
        ({"item": [2, 60, 3]}, r"'item' must be indices from 1 to 49.* Received: 60 in row 1"),
        ({"click": [0, 1, 2]}, "must be 0 or 1 in every row. Received: 2 in row 2"),
    ],
)
def test_invalid_rows_raise(changes, message):
    with pytest.raises(ValueError, match=message):
        rows_dataset(a_frame(**changes), SPEC, "click")


@pytest.mark.parametrize("values, what", [(["x", "y"], "strings"), ([5, 7], "integers")])
def test_error_names_the_raw_type_of_lists(values, what):
    item = Categorical("item", vocabulary=values)
    genres = Bag("genres", vocabulary=values)
    spec = FeatureSpec(target=[item, genres], sequences=[Sequence("hist", of=[item])])
    frame = pd.DataFrame({"item": values, "genres": [values] * 2, "hist_item": ["x|y", "x"]})
    message = rf"'hist_item' must hold lists of {what}\. .* type .*string, 'x\|y' in row 0"
    with pytest.raises(ValueError, match=message):
        rows_dataset(frame, spec)
    frame = pd.DataFrame({"item": values, "genres": [values, "x"], "hist_item": [[], []]})
    message = rf"'genres' must hold lists of {what}\. Received: 'x' in row 1"
    with pytest.raises(ValueError, match=message):
        rows_dataset(frame, spec)


@pytest.mark.parametrize("none", [None, np.nan, pd.NA, np.inf])
def test_missing_numbers_are_the_mean(none):
    price = Numeric("price", mean=7, std=2)
    item = Categorical("item", 9)
    spec = FeatureSpec(
        target=[item], sequences=[Sequence("hist", of=[item], side_features=[price])]
    )
    spec = dataclasses.replace(spec, context=[Numeric("age", mean=40)])
    frame = pd.DataFrame(
        {
            "age": pd.Series([1, none], dtype=object),
            "item": [2, 3],
            "hist_item": [[4, 5], [6]],
            "hist_price": [[1.0, None], [2.0]],
        }
    )
    rows = rows_dataset(frame, spec)
    ((x, _),) = rows
    assert x["age"].numpy().tolist() == [1, 40]
    assert x["hist_price"].numpy().tolist() == [[1, 7], [2, 0]]
    assert rows.values_missing == {"age": 1, "hist_price": 1}
    floats = frame.assign(age=pd.array([1.5, None], dtype="Float64"))
    assert next(iter(rows_dataset(floats, spec)))[0]["age"].numpy().tolist() == [1.5, 40]
    of_words = r"Column 'age' must hold numbers written as in 1234\.5, and words .*Received: "
    for words, refused in ((["1", "12,5"], "'12,5', value 1 "), (["old", "-"], "'old', value 0 ")):
        with pytest.raises(ValueError, match=of_words + refused):
            rows_dataset(frame.assign(age=words), spec)


def test_missing_tokens_are_those_of_prepare_rows(capsys):
    words = ["-", "n/a", "old", "7.5", "-", "nan"]  # pandas reads the last one as NaN.
    frame = pd.DataFrame({"age": words, "item": ["a"] * 6, "click": [0, 1] * 3})
    prepared = prepare_rows(
        frame, label="click", target="item", context="age", sequences=(), numeric="age"
    )
    capsys.readouterr()
    rows = rows_dataset(frame.drop(columns="click"), prepared.spec)
    assert rows.values_missing == {"age": 5} == prepared.report["values_missing"]
    ((x, _),) = rows
    assert x["age"].numpy().tolist() == [7.5] * 6  # The mean of the only number.
    assert capsys.readouterr().out == (
        "Column 'age': without a value: '-' 2, 'n/a' 1, 'old' 1, 'nan' 1. "
        "They are replaced by the feature's mean.\n"
    )
    price = Numeric("price", mean=3)
    spec = FeatureSpec(
        target=[ITEM], sequences=[Sequence("hist", of=[ITEM], side_features=[price])]
    )
    frame = pd.DataFrame({"item": [2], "hist_item": [[2, 3]], "hist_price": [["1.5", "-"]]})
    ((x, _),) = rows_dataset(frame, spec)
    assert x["hist_price"].numpy().tolist() == [[1.5, 3]]
    assert "Column 'hist_price': without a value: '-' 1." in capsys.readouterr().out


def test_missing_columns_raise():
    message = r"\['hist_item', 'clicked', 'who'\] are missing\. Received columns: \['age', 'item'"
    with pytest.raises(ValueError, match=message):
        rows_dataset(a_frame().drop(columns="hist_item"), SPEC, "clicked", group="who")


def test_raw_values_of_a_vocabulary(tmp_path):
    item = Categorical("item", vocabulary=["x", "y"], dim=2)
    shop = Categorical("shop", vocabulary=[2**60, 7], dim=2)
    spec = FeatureSpec(target=[item, shop], sequences=[Sequence("hist", of=[item, shop])])
    frame = pd.DataFrame(
        {
            "item": ["y", "new", "x"],
            "shop": [7, 2**60, 8],
            "hist_item": [["x", "new", None, "y"], [], ["", "x"]],
            "hist_shop": [[2**60, 7, 7, 7], [], [7, 9]],
        }
    )
    frame.to_parquet(tmp_path / "rows.parquet")
    for rows in (frame, pd.read_parquet(tmp_path / "rows.parquet")):
        ((x, _),) = rows_dataset(rows, spec)
        np.testing.assert_array_equal(x["item"], [[3], [1], [2]])
        np.testing.assert_array_equal(x["shop"], [[3], [2], [1]])
        np.testing.assert_array_equal(x["hist_item"], [[2, 1, 3], [0, 0, 0], [2, 0, 0]])
        np.testing.assert_array_equal(x["hist_shop"], [[2, 3, 3], [0, 0, 0], [1, 0, 0]])


@pytest.mark.parametrize("vocabulary, padding", [([5, 7, 9], 0), ([5, 0, 9], -1)])
def test_padding_of_integers_is_that_of_the_server(vocabulary, padding):
    item = Categorical("item", vocabulary=vocabulary)
    spec = FeatureSpec(target=[item], sequences=[Sequence("hist", of=[item], max_length=9)])
    frame = pd.DataFrame({"item": [5], "hist_item": [[9, vocabulary[1], padding, padding]]})
    ((x, _),) = rows_dataset(frame, spec)
    assert x["hist_item"].numpy().tolist() == [[4, 3]]


@pytest.mark.parametrize("user", [["b", None, "b"], [1.0, np.nan, 2.0], ["b", "", "b"]])
def test_missing_group_raises(user):
    message = r"'user' must have a value in every row.* Received: no value in row 1\."
    with pytest.raises(ValueError, match=message):
        rows_to_samples(a_frame(user=user), SPEC, "click", group="user")


def text_rows(folder):
    """Rows of text: histories with `^`, a bag with `,`, an empty history, and a line too short."""
    path = folder / "rows.csv"
    lines = ["item;hist_item;tags;click;w", "007;12^007;a,b;1;2", "12;;;0;1", "7;007^x^12;b;1;0.5"]
    path.write_text("\n".join([*lines, "12;7"]) + "\n", encoding="utf-8")
    return path


def test_rows_of_text(tmp_path, capsys):
    item = Categorical("item", vocabulary=["007", "12"], dim=4)
    tags = Bag("tags", vocabulary=["a", "b"], dim=4)
    spec = FeatureSpec(target=[item, tags], sequences=[Sequence("hist", of=[item], max_length=3)])
    words = {"separator": "^", "bags": {"tags": ","}, "sep": ";"}
    path = text_rows(tmp_path)
    batches = rows_dataset(path, spec, "click", weight="w", max_bad=0.3, **words)
    assert "kept aside 1: wrong number of fields, first in line 5\n" in capsys.readouterr().out
    ((x, y, weight),) = batches
    np.testing.assert_array_equal(x["item"], [[2], [3], [1]])
    np.testing.assert_array_equal(x["hist_item"], [[3, 2, 0], [0, 0, 0], [2, 1, 3]])
    np.testing.assert_array_equal(y, [[1], [0], [1]])
    np.testing.assert_array_equal(weight, [[2], [1], [0.5]])
    behaviors, samples = rows_to_samples(path, spec, max_bad=0.3, **words)
    assert samples.columns["tags"].values.tolist() == [2, 3, 3]
    with pytest.raises(ValueError, match="At most 1 %"):
        rows_to_samples(path, spec, **words)
    # The same rows of a DataFrame of text.
    frame = pd.read_csv(path, sep=";", dtype=str, nrows=3)
    again, of_frame = rows_to_samples(frame, spec, separator="^", bags={"tags": ","})
    np.testing.assert_array_equal(again["hist"].columns["item"], behaviors["hist"].columns["item"])
    np.testing.assert_array_equal(of_frame.columns["item"], samples.columns["item"])
    other = frame.rename(columns={"hist_item": "clicked"})
    given = {"hist": {"item": "clicked"}}
    renamed, _ = rows_to_samples(other, spec, sequences=given, separator="^", bags={"tags": ","})
    assert renamed["hist"].offsets.tolist() == [0, 2, 2, 5]
    with pytest.raises(ValueError, match=r"sequences of the spec: \['hist'\]. Received: \['x'\]"):
        rows_to_samples(other, spec, sequences={"x": {}})


def test_text_without_a_separator_raises(tmp_path):
    item = Categorical("item", vocabulary=["007", "12"], dim=4)
    spec = FeatureSpec(target=[item], sequences=[Sequence("hist", of=[item], max_length=3)])
    message = r"'hist_item' must hold lists.*'12\^007' in row 0.*name it in `separator`"
    with pytest.raises(ValueError, match=message):
        rows_to_samples(text_rows(tmp_path), spec, sep=";", max_bad=0.3)
