"""The calibration of a run: its files, its removal, updates, resuming, and the commands."""

import dataclasses
import json
import shutil

import keras
import numpy as np
import pandas as pd
import pytest

import keras_din as kd
from keras_din.calibration import METHODS
from keras_din.cli import calibrate as command
from keras_din.cli import main
from keras_din.evaluation import evaluate
from keras_din.training import (
    calibrate_run,
    load_run,
    read_arguments,
    remove_calibration,
    run_click_rates,
    train,
    update,
)

LR = {"model": "lr", "epochs": 1, "batch_size": 64, "learning_rate": 0.05, "verbose": 0}
LR |= {"positive_weight": 4, "monitor": "logloss"}


def a_log(day, rows=600):
    """One row in three is a click, and on `home` one in two."""
    rng = np.random.default_rng(day)
    tab = rng.choice(["home", "mail"], rows)
    return pd.DataFrame(
        {
            "user": rng.integers(30, size=rows),
            "item": [f"i{i}" for i in rng.integers(5, size=rows)],
            "tab": tab,
            "time": 1_700_000_000 + day * 86_400 + np.arange(rows) * 86_400 // rows,
            "click": (rng.random(rows) < np.where(tab == "home", 0.5, 0.2)).astype(int),
        }
    )


@pytest.fixture(scope="module")
def data():
    columns = {"user": "user", "time": "time", "label": "click", "target": ["item"], "dim": 2}
    split = kd.data.LastFraction(valid=0.25, test=0.25)
    return kd.data.prepare_impressions(a_log(0), **columns, context=["tab"], split=split)


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    data.save(folder / "data")
    return train(data, folder / "run", **LR, data_folder=str(folder / "data"))


@pytest.fixture
def run(trained, tmp_path):
    shutil.copytree(trained.folder, tmp_path / "run")
    return load_run(tmp_path / "run")


def files(run):
    return {file.name for file in run.folder.iterdir()}


def test_calibration_replaces_the_model_and_can_be_removed(run, data):
    before, raw = files(run), run.model.get_weights()
    first = calibrate_run(run, data, "platt")
    assert files(run) == before | {"calibration.json", "calibrated-000001.keras"}
    calibrated = calibrate_run(first, data, "isotonic", by="tab", shrinkage=20)
    assert files(run) == before | {"calibration.json", "calibrated-000002.keras"}
    loaded = load_run(run.folder)
    assert loaded.result == calibrated.result
    x, _ = next(iter(data.dataset("test")))
    np.testing.assert_array_equal(loaded.model(x), calibrated.model(x))
    found = loaded.result["calibration"]
    assert (found["method"], found["by"], found["part"]) == ("isotonic", "tab", "valid")
    report = found["outputs"]["ctr"]
    assert report["shrinkage"] == 20
    assert report["after"]["calibration"] == pytest.approx(1, abs=0.05)
    # Before: with `positive_weight=4` undone, as in the metrics of the run.
    assert report["test"]["before"]["logloss"] == pytest.approx(
        run.result["test"]["logloss"], rel=1e-4
    )
    assert loaded.result["test"] == pytest.approx(
        evaluate(loaded.model, data.dataset("test")), rel=1e-4
    )
    assert report["test"]["after"]["logloss"] == pytest.approx(
        loaded.result["test"]["logloss"], rel=1e-4
    )
    assert run_click_rates(loaded).describe() == "ctr: the click rate of the log, calibrated"
    assert load_run(run.folder, calibrated=False).result == run.result
    assert remove_calibration(loaded)["method"] == "isotonic"
    assert files(run) == before
    restored = load_run(run.folder)
    assert restored.result == run.result
    for a, b in zip(restored.model.get_weights(), raw, strict=True):
        np.testing.assert_array_equal(a, b)
    assert remove_calibration(run) is None


def test_train_calibrates(data, trained, tmp_path):
    run = train(data, tmp_path / "run", **LR, calibrate="platt", calibrate_by="tab")
    assert read_arguments(run.folder)["arguments"]["calibrate_by"] == "tab"
    found = run.result["calibration"]
    assert (found["method"], found["by"]) == ("platt", "tab")
    assert run.result["test"]["calibration"] == pytest.approx(1, abs=0.3)
    plain = load_run(run.folder, calibrated=False)
    assert plain.result == trained.result
    # Resuming gives the same calibration, also if the last step is lost.
    (run.folder / "result.json").unlink()
    (run.folder / "calibration.json").unlink()
    again = train(data, run.folder, resume=True, verbose=0)
    assert again.result == run.result


def test_resuming_removes_a_calibration_that_training_did_not_make(run, data, capsys):
    calibrate_run(run, data, "platt")
    again = train(data, run.folder, resume=True, verbose=2)
    assert "The calibration of the run was removed" in capsys.readouterr().out
    assert again.result == run.result
    assert "calibration.json" not in files(run)


def test_a_run_of_an_earlier_version_is_resumed(run, data):
    content = json.loads((run.folder / "run.json").read_text())
    del content["arguments"]["calibrate"], content["arguments"]["calibrate_by"]
    (run.folder / "run.json").write_text(json.dumps(content))
    assert train(data, run.folder, resume=True, verbose=0).result == run.result
    with pytest.raises(ValueError, match="`calibrate` must be the same as in the run that resumes"):
        train(data, run.folder, resume=True, calibrate="platt", verbose=0)


def test_update_learns_with_the_uncalibrated_model(run, data, tmp_path, capsys):
    grown = data.append(a_log(1))
    shutil.copytree(run.folder, tmp_path / "plain")
    plain = update(tmp_path / "plain", grown, verbose=0)
    calibrated = calibrate_run(run, data, "platt")
    capsys.readouterr()
    found = update(calibrated, grown, verbose=0)
    assert "'platt', was that of the model before these days" in capsys.readouterr().out
    for a, b in zip(found.model.get_weights(), plain.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert found.days[0]["logloss"] == plain.days[0]["logloss"]
    assert "calibration" not in found.result
    assert not any(name.startswith("calibrat") for name in files(run))
    again = calibrate_run(found, grown, "platt")
    assert again.days == found.days
    assert update(again, grown, verbose=0).result == again.result  # No new days.


def test_a_calibration_of_another_model_is_not_used(run, data):
    calibrate_run(run, data, "platt")
    content = json.loads((run.folder / "calibration.json").read_text())
    (run.folder / "calibration.json").write_text(
        json.dumps(content | {"of": "update-000001.keras"})
    )
    assert load_run(run.folder).result == run.result


def test_calibration_is_refused_before_training(run, data, tmp_path):
    few = dataclasses.replace(data, parts=data.parts | {"valid": data.parts["valid"][:8]})
    none = {name: part for name, part in data.parts.items() if name != "valid"}
    folder = tmp_path / "refused"
    for arguments, of, match in [
        ({"calibrate": "beta"}, data, "`calibrate` must be one of 'platt'"),
        ({"calibrate_by": "tab"}, data, "`calibrate_by` must be given with `calibrate`"),
        ({"calibrate": "platt", "calibrate_by": "time"}, data, r"`calibrate_by` must be a Cat"),
        ({"calibrate": "platt"}, few, "'ctr' must have at least 10 rows .* Received: 8 rows"),
        (
            {"calibrate": "platt"},
            dataclasses.replace(data, parts=none),
            "requires data with a part 'valid'",
        ),
    ]:
        with pytest.raises(ValueError, match=match):
            train(of, folder, **LR, **arguments)
        assert not folder.exists()
    with pytest.raises(ValueError, match="`part` must be one of"):
        calibrate_run(run, data, part="week")


def test_report_has_the_rows_of_each_output():
    outcome = {"rows": 1200, "before": {}, "after": {}}
    calibration = {"outputs": {"ctr": outcome}, "part": "valid", "by": None, "method": "platt"}
    assert command.report(calibration).startswith("platt, fitted to 1,200 rows of 'valid'")
    calibration["outputs"]["like"] = outcome | {"rows": 800}
    assert "platt, fitted to 1,200 (ctr), 800 (like) rows of" in command.report(calibration)


def test_command(run, capsys):
    folder = str(run.folder)
    assert main(["calibrate", folder, "--method", "platt", "--by", "tab"]) == 0
    printed = capsys.readouterr().out
    assert "platt by tab, fitted to" in printed
    for word in ("valid before", "valid after", "test before", "test after", "ECE"):
        assert word in printed
    assert load_run(folder).result["calibration"]["by"] == "tab"
    assert main(["calibrate", folder, "--remove"]) == 0
    assert "removed: platt" in capsys.readouterr().out
    assert main(["calibrate", folder, "--remove"]) == 0
    assert "was not calibrated" in capsys.readouterr().out
    for words, match in [
        (["--remove", "--by", "tab"], "`--remove` has no other options. Received: --by"),
        (["--shrinkage", "3"], "`--shrinkage` must be given with `--by`"),
        (["--by", "page"], "`by` must be a Categorical or Bucketized"),
    ]:
        assert main(["calibrate", folder, *words]) == 1
        assert match in capsys.readouterr().err


def test_other_commands_use_the_calibrated_model(
    run, data, tmp_path, capsys, checked_by_one_process
):
    folder = str(run.folder)
    metrics = calibrate_run(run, data, "platt", by="tab").result["test"]
    assert main(["evaluate", folder, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == pytest.approx(metrics, rel=1e-4)
    assert main(["export", folder, str(tmp_path / "models")]) == 0
    assert "ctr: the click rate of the log, calibrated" in capsys.readouterr().out
    (version,) = (tmp_path / "models").iterdir()
    content = json.loads((version / "keras_din.json").read_text())
    assert content["outputs"]["ctr"]["calibration"]["by"] == "tab"
    assert content["metrics"]["test"] == pytest.approx(metrics, rel=1e-4)
    assert (
        main(["check-serving", str(version), str(read_arguments(folder)["data"]), "--run", folder])
        == 0
    )
    assert main(["inspect", str(version)]) == 0
    assert "calibrated (platt by tab)" in capsys.readouterr().out


def test_train_command(trained, tmp_path, capsys):
    words = ["train", read_arguments(trained.folder)["data"], str(tmp_path / "run"), "--quiet"]
    words += ["--model", "lr", "--epochs", "1", "--calibrate", "isotonic", "--calibrate-by", "tab"]
    assert main(words) == 0
    assert "isotonic by tab, fitted to" in capsys.readouterr().out
    assert load_run(tmp_path / "run").result["calibration"]["by"] == "tab"


def test_popularity_is_calibrated(data, tmp_path):
    arguments = {"model": "popularity", "verbose": 0, "calibrate": "isotonic"}
    run = train(data, tmp_path / "run", **arguments)
    assert run.result["calibration"]["outputs"]["ctr"]["after"]["calibration"] == pytest.approx(
        1, abs=0.02
    )
    assert isinstance(load_run(run.folder).model, keras.Model)


def test_labels_with_few_clicks_are_left_out(tmp_path, capsys):
    log = a_log(0).assign(buy=lambda rows: (np.arange(len(rows)) % 100 == 0).astype(int))
    columns = {"user": "user", "time": "time", "target": ["item"], "dim": 2, "max_bad": 1.0}
    columns |= {"label": ["click", "buy"], "split": kd.data.LastFraction(valid=0.25, test=0.25)}
    data = kd.data.prepare_impressions(log, **columns)
    data.save(tmp_path / "data")
    options = {"model": "base", "options": {"hidden_units": [2]}, "epochs": 1, "verbose": 0}
    with pytest.raises(ValueError, match=r"'buy' must have at least 10 .* `keras-din calibrate"):
        train(data, tmp_path / "run", **options, calibrate="platt")
    run = train(data, tmp_path / "run", **options, data_folder=str(tmp_path / "data"))
    assert main(["calibrate", str(run.folder), "--output", "ctr"]) == 0
    assert "ctr, valid before" in capsys.readouterr().out
    assert list(load_run(run.folder).result["calibration"]["outputs"]) == ["ctr"]
    assert main(["calibrate", str(run.folder), "--remove", "--output", "ctr"]) == 1
    assert "Received: --output" in capsys.readouterr().err


def test_methods_of_the_commands():
    assert set(command.METHODS) == set(METHODS)
