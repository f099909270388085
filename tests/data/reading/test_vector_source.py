"""Vectors with keys, from tables, arrays and dicts."""

import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from keras_din.data.reading.vector_source import read_vectors

KEYS = ["a", "b", "c"]
VALUES = np.array([[1, 2], [3, 4], [5, 6.5]], "float32")
FRAME = pd.DataFrame({"item": KEYS, "title": list(VALUES)})


def written(folder, kind):
    """A source of the vectors, of one of several kinds."""
    if kind == "parquet":
        FRAME.to_parquet(folder / "titles.parquet")
        return folder / "titles.parquet"
    if kind == "fixed size lists":
        lists = pa.FixedSizeListArray.from_arrays(pa.array(VALUES.ravel(), pa.float32()), 2)
        pa.parquet.write_table(pa.table({"title": lists, "item": KEYS}), folder / "t.parquet")
        return str(folder / "t.parquet")
    if kind == "several files":
        FRAME[:2].to_parquet(folder / "titles-1.parquet")
        FRAME[2:].to_parquet(folder / "titles-2.parquet")
        return str(folder / "titles-*.parquet")
    if kind == "json lines":
        FRAME.to_json(folder / "titles.jsonl", orient="records", lines=True)
        return folder / "titles.jsonl"
    if kind == "npy files":
        np.save(folder / "keys.npy", np.array(KEYS))
        np.save(folder / "values.npy", VALUES)
        return str(folder / "keys.npy"), folder / "values.npy"
    return {
        "frame": FRAME,
        "other columns": FRAME.assign(brand="x"),
        "other name": FRAME.rename(columns={"title": "vector"}),
        "arrow": pa.table({"item": KEYS, "title": [list(map(float, v)) for v in VALUES]}),
        "dict": dict(zip(KEYS, VALUES.tolist(), strict=True)),
        "dict of arrays": dict(zip(KEYS, VALUES, strict=True)),
        "arrays": (np.array(KEYS), VALUES),
        "lists": (KEYS, VALUES.tolist()),
    }[kind]


@pytest.mark.parametrize(
    "kind",
    [
        "parquet",
        "fixed size lists",
        "several files",
        "json lines",
        "npy files",
        "frame",
        "other columns",
        "other name",
        "arrow",
        "dict",
        "dict of arrays",
        "arrays",
        "lists",
    ],
)
@pytest.mark.parametrize("size", [2, None])
def test_every_source_has_the_same_vectors(kind, size, tmp_path):
    keys, values, without = read_vectors("title", written(tmp_path, kind), "item", size)
    assert keys.tolist() == KEYS
    np.testing.assert_array_equal(values, VALUES)
    assert without == 0


def test_rows_without_keys_are_in_the_order_of_integers(tmp_path):
    np.save(tmp_path / "values.npy", VALUES)
    for source in (VALUES, tmp_path / "values.npy"):
        keys, values, _ = read_vectors("title", source, "item", 2)
        assert keys.tolist() == [0, 1, 2]
        np.testing.assert_array_equal(values, VALUES)
    assert isinstance(values, np.memmap)


def test_rows_without_a_vector_are_left_out(tmp_path):
    frame = pd.DataFrame({"item": KEYS, "title": [[1, 2], None, [3, 4]]})
    frame.to_parquet(tmp_path / "titles.parquet")
    for source in (frame, tmp_path / "titles.parquet"):
        keys, values, without = read_vectors("title", source, "item", 2)
        assert (keys.tolist(), values.tolist(), without) == (["a", "c"], [[1, 2], [3, 4]], 1)


@pytest.mark.parametrize(
    "source, message",
    [
        ({"a": [1, 2], "b": [3]}, "of 'title' must have the size 2. Received: 1 value of 'b'"),
        ((KEYS, VALUES[:, :1]), r"must be numbers of the shape \(rows, 2\).*float32.*\(3, 1\)"),
        ((KEYS, VALUES[:2]), "one row per key. Received: 3 keys and 2 rows"),
        ((["a", "b", "a"], VALUES), "one row per key. Received: 'a' twice, again in row 2"),
        ((["a", None, "c"], VALUES), "a key in every row. Received: no key in row 1"),
        ({"a": [1, 2], "b": [3, None]}, "a number in every place. Received: no value of 'b'"),
        ({"a": ["x", "y"]}, "must be lists of numbers. Received: the type list<.*string"),
        ({"a": 1.0}, "must be lists of numbers. Received: the type double"),
        ({"a": [1, 2], "b": ["x", "y"]}, "must be lists of numbers"),
        (FRAME.assign(other=1).rename(columns={"title": "t"}), r"column of vectors 'title'.*'t'"),
        (FRAME.rename(columns={"item": "id"}), r"column of keys 'item'.*\['id', 'title'\]"),
        ("titles.csv", "must be in a Parquet.*Received: a CSV file, titles.csv"),
    ],
)
def test_invalid_vectors(source, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "titles.csv").write_text('item,title\na,"1 2"\n')
    with pytest.raises(ValueError, match=re.compile(message, re.S)):
        read_vectors("title", source, "item", 2)


@pytest.mark.parametrize(
    "line, reason",
    [('{"item":', "no JSON object"), ('{"item": "x", "title": 3}', "'title' is no list")],
)
def test_bad_lines_of_json_are_no_missing_vectors(tmp_path, line, reason):
    path = written(tmp_path, "json lines")
    path.write_text(path.read_text() + line + "\n")
    other = tmp_path / "other.jsonl"
    other.write_text('{"item": "y", "title": [1, 2]}\n')
    for source in (path, [other, path]):
        with pytest.raises(
            ValueError, match=rf"must be a JSON object.* Received: line 4 .*{reason}"
        ):
            read_vectors("title", source, "item")
