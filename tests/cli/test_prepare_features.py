"""`keras-din prepare --features auto`: the proposal, its file, and all commands after it."""

import json
import pathlib

import numpy as np
import pandas as pd

from keras_din.cli import main
from keras_din.data import PreparedData

DAY = 86_400


def a_log(days, seed=0, users=12):
    """Impressions over `days`, a range. Clicks depend on the hour."""
    rng = np.random.default_rng(seed)
    rows = len(days) * 60
    time = np.sort(rng.integers(days.start * DAY, days.stop * DAY, rows))
    return pd.DataFrame(
        {
            "user": [f"u{user}" for user in rng.integers(users, size=rows)],
            "item": [f"i{item}" for item in rng.integers(15, size=rows)],
            "ts": 1_700_000_000 + time,
            "click": (time // 3600 % 24 < 12).astype(int),
            "price": np.exp(4 * rng.normal(size=rows)).round(2),
            "views": np.exp(4 * rng.normal(size=rows)).astype(int),
        }
    )


WORDS = ["--user", "user", "--time", "ts", "--label", "click", "--target", "item"]
WORDS += ["--dim", "2"]
NUMBERS = ["--context", "price,views", "--numeric", "views"]


def prepare(folder, data, *words):
    return main(["prepare", str(folder / "log.csv"), str(folder / data), *WORDS, *words])


def content(folder) -> dict:
    """Path of each file in a folder -> its bytes."""
    files = [file for file in pathlib.Path(folder).rglob("*") if file.is_file()]
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def test_file_gives_the_same_data(tmp_path, capsys):
    a_log(range(9)).to_csv(tmp_path / "log.csv", index=False)
    words = ["--features", "auto", "--time-zone", "Asia/Kolkata"]
    assert prepare(tmp_path, "data", *NUMBERS, *words) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("features proposed:\n  elapsed (Elapsed in side_features): ")
    assert "time zone Asia/Kolkata, as given\n" in printed
    file = tmp_path / "data" / "features.json"
    features = json.loads(file.read_text())
    kinds = {"Elapsed", "Calendar", "Numeric", "Match", "LastMatch", "Count"}
    assert {entry["type"] for entry in features.values()} == kinds
    assert {"price", "views"} <= set(features)
    assert prepare(tmp_path, "again", *NUMBERS, "--spec", str(file)) == 0
    expected, found = content(tmp_path / "data"), content(tmp_path / "again")
    assert list(expected)
    assert expected == found
    # An edited file changes what it names.
    kept = ("elapsed", "hour_of_day", "price", "views")
    features = {name: features[name] for name in kept}
    features["elapsed"]["boundaries"] = [60]
    file.write_text(json.dumps(features))
    assert prepare(tmp_path, "edited", *NUMBERS, "--spec", str(file)) == 0
    spec = PreparedData.load(tmp_path / "edited").spec
    assert list(spec.features) == ["price", "views", "hour_of_day", "item", "elapsed"]
    assert {spec.features[name].transform for name in ("price", "views")} <= {"log1p", "quantile"}
    assert spec.features["elapsed"].boundaries == (60,)


def test_vectors_of_the_table_of_items(tmp_path, capsys):
    a_log(range(9)).to_csv(tmp_path / "log.csv", index=False)
    items = pd.DataFrame({"item": [f"i{i}" for i in range(15)]})
    items.assign(title=[[i, 1.5] for i in range(15)]).to_parquet(tmp_path / "items.parquet")
    words = ["--items", str(tmp_path / "items.parquet")]
    assert prepare(tmp_path, "data", *words, "--features", "auto") == 0
    assert "  title (Vector in target): the table of items has lists" in capsys.readouterr().out
    file = tmp_path / "data" / "features.json"
    assert prepare(tmp_path, "again", *words, "--spec", str(file)) == 0
    assert PreparedData.load(tmp_path / "data").spec.features["title"].vectors.rows == 17
    assert content(tmp_path / "data") == content(tmp_path / "again")
    assert prepare(tmp_path, "none", "--spec", str(file)) == 1
    assert "must have the vectors of each Vector with `of`, ['title']" in capsys.readouterr().err


def test_nothing_to_propose(tmp_path, capsys):
    a_log(range(1)).assign(item=range(60)).to_csv(tmp_path / "log.csv", index=False)
    words = ["--user", "user", "--order", "ts", "--target", "item"]
    command = ["prepare", str(tmp_path / "log.csv"), str(tmp_path / "data"), *words]
    assert main([*command, "--features", "auto"]) == 0
    printed = capsys.readouterr().out
    assert "features proposed: none\n  left out: elapsed: the log has an order" in printed
    assert not (tmp_path / "data" / "features.json").exists()


def test_all_commands(tmp_path, capsys, checked_by_one_process):
    a_log(range(9)).to_csv(tmp_path / "log.csv", index=False)
    a_log(range(9, 10), seed=1).to_csv(tmp_path / "next.csv", index=False)
    data, run, versions = (str(tmp_path / name) for name in ("data", "run", "din"))
    titles = pd.DataFrame({"item": [f"i{i}" for i in range(15)]})
    titles["title"] = [[i, 1.5, 2 * i] for i in range(15)]
    titles.to_parquet(tmp_path / "titles.parquet")
    vectors = ["--vectors", f"title={tmp_path / 'titles.parquet'}"]
    assert prepare(tmp_path, "data", *NUMBERS, "--features", "auto", *vectors) == 0
    small = ["--option", "hidden_units=[4]", "--option", "attention_units=[4]", "--quiet"]
    assert main(["train", data, run, "--epochs", "1", "--batch-size", "64", *small]) == 0
    assert main(["evaluate", run]) == 0
    assert main(["append", data, str(tmp_path / "next.csv"), *vectors]) == 0
    assert main(["update", run, data]) == 0
    assert main(["export", run, versions]) == 0
    capsys.readouterr()
    assert main(["inspect", versions]) == 0
    printed = capsys.readouterr().out
    assert "hour_of_day" in printed
    assert "hist_time" in printed
    assert "float16 vectors of item, size 3, projected to 2" in printed
    assert "hist_title " not in printed
    assert main(["check-serving", versions, data, "--run", run]) == 0
    out = tmp_path / "ctr.csv"
    words = ["--user", "user", "--time", "ts", "--label", "click"]
    assert main(["predict", run, str(tmp_path / "next.csv"), str(out), *words]) == 0
    scores = pd.read_csv(out)["ctr"]
    assert len(scores) == 60
    assert scores.between(0, 1).all()
    assert scores.nunique() > 10
