"""Separate tables for training and test are one log with a column of parts."""

import gzip

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from keras_din.data import ByUser, prepare_impressions, prepare_interactions

WORDS: dict = {"user": "user", "time": "time", "label": "click", "target": ["item"], "dim": 4}


def a_log(rows=60):
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "user": rng.choice(["ann", "bob", "007"], rows),
            "item": rng.choice(["tea", "pot", "cup", "jug"], rows),
            "time": np.arange(rows) + 1_700_000_000,
            "click": rng.integers(0, 2, rows),
        }
    )


def parts(log):
    return {"train": log[:40], "valid": log[40:50], "test": log[50:]}


def frames(folder, log):
    return parts(log)


def csv_files(folder, log):
    for name, rows in parts(log).items():
        rows.to_csv(folder / f"{name}.csv", index=False)
    content = (folder / "test.csv").read_bytes()
    (folder / "test.csv.gz").write_bytes(gzip.compress(content))
    log[:20].to_csv(folder / "a.csv", index=False)
    log[20:40].to_csv(folder / "b.csv", index=False)
    return {
        "train": [folder / "b.csv", folder / "a.csv"],
        "valid": folder / "valid.csv",
        "test": str(folder / "test.csv.gz"),
    }


def parquet_files(folder, log):
    for name, rows in parts(log).items():
        pa.parquet.write_table(pa.Table.from_pandas(rows), folder / f"{name}.parquet")
    return {name: folder / f"{name}.parquet" for name in parts(log)}


def json_files(folder, log):
    for name, rows in parts(log).items():
        rows.to_json(folder / f"{name}.json", orient="records", lines=True)
    return {name: folder / f"{name}.json" for name in parts(log)}


@pytest.mark.parametrize("form", [frames, csv_files, parquet_files, json_files])
def test_impressions(tmp_path, form):
    log = a_log()
    data = prepare_impressions(form(tmp_path, log), **WORDS)
    part = np.repeat(["train", "valid", "test"], [40, 10, 10])
    expected = prepare_impressions(log.assign(part=part), **WORDS, split="part")
    assert data.spec == expected.spec
    for name, samples in expected.parts.items():
        for key, values in samples.arrays().items():
            if key != "line":
                np.testing.assert_array_equal(data.parts[name].arrays()[key], values)
    # Histories of the test contain the clicks of the training.
    assert len(data.behaviors["hist"]) == log["click"].sum()
    assert "columns_of_folders" not in data.report
    assert sum(each["rows"] for each in data.report["files"]) == 60


def test_rows_of_two_parts_repeat_each_other():
    log = a_log()
    tables = {"train": log[:40], "test": log[30:]}
    assert prepare_impressions(tables, **WORDS).report["rows_repeated"] == 10
    clicks = {"user": "user", "time": "time", "target": ["item"], "dim": 4}
    items = pd.DataFrame({"item": ["tea", "pot", "cup", "jug", "pan"]})
    assert prepare_interactions(tables, **clicks, items=items).report["rows_repeated"] == 10
    dropped = prepare_impressions(tables, **WORDS, duplicates="drop")
    assert [len(part) for part in dropped.parts.values()] == [40, 20]
    whole = pd.concat([rows.assign(part=part) for part, rows in tables.items()])
    assert prepare_impressions(whole, **WORDS, split="part").report["rows_repeated"] == 10


def test_interactions_and_bad_rows(tmp_path):
    log = a_log()
    files = csv_files(tmp_path, log)
    with open(tmp_path / "valid.csv", "a") as file:
        file.write("bad\n")
    words = {"user": "user", "time": "time", "target": ["item"], "dim": 4, "max_bad": 0.1}
    items = pd.DataFrame({"item": ["tea", "pot", "cup", "jug", "pan"]})
    data = prepare_interactions(files, **words, items=items)
    assert data.bad_rows is not None
    assert data.bad_rows[["line", "file"]].to_numpy().tolist() == [
        [12, str(tmp_path / "valid.csv")]
    ]
    assert [len(part) for part in data.parts.values()] == [2 * (40 - 3), 20, 20]


def test_invalid_parts_raise(tmp_path):
    log = a_log()
    for source in ({"train": log, "dev": log}, {"test": log}, {}):
        with pytest.raises(
            ValueError, match=r"a dict of tables by part.* with 'train' and without"
        ):
            prepare_impressions(source, **WORDS)
    with pytest.raises(
        ValueError, match=r"without `split`. Received: \['train', 'valid', 'test'\]"
    ):
        prepare_impressions(parts(log), **WORDS, split=ByUser())
    files = csv_files(tmp_path, log)
    with pytest.raises(ValueError, match=r"must be CSV, or all JSON lines.*the table of 'test'"):
        prepare_impressions(files | {"test": log}, **WORDS)
    with pytest.raises(
        ValueError, match=r"must be a DataFrame, an Arrow table, or files.*for 'test'"
    ):
        prepare_impressions({"train": log, "test": iter([log])}, **WORDS)
