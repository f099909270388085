"""`keras-din append`: what it prints and writes."""

import json
import re

import numpy as np
import pandas as pd

from keras_din.cli import main
from keras_din.data import PreparedData
from keras_din.training import read_days
from tests.data.prepare.shared import a_day


def test_days_are_appended(tmp_path, capsys):
    for day in range(3):
        a_day(day).to_csv(tmp_path / f"{day}.csv", index=False)
    data = str(tmp_path / "data")
    columns = ["--user", "user", "--time", "time", "--label", "click", "--target", "item,price"]
    columns += ["--dim", "4", "--split", "by-time", "--test-from", str(a_day(0)["time"].max())]
    assert main(["prepare", str(tmp_path / "0.csv"), data, *columns]) == 0
    capsys.readouterr()
    assert main(["append", data, str(tmp_path / "1.csv")]) == 0
    printed = capsys.readouterr().out
    assert "day 1: read 16 rows, kept 16 of 4 users, from 2020-09-14T" in printed
    assert "values of 'item': 2 new, 0 removed, 0 seen too rarely" in printed
    assert f"written: {data}, 1 appended day" in printed
    assert main(["append", data, str(tmp_path / "1.csv")]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("left out, since read before: ")
    assert printed.endswith("\nnothing changed\n")
    assert main(["append", data, str(tmp_path / "2.csv"), "--max-values", "5", "--json"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""  # It is not a terminal.
    report = json.loads(printed.out)
    assert report["appended_days"] == 2
    assert [(day["day"], day["rows"]) for day in report["new_days"]] == [(2, 16)]
    assert len(PreparedData.load(data).days) == 2
    # The same rows in several files are the same log.
    a_day(2)[8:].to_csv(tmp_path / "2b.csv", index=False)
    a_day(2)[:8].to_csv(tmp_path / "2a.csv", index=False)
    files = [str(tmp_path / f"2{half}.csv") for half in "ba"]
    assert main(["append", data, *files, "--max-values", "5"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("left out, since read before: ")
    assert printed.endswith("\nnothing changed\n")
    a_day(3)[:8].to_csv(tmp_path / "3a.csv", index=False)
    a_day(3)[8:].to_csv(tmp_path / "3b.csv", index=False)
    assert main(["append", data, str(tmp_path / "3?.csv")]) == 0
    printed = capsys.readouterr().out
    assert f"  of 2 files, read in this order: {tmp_path}/3a.csv to {tmp_path}/3b" in printed
    a_day(0, seed=5).to_csv(tmp_path / "late.csv", index=False)
    words = ["append", data, str(tmp_path / "late.csv"), "--late", "refuse"]
    assert main(words) == 1
    assert "with late='refuse'. Received: 16 earlier rows" in capsys.readouterr().err


def test_bad_logs_leave_the_data_as_it_was(tmp_path, capsys):
    a_day(0).to_parquet(tmp_path / "0.parquet")
    data = str(tmp_path / "data")
    columns = ["--user", "user", "--time", "time", "--label", "click", "--target", "item"]
    assert main(["prepare", str(tmp_path / "0.parquet"), data, *columns]) == 0
    half = (tmp_path / "0.parquet").read_bytes()[:-100]
    (tmp_path / "half.parquet").write_bytes(half)
    a_day(1).iloc[:0].to_csv(tmp_path / "empty.csv", index=False)
    pd.DataFrame({"a": [1]}).to_csv(tmp_path / "other.csv", index=False)
    for log in ("half.parquet", "empty.csv", "other.csv", "none.csv"):
        assert main(["append", data, str(tmp_path / log)]) == 1, log
        assert capsys.readouterr().err.startswith("keras-din: error: ")
    assert PreparedData.load(data).days == ()
    assert main(["append", str(tmp_path), str(tmp_path / "0.parquet")]) == 1
    assert (
        "must be one that `PreparedData.save` or `keras-din prepare` wrote"
        in capsys.readouterr().err
    )


def test_empty_bags_are_printed(tmp_path, capsys):
    a_day(0).to_csv(tmp_path / "0.csv", index=False)
    a_day(1).assign(tags="").to_csv(tmp_path / "1.csv", index=False)
    data = str(tmp_path / "data")
    columns = ["--user", "user", "--time", "time", "--label", "click", "--target", "item,tags"]
    assert main(["prepare", str(tmp_path / "0.csv"), data, *columns, "--bags", "tags"]) == 0
    assert main(["append", data, str(tmp_path / "1.csv")]) == 0
    assert "bags of 'tags': 16, 16 of them empty" in capsys.readouterr().out


def test_more_bad_rows_are_accepted_and_unknown_items_are_counted(tmp_path, capsys):
    items = a_day(0)[["item", "price"]].drop_duplicates("item")
    items.to_csv(tmp_path / "items.csv", index=False)
    a_day(0).drop(columns="price").to_csv(tmp_path / "0.csv", index=False)
    log = a_day(1).drop(columns="price")
    log.assign(click=[*log["click"].head(14), 7, 7]).to_csv(tmp_path / "1.csv", index=False)
    data = str(tmp_path / "data")
    columns = ["--user", "user", "--time", "time", "--label", "click", "--target", "item,price"]
    of_items = ["--items", str(tmp_path / "items.csv")]
    assert main(["prepare", str(tmp_path / "0.csv"), data, *columns, *of_items]) == 0
    assert main(["append", data, str(tmp_path / "1.csv")]) == 1
    assert "pass `items` (on the command line `--items`)" in capsys.readouterr().err
    words = ["append", data, str(tmp_path / "1.csv"), *of_items]
    assert main(words) == 1
    assert "(on the command line `--max-bad 0.13`)" in capsys.readouterr().err
    assert main([*words, "--max-bad", "0.13"]) == 0
    printed = capsys.readouterr().out
    assert "kept 14 of" in printed
    unknown = (~log["item"].isin(items["item"])).sum()
    assert unknown > 0
    assert f"not in `items`: {unknown} rows of the log" in printed
    assert PreparedData.load(data).log_format.max_bad == 0.01  # That of prepare, for later days.


def behaviors(folder, day, **changes):
    """Writes a day of behaviors, and returns the path."""
    hours = np.arange(40) * 7 % 40
    item = hours * 7 % 29 + day
    columns = {"user": hours % 4, "time": 1_700_000_000 + (day * 40 + np.sort(hours)) * 1800}
    columns |= {"item": item, "shop": [f"s{i % 3}" for i in item]}
    pd.DataFrame(columns).assign(**changes).to_csv(folder / f"{day}.csv", index=False)
    return str(folder / f"{day}.csv")


def prepare_behaviors(folder):
    """Prepares day 0, with a count, and appends day 1. Returns the folder of the data."""
    data, features = str(folder / "data"), folder / "features.json"
    features.write_text('{"item_rows": {"type": "Count", "of": "item", "in": ["target"]}}')
    columns = ["--user", "user", "--time", "time", "--target", "item,shop", "--dim", "2"]
    words = ["prepare", behaviors(folder, 0), data, *columns, "--spec", str(features)]
    assert main(words) == 0
    assert main(["append", data, behaviors(folder, 1)]) == 0
    return data


def test_days_of_behaviors(tmp_path, capsys):
    data = prepare_behaviors(tmp_path)
    printed = capsys.readouterr().out
    assert "day 1: read 40 rows, kept 40 of 4 users" in printed
    assert re.search("values of 'item': [1-9] new, 0 removed", printed)
    assert "items from which negatives are drawn: 30\n" in printed
    assert "train: 80 rows, 40 clicks" in printed
    new_users = behaviors(tmp_path, 2, user=np.arange(40) + 100)
    assert main(["append", data, new_users, "--max-age", "30"]) == 0
    assert "first behaviors of users, in histories only: 40\n" in capsys.readouterr().out
    assert main(["append", data, new_users]) == 0
    assert capsys.readouterr().out.endswith("nothing changed\n")


def test_days_of_behaviors_are_learned_and_exported(tmp_path, capsys):
    data, run = prepare_behaviors(tmp_path), str(tmp_path / "run")
    words = ["--model", "lr", "--epochs", "1", "--batch-size", "32", "--quiet"]
    assert main(["train", data, run, *words]) == 0
    new_users = behaviors(tmp_path, 2, user=np.arange(40) + 100)
    assert main(["append", data, new_users]) == 0
    capsys.readouterr()
    assert main(["update", run, "--quiet", data]) == 0
    assert "day 2: trained in" in capsys.readouterr().out
    first, second = read_days(run)
    assert first["rows"] == 80
    assert "logloss" not in second
    assert main(["report", run]) == 0
    assert "<th>logloss</th>" in (tmp_path / "run" / "report.html").read_text()
    folder = str(tmp_path / "exported")
    assert main(["export", run, folder, "--snapshots"]) == 0
    assert main(["check-serving", folder, data, "--run", run]) == 0
    words = ["predict", run, behaviors(tmp_path, 3), str(tmp_path / "ctr.csv")]
    assert main([*words, "--user", "user", "--time", "time"]) == 0
    assert pd.read_csv(tmp_path / "ctr.csv")["ctr"].between(0, 1).all()
