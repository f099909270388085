"""`keras-din runs` compares the runs of a folder."""

import json
import math

import pytest

from keras_din import run_files
from keras_din.cli import main
from keras_din.cli.runs import summary
from keras_din.cli.show import text_table
from keras_din.training.run_folder import write_json


def metrics(gauc, logloss):
    return {"gauc": gauc, "logloss": logloss, "rows": 10}


def a_run(folder, model="lr", result=None, progress=None, **arguments):
    """Writes the files of a run that the command reads."""
    folder.mkdir(parents=True)
    arguments = {"epochs": 5, "monitor": "gauc", "options": {}} | arguments
    content = {"format": 2, "data": "data", "arguments": {"model": model} | arguments}
    files = {"run": content, "result": result, "progress": progress}
    for name, content in files.items():
        if content is not None:
            (folder / f"{name}.json").write_text(json.dumps(content))


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "runs"
    result = {"best_step": 30, "valid": metrics(0.6, 0.5), "test": metrics(0.58, 0.52)}
    a_run(folder / "b", result=result, progress={"epochs": 4, "seconds": 12.6}, patience=2)
    result = {"best_step": 20, "valid": metrics(0.7, 0.55), "test": metrics(0.57, 0.51)}
    options = {"hidden_units": [8, 4]}
    a_run(folder / "deep" / "a", "din", result, {"epochs": 5}, patience=2, options=options)
    rows = [{"step": step, "epoch": 1, **metrics(g, 0.6)} for step, g in ((5, 0.5), (10, 0.65))]
    progress = {"epochs": 1, "rows": rows, "best": {"evaluation": [10, 1, 0.65, 0.6]}}
    a_run(folder / "cut", "din", None, progress, patience=2)
    return folder


def report(capsys, *words):
    assert main(["runs", *map(str, words), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_table_of_runs(folder, capsys):
    assert main(["runs", str(folder)]) == 0
    table, differences = capsys.readouterr().out.split("\n\n")
    lines = [" ".join(line.split()) for line in table.splitlines()]
    head = "run model state epochs step GAUC logloss test GAUC test logloss seconds"
    assert lines == [
        head,
        "deep/a din finished 5/5 20 0.7000 0.5500 0.5700 0.5100 -",
        "cut din not finished 1/5 10 0.6500 0.6000 - - -",
        "b lr finished 4/5 30 0.6000 0.5000 0.5800 0.5200 13",
    ]
    lines = [line.split() for line in differences.splitlines()]
    assert lines == [["run", "hidden_units"], ["deep/a", "[8,4]"], ["cut", "-"], ["b", "-"]]


@pytest.mark.parametrize(
    "by, names",
    [
        ("logloss", ["b", "deep/a", "cut"]),
        ("test_gauc", ["b", "deep/a", "cut"]),
        ("test_logloss", ["deep/a", "b", "cut"]),
        ("name", ["b", "cut", "deep/a"]),
        ("seconds", ["b", "cut", "deep/a"]),
    ],
)
def test_runs_are_sorted(folder, capsys, by, names):
    assert [run["name"] for run in report(capsys, folder, "--sort", by)["runs"]] == names


def test_metrics_are_those_of_the_calibrated_model_if_there_is_one(folder):
    calibration = {"of": "best.keras", "method": "platt", "metrics": {"valid": metrics(0.6, 0.4)}}
    (folder / "b" / "calibration.json").write_text(json.dumps(calibration))
    found = summary(folder / "b")
    assert (found["calibrated"], found["valid"]["logloss"]) == ("platt", 0.4)
    assert found["test"]["logloss"] == 0.52


def test_several_outputs(tmp_path, capsys):
    for name, auc in (("a", 0.5), ("b", 0.6)):
        valid = {"ctr_auc": 0.7, "ctr_rows": 3, "buy_auc": auc, "buy_rows": 3}
        a_run(tmp_path / name, result={"best_step": 1, "valid": valid})
    assert main(["runs", str(tmp_path), "--sort", "buy_auc"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert " ".join(lines[0].split()) == "run model state epochs step ctr AUC buy AUC seconds"
    assert [line.split()[0] for line in lines[1:]] == ["b", "a"]


def test_other_folders(folder, tmp_path, capsys):
    (folder / "old").mkdir()
    (folder / "old" / "run.json").write_text("{}")
    (folder / "wrong").mkdir()
    (folder / "wrong" / "run.json").write_text("{")
    found = report(capsys, folder)
    assert len(found["runs"]) == 3
    assert found["left_out"]["old"] == "format None is not 2, that of this version"
    assert found["left_out"]["wrong"].startswith("Expecting property name")
    (tmp_path / "empty").mkdir()
    for words, message in (
        ([tmp_path / "empty"], "must contain runs"),
        ([folder, "--sort", "buy_auc"], "must be a metric of the runs: gauc, logloss, test_gauc"),
    ):
        assert main(["runs", *map(str, words)]) == 1
        assert message in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["runs", str(folder), "--sort", "gain"])
    assert "must be name, seconds, or a metric" in capsys.readouterr().err


def test_a_wide_table_continues_below():
    rows = [["run", "one", "two"], ["a", "1", "22"]]
    assert text_table(rows) == "run  one  two\na      1   22"
    assert text_table(rows, width=12) == "run  one\na      1\n\nrun  two\na     22"
    assert text_table(rows, width=1) == text_table(rows, width=12)


def test_files_of_a_run_have_null_for_nan(tmp_path):
    # The epoch of an evaluation before training and the time of a day without rows are null too.
    row = {"step": 0, "epoch": None, "gauc": math.nan}
    best = {"evaluation": [3, None, 0.5, math.nan]}
    day = {"day": 1, "time_from": None, "auc": math.nan}
    of = {"of": "update-1.keras", "metrics": {"test": {"auc": math.nan}}}
    write_json(tmp_path / run_files.PROGRESS, {"rows": [row], "best": best})
    write_json(tmp_path / run_files.UPDATES, {"model": "update-1", "days": [day]})
    write_json(tmp_path / run_files.CALIBRATION, of)
    write_json(tmp_path / run_files.RESULT, {"test": {"auc": math.inf}})
    assert not any("NaN" in file.read_text() for file in tmp_path.iterdir())
    # `math.nan` is one object, so these comparisons hold for it and not for other NaN.
    assert run_files.read_progress(tmp_path) == {"rows": [row], "best": best}
    model, _, days = run_files.read_updates(tmp_path)
    assert days == [day]
    assert run_files.read_calibration(tmp_path, model) == of
    assert run_files.read_result(tmp_path) == {"test": {"auc": math.nan}}
