"""Shards of DuckDB are those of one machine, within a limit of memory."""

import datetime
import decimal
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import keras_din as kd
from keras_din.cli import main
from keras_din.data.encoding.counted import Counted
from keras_din.data.sharded.count_rows import RowCounts
from keras_din.data.sharded.rows_in_duckdb import opener_of_duckdb
from keras_din.data.sharded.rows_of_shards import RowsOfShards
from tests.data.sharded.shared import (
    BEHAVIORS,
    COLUMNS,
    RICH_BEHAVIORS,
    RICH_ON_ONE_MACHINE,
    assert_equal,
    random_log,
)

pytest.importorskip("duckdb", reason="DuckDB is not installed: pip install 'keras_din[duckdb]'")

ENGINE = {"engine": "duckdb", "memory_limit": "100MB"}


def write_files(folder, log, kind):
    folder.mkdir()
    for number, rows in enumerate(np.array_split(np.arange(len(log)), 3)):
        piece = log.iloc[rows]
        if kind == "csv":
            piece.to_csv(folder / f"{number}.csv", index=False)
        else:
            piece.to_parquet(folder / f"{number}.parquet", index=False)
    return folder


@pytest.mark.parametrize(
    "seed, kind, shards, options",
    [
        (30, "frame", 3, RICH_ON_ONE_MACHINE),
        (31, "csv", 6, {"split": kd.data.LeaveOneOut()}),
        (33, "parquet", 4, RICH_ON_ONE_MACHINE | {"duplicates": "drop"}),
    ],
)
def test_shards_of_duckdb_equal_one_machine(tmp_path, seed, kind, shards, options):
    log = random_log(seed).assign(last_shop=lambda log: log["shop"].to_numpy()[::-1])
    log = pd.concat([log, log[:10]], ignore_index=True)
    source = log if kind == "frame" else write_files(tmp_path / "log", log, kind)
    options = COLUMNS | options | {"max_bad": 0.2}
    one = kd.data.prepare_impressions(source, **options)
    header = kd.data.prepare_shards(source, tmp_path / "data", shards, **options, **ENGINE)
    assert_equal(tmp_path / "data", one, header)
    assert header["rows_aside"] == one.report["rows_aside"]
    names = {path.name for path in (tmp_path / "data").iterdir()} - {"bad_rows.csv"}
    shard_names = {f"shard-{i:05d}-of-{shards:05d}" for i in range(shards)}
    assert names == shard_names | {"sharded.json"}


def test_shards_of_behaviors_equal_one_machine(tmp_path):
    log = random_log(35).assign(last_shop=lambda log: log["shop"].to_numpy()[::-1])
    options = BEHAVIORS | RICH_BEHAVIORS | {"max_bad": 0.2}
    one = kd.data.prepare_interactions(log, **options)
    options |= ENGINE | {"kind": "interactions"}
    assert_equal(tmp_path / "a", one, kd.data.prepare_shards(log, tmp_path / "a", 5, **options))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_shards_of_random_logs_equal_one_machine(tmp_path, seed):
    log = random_log(200 + seed).assign(last_shop=lambda log: log["shop"].to_numpy()[::-1])
    split = [None, kd.data.LastFraction(0, 0.3), kd.data.LeaveOneOut()][seed % 3]
    options = COLUMNS | (RICH_ON_ONE_MACHINE if seed % 2 else {}) | {"split": split, "max_bad": 0.2}
    one = kd.data.prepare_impressions(log, **options)
    shards = [1, 2, 7, 30][seed // 3]
    header = kd.data.prepare_shards(log, tmp_path / "data", shards, **options, **ENGINE)
    assert_equal(tmp_path / "data", one, header)


def open_both(folder, shards, user):
    (folder / "files").mkdir()
    (folder / "duckdb").mkdir()
    opener = opener_of_duckdb("100MB")
    return RowsOfShards(folder / "files", shards, user), opener(folder / "duckdb", shards, user)


def test_rows_of_all_types_are_kept(tmp_path):
    """Also names that differ in upper and lower case, and those of columns that we add."""
    day = datetime.datetime(2026, 11, 20, 1, 2, 3, 4)
    values = {
        "user": pa.array(["ann", "bob", None, "café\0", ""]),
        "line": pa.array([2**64 - 1, 0, None, 5, 7], pa.uint64()),
        "shard": pa.array([-1, None, 3, 4, 5], pa.int8()),
        "c0": pa.array([0.1, float("nan"), None, -0.0, float("inf")], pa.float32()),
        "C0": pa.array([True, None, False, True, True]),
        "half": pa.array([1.5, None, 2, 3, 4], pa.float16()),
        "text": pa.array(["x", None, "", "\\N", "y"], pa.large_string()),
        "nothing": pa.nulls(5),
        "bag": pa.array([["a", None], [], None, ["b"], ["c"]], pa.list_(pa.string())),
        "times": pa.array([[day], None, [], [day], [day]], pa.list_(pa.timestamp("ns", "UTC"))),
        "at": pa.array([day, None, day, day, day], pa.timestamp("ns", "Europe/Berlin")),
        "day": pa.array([day.date(), None, day.date(), day.date(), day.date()]),
        "span": pa.array([5, None, 1, 2, 3], pa.duration("us")),
        "price": pa.array([decimal.Decimal("1.10"), None, None, None, None], pa.decimal128(9, 2)),
        "huge": pa.array([decimal.Decimal(10) ** 50] * 5, pa.decimal256(60, 0)),
    }
    table = pa.table(values)
    files, database = open_both(tmp_path, 3, "user")
    with files, database:
        for each in (files, database):
            each.add(table.slice(2), np.array([20, 7, 8]))
            each.add(table.slice(0, 2), np.array([30, 31]))
        for shard in range(3):
            expected = files.read(shard).sort_index()
            pd.testing.assert_frame_equal(database.read(shard), expected)


def test_counts_are_those_of_one_machine(tmp_path):
    none = pd.Series(dtype=np.int64)
    pieces = {
        "whole": [np.array([2**62, 5]), np.array([5, 9])],
        "unsigned": [np.array([2**64 - 1], np.uint64), np.array([2**64 - 1, 1], np.uint64)],
        "flags": [np.array([True]), np.array([True, False], object)],
        "numbers": [np.array([0.1, -2.5]), np.array([0.1])],
        "words": [np.array(["b", "a"], object), np.array(["b", "c"], object)],
        "mixed": [np.array([1, 2]), np.array(["1", "x"], object)],
        "empty": [np.array([], np.int64), np.array([], object)],
    }
    counts = [
        RowCounts({n: Counted(pd.Series(v[i]), np.arange(1, len(v[i]) + 1), i == 0)}, none, {})
        for i in range(2)
        for n, v in pieces.items()
    ]
    files, database = open_both(tmp_path, 3, "user")
    with files, database:
        found, expected = database.add_values(counts), files.add_values(counts)
        assert found.keys() == expected.keys() == pieces.keys()
        for name, each in expected.items():
            pd.testing.assert_series_equal(found[name].values, each.values)
            np.testing.assert_array_equal(found[name].counts, each.counts)
            assert found[name].in_bags
        for times in ([none, pd.Series([1, 2], [30, 10]), pd.Series([4], [10])], [none]):
            pd.testing.assert_series_equal(database.add_times(times), files.add_times(times))


def test_rows_that_exceed_the_limit(tmp_path):
    rows = 100_000
    user = np.random.default_rng(0).integers(0, 1000, rows)
    table = pa.table({"user": user, "text": [f"{each:0300d}" for each in user]})  # 30 MB.
    with opener_of_duckdb("40MB")(tmp_path, 4, "user") as database:
        for start in (0, rows, 2 * rows):
            database.add(table, np.arange(start, start + rows))
        found = [database.read(shard) for shard in range(4)]
    assert sum(map(len, found)) == 3 * rows
    for frame in found:
        assert (np.diff(frame.index) > 0).all()
        np.testing.assert_array_equal(frame["user"], user[frame.index % rows])
        assert (frame["text"] == frame["user"].map("{:0300d}".format)).all()


@pytest.mark.parametrize("limit", ["0KB", "2MB"])
def test_a_limit_that_is_too_small(tmp_path, limit):
    log = random_log(0, rows=20_000)
    options = COLUMNS | {"engine": "duckdb", "memory_limit": limit, "max_bad": 0.2}
    error = f"the rows of a shard. Raise the limit, or use more shards. Received: '{limit}', with"
    with pytest.raises(ValueError, match=error):
        kd.data.prepare_shards(log, tmp_path / "data", 2, **options)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "options, error",
    [
        ({"engine": "polars"}, "engine"),
        ({"memory_limit": "1GB"}, "must be given with `engine=.duckdb"),
        ({"engine": "duckdb", "memory_limit": "80%"}, "a number with a unit, such as '1GB'"),
        ({"engine": "duckdb", "memory_limit": 10}, "a number with a unit, such as '1GB'"),
        ({"engine": "duckdb", "split": kd.data.ByUser()}, "since ByUser numbers all users"),
    ],
)
def test_options_that_do_not_apply(tmp_path, options, error):
    with pytest.raises(ValueError, match=error):
        kd.data.prepare_shards(random_log(0), tmp_path / "data", 2, **COLUMNS | options)
    assert not list(tmp_path.iterdir())


def test_duckdb_is_not_installed(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(ImportError, match=r"needs DuckDB: python -m pip install 'keras_din\[duck"):
        kd.data.prepare_shards(random_log(0), tmp_path / "data", 2, **COLUMNS, engine="duckdb")


def test_command(tmp_path, capsys):
    random_log(34).to_csv(tmp_path / "log.csv", index=False)
    words = {"user": "who", "time": "at", "label": "click", "target": "item", "max-bad": "0.2"}
    words |= {"engine": "duckdb", "memory-limit": "100MB"}
    command = ["prepare", f"{tmp_path}/log.csv", f"{tmp_path}/data"]
    command += [f"--{name}={value}" for name, value in words.items()]
    assert main(command) == 1
    assert "must be given with `--shards`. Received: --engine duckdb" in capsys.readouterr().err
    assert main([*command, "--shards", "2"]) == 0
    assert capsys.readouterr().out.endswith(f"written: {tmp_path}/data, 2 shards\n")
    assert kd.data.load_shards(tmp_path / "data").parts["train"]
