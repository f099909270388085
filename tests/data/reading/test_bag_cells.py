"""Bags from lists and from text, in impressions and interactions, and errors."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import keras_din as kd
from keras_din.data import PreparedData, prepare_impressions, prepare_interactions
from keras_din.data.reading.bag_cells import bag_cells, check_separators

COLUMNS = {
    "user": "user",
    "time": "time",
    "label": "click",
    "target": ["item", "genres"],
    "split": lambda user, position, count, time: np.where(time < 30, 0, 2),
    "time_unit": "us",
}
LISTS = [["Action", "Comedy"], [], ["Comedy"], None, ["Drama", "Comedy", "Action"], ["Western"]]
TEXT = ["Action|Comedy", "", "Comedy", None, "Drama||Comedy|Action", "Western"]
KNOWN = [["Action", "Comedy"], [], ["Comedy"], [], ["Drama", "Comedy", "Action"], ["?"]]


def a_log(genres=LISTS, **changes):
    columns = {
        "user": ["a"] * 6,
        "item": ["x", "y", "z", "x", "y", "w"],
        "time": [10, 11, 12, 13, 14, 40],
        "click": [1, 1, 0, 1, 1, 1],
        "genres": genres,
    }
    return pd.DataFrame({**columns, **changes})


def bags(data, column, feature="genres"):
    """Returns the raw values of each row."""
    names = (None, "?", *data.spec.features[feature].vocabulary)
    return [[names[i] for i in column.values_of(row)] for row in range(len(column))]


def as_arrow(frame, genres):
    columns = {name: pa.array(frame[name]) for name in frame if name != "genres"}
    return pa.table(columns | {"genres": genres})


def from_frame_of_lists(tmp_path):
    return a_log(), ()


def from_frame_of_arrays(tmp_path):
    return a_log([None if cell is None else np.array(cell, object) for cell in LISTS]), ()


def from_frame_of_arrow(tmp_path):
    dtype = pd.ArrowDtype(pa.list_(pa.string()))
    return a_log(pd.Series(LISTS, dtype=dtype)), ()


def from_parquet_lists(tmp_path):
    table = as_arrow(a_log(), pa.array(LISTS, pa.list_(pa.string())))
    pa.parquet.write_table(table, tmp_path / "log.parquet")
    return tmp_path / "log.parquet", ()


def from_frame_of_text(tmp_path):
    return a_log(TEXT), "genres"


def from_csv(tmp_path):
    frame = a_log([None if cell is None else cell.replace("|", "; ") for cell in TEXT])
    frame.to_csv(tmp_path / "log.csv", index=False)
    return tmp_path / "log.csv", {"genres": "; "}


@pytest.mark.parametrize(
    "source",
    [
        from_frame_of_lists,
        from_frame_of_arrays,
        from_frame_of_arrow,
        from_parquet_lists,
        from_frame_of_text,
        from_csv,
    ],
)
def test_impressions_with_bags(source, tmp_path):
    log, words = source(tmp_path)
    data = prepare_impressions(log, **COLUMNS, bags=words, dim={"genres": 3})
    # In training, Comedy occurs 3 times, Action 2 times and Drama once.
    expected = kd.Bag("genres", vocabulary=["Comedy", "Action", "Drama"], dim=3)
    assert data.spec.features["genres"] == expected
    assert data.spec.sequences[0].of == data.spec.target
    train, test = data.parts["train"].columns["genres"], data.parts["test"].columns["genres"]
    assert bags(data, train) + bags(data, test) == KNOWN
    history = data.behaviors["hist"].columns["genres"]
    assert bags(data, history) == [KNOWN[row] for row in (0, 1, 3, 4, 5)]
    counts = {"bags": 6, "empty": 2, "longest": 3, "over_max_values": 0}
    assert data.report["bags"] == {"genres": counts}
    assert data.report["parts"]["test"]["rows_with_unseen"] == {"item": 1, "genres": 1}
    assert data.report["rows_aside"] == {}
    ((x, _),) = data.dataset("test")
    np.testing.assert_array_equal(x["genres"], [[[1]]])
    np.testing.assert_array_equal(x["hist_genres"], [[[3, 2, 0], [0, 0, 0], [0, 0, 0], [4, 2, 3]]])


def test_integers_and_text_keep_their_type(tmp_path):
    large = 2**60 + 1
    lists = [[large, 5], [5, None], [5], [], None, [large]]
    data = prepare_impressions(a_log(lists), **COLUMNS)
    assert data.spec.features["genres"].vocabulary == (5, large)
    table = as_arrow(a_log(), pa.array(lists, pa.list_(pa.int64())))
    pa.parquet.write_table(table, tmp_path / "log.parquet")
    data = prepare_impressions(tmp_path / "log.parquet", **COLUMNS)
    assert data.spec.features["genres"].vocabulary == (5, large)
    assert bags(data, data.parts["train"].columns["genres"]) == [[large, 5], [5], [5], [], []]
    # Split text gives strings, even if each row has one number.
    a_log(["05", "05", "7", "7", "05", "05"]).to_csv(tmp_path / "log.csv", index=False)
    data = prepare_impressions(tmp_path / "log.csv", **COLUMNS, bags=["genres"])
    assert data.spec.features["genres"].vocabulary == ("05", "7")


def test_behaviors_with_bags_of_several_tables(tmp_path):
    log = a_log().drop(columns="genres").assign(marks=[["m"], [], ["n", "m"], ["n"], [], []])
    items = pd.DataFrame(
        {"item": ["x", "y", "z", "w", "v"], "genres": ["A|B", "B", "", None, "C|A"]}
    )
    users = pd.DataFrame({"user": ["a"], "likes": [["p", "q"]]})
    data = prepare_interactions(
        log,
        user="user",
        time="time",
        target=["item", "genres"],
        context=["likes"],
        side_features=["marks"],
        items=items,
        users=users,
        bags={"genres": "|"},
        negatives=1,
        time_unit="us",
    )
    of_item = {"x": ["A", "B"], "y": ["B"], "z": [], "w": [], "v": ["C", "A"], "?": []}
    known = set(data.spec.features["genres"].vocabulary)
    of_item = {k: [g if g in known else "?" for g in v] for k, v in of_item.items()}
    names = (None, "?", *data.spec.features["item"].vocabulary)
    for part, samples in data.parts.items():
        items_shown = [names[i] for i in samples.columns["item"]]
        for item, found in zip(items_shown, bags(data, samples.columns["genres"]), strict=True):
            if item != "?":
                assert found == of_item[item], part
        assert bags(data, samples.columns["likes"], "likes") == [["p", "q"]] * len(samples)
    held = data.behaviors["hist"].columns
    assert bags(data, held["genres"])[:5] == [of_item[i] for i in ["x", "y", "z", "x", "y"]]
    assert bags(data, held["marks"], "marks") == [["m"], [], ["n", "m"], ["n"], [], []]
    assert [f.name for f in data.spec.sequences[0].side_features] == ["marks"]
    assert data.report["bags"]["genres"] == {
        "bags": 5,
        "empty": 2,
        "longest": 2,
        "over_max_values": 0,
    }

    data.save(tmp_path / "data")
    again = PreparedData.load(tmp_path / "data")
    assert again.spec == data.spec
    assert again.report == data.report
    assert isinstance(again.parts["train"].columns["genres"].values.base, np.memmap)
    for before, after in zip(data.dataset("train"), again.dataset("train"), strict=True):
        for name, values in before[0].items():
            np.testing.assert_array_equal(after[0][name], values, err_msg=name)
    x, y = next(iter(again.dataset("train")))
    assert kd.build_base(again.spec).predict_on_batch(x).shape == y.shape


def test_prior_history_with_bags():
    earlier = pd.DataFrame(
        {"user": ["a", "a"], "item": ["x", "y"], "genres": [["Pop"], ["Action"]]}
    )
    data = prepare_impressions(a_log(), **COLUMNS, prior_history={"hist": earlier})
    held = bags(data, data.behaviors["hist"].columns["genres"])
    assert held == [["Pop"], ["Action"], *(KNOWN[row] for row in (0, 1, 3, 4, 5))]


def test_given_bag_feature():
    genres = kd.Bag("genres", vocabulary=["Drama", "Comedy"], pooling="max", max_values=2)
    columns = COLUMNS | {"target": ["item", genres]}
    for log in (a_log(LISTS), a_log(TEXT)):
        data = prepare_impressions(log, **columns)
        assert data.spec.features["genres"] is genres
        found = bags(data, data.parts["train"].columns["genres"])
        assert found == [["?", "Comedy"], [], ["Comedy"], [], ["Drama", "Comedy", "?"]]
        assert data.report["bags"]["genres"]["over_max_values"] == 1
        ((x, _),) = data.dataset("train")
        assert x["genres"].shape == (5, 1, 2)
    indices = kd.Bag("genres", 9)
    columns = COLUMNS | {"target": ["item", indices]}
    data = prepare_impressions(a_log([[3], [], [8, 1], [], [], []]), **columns)
    assert data.parts["train"].columns["genres"].values_of(2).tolist() == [8, 1]
    with pytest.raises(ValueError, match=r"'genres' must hold indices from 1 to 8.* 9 in row 2"):
        prepare_impressions(a_log([[3], [], [8, 9], [], [], []]), **columns)


def test_counts_and_min_count():
    data = prepare_impressions(a_log(), **COLUMNS | {"target": ["item", "genres"]}, min_count=2)
    assert data.spec.features["genres"].vocabulary == ("Comedy", "Action")
    with pytest.raises(ValueError, match="'genres' must have values in the training part"):
        prepare_impressions(a_log([[], [], [], None, [], ["x"]]), **COLUMNS)


def test_bad_cells_are_bad_rows(tmp_path):
    cells = [["a"], {"b": 1}, ["b", ["c"]], [1.5], "a", ["a", b"\xff"]]
    log = a_log(cells, time=[1, 2, 3, 4, 5, 6])
    log = pd.concat([log, a_log().loc[2:2]], ignore_index=True)
    data = prepare_impressions(log, **COLUMNS, max_bad=1)
    reason = "'genres' holds no strings or integers"
    assert data.bad_rows["line"].tolist() == [1, 2, 3, 4, 5]
    assert set(data.bad_rows["reason"]) == {reason}
    assert data.bad_rows["genres"].tolist() == cells[1:]
    assert data.report["rows_aside"] == {reason: {"rows": 5, "first_line": 1}}
    assert len(data.parts["train"]) == 2
    with pytest.raises(ValueError, match="Received in line 1: 'genres' holds no strings"):
        prepare_impressions(log, **COLUMNS, strict=True)
    data = prepare_impressions(log, **COLUMNS, bags="genres", max_bad=1)  # Now text is a bag.
    assert data.bad_rows["line"].tolist() == [1, 2, 3, 5]
    data.save(tmp_path / "data")
    assert PreparedData.load(tmp_path / "data").bad_rows["line"].tolist() == [1, 2, 3, 5]


def test_invalid_utf_8_is_a_bad_row(tmp_path):
    text = a_log(TEXT).to_csv(index=False).encode().replace(b"Western", b"West\xff")
    (tmp_path / "log.csv").write_bytes(text)
    data = prepare_impressions(tmp_path / "log.csv", **COLUMNS, bags=["genres"], max_bad=0.2)
    assert data.bad_rows["line"].tolist() == [7]
    assert data.bad_rows["reason"].tolist() == ["'genres' is not UTF-8"]


def test_rows_with_the_same_lists_are_duplicates():
    log = pd.concat([a_log(), a_log()], ignore_index=True)
    data = prepare_impressions(log, **COLUMNS, duplicates="drop")
    assert data.report["rows_aside"]["the row is a duplicate"] == {"rows": 6, "first_line": 6}


def test_lists_of_numpy_integers():
    cells, wrong = bag_cells(pd.Series([[np.int64(1), np.int32(2)], [np.int64(2)]]), None)
    assert cells.tolist() == [(1, 2), (2,)]
    assert not wrong.any()


def test_bag_cells_returns_tuples():
    cells = pd.Series([["a", "", None, np.nan, "a"], np.array([1, 2]), (), None, "a|b", 7])
    found, wrong = bag_cells(cells, "|")
    assert found.tolist() == [("a", "a"), (1, 2), (), None, "a|b", "7"]
    assert not wrong.any()
    found, wrong = bag_cells(cells, None)
    assert wrong.tolist() == [False] * 4 + [True] * 2
    equal, _ = bag_cells(pd.Series([["a"], ["a"], [3.0, np.nan]]), "|")
    assert equal[0] is equal[1]
    assert equal[2] == (3,)


@pytest.mark.parametrize(
    "words, text",
    [
        ({"bags": ["tags"]}, r"`bags` must name features .*\['genres'\]\. Received: 'tags'"),
        ({"bags": {"item": "|"}}, "that may have several values.* Received: 'item'"),
        ({"bags": "user", "context": ["user"]}, "that may have several values.* Received: 'user'"),
        ({"bags": {"genres": ""}}, "separator of 'genres' in `bags` must be text. Received: ''"),
        ({"bags": {"genres": None}}, "must be text. Received: None"),
        (
            {"target": ["item", kd.Categorical("genres", 9)], "bags": "genres"},
            r"that may have several values\. These are the columns .* Received: 'genres'",
        ),
        (
            {"target": ["item", kd.Categorical("genres", 9)]},
            "Column 'genres' must hold one value per row. Received: list",
        ),
        (
            {"target": [kd.Bag("item", 9), "genres"]},
            r"must be the item, which has one value. Received: Bag\('item', 9",
        ),
        ({"user": "genres"}, "'genres' must hold one value per row"),
        ({"target": [3]}, "names of columns, and features such as `Categorical` objects"),
    ],
)
def test_invalid_bags_raise(words, text):
    with pytest.raises(ValueError, match=text):
        prepare_impressions(a_log(), **(COLUMNS | words))


def test_check_separators():
    features = ["item", "genres", "shop", kd.Bag("tags", 9), kd.Numeric("price")]
    expected = {"genres": ";", "shop": None, "tags": "|"}
    assert check_separators({"genres": ";"}, [*features, "user"], ["user"]) == expected
