"""All commands on a log with a label that is a number and is missing in some rows."""

import argparse
import json

import numpy as np
import pandas as pd
import pytest

import keras_din as kd
from keras_din.cli import main, tables
from keras_din.data import PreparedData
from keras_din.serving.version.description import find_version, read_description
from keras_din.training import load_run, read_days


def a_log(day=0, rows=600):
    """Items 4 to 7 are watched longer. A fifth of the times is missing, and one is no number."""
    rng = np.random.default_rng(day)
    item = rng.integers(8, size=rows)
    watched = rng.poisson(np.where(item < 4, 5, 30)).astype(str).astype(object)
    watched[::5] = ""
    watched[1] = "12,5"
    return pd.DataFrame(
        {
            "user": rng.integers(20, size=rows),
            "item": [f"i{i}" for i in item],
            "time": np.arange(rows) + 1_700_000_000 + 86_400 * day,
            "click": (rng.random(rows) < np.where(item % 2, 0.7, 0.3)).astype(int),
            "watched": watched,
        }
    )


def run(*words):
    assert main([str(word) for word in words]) == 0


LABELS = ["--label", "click,watch=watched"]
LABELS += ["--label-option", "watch:loss=poisson,weight=0.5"]
COLUMNS = ["--user", "user", "--time", "time", "--target", "item", "--dim", "4"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("numbers")
    for day in range(2):
        a_log(day).to_csv(folder / f"{day}.csv", index=False)
    run("prepare", folder / "0.csv", folder / "data", *COLUMNS, *LABELS)
    words = ["--model", "base", "--option", "hidden_units=[8]", "--epochs", "2", "--quiet"]
    words += ["--batch-size", "64", "--learning-rate", "0.1", "--monitor", "watch_mae"]
    run("train", folder / "data", folder / "run", *words)
    return folder


def test_prepare_reads_numbers(folder, tmp_path, capsys):
    data = PreparedData.load(folder / "data")
    watch = kd.Label("watch", loss="poisson", weight=0.5)
    assert data.spec.labels == (kd.Label("click"), watch)
    assert data.bad_rows[["line", "reason"]].to_numpy().tolist() == [
        [3, "'watched' is not a finite number from 0"]
    ]
    # The labels of a spec.json are used for the same names.
    words = ["--spec", folder / "data/spec.json", "--label", "click,watch=watched"]
    run("prepare", folder / "0.csv", tmp_path / "data", *COLUMNS, *words)
    assert PreparedData.load(tmp_path / "data").spec.labels == data.spec.labels
    printed = capsys.readouterr().out
    assert (
        "kept aside 1: 'watched' is not a finite number from 0, first in line 3: '12,5'" in printed
    )
    assert "missing labels of 'watched': 120, which weigh nothing" in printed
    assert "test: 60 rows, click" in printed
    assert ", mean watch " in printed


def test_label_options():
    def labels(label, *options, of_spec=()):
        options = [tables._label_option(text) for text in options]
        given = argparse.Namespace(label=label, label_option=options)
        return tables.label_objects(given, of_spec)

    watch = kd.Label("watch", loss="huber", weight=2)
    assert labels("click") == "click"
    assert labels("watch", "watch:loss=huber,weight=2") == {watch: "watch"}
    found = labels("watch", "watch:loss=huber,delta=30")
    assert found == {kd.Label("watch", loss="huber", delta=30): "watch"}
    assert labels("seen", "click:weight=3") == {kd.Label("click", weight=3): "seen"}
    assert labels("seconds", of_spec=(watch,)) == {watch: "seconds"}
    assert labels(["click", "watch"], "watch:weight=2", "watch:loss=huber") == {
        kd.Label("click"): "click",
        watch: "watch",
    }
    purchase = kd.Label("buy", output="cvr", given="click")
    assert labels(["click", "buy"], "buy:output=cvr,given=click")[purchase] == "buy"
    with pytest.raises(ValueError, match=r"must name labels of `--label`: \['click'\]\. .*'watch'"):
        labels("click", "watch:loss=huber")
    for wrong in (
        "watch",
        "watch:",
        "watch:loss",
        "watch:size=3",
        ":loss=mse",
        "w:weight=x",
        "w:delta=x",
    ):
        with pytest.raises(argparse.ArgumentTypeError, match="must be the name of a label and"):
            tables._label_option(wrong)


def test_metrics_of_the_number(folder, capsys, stderr_is_terminal):
    capsys.readouterr()
    run("evaluate", folder / "run", "--json")
    printed = capsys.readouterr()
    assert "RMSE" in printed.err
    assert "watch: 48 rows" in printed.err
    found = json.loads(printed.out)
    assert found == pytest.approx(load_run(folder / "run").result["test"])
    assert found["watch_rows"] == 48
    assert found["watch_mae"] < 14


def test_predictions_of_the_number(folder, tmp_path):
    run("predict", folder / "run", folder / "data", tmp_path / "scores.csv")
    scores = pd.read_csv(tmp_path / "scores.csv")
    assert list(scores) == ["line", "user", "item", "time", "click", "watch", "ctr", "watch_"]
    watched = pd.to_numeric(a_log()["watched"], errors="coerce")
    np.testing.assert_array_equal(scores["watch"], watched[scores["line"] - 2])
    assert scores["watch_"].notna().all()
    run("predict", folder / "run", folder / "1.csv", tmp_path / "log.csv", *COLUMNS[:4])
    assert pd.read_csv(tmp_path / "log.csv")["watch"].notna().all()


@pytest.mark.usefixtures("checked_by_one_process")
def test_version_of_the_run(folder, tmp_path, capsys):
    run("export", folder / "run", tmp_path / "v")
    assert "watch: the expected number" in capsys.readouterr().out
    description = read_description(find_version(tmp_path / "v"))
    assert description["outputs"]["watch"]["is"] == "the expected number"
    run("inspect", tmp_path / "v")
    assert "the expected number" in capsys.readouterr().out
    run("check-serving", tmp_path / "v", folder / "data", "--run", folder / "run")
    assert "watch: the expected number" in capsys.readouterr().out


def test_run_learns_from_an_appended_day(folder, tmp_path, capsys):
    run("prepare", folder / "0.csv", tmp_path / "data", *COLUMNS, *LABELS)
    words = ["--model", "base", "--option", "hidden_units=[4]", "--epochs", "1", "--quiet"]
    run("train", tmp_path / "data", tmp_path / "run", *words)
    run("append", tmp_path / "data", folder / "1.csv")
    assert "missing labels of 'watched': 120" in capsys.readouterr().out
    run("update", tmp_path / "run", tmp_path / "data", "--quiet")
    (day,) = read_days(tmp_path / "run")
    assert day["watch_rows"] == 479
    assert day["watch_rmse"] > 0
    run("report", tmp_path / "run")
    page = (tmp_path / "run/report.html").read_text()
    assert page.count("<img ") == 2
    assert "<th>watch_rmse</th>" in page
