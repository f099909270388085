"""Shards of Spark are those of one machine. Spark runs here, on 127.0.0.1 alone."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import keras_din as kd
from keras_din.data.encoding.counted import Counted
from keras_din.data.spark import sort_rows, to_rows, values_of
from tests.data.sharded import shared
from tests.data.sharded.shared import comparable_rows, random_log, shards_of, union, with_tables

pytestmark = pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas")

COLUMNS = shared.COLUMNS | {"max_bad": 0.2}
OPTIONS = {"impressions": COLUMNS, "interactions": shared.BEHAVIORS | {"max_bad": 0.2}}
RICH = {
    "impressions": shared.RICH | {"split": kd.data.LeaveOneOut()},
    "interactions": shared.RICH_BEHAVIORS | {"split": kd.data.LastFraction(0.1, 0.2)},
}


@pytest.fixture(scope="module")
def spark():
    reason = "Spark is not installed: pip install 'keras_din[spark]'"
    SparkSession = pytest.importorskip("pyspark.sql", reason=reason).SparkSession
    names = {"PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(names)
    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "3")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.speculation", "true")
        .getOrCreate()
    )
    yield session
    session.stop()
    for name, value in before.items():
        os.environ.pop(name)
        if value is not None:
            os.environ[name] = value


@pytest.fixture(autouse=True)
def time_limit():
    """Ends a test that hangs, since Spark's processes may wait for each other."""

    def fail(*_):
        raise TimeoutError("a test of Spark took 15 minutes")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(900)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def as_spark(spark, log):
    """The log in Spark, in another order."""
    rows = log.assign(like=log["like"].astype("Float64")).reset_index(names="line")
    table = pa.Table.from_pandas(rows.sample(frac=1, random_state=1), preserve_index=False)
    return spark.createDataFrame(table.cast(pa.schema(map(with_small_text, table.schema))))


def with_small_text(field):
    return field.with_type(pa.string()) if pa.types.is_large_string(field.type) else field


@pytest.mark.parametrize(
    "kind, seed, shards, is_rich",
    [
        ("impressions", 20, 3, True),
        ("impressions", 21, 6, False),
        ("interactions", 24, 4, True),
        ("interactions", 25, 3, False),
    ],
)
def test_shards_of_spark_equal_one_machine(spark, tmp_path, kind, seed, shards, is_rich):
    log = random_log(seed).assign(last_shop=lambda log: log["shop"].to_numpy()[::-1])
    options = OPTIONS[kind] | (RICH[kind] if is_rich else {})
    if kind == "interactions":
        log, options["items"], options["users"] = with_tables(log, seed)
    one = getattr(kd.data, f"prepare_{kind}")(log, **options)
    header = getattr(kd.data.spark, f"prepare_{kind}")(
        as_spark(spark, log), tmp_path / "data", shards=shards, line="line", **options
    )
    assert_equal(tmp_path / "data", one, header)


def assert_equal(folder, one, header):
    pieces = shards_of(folder)
    assert {each.spec.to_json() for each in pieces} == {one.spec.to_json()}
    assert union([comparable_rows(each) for each in pieces]) == comparable_rows(one)
    assert sum(header["rows"]["train"]) == len(one.parts["train"])


def test_spark_writes_nothing_over(spark, tmp_path):
    log = as_spark(spark, random_log(22))
    folder = tmp_path / "data"
    options = {**COLUMNS, "target": ["item"], "context": [], "bags": [], "line": "line"}
    options["split"] = kd.data.ByTime(test_from=1_600_072_000, time_unit="s")
    header = kd.data.spark.prepare_impressions(log, folder, shards=2, **options)
    before = {file: file.stat().st_mtime_ns for file in folder.rglob("*.npy")}
    # A second call prepares the missing shards only.
    shutil.rmtree(folder / "shard-00001-of-00002")
    assert kd.data.spark.prepare_impressions(log, folder, shards=2, **options) == header
    kept = {file: time for file, time in before.items() if "shard-00000" in str(file)}
    assert kept.items() <= {f: f.stat().st_mtime_ns for f in folder.rglob("*.npy")}.items()
    with pytest.raises(FileExistsError, match="with shards of another spec or other options"):
        kd.data.spark.prepare_impressions(log, folder, shards=2, **options | {"dim": 2})
    text = (folder / "sharded.json").read_text()
    assert json.loads(text) == header


def test_a_killed_executor_of_spark_changes_nothing(tmp_path):
    """Nor do tasks that run twice at the same time."""
    pytest.importorskip("pyspark", reason="Spark is not installed: pip install 'keras_din[spark]'")
    names = [*shared.BEHAVIORS["target"], *shared.BEHAVIORS["context"], "who", "at"]
    log = random_log(26, rows=600, users=60)[names]
    log.reset_index(names="line").to_parquet(tmp_path / "log.parquet", index=False)
    options = shared.BEHAVIORS | {"max_bad": 0.2, "negatives": 2, "negatives_by": "popularity"}
    (tmp_path / "options.json").write_text(json.dumps(options))
    words = [sys.executable, "-m", "tests.data.killed_executor", str(tmp_path)]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            printed, errors = process.communicate(timeout=800)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # Also Spark's processes.
    assert process.returncode == 0, errors[-4000:]
    found = json.loads(printed.splitlines()[-1])
    assert found["executors"] == 2
    assert 0 < found["complete"] < 8
    header = json.loads((tmp_path / "data" / "sharded.json").read_text())
    assert_equal(tmp_path / "data", kd.data.prepare_interactions(log, **options), header)


@pytest.mark.parametrize(
    "options, error",
    [
        ({"sep": ";"}, "must be prepared without `sep`. Read CSV files with Spark"),
        ({"vectors": {"item": 1}}, "must be prepared without `vectors`. Pass the spec"),
        ({"split": kd.data.ByUser()}, "since ByUser numbers all users"),
        ({"target": ["item", "tags", "nothing"]}, r"Columns \['nothing'\] must be in the log"),
        ({"user": "price"}, "users must hold strings or integers; cast it.*'price' of double"),
        ({"line": "tags"}, "lines must be whole; cast it with Spark. Received: 'tags' of string"),
    ],
)
def test_spark_refuses_options_by_name(spark, tmp_path, options, error):
    log = as_spark(spark, random_log(23))
    with pytest.raises(ValueError, match=error):
        kd.data.spark.prepare_impressions(log, tmp_path / "a", shards=2, **COLUMNS | options)
    assert not (tmp_path / "a").exists()


def test_counts_survive_a_table():
    counts = {
        "text": Counted(pd.Series(["b", "a"]), np.array([3, 1])),
        "whole": Counted(pd.Series([2**62 + 1, 5]), np.array([1, 2]), True),
        "number": Counted(pd.Series([0.1, -2.5]), np.array([4, 7])),
    }
    table = pa.concat_tables([to_rows(name, each) for name, each in counts.items()])
    found = values_of(table.rename_columns([*table.column_names[:-1], "sum(rows)"]))
    for name, each in counts.items():
        expected = dict(zip(each.values, each.counts, strict=True))
        assert dict(zip(found[name].values, found[name].counts, strict=True)) == expected
        assert found[name].in_bags == each.in_bags
        assert found[name].values.dtype.kind == each.values.dtype.kind


def test_rows_without_lines_are_sorted_by_their_values():
    table = pa.table({"a": [2, 1, 1], "b": [["x"], ["y"], None]})
    order = [table.take([2, 0, 1]), table.take([1, 2, 0])]
    assert sort_rows(order[0], None) == sort_rows(order[1], None)
    lines = table.append_column("line", pa.array([2, 0, 1]))
    assert sort_rows(lines, "line")["line"].to_pylist() == [0, 1, 2]
