"""Features of type Count on the command line, from the log to the version."""

import json

import numpy as np
import pandas as pd
import pytest

from keras_din.cli import main

FEATURES = {
    "clicks": {"type": "Count", "of": "item", "event": "click", "window": "2d", "in": "target"},
    "rate": {"type": "Count", "of": "item", "event": "click", "kind": "rate", "in": "target"},
    "of_user": {"type": "Count", "of": "user", "in": ["context"]},
}


def a_log(days, rows=60):
    rng = np.random.default_rng(0)
    time = np.sort(rng.integers(days.start * 86_400, days.stop * 86_400, rows))
    item = rng.integers(6, size=rows)
    return pd.DataFrame(
        {
            "user": rng.integers(5, size=rows),
            "time": 1_700_000_000 + time,
            "item": [f"i{number}" for number in item],
            "click": (rng.random(rows) < item / 6).astype(int),
        }
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("counts")
    a_log(range(6)).to_csv(folder / "log.csv", index=False)
    (folder / "spec.json").write_text(json.dumps(FEATURES))
    words = ["--user", "user", "--time", "time", "--label", "click", "--target", "item"]
    words += ["--dim", "2", "--spec", str(folder / "spec.json")]
    assert main(["prepare", str(folder / "log.csv"), str(folder / "data"), *words]) == 0
    run = str(folder / "run")
    assert main(["train", str(folder / "data"), run, "--model", "base", "--epochs", "1"]) == 0
    return folder


def test_scores_of_later_logs(run, capsys):
    later = a_log(range(6, 7), 9)
    later.to_csv(run / "later.csv", index=False)
    words = ["predict", str(run / "run"), str(run / "later.csv"), str(run / "ctr.csv")]
    words += ["--user", "user", "--time", "time", "--label", "click"]
    assert main(words) == 0
    assert pd.read_csv(run / "ctr.csv")["ctr"].between(0, 1).all()
    assert main([*words, "--log-only"]) == 1
    assert "`data` must be the prepared data of the log before" in capsys.readouterr().err


def test_versions_with_and_without_snapshots(run, capsys):
    for number, words in enumerate([[], ["--snapshots"]]):
        path = str(run / f"versions{number}")
        assert main(["export", str(run / "run"), path, *words]) == 0
        check = ["check-serving", path, str(run / "data"), "--run", str(run / "run")]
        assert main(check) == 0
        assert "give the same predictions" in capsys.readouterr().out
        assert main(["inspect", path]) == 0
        shown = capsys.readouterr().out
        assert "count of user, event row, sent by the client" in shown
        rate = "rate of item, event click, sent by" if number == 0 else "a snapshot of 2023-11-20"
        assert rate in shown
        assert "count of item, event click, 172,800 seconds" in shown
    assert main(["export", str(run / "run"), "x.onnx", "--format", "onnx", "--snapshots"]) == 1
    assert "Received: --snapshots and --format onnx" in capsys.readouterr().err


def test_rows_without_the_counts_of_the_version(run, capsys):
    path = str(run / "with_snapshots")
    assert main(["export", str(run / "run"), path, "--snapshots"]) == 0
    row = {"item": ["i1", "i5", "new"], "hist_item": [["i2"], [], ["i3", "i4"]]}
    pd.DataFrame(row | {"of_user": [1, 0, 4]}).to_parquet(run / "rows.parquet")
    check = ["check-serving", path, str(run / "rows.parquet"), "--run", str(run / "run")]
    assert main(check) == 0
    assert "3 rows" in capsys.readouterr().out
    pd.DataFrame(row).to_parquet(run / "rows.parquet")  # A version has no counts of users.
    assert main(check) == 1
    assert "must have a column for each input; ['of_user'] are missing" in capsys.readouterr().err
