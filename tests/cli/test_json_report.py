"""`--json`: one JSON document on stdout, all other text on a terminal."""

import argparse
import json
import sys

import numpy as np
import pandas as pd
import pytest

from keras_din.cli import COMMANDS, main, parser
from keras_din.cli.json_report import FailedCheckError, run_with_json


def test_text_is_on_a_terminal_and_nan_is_null(capsys, stderr_is_terminal):
    def run(options):
        print("text")
        return {"gauc": float("nan"), "rows": np.int64(3), "name": options.name}

    run_with_json(run, argparse.Namespace(name="café"))
    printed = capsys.readouterr()
    assert printed.err == "text\n"
    assert json.loads(printed.out) == {"gauc": None, "rows": 3, "name": "café"}


def test_only_warnings_are_on_stderr_that_is_no_terminal(capsys):
    def run(options):
        print("text")
        print("warning", file=sys.stderr)
        return {}

    run_with_json(run, None)
    assert capsys.readouterr() == ("{}\n", "warning\n")


def test_a_failed_check_prints_its_report(capsys):
    def run(options):
        raise FailedCheckError("another prediction", {"is_same": False})

    with pytest.raises(RuntimeError, match="another prediction"):
        run_with_json(run, None)
    assert json.loads(capsys.readouterr().out) == {"is_same": False}


def test_every_command_that_reports_has_the_option():
    (commands,) = (a for a in parser()._actions if isinstance(a, argparse._SubParsersAction))
    for name in COMMANDS:
        assert ("--json" in commands.choices[name].format_help()) == (name != "sample-request")


def test_reports_of_commands(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rows = np.arange(80)
    columns = {"user": rows % 4, "time": rows, "item": rows % 5, "click": rows // 4 % 2}
    pd.DataFrame(columns).to_csv("log.csv", index=False)

    def report(*words):
        assert main([*words, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    words = ["--user", "user", "--time", "time", "--label", "click", "--target", "item"]
    found = report("prepare", "log.csv", "data", *words)
    assert (found["data"], found["report"]["rows"]) == ("data", 80)
    assert list(found["report"]["parts"]) == ["train", "valid", "test"]
    assert report("prepare", "log.csv", "shards", *words, "--shards", "2")["report"]["users"]
    found = report("train", "data", "run", "--model", "popularity", "--seed", "3")
    assert found["run"] == "run"
    assert found["result"]["test"]["rows"] == 8
    found = report("predict", "run", "data", "ctr.csv")
    assert (found["output"], found["rows"], found["not_scored"]) == ("ctr.csv", 8, 0)
    assert found["means"]["ctr"] == pytest.approx(pd.read_csv("ctr.csv")["ctr"].mean())
    assert main(["train", "data", "run", "--json"]) == 1  # The folder is not empty.
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "must be new or empty" in printed.err
