"""`keras-din predict`: the rows come back as they were, with `ctr` beside them."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

import keras_din as kd
from keras_din.cli import main
from keras_din.data import PreparedData
from keras_din.metrics import recalibrated

PREPARE = ["--user", "who", "--time", "ts", "--label", "click", "--target", "item,price"]
LOG = ["--user", "who", "--time", "ts", "--label", "click"]


def a_log(rows=240, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "id": [f"r{row}" for row in range(rows)],
            "who": [f"{user:03}" for user in rng.integers(12, size=rows)],
            "item": [f"i{item}" for item in rng.integers(6, size=rows)],
            "price": rng.normal(10, 2, rows).round(2),
            "ts": 1_700_000_000 + np.arange(rows) * 60,
            "click": rng.integers(2, size=rows),
        }
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A log, the data of its first 200 rows, and a run with a positive weight."""
    folder = tmp_path_factory.mktemp("predict")
    a_log().to_csv(folder / "all.csv", index=False)
    a_log()[:200].to_csv(folder / "log.csv", index=False)
    words = [str(folder / "log.csv"), str(folder / "data"), *PREPARE, "--dim", "4"]
    assert main(["prepare", *words, "--min-count", "25"]) == 0
    words = [str(folder / "data"), str(folder / "run"), "--model", "base", "--epochs", "1"]
    words += ["--batch-size", "64", "--quiet", "--option", "hidden_units=[8]"]
    assert main(["train", *words, "--positive-weight", "20"]) == 0
    return folder


def predict(folder, capsys, source, output, *words):
    words = [str(folder / "run"), str(source), str(output), *map(str, words)]
    code = main(["predict", *words])
    printed = capsys.readouterr()
    assert code == 0, printed.err
    read = pd.read_csv if str(output).endswith(".csv") else pd.read_parquet
    options = {"dtype": {"who": str}} if read is pd.read_csv else {}
    return read(output, **options), printed.out


def test_prepared_data_is_joined_back(folder, tmp_path, capsys):
    found, printed = predict(folder, capsys, folder / "data", tmp_path / "ctr.csv")
    assert list(found) == ["line", "who", "item", "price", "time", "label", "ctr"]
    assert "the model's output with positive_weight=20 undone" in printed
    log = pd.read_csv(folder / "log.csv", dtype={"who": str}).set_index(np.arange(2, 202))
    of_log = log.loc[found["line"]]
    assert found["who"].tolist() == of_log["who"].tolist()  # 007, and no number of ours.
    assert found["label"].tolist() == of_log["click"].tolist()
    assert found["price"].to_numpy() == pytest.approx(of_log["price"].to_numpy(), rel=1e-6)
    # A value outside the vocabulary is nothing, and not another one.
    vocabulary = PreparedData.load(folder / "data").spec.features["item"].vocabulary
    known = of_log["item"].where(of_log["item"].isin(vocabulary))
    assert 0 < known.isna().sum() < len(known)
    assert found["item"].fillna("-").tolist() == known.fillna("-").tolist()


def test_a_raw_log_is_scored_as_prepared_data(folder, tmp_path, capsys):
    """The log that was prepared, with its own clicks and those of the data: each counts once."""
    expected, _ = predict(folder, capsys, folder / "data", tmp_path / "data.csv")
    found, printed = predict(folder, capsys, folder / "log.csv", tmp_path / "ctr.csv", *LOG)
    log = pd.read_csv(folder / "log.csv", dtype={"who": str})
    pd.testing.assert_frame_equal(found.drop(columns="ctr"), log)
    by_line = found.set_index(np.arange(2, 202))["ctr"]
    np.testing.assert_allclose(by_line[expected["line"]], expected["ctr"], atol=1e-6)
    clicks = int(log["click"].sum())
    assert f"behaviors of 'hist' in the log: 0, and {clicks} that the data holds" in printed
    assert "read 200 rows of 12 users" in printed
    # Rows after the data, by the data and their own clicks, or by neither.
    later = tmp_path / "later.parquet"
    a_log()[200:].to_parquet(later, index=False)
    both, _ = predict(folder, capsys, later, tmp_path / "both.parquet", *LOG)
    whole, _ = predict(folder, capsys, folder / "all.csv", tmp_path / "all.csv", *LOG)
    np.testing.assert_allclose(both["ctr"], whole["ctr"][200:], atol=1e-6)
    alone, _ = predict(folder, capsys, later, tmp_path / "alone.csv", *LOG, "--log-only")
    assert np.abs(alone["ctr"] - both["ctr"]).max() > 1e-4
    shown, _ = predict(folder, capsys, later, tmp_path / "shown.csv", *LOG[:4])
    assert np.abs(shown["ctr"] - both["ctr"]).max() > 1e-4


def test_rows_that_can_not_be_scored_stay(folder, tmp_path, capsys):
    log = a_log()[200:].reset_index(drop=True)
    log["who"] = log["who"].mask(log.index == 3)
    log["price"] = log["price"].mask(log.index == 4)
    log["item"] = log["item"].mask(log.index == 5)
    log["ids"] = pd.array([2**60 + 1, None] * 20, "Int64")
    log["lists"] = [[1, 2], None] * 20
    log.to_parquet(tmp_path / "log.parquet", index=False)
    output = tmp_path / "ctr.parquet"
    found, printed = predict(folder, capsys, tmp_path / "log.parquet", output, *LOG)
    assert np.flatnonzero(found["ctr"].isna()).tolist() == [3, 5]
    assert "not scored 1: 'who' is missing" in printed
    assert "not scored 1: 'item' is missing" in printed
    assert "without a value of 'price': 1" in printed
    assert "40 rows, 2 of them not scored" in printed
    table = pa.parquet.read_table(output)
    assert table.drop_columns("ctr").equals(pa.parquet.read_table(tmp_path / "log.parquet"))
    found, _ = predict(
        folder, capsys, tmp_path / "log.parquet", tmp_path / "c.csv", *LOG, "--columns", "ids,lists"
    )
    assert list(found) == ["ids", "lists", "ctr"]
    text = (tmp_path / "c.csv").read_text().splitlines()
    assert text[1].startswith('1152921504606846977,"[1, 2]",')
    assert text[2].startswith(",,")


def ready_rows(rows=6):
    rng = np.random.default_rng(1)
    items = lambda n: [f"i{item}" for item in rng.integers(6, size=n)]  # noqa: E731
    return pd.DataFrame(
        {
            "request": [f"q{row}" for row in range(rows)],
            "item": items(rows),
            "price": [3.5, None, *rng.normal(10, 2, rows - 2)],
            "hist_item": [items(row % 3) for row in range(rows)],
            "hist_price": [[1.0] * (row % 3) for row in range(rows)],
        }
    )


def test_ready_rows_pass_through_and_raw(folder, tmp_path, capsys):
    source = tmp_path / "rows.parquet"
    rows = ready_rows()
    rows["price"] = rows["price"].fillna(4.0)
    rows.to_parquet(source, index=False)
    found, printed = predict(folder, capsys, source, tmp_path / "ctr.parquet")
    table = pa.parquet.read_table(tmp_path / "ctr.parquet")
    assert table.drop_columns("ctr").equals(pa.parquet.read_table(source))
    assert "positive_weight=20 undone" in printed
    raw, printed = predict(folder, capsys, source, tmp_path / "raw.csv", "--raw")
    assert "as it is (raw)" in printed
    np.testing.assert_allclose(found["ctr"], recalibrated(raw["ctr"].to_numpy(), 20), rtol=1e-4)
    assert json.loads(raw["hist_item"][2]) == rows["hist_item"][2]


def test_data_of_an_older_version(folder, tmp_path, capsys):
    data = PreparedData.load(folder / "data")
    parts = {
        name: kd.data.Samples.from_arrays({k: v for k, v in part.arrays().items() if k != "line"})
        for name, part in data.parts.items()
    }
    PreparedData(data.spec, data.behaviours, parts, data.report).save(tmp_path / "old")
    found, printed = predict(folder, capsys, tmp_path / "old", tmp_path / "ctr.csv")
    assert list(found) == ["user", "item", "price", "time", "label", "ctr"]
    assert "knows its users by number alone" in printed
    words = [str(folder / "run"), str(folder / "log.csv"), str(tmp_path / "x.csv"), *LOG]
    assert main(["predict", *words, "--data", str(tmp_path / "old")]) == 1
    assert "must know which user of the log" in capsys.readouterr().err


@pytest.mark.parametrize(
    "source, words, message",
    [
        ("log.csv", ["--time", "ts"], "A raw log needs `--user` and `--time`. Received: --time al"),
        ("log.csv", ["--user", "who"], "A raw log needs `--user` and `--time`. Received: --user"),
        ("log.csv", [], "a raw log, which may be CSV, needs `--user` and `--time`"),
        ("log.parquet", [], "missing are ['hist_item', 'hist_price']. A raw log needs `--user`"),
        ("log.csv", [*LOG, "--columns", "id,x"], "must name columns of the input: ['id', 'who'"),
        ("ctr.csv", LOG, "must have no column `ctr`, or `--columns` must leave it out"),
        ("log.csv", [*LOG, "--behaviors", "x=click"], "must name sequences of the model: ['hist'"),
        ("log.csv", [*LOG, "--data", "gs://b/data"], "must be a path of a local file system"),
    ],
)
def test_what_is_refused(folder, tmp_path, capsys, source, words, message):
    a_log().to_parquet(tmp_path / "log.parquet")
    a_log().assign(ctr=1).to_csv(tmp_path / "ctr.csv")
    source = tmp_path / source if (tmp_path / source).exists() else folder / source
    words = [str(folder / "run"), str(source), str(tmp_path / "out.csv"), *words]
    assert main(["predict", *words]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out.csv").exists()
