"""Rows that contain their histories, and whose features are learned from them."""

import numpy as np
import pandas as pd
import pytest

from keras_din import build_base
from keras_din.cli import show
from keras_din.data import ByTime, ByUser, LastFraction, PreparedData, prepare_rows, rows_dataset
from keras_din.features import Bag, Categorical, Numeric

COLUMNS = {
    "label": "click",
    "target": ["item", "price"],
    "context": ["device"],
    "side_features": ["action"],
}


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
    """Returns the frame with its histories as text."""
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
    # Values of training rows: candidates y, x, y, and x, z, x in a history.
    item = Categorical("item", vocabulary=["x", "y", "z"], dim=4)
    numbers = [1.5, 2.5, 2.0, 2.5, 3.5, 2.0]
    price = Numeric("price", mean=np.mean(numbers), std=np.std(numbers))
    assert data.spec.target == (item, price)
    assert data.spec.context == (Categorical("device", vocabulary=["tv", "phone"], dim=4),)
    assert data.spec.sequences[0].side_features == (
        Categorical("action", vocabulary=[2, 1], dim=4),
    )
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


def test_tables_by_part_and_later_rows():
    frame = a_frame()
    tables = {"test": frame[3:], "train": frame[:3]}
    data = prepare_rows(tables, **COLUMNS, group="user")
    assert data.spec == prepare_rows(frame, **COLUMNS, split="part", group="user").spec
    ((x, _),) = rows_dataset(frame[3:], data.spec, "click")
    np.testing.assert_array_equal(x["hist_item"], [[3, 1]])
    assert set(prepare_rows(frame, **COLUMNS).parts) == {"train"}


@pytest.mark.parametrize("shown, padding", [([5, 7, 5, 9], True), ([5, 0, 5, 9], False)])
def test_padding_of_histories_is_not_learned(shown, padding):
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
    columns = COLUMNS | {"target": ["item", "genres"], "side_features": []}
    data = prepare_rows(frame, **columns, split="part", bags=["genres"])
    assert data.spec.features["genres"] == Bag("genres", vocabulary=["A", "B"])
    ((x, _),) = data.dataset("train")
    np.testing.assert_array_equal(x["genres"][0], [[2, 3]])
    np.testing.assert_array_equal(x["hist_genres"][0], [[2, 0], [0, 0], [3, 2]])
    assert data.report["separators"] == {"genres": "|"}
    lists = a_frame(genres=[["A"], ["B"], [], ["C"]], hist_genres=[[["A"]], [], None, [["C"]]])
    lists = lists.assign(hist_item=[["a"], [], None, ["b"]])
    assert "separators" not in prepare_rows(lists, **columns).report


def test_declared_types():
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
        (
            {"click": [0, 1, 2, 1]},
            {},
            "1 of 4 rows .* 'click' is neither 0 nor 1; the first is 2 in",
        ),
        ({"click": [1] * 4}, {}, "rows with label 0. Received: 4 rows, all with label 1 in column"),
        (
            {"hist_price": [["2.5", "1,5", "2.0"], [], None, ["1.5", "8.0"]]},
            {},
            "'hist_price' must hold numbers .* Received: '1,5' in line 0.* name 'price' in `categ",
        ),
        (
            {"hist_item": [["x"], [], None, ["y", "unseen"]]},
            {},
            "lists of one sequence must have one length in a row. Received: 1 in 'hist_item' and 3",
        ),
    ],
)
def test_invalid_rows_raise(changes, options, message):
    with pytest.raises(ValueError, match=message):
        prepare_rows(a_frame(**changes), **COLUMNS, **options)


def test_types_of_the_first_table_apply_to_later_tables():
    frame = a_frame().drop(columns=["part"])
    later = frame.assign(price=["3", "4", "5", "6"])
    data = prepare_rows({"train": frame, "test": later}, **COLUMNS)
    assert data.parts["test"].columns["price"].tolist() == [3, 4, 5, 6]
    with pytest.raises(ValueError, match=r"'price' must hold numbers .* Received: '1,5' in line 1"):
        prepare_rows(
            {"train": frame, "test": later.assign(price=["3", "1,5", "5", "6"])}, **COLUMNS
        )


def test_unknown_parts_raise():
    for source, options in (
        ({"valid": a_frame()}, {}),
        ({}, {}),
        ({"train": 1}, {"split": "part"}),
    ):
        with pytest.raises(
            ValueError, match=r"`source` must be a table, or a dict|rows of the part"
        ):
            prepare_rows(source, **COLUMNS, **options)


def test_part_without_rows_raises():
    tables = {"train": a_frame(), "valid": a_frame().iloc[:0]}
    with pytest.raises(ValueError, match=r"The table of each part must have rows.*none of 'valid'"):
        prepare_rows(tables, label="click", target="item")


def many_rows():
    """200 rows of two users, with a history each."""
    rows = [
        {"user": f"u{i % 2}", "item": i % 5 + 1, "hist_item": f"{i % 3 + 1}|2", "click": i % 2}
        for i in range(200)
    ]
    return pd.DataFrame(rows).astype(object)


def test_bad_rows_are_kept_aside_and_counted(tmp_path):
    frame = many_rows()
    frame.loc[7, "click"], frame.loc[9, "user"], frame.loc[8, "item"] = None, None, None
    frame["part"] = ["train"] * 190 + ["test"] * 6 + ["neither"] * 4
    frame.to_csv(tmp_path / "rows.csv", index=False)
    with open(tmp_path / "rows.csv", "a") as file:
        file.write("a line\n")
    words = {"label": "click", "target": "item", "group": "user", "separator": "|"}
    data = prepare_rows(tmp_path / "rows.csv", **words, split="part")
    report = data.report
    assert (report["rows"], report["rows_kept"], report["rows_in_no_part"]) == (201, 193, 4)
    assert report["rows_aside"] == {
        "'click' is missing": {"rows": 1, "first_line": 9},
        "'item' is missing": {"rows": 1, "first_line": 10},
        "'user' is missing": {"rows": 1, "first_line": 11},
        "wrong number of fields": {"rows": 1, "first_line": 202},
    }
    assert data.bad_rows["line"].tolist() == [9, 10, 11, 202]
    assert data.parts["test"].line.tolist() == [*range(192, 198)]
    assert set(data.parts["train"].group) == {0, 1}
    printed = show.report(data)
    assert "read 201 rows, kept 193\n" in printed
    assert "  kept aside 1: 'user' is missing, first in line 11\n" in printed
    assert "in no part: 4 rows\n" in printed
    with pytest.raises(ValueError, match=r"when `strict`\. Received in line 9: 'click' is missing"):
        prepare_rows(tmp_path / "rows.csv", **words, split="part", strict=True)


def test_many_bad_rows_raise(tmp_path):
    frame = many_rows()
    frame.to_csv(tmp_path / "rows.csv", index=False)
    with open(tmp_path / "rows.csv", "a") as file:
        file.write("a line\n" * 3)
    words = {"label": "click", "target": "item", "separator": "|"}
    message = (
        r"1 % of the rows of the table .* 3 of 203 rows for this reason: wrong number of field"
    )
    with pytest.raises(ValueError, match=message):
        prepare_rows(tmp_path / "rows.csv", **words)
    message = r"the table of 'test' may be kept .* 3 of 203 rows"
    with pytest.raises(ValueError, match=message):
        prepare_rows({"train": frame, "test": tmp_path / "rows.csv"}, **words)
    data = prepare_rows({"train": frame, "test": tmp_path / "rows.csv"}, **words, max_bad=0.1)
    reason = "wrong number of fields, in the table of 'test'"
    assert data.report["rows_aside"] == {reason: {"rows": 3, "first_line": 202}}
    with pytest.raises(ValueError, match=r"The table must hold at least one good row.*label_map"):
        prepare_rows(frame.assign(click=2), **words)
    with pytest.raises(ValueError, match=r"`max_bad` must be a number in \[0, 1\]"):
        prepare_rows(frame, **words, max_bad=2)


def test_missing_values_are_counted():
    frame = a_frame(device=["tv", None, "tv", "pad"], price=[1.5, None, 2.0, 9.5])
    frame["hist_price"] = [[2.5, None, 2.0], [], None, [1.5, 8.0]]
    frame["hist_action"] = [[1, 2, None], [], None, [None, 7]]
    frame["hist_item"] = [["x", "z", "x"], [], None, ["y", ""]]
    data = prepare_rows(frame, **COLUMNS, categorical=["action"])
    expected = {"device": 1, "price": 1, "hist_price": 1, "hist_action": 2}
    assert data.report["values_missing"] == expected
    assert "  without a value: 2 of 'hist_action'\n" in show.report(data)


@pytest.mark.parametrize("of", [["price", "item"], ["item", "price"]])
def test_padding_follows_the_first_categorical(of):
    frame = a_frame(
        price=[1.5, 0.5, 0.25, 0.0],
        item=[5, 6, 5, 6],
        hist_item=[[7, 8, 0], [], None, [9, 0]],
        hist_price=[[0.0, 1.0, 1.0], [], None, [0.0, 0.0]],
        hist_action=[[1, 2, 3], [], None, [4, 3]],
    )
    data = prepare_rows(frame, **COLUMNS, of=of)
    assert set(data.spec.features["item"].vocabulary) == {5, 6, 7, 8, 9}
    assert set(data.spec.features["action"].vocabulary) == {1, 2, 4}
    assert data.behaviors["hist"].columns["price"].tolist() == [0.0, 1.0, 0.0]


def test_unclear_type_of_a_history_is_shown_with_its_line():
    frame = many_rows().drop(columns="hist_item").assign(hist_dwell=[[1.0, 2.0]] * 200)
    frame["hist_item"] = [[1, 2]] * 200
    frame.at[150, "hist_dwell"] = [3.0, None]
    message = r"Received: \['dwell'\], with 1\.0 in 'hist_dwell' and no value in line 150\."
    with pytest.raises(ValueError, match=message):
        prepare_rows(frame, label="click", target="item", side_features="dwell")


def test_tables_of_text_and_bags_by_part():
    frame = a_frame(genres=["A|B", "B", None, "C"], hist_genres=[[["A"], [], ["B"]], [], None, []])
    frame = frame.drop(columns=["hist_price", "hist_action"])
    frame["hist_item"] = ["x|z|x", "", None, ""]
    tables = {"train": frame[:3], "test": frame[:2]}
    words = {"label": "click", "target": ["item", "genres"], "bags": ["genres"], "separator": "|"}
    data = prepare_rows(tables, **words)
    assert data.spec.features["item"].vocabulary == ("x", "y", "z")
    assert data.parts["train"].line.tolist() == [0, 1, 2]
    assert data.parts["test"].line.tolist() == [0, 1]
    ((x, _),) = data.dataset("test")
    np.testing.assert_array_equal(x["genres"], [[[3, 2]], [[2, 0]]])  # B occurs three times.


def test_histories_in_columns_of_other_names():
    frame = as_text(a_frame()).rename(columns={"hist_item": "clicked", "hist_action": "how"})
    columns = {"hist": {"item": "clicked", "action": "how"}}
    words = COLUMNS | {"separator": "|", "split": "part", "dim": 4}
    data = prepare_rows(frame, **words, sequences=columns)
    expected = prepare_rows(a_frame(), **words)
    assert data.spec == expected.spec
    assert data.report["histories"] == {
        "columns": {"hist": columns["hist"] | {"price": "hist_price"}},
        "separator": "|",
    }
    ((x, _),) = data.dataset("train")
    ((y, _),) = expected.dataset("train")
    for name in x:
        np.testing.assert_array_equal(x[name], y[name])
    with pytest.raises(
        ValueError, match=r"feature -> column .* of the features \['item', 'price',"
    ):
        prepare_rows(frame, **words, sequences={"hist": {"device": "clicked"}})
    with pytest.raises(
        ValueError, match=r"Columns \['nowhere', 'hist_action'\] must be in the rows"
    ):
        prepare_rows(frame, **words, sequences={"hist": {"item": "nowhere"}})


def no_histories(rows=40):
    """Rows of 4 users in no order, of which some lack the item."""
    return pd.DataFrame(
        {
            "user": [f"u{row % 4}" for row in range(rows)],
            "item": [None if row == 5 else f"i{row % 3}" for row in range(rows)],
            "time": [f"2026-01-{31 - row % 31:02}" for row in range(rows)],
            "order": [(row * 7) % rows for row in range(rows)],
            "click": [row // 2 % 2 for row in range(rows)],
        }
    )


@pytest.mark.parametrize(
    "words, test",
    [
        ({"split": LastFraction(valid=0, test=0.1)}, [36, 37, 38, 39]),
        ({"split": LastFraction(valid=0, test=0.1), "order": "order"}, [11, 17, 28, 34]),
        ({"split": ByTime(test_from="2026-01-31"), "time": "time"}, [0, 31]),
        ({"split": ByUser(valid=0, test=0.25, seed=2), "group": "user"}, [*range(2, 40, 4)]),
    ],
)
def test_splits_of_rows_without_histories(words, test):
    data = prepare_rows(
        no_histories(), label="click", target=["item"], sequences=(), dim=4, **words
    )
    assert data.parts["test"].line.tolist() == test
    assert len(data.parts["train"]) == 40 - len(test)
    # Without histories the item is a value like others.
    assert data.report["values_missing"] == {"item": 1}
    assert (data.parts["train"].time is None) == (not {"time", "order"} & words.keys())


def test_single_rows_are_drawn_without_a_group():
    words = {"label": "click", "target": ["item"], "sequences": (), "dim": 4}
    parts = [
        prepare_rows(no_histories(), **words, split=ByUser(valid=0.1, test=0.2, seed=seed)).parts
        for seed in (0, 0, 1)
    ]
    assert [len(part) for part in parts[0].values()] == [28, 4, 8]
    lines = [part["test"].line.tolist() for part in parts]
    assert lines[0] == lines[1] != lines[2]


def test_times_of_rows_are_checked():
    words = {"label": "click", "target": ["item"], "sequences": (), "dim": 4, "max_bad": 0.1}
    frame = no_histories()
    frame.loc[3, "time"] = "soon"
    data = prepare_rows(frame, **words, time="time", split=ByTime(test_from="2026-01-31"))
    assert data.report["rows_aside"]["'time' is not a time"]["rows"] == 1
    assert data.report["time_from"].startswith("2026-01-01")
    with pytest.raises(ValueError, match="Either `time` or `order` must name a column"):
        prepare_rows(frame, **words, time_format="%Y")
    with pytest.raises(ValueError, match=r"Each part that `split` names.*\['test'\]"):
        prepare_rows(frame, **words, time="time", split=ByTime(test_from="2027-01-31"))
    late = {"split": ByTime(test_from="2027-01-31"), "allow_empty_parts": True}
    assert set(prepare_rows(frame, **words, time="time", **late).parts) == {"train"}
