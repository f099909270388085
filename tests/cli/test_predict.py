"""`keras-din predict` copies the rows unchanged and adds `ctr`."""

import csv
import gzip
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

import keras_din as kd
from keras_din.cli import main
from keras_din.data import PreparedData
from keras_din.metrics import recalibrate

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
    words = [str(folder / "data"), str(folder / "run"), "--model", "lr", "--epochs", "1"]
    words += ["--batch-size", "64", "--quiet", "--learning-rate", "0.05"]
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


def test_prepared_data_has_its_columns(folder, tmp_path, capsys):
    found, printed = predict(folder, capsys, folder / "data", tmp_path / "ctr.csv")
    assert list(found) == ["line", "who", "item", "price", "time", "label", "ctr"]
    assert "the model's output with positive_weight=20 undone" in printed
    log = pd.read_csv(folder / "log.csv", dtype={"who": str}).set_index(np.arange(2, 202))
    of_log = log.loc[found["line"]]
    assert found["who"].tolist() == of_log["who"].tolist()  # Raw values.
    assert found["label"].tolist() == of_log["click"].tolist()
    assert found["price"].to_numpy() == pytest.approx(of_log["price"].to_numpy(), rel=1e-6)
    # A value outside the vocabulary is missing.
    vocabulary = PreparedData.load(folder / "data").spec.features["item"].vocabulary
    known = of_log["item"].where(of_log["item"].isin(vocabulary))
    assert 0 < known.isna().sum() < len(known)
    assert found["item"].fillna("-").tolist() == known.fillna("-").tolist()


def test_raw_log_has_the_scores_of_prepared_data(folder, tmp_path, capsys):
    """Clicks of the prepared log are in the data too. Each counts once."""
    expected, _ = predict(folder, capsys, folder / "data", tmp_path / "data.csv")
    found, printed = predict(folder, capsys, folder / "log.csv", tmp_path / "ctr.csv", *LOG)
    log = pd.read_csv(folder / "log.csv", dtype={"who": str})
    pd.testing.assert_frame_equal(found.drop(columns="ctr"), log)
    by_line = found.set_index(np.arange(2, 202))["ctr"]
    np.testing.assert_allclose(by_line[expected["line"]], expected["ctr"], atol=1e-6)
    clicks = int(log["click"].sum())
    assert f"behaviors of 'hist' in the log: 0, and {clicks} that the data already" in printed
    assert "read 200 rows of 12 users" in printed
    # Rows after the data: with the clicks of both, of the log only, or of the data only.
    later = tmp_path / "later.parquet"
    a_log()[200:].to_parquet(later, index=False)
    both, _ = predict(folder, capsys, later, tmp_path / "both.parquet", *LOG)
    whole, _ = predict(folder, capsys, folder / "all.csv", tmp_path / "all.csv", *LOG)
    np.testing.assert_allclose(both["ctr"], whole["ctr"][200:], atol=1e-6)
    alone, _ = predict(folder, capsys, later, tmp_path / "alone.csv", *LOG, "--log-only")
    assert np.abs(alone["ctr"] - both["ctr"]).max() > 1e-4
    shown, _ = predict(folder, capsys, later, tmp_path / "shown.csv", *LOG[:4])
    assert np.abs(shown["ctr"] - both["ctr"]).max() > 1e-4


@pytest.mark.parametrize("end", [".csv.gz", ".parquet"])
def test_a_log_of_several_files(folder, tmp_path, capsys, end):
    log = a_log()[200:].reset_index(drop=True)
    log["who"] = log["who"].mask(log.index == 3)
    (tmp_path / "logs").mkdir()
    for name, rows in (("log", log), ("logs/a", log[:20]), ("logs/b", log[20:])):
        to_file = rows.to_csv if end == ".csv.gz" else rows.to_parquet
        to_file(tmp_path / f"{name}{end}", index=False)
    if end == ".csv.gz":
        with gzip.open(tmp_path / "logs/a.csv.gz", "ab") as file:
            file.write(b"one\n")
    words = [*LOG, "--max-bad", "0.5"]
    whole, _ = predict(folder, capsys, tmp_path / f"log{end}", tmp_path / "whole.csv", *words)
    found, printed = predict(folder, capsys, tmp_path / "logs", tmp_path / "ctr.csv", *words)
    pd.testing.assert_frame_equal(found, whole)
    assert found["ctr"].isna().tolist() == [row == 3 for row in range(len(log))]
    if end == ".csv.gz":
        assert f"not scored 1 invalid line: line 22 of {tmp_path}/logs/a.csv.gz has" in printed
    files = [str(tmp_path / f"logs/{name}{end}") for name in "ba"]
    output = str(tmp_path / "list.csv")
    assert main(["predict", str(folder / "run"), *files, output, *words]) == 0
    pd.testing.assert_frame_equal(pd.read_csv(output, dtype={"who": str}), whole)


def test_rows_without_a_score_are_kept(folder, tmp_path, capsys):
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


def test_columns_of_rows_are_copied(folder, tmp_path, capsys):
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
    np.testing.assert_allclose(found["ctr"], recalibrate(raw["ctr"].to_numpy(), 20), rtol=1e-4)
    assert json.loads(raw["hist_item"][2]) == rows["hist_item"][2]


def test_columns_of_the_input_keep_their_names(folder, tmp_path, capsys):
    log = a_log().assign(ctr=7, ctr_="x")
    log.to_csv(tmp_path / "log.csv", index=False)
    found, printed = predict(folder, capsys, tmp_path / "log.csv", tmp_path / "out.csv", *LOG)
    assert list(found) == [*log, "ctr__"]
    pd.testing.assert_frame_equal(found[list(log)], log)
    notice = "the scores of the output 'ctr' are in the column 'ctr__', because the input has"
    assert f"{notice} a column 'ctr'\n" in printed
    assert f"mean ctr__ {found['ctr__'].mean():.4f}" in printed
    words = [*LOG, "--columns", "id,ctr_"]
    expected, printed = predict(folder, capsys, tmp_path / "log.csv", tmp_path / "o.csv", *words)
    assert list(expected) == ["id", "ctr_", "ctr"]
    assert "are in the column" not in printed
    assert expected["ctr"].tolist() == found["ctr__"].tolist()
    # Rows that contain their histories.
    rows = ready_rows().assign(ctr=[1, 0] * 3)
    rows.to_parquet(tmp_path / "rows.parquet", index=False)
    output = tmp_path / "rows_out.parquet"
    found, _ = predict(folder, capsys, tmp_path / "rows.parquet", output)
    assert list(found) == [*rows, "ctr_"]
    assert found["ctr"].tolist() == [1, 0] * 3


def test_data_of_an_older_version(folder, tmp_path, capsys):
    data = PreparedData.load(folder / "data")
    parts = {
        name: kd.data.Samples.from_arrays({k: v for k, v in part.arrays().items() if k != "line"})
        for name, part in data.parts.items()
    }
    PreparedData(data.spec, data.behaviors, parts, data.report).save(tmp_path / "old")
    found, printed = predict(folder, capsys, tmp_path / "old", tmp_path / "ctr.csv")
    assert list(found) == ["user", "item", "price", "time", "label", "ctr"]
    assert "the data has only numbers of users" in printed
    words = [str(folder / "run"), str(folder / "log.csv"), str(tmp_path / "x.csv"), *LOG]
    assert main(["predict", *words, "--data", str(tmp_path / "old")]) == 1
    assert "must contain the raw values of its users" in capsys.readouterr().err


@pytest.mark.parametrize(
    "source, words, message",
    [
        (
            "log.csv",
            ["--time", "ts"],
            "A raw log requires `--user` and `--time`. Received: only --t",
        ),
        (
            "log.csv",
            ["--user", "who"],
            "A raw log requires `--user` and `--time`. Received: only --u",
        ),
        ("log.csv", [], "['hist_item', 'hist_price'] are missing. A raw log requires `--user`"),
        ("log.csv", ["--sequences", "x=a"], "such as hist_item=clicked. Received: x=a."),
        ("log.csv", [*LOG, "--history-separator", "^"], "is for rows that contain their histories"),
        ("log.parquet", [], "['hist_item', 'hist_price'] are missing. A raw log requires `--user`"),
        ("log.csv", [*LOG, "--columns", "id,x"], "must name columns of the input: ['id', 'who'"),
        ("log.csv", [*LOG, "--sequences", "x=click"], "must name sequences of the model: ['hist'"),
        ("log.csv", [*LOG, "--data", "gs://b/data"], "must be a path of a local file system"),
        (
            "log.csv",
            [*LOG[:5], "click,buy"],
            "such as `--label click`. Other labels are not needed to predict. For a model with "
            "several sequences, pass `--sequences SEQUENCE=COLUMN` for each. Received: --label cl",
        ),
        ("log.csv", [*LOG[:5], "buy=click"], "must be one column, in which 1 marks a behavior"),
        ("log.csv", [*LOG, "--part", "test"], "`--part` requires prepared data"),
        ("log.parquet", ["--items", "x", "--sep", ";"], "Received: only --items, --sep."),
        ("log.parquet", ["--time-unit", "s"], "Received: only --time-unit."),
        (
            "data",
            [*LOG[:4], "--label-map", "no=0"],
            "--user, --time, --label-map and the folder",
        ),
        ("data", ["--separator", ","], "The options of a raw log require a raw log as input"),
    ],
)
def test_invalid_arguments_fail(folder, tmp_path, capsys, source, words, message):
    a_log().to_parquet(tmp_path / "log.parquet")
    source = tmp_path / source if (tmp_path / source).exists() else folder / source
    words = [str(folder / "run"), str(source), str(tmp_path / "out.csv"), *words]
    assert main(["predict", *words]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize(
    "source, words, output, message",
    [
        ("data", ["--columns", "x"], "out.csv", "must name columns of the input: ['line', 'who'"),
        ("log.csv", [*LOG, "--columns", "x"], "out.csv", "must name columns of the input: ['id'"),
        ("data", [], "no/out.csv", "`output` must be a file in a folder that exists"),
        ("data", [], "folder.csv", "`output` must be a file in a folder that exists"),
    ],
)
def test_outputs_are_checked_before_rows_are_scored(
    folder, tmp_path, capsys, monkeypatch, source, words, output, message
):
    def scored(*arguments):
        raise AssertionError("scored")

    monkeypatch.setattr("keras_din.evaluation.predict", scored)
    (tmp_path / "folder.csv").mkdir()
    words = [str(folder / "run"), str(folder / source), str(tmp_path / output), *words]
    assert main(["predict", *words]) == 1
    assert message in capsys.readouterr().err


def test_rows_with_large_ids_beside_missing_ones(tmp_path, capsys):
    """Floats would round integers above 2**53 in lists, so they raise an error."""
    large = 2**60
    item = kd.Categorical("item", vocabulary=[large, large + 1], dim=2)
    spec = kd.FeatureSpec(target=[item], sequences=[kd.Sequence("hist", of=[item])])
    rows = pa.table(
        {
            "item": pa.array([large, large + 1, None], pa.int64()),
            "hist_item": pa.array([[large + 1, None], [], [large]], pa.list_(pa.int64())),
        }
    )
    events = {"item": [large, large + 1], "hist_item": [[large], []], "label": [0, 1]}
    behaviors, samples = kd.data.rows_to_samples(pd.DataFrame(events), spec, "label")
    PreparedData(spec, behaviors, {"train": samples}, {}).save(tmp_path / "data")
    words = [str(tmp_path / "data"), str(tmp_path / "run"), "--model", "base", "--epochs", "1"]
    assert main(["train", *words, "--quiet", "--option", "hidden_units=[2]"]) == 0
    pa.parquet.write_table(rows, tmp_path / "rows.parquet")
    predict(tmp_path, capsys, tmp_path / "rows.parquet", tmp_path / "out.parquet")
    found = pa.parquet.read_table(tmp_path / "out.parquet")
    assert found.drop_columns("ctr").equals(rows)
    assert len(set(found["ctr"].to_pylist())) == 3


def test_fields_of_a_csv_are_copied_unchanged(folder, tmp_path, capsys):
    """Fields include words that pandas reads as missing, and invalid UTF-8."""
    log = a_log()[200:230].reset_index(drop=True)
    log.insert(1, "country", ["NA", "NULL", "None", "\\N", "nan", "x,y"] * 5)
    log["zip"] = "007"
    log["empty"] = ""
    log.to_csv(tmp_path / "log.csv", index=False)
    lines = (tmp_path / "log.csv").read_bytes().splitlines(keepends=True)
    lines[3:3] = [b"r,too,few\n"]
    lines[9] = lines[9].replace(b"007", b"\xff07")
    (tmp_path / "log.csv").write_bytes(b"".join(lines))
    source, output = tmp_path / "log.csv", tmp_path / "ctr.csv"
    _, printed = predict(folder, capsys, source, output, *LOG, "--max-bad", "1")
    assert "not scored 1 invalid line: line 4 has 3 fields, not 9: r,too,few" in printed
    assert "not UTF-8, with a replacement for each wrong byte: 1" in printed
    written = list(csv.reader(output.read_text(encoding="utf-8").splitlines()))
    of_log = [line.decode("utf-8", "replace") for line in lines if b"few" not in line]
    assert [fields[:-1] for fields in written] == list(csv.reader(of_log))
    assert all(fields[-1] for fields in written)
    words = [str(folder / "run"), str(source), str(tmp_path / "x.csv"), *LOG]
    assert main(["predict", *words]) == 1
    error = capsys.readouterr().err
    assert "At most 1 % of the rows of the log may be kept aside" in error
    assert "--max-bad" in error
    assert "the first is in line 4" in error


def test_logs_that_prepare_reads(folder, tmp_path, capsys):
    """Separators of all tables, other words for labels, columns without a header."""
    log = a_log()[200:].reset_index(drop=True)
    log.to_csv(tmp_path / "log.csv", index=False)
    expected, _ = predict(folder, capsys, tmp_path / "log.csv", tmp_path / "a.csv", *LOG)
    log["click"] = log["click"].map({1: "yes", 0: "no"})
    prices = log.drop_duplicates("item")[["item", "price"]]
    log = log.drop(columns="price").merge(prices, on="item", how="left")
    prices.to_csv(tmp_path / "items.csv", index=False, sep=";")
    names = ["id", "who", "item", "ts", "click"]
    log[names].to_csv(tmp_path / "log.csv", index=False, header=False, sep=";")
    words = [*LOG, "--sep", ";", "--names", ",".join(names), "--label-map", "yes=1,no=0"]
    words += ["--items", tmp_path / "items.csv"]
    found, _ = predict(folder, capsys, tmp_path / "log.csv", tmp_path / "b.csv", *words)
    assert list(found) == [*names, "ctr"]
    # The same with a header, which `--names` replaces.
    log[names].to_csv(tmp_path / "h.csv", index=False, header=list("abcde"), sep=";")
    again, _ = predict(folder, capsys, tmp_path / "h.csv", tmp_path / "d.csv", *words, "--header")
    pd.testing.assert_frame_equal(again, found)
    log["click"] = log["click"].map({"yes": 1, "no": 0})
    log.to_csv(tmp_path / "whole.csv", index=False)
    expected, _ = predict(folder, capsys, tmp_path / "whole.csv", tmp_path / "c.csv", *LOG)
    np.testing.assert_allclose(found["ctr"], expected["ctr"], atol=1e-6)
    words = [word for word in map(str, words) if word not in ("--label-map", "yes=1,no=0")]
    words = [str(folder / "run"), str(tmp_path / "log.csv"), str(tmp_path / "x.csv"), *words]
    assert main(["predict", *words]) == 1
    assert "--label-map no=0,yes=1" in capsys.readouterr().err


def test_added_columns_avoid_feature_names(tmp_path):
    """A feature may have the name of a column that prepared data adds."""
    log = a_log(40).rename(columns={"item": "line", "price": "time"}).assign(label=a_log(40)["who"])
    data = kd.data.prepare_impressions(
        log, user="who", time="ts", label="click", target=["line", "time", "label"]
    )
    from keras_din.cli.predict import _table_of_part

    table = _table_of_part(data, "train")
    assert table.column_names == ["line_", "who", "line", "time", "label", "time_", "label_"]
    rows = log.iloc[table["line_"].to_numpy()]
    assert table["line"].to_pylist() == rows["line"].tolist()
    assert table["label_"].to_pylist() == rows["click"].tolist()
    np.testing.assert_allclose(table["time"].to_numpy(), rows["time"], rtol=1e-6)


@pytest.fixture(scope="module")
def genres(tmp_path_factory):
    """Data with genres that are separated by commas, with the spec of other data, and a run."""
    folder = tmp_path_factory.mktemp("genres")
    log = a_log().drop(columns="price")
    log["genres"] = ["Action;Comedy", "Drama", "Drama;Action", "", "Comedy"] * 48
    log.to_csv(folder / "log.csv", index=False)
    words = [str(folder / "log.csv"), "", "--user", "who", "--time", "ts", "--label", "click"]
    words += ["--target", "item,genres", "--dim", "2", "--separator", ";"]
    words[1] = str(folder / "first")
    assert main(["prepare", *words, "--bags", "genres"]) == 0
    words[1] = str(folder / "data")
    assert main(["prepare", *words, "--spec", str(folder / "first" / "spec.json")]) == 0
    words = [str(folder / "data"), str(folder / "run"), "--model", "base", "--epochs", "1"]
    assert main(["train", *words, "--quiet", "--option", "hidden_units=[4]"]) == 0
    return folder


def test_separators_of_bags_of_a_spec(genres, tmp_path, capsys):
    data = PreparedData.load(genres / "data")
    assert data.report["separators"] == {"genres": ";"}
    assert not any("genres" in part["rows_with_unseen"] for part in data.report["parts"].values())
    prepared, _ = predict(genres, capsys, genres / "data", tmp_path / "prepared.csv")
    for number, words in enumerate(([], ["--separator", ";"], ["--log-only"])):
        output = tmp_path / f"{number}.csv"
        found, _ = predict(genres, capsys, genres / "log.csv", output, *LOG, *words)
        by_line = found["ctr"].set_axis(np.arange(2, 242))
        np.testing.assert_allclose(by_line[prepared["line"]], prepared["ctr"], atol=1e-6)
    other, _ = predict(
        genres, capsys, genres / "log.csv", tmp_path / "o.csv", *LOG, "--separator", "|"
    )
    assert np.abs(other["ctr"] - found["ctr"]).max() > 1e-5


def test_unused_separators_fail(folder, genres, tmp_path, capsys):
    words = [str(folder / "log.csv"), str(tmp_path / "data"), *PREPARE, "--separator", ","]
    assert main(["prepare", *words]) == 1
    assert "`--separator` requires features of several values" in capsys.readouterr().err
    words = [str(folder / "run"), str(folder / "log.csv"), str(tmp_path / "x.csv"), *LOG]
    assert main(["predict", *words, "--separator", ","]) == 1
    assert "`--separator` requires a model with features of several" in capsys.readouterr().err
    words = [str(genres / "run"), str(genres / "log.csv"), str(tmp_path / "x.csv"), *LOG]
    assert main(["predict", *words, "--separator", ";", "--bags", "item"]) == 1
    assert "`--bags` must name bags of the model: ['genres']" in capsys.readouterr().err
