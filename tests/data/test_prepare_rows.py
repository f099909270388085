"""Rows with materialized histories whose features are learned from them."""

import numpy as np
import pandas as pd
import pytest

from keras_din import build_base
from keras_din.data import PreparedData, prepare_rows, rows_dataset
from keras_din.feature_spec import Bag, Categorical, Numeric

COLUMNS = {"label": "click", "target": ["item", "price"], "context": ["device"], "side": ["action"]}


def a_frame(**changes):
    columns = {
        "user": ["a", "b", "a", "c"],
        "device": ["tv", "phone", "tv", "pad"],
        "item": ["y", "x", "y", "new"],
        "price": [1.5, 2.5, 2.0, 9.0],
        "hist_item": [["x", "z", "x"], [], None, ["y", "unseen"]],
        "hist_price": [[2.5, 3.5, 2.0], [], None, [1.5, 8.0]],
        "hist_action": [[1, 2, 2], [], None, [1, 7]],
        "click": [1, 0, 1, 0],
        "part": ["train", "train", "train", "test"],
    }
    return pd.DataFrame(columns | changes)


def as_text(frame):
    """The frame with its histories as text."""
    text = {
        name: [None if cell is None else "|".join(map(str, cell)) for cell in frame[name]]
        for name in frame
        if name.startswith("hist_")
    }
    return frame.assign(**text)


def from_frame(tmp_path):
    return a_frame(), None


def from_parquet(tmp_path):
    a_frame().to_parquet(tmp_path / "rows.parquet")
    return tmp_path / "rows.parquet", None


def from_csv(tmp_path):
    as_text(a_frame()).to_csv(tmp_path / "rows.csv", index=False)
    return tmp_path / "rows.csv", "|"


def from_frame_of_text(tmp_path):
    return as_text(a_frame()), "|"


@pytest.mark.parametrize("form", [from_frame, from_parquet, from_csv, from_frame_of_text])
def test_features_are_learned_from_training_rows(tmp_path, form):
    source, separator = form(tmp_path)
    data = prepare_rows(source, **COLUMNS, split="part", separator=separator, dim=4, group="user")
    # Of training rows: y, x, y shown; x, z, x in a history.
    item = Categorical("item", vocabulary=["x", "y", "z"], dim=4)
    numbers = [1.5, 2.5, 2.0, 2.5, 3.5, 2.0]
    price = Numeric("price", mean=np.mean(numbers), std=np.std(numbers))
    assert data.spec.target == (item, price)
    assert data.spec.context == (Categorical("device", vocabulary=["tv", "phone"], dim=4),)
    assert data.spec.sequences[0].side == (Categorical("action", vocabulary=[2, 1], dim=4),)
    ((x, y),) = data.dataset("train")
    np.testing.assert_array_equal(x["item"], [[3], [2], [3]])
    np.testing.assert_array_equal(x["hist_item"], [[2, 4, 2], [0, 0, 0], [0, 0, 0]])
    np.testing.assert_array_equal(x["hist_action"], [[3, 2, 2], [0, 0, 0], [0, 0, 0]])
    np.testing.assert_allclose(x["hist_price"][0], [2.5, 3.5, 2.0])
    np.testing.assert_array_equal(y, [[1], [0], [1]])
    ((x, _),) = data.dataset("test")
    np.testing.assert_array_equal(x["item"], [[1]])
    np.testing.assert_array_equal(x["hist_item"], [[3, 1]])
    assert data.report["columns"]["price"]["type"] == "numeric"
    assert data.report["parts"]["test"]["rows_with_unseen"] == {"device": 1, "item": 1}
    assert data.parts["train"].group.tolist() == [0, 1, 0]
    assert build_base(data.spec).predict_on_batch(x).shape == (1, 1)
    data.save(tmp_path / "data")
    assert PreparedData.load(tmp_path / "data").spec == data.spec


def test_tables_by_part_and_rows_that_come_later():
    frame = a_frame()
    tables = {"test": frame[3:], "train": frame[:3]}
    data = prepare_rows(tables, **COLUMNS, group="user")
    assert data.spec == prepare_rows(frame, **COLUMNS, split="part", group="user").spec
    ((x, _),) = rows_dataset(frame[3:], data.spec, "click")
    np.testing.assert_array_equal(x["hist_item"], [[3, 1]])
    assert set(prepare_rows(frame, **COLUMNS).parts) == {"train"}


@pytest.mark.parametrize("shown, padding", [([5, 7, 5, 9], True), ([5, 0, 5, 9], False)])
def test_padding_of_histories_is_no_value(shown, padding):
    histories = [[0, 5, 7], [0, 0, 0], None, [9, 0, 0]]
    frame = a_frame(item=shown, hist_item=histories, hist_action=histories).drop(
        columns="hist_price"
    )
    data = prepare_rows(frame, **COLUMNS | {"of": ["item"]}, split="part")
    assert (0 in data.spec.features["item"].vocabulary) == (not padding)
    assert set(data.spec.features["action"].vocabulary) == ({5, 7} if padding else {0, 5, 7})


def test_bags():
    frame = a_frame(
        genres=["A|B", "B", None, "C"],
        hist_genres=[[["A"], [], ["B", "A"]], [], None, [["C"], None]],
    )
    columns = COLUMNS | {"target": ["item", "genres"], "side": []}
    data = prepare_rows(frame, **columns, split="part", bags=["genres"])
    assert data.spec.features["genres"] == Bag("genres", vocabulary=["A", "B"])
    ((x, _),) = data.dataset("train")
    np.testing.assert_array_equal(x["genres"][0], [[2, 3]])
    np.testing.assert_array_equal(x["hist_genres"][0], [[2, 0], [0, 0], [3, 2]])


def test_types_are_taken():
    frame = a_frame(price=[1, 2, 3, 4], hist_price=[[1, 2, 3], [], None, [4, 5]])
    assert isinstance(prepare_rows(frame, **COLUMNS).spec.features["price"], Categorical)
    data = prepare_rows(frame, **COLUMNS, numeric=["price", "action"])
    assert isinstance(data.spec.features["price"], Numeric)
    assert isinstance(data.spec.features["action"], Numeric)
    assert data.report["columns"]["action"]["reason"] == "named in `numeric`"
    vocabulary = Categorical("item", vocabulary=["z", "y"])
    data = prepare_rows(frame, **COLUMNS | {"target": [vocabulary, "price"]})
    assert data.spec.features["item"] is vocabulary


@pytest.mark.parametrize(
    "changes, options, message",
    [
        ({}, {"sequences": ["past"]}, r"Columns \['past_item', .*\] must be in the rows"),
        ({"hist_item": "x|y"}, {}, "'hist_item' must hold lists. Received: values of type .*'x|y'"),
        ({"click": [0, 1, 2, 1]}, {}, "'click' must be 0 or 1 in every row. Received: 2 in row 2"),
        (
            {"hist_price": [["2.5", "1,5", "2.0"], [], None, ["1.5", "8.0"]]},
            {},
            "'price' must hold numbers .* Received: '1,5'",
        ),
        (
            {"hist_item": [["x"], [], None, ["y", "unseen"]]},
            {},
            "lists of one sequence must have one length in a row. Received: 1 in 'hist_item' and 3",
        ),
    ],
)
def test_what_must_hold(changes, options, message):
    with pytest.raises(ValueError, match=message):
        prepare_rows(a_frame(**changes), **COLUMNS, **options)


def test_a_later_table_has_the_types_of_the_first():
    frame = a_frame().drop(columns=["part"])
    later = frame.assign(price=["3", "4", "5", "6"])
    data = prepare_rows({"train": frame, "test": later}, **COLUMNS)
    assert data.parts["test"].columns["price"].tolist() == [3, 4, 5, 6]
    with pytest.raises(ValueError, match=r"'price' must hold numbers .* Received: '1,5' in line 1"):
        prepare_rows(
            {"train": frame, "test": later.assign(price=["3", "1,5", "5", "6"])}, **COLUMNS
        )


def test_parts_have_names():
    for source, options in (
        ({"valid": a_frame()}, {}),
        ({}, {}),
        ({"train": 1}, {"split": "part"}),
    ):
        with pytest.raises(
            ValueError, match=r"`source` must be a table, or a dict|rows of the part"
        ):
            prepare_rows(source, **COLUMNS, **options)


def test_a_part_without_rows():
    tables = {"train": a_frame(), "valid": a_frame().iloc[:0]}
    with pytest.raises(ValueError, match=r"The table of each part must have rows.*none of 'valid'"):
        prepare_rows(tables, label="click", target="item")
