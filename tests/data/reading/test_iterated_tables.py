"""Logs in pieces that an iterable yields, compared with one table."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from keras_din.data import prepare_impressions, prepare_interactions, prepare_rows
from keras_din.data.prepare.joins import column_names
from keras_din.data.reading.columns import to_plain_series
from keras_din.data.reading.source import as_source, to_frame
from keras_din.data.reading.table import read_table
from tests.data.reading.shared import WORDS, a_log, check_equal, write, write_days


def pieces(log: pd.DataFrame, count: int = 3) -> list:
    return [log.iloc[rows] for rows in np.array_split(np.arange(len(log)), count)]


def arrow(log: pd.DataFrame) -> pa.Table:
    return pa.Table.from_pandas(log, preserve_index=False)


class Chunks:
    """An iterable that begins anew each time."""

    def __init__(self, log):
        self.log = log

    def __iter__(self):
        return iter(pieces(self.log))


ITERABLES = {
    "frames": pieces,
    "a tuple of frames": lambda log: tuple(pieces(log)),
    "a generator of frames": lambda log: (piece for piece in pieces(log)),
    "an iterable": Chunks,
    "tables": lambda log: [arrow(piece) for piece in pieces(log)],
    "batches": lambda log: iter(arrow(log).to_batches(max_chunksize=20)),
    "frames and tables": lambda log: [pieces(log)[0], *map(arrow, pieces(log)[1:])],
    "categories": lambda log: [p.astype({p.columns[0]: "category"}) for p in pieces(log)],
}


@pytest.mark.parametrize("make", ITERABLES.values(), ids=ITERABLES)
def test_pieces_are_one_table(make):
    log = a_log()
    log.loc[[7, 33], "click"] = 5
    expected = prepare_impressions(log, **WORDS)
    data = prepare_impressions(make(log), **WORDS)
    check_equal(data, expected)
    assert data.bad_rows["line"].tolist() == [7, 13]
    assert data.bad_rows["file"].tolist() == ["table 1", "table 2"]
    np.testing.assert_array_equal(data.parts["train"].line, expected.parts["train"].line)
    first = {"file": "table 1", "rows": 20, "lines_before": 0}
    assert data.report["files"][0] == first
    words = {"user": "user", "time": "time", "target": ["item"], "seed": 3}
    items = pd.DataFrame({"item": ["tea", "pot", "cup", "jug", "pan", "mug"]})
    expected = prepare_interactions(log, items=items, **words)
    check_equal(prepare_interactions(make(log), items=make(items), **words), expected)


def test_chunks_of_other_libraries(tmp_path):
    log = a_log()
    write(tmp_path / "log.csv", log)
    expected = prepare_impressions(log, **WORDS)
    with pd.read_csv(tmp_path / "log.csv", chunksize=20, dtype={"user": str}) as chunks:
        check_equal(prepare_impressions(chunks, **WORDS), expected)
    write(tmp_path / "log.parquet", log)
    with pa.parquet.ParquetFile(tmp_path / "log.parquet") as file:
        check_equal(prepare_impressions(file.iter_batches(20), **WORDS), expected)


def test_a_reader_of_batches_is_one_table():
    log = a_log()
    log.loc[33, "click"] = 5
    reader = pa.RecordBatchReader.from_batches(arrow(log).schema, arrow(log).to_batches(20))
    data = prepare_impressions(reader, **WORDS)
    expected = prepare_impressions(log, **WORDS)
    check_equal(data, expected)
    assert data.report == expected.report
    pd.testing.assert_frame_equal(data.bad_rows, expected.bad_rows, check_dtype=False)
    empty = pa.RecordBatchReader.from_batches(arrow(log).schema, [])
    assert column_names(empty) == list(log)


def test_paths_of_a_generator(tmp_path):
    log = a_log()
    files = write_days(tmp_path, log)
    data = prepare_impressions(tmp_path.glob("*.csv"), **WORDS)
    check_equal(data, prepare_impressions(files, **WORDS))
    assert data.report["files"] == prepare_impressions(files, **WORDS).report["files"]


def test_rows_that_contain_histories():
    log = a_log(12).assign(hist_item=[["tea", "pot"], [], ["cup"]] * 4)
    log.loc[7, "click"] = 5
    words = {"label": "click", "target": "item", "max_bad": 0.5}
    expected = prepare_rows(log, **words)
    for make in (ITERABLES["frames"], ITERABLES["a generator of frames"]):
        data = prepare_rows(make(log), **words)
        check_equal(data, expected)
        assert data.bad_rows["file"].tolist() == ["table 2"]


def test_an_iterator_is_read_once():
    log = a_log()
    source = as_source(iter(pieces(log)))
    assert column_names(source) == list(log)
    assert len(read_table(source, ["user"]).frame) == 60
    with pytest.raises(ValueError, match=r"read once\. Received: .*list_iterator a second time"):
        read_table(source, ["user"])
    source = as_source(pieces(log))
    for _ in range(2):
        pd.testing.assert_frame_equal(to_frame(source), log, check_dtype=False)


def test_integers_among_text_are_text():
    frames = [pd.DataFrame({"a": values}, dtype=object) for values in (["x", 1, 2.0, None], ["y"])]
    frame, _ = read_table(frames, ["a"])
    assert to_plain_series(frame["a"]).fillna("-").tolist() == ["x", "1", "2", "-", "y"]
    frame, _ = read_table([pd.DataFrame({"a": [2**64, 1]}, dtype=object)], ["a"])
    assert frame["a"].tolist() == [str(2**64), "1"]


def test_text_that_is_not_utf8_is_bad():
    frames = [pd.DataFrame({"a": ["x"]}), pd.DataFrame({"a": ["y", "\ud800", "z"]}, dtype=object)]
    frame, bad = read_table(frames, ["a"])
    assert frame["a"].tolist() == ["x", "y", "z"]
    assert bad["line"].tolist() == [2]
    assert str(bad["reason"].iloc[0]) == "'a' is not UTF-8"


@pytest.mark.parametrize(
    "source, message",
    [
        ([], r"must yield at least one\. Received: builtins\.list without any"),
        (iter([]), r"must yield at least one\. Received: builtins\.list_iterator without any"),
        ([pd.DataFrame({"a": [1]}), 1], r"Received: builtins\.int, table 2\."),
        ([pd.DataFrame({"a": [1]}), "a.csv"], r"Received: .*a\.csv, table 2\."),
        (["a.csv", pd.DataFrame({"a": [1]})], r"must be a path, a string or a `pathlib\.Path`"),
        ([pd.DataFrame({"a": [1]}), pd.DataFrame({"b": [1]})], r"\['a'\] must be in table 2\."),
        ([pd.DataFrame({"b": [1]}), pd.DataFrame({"a": [1]})], r"\['a'\] must be in "),
        (
            [pd.DataFrame({"a": [7]}), pd.DataFrame({"a": ["007"]})],
            r"'a' must have one type in all files\. Received: int64 in table 1 and .* in table 2",
        ),
        (
            [pd.DataFrame({"a": ["x", {1}, {2}]})],  # Of mostly sets, a set is no bad row.
            r"values of one type\. Received: set \{1\} among .* table 1",
        ),
    ],
)
def test_what_raises(source, message):
    with pytest.raises(ValueError, match=message):
        read_table(source, ["a"])
