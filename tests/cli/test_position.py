"""All commands on a log with a `Position`, which requests and scored rows do not have."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

import keras_din as kd
from keras_din.cli import main
from keras_din.data import PreparedData
from keras_din.evaluation import evaluate, predict
from keras_din.training import load_run, train
from keras_din.without_position import position_bias_of, without_position

SEEN = 1 / np.arange(1, 6)


def a_log(rows=1500):
    rng = np.random.default_rng(0)
    item = rng.integers(8, size=rows)
    position = rng.integers(1, 6, rows)
    click = rng.random(rows) < SEEN[position - 1] * np.where(item < 4, 0.9, 0.4)
    columns = {"user": rng.integers(20, size=rows), "item": [f"i{i}" for i in item]}
    columns |= {"time": np.arange(rows) + 1_700_000_000, "position": position}
    return pd.DataFrame(columns | {"click": click.astype(int)})


def run(*words):
    assert main([str(word) for word in words]) == 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("position")
    a_log().to_csv(folder / "log.csv", index=False)
    entry = {"type": "Position", "size": 5, "in": ["target"]}
    (folder / "spec.json").write_text(json.dumps({"position": entry}))
    columns = ["--user", "user", "--time", "time", "--target", "item", "--dim", "4"]
    columns += ["--label", "click", "--spec", folder / "spec.json"]
    run("prepare", folder / "log.csv", folder / "data", *columns)
    words = ["--model", "base", "--epochs", "3", "--batch-size", "32", "--learning-rate", "0.02"]
    run("train", folder / "data", folder / "run", *words, "--quiet")
    return folder


def test_training_learns_the_factor_and_monitors_the_logloss(folder):
    trained = load_run(folder / "run")
    assert trained.spec.position.size == 5
    found = position_bias_of(trained.model).probabilities()
    np.testing.assert_allclose(found, SEEN, atol=0.2)
    assert (
        json.loads((folder / "run" / "run.json").read_text())["arguments"]["monitor"] == "logloss"
    )


def test_evaluation_ranks_without_the_position(folder, capsys):
    trained, data = load_run(folder / "run"), PreparedData.load(folder / "data")
    rows = data.dataset("test")
    found, groups = evaluate(trained.model, rows), rows.groups
    predictions, labels, _ = predict(trained.model, rows)
    np.testing.assert_allclose(found["logloss"], kd.metrics.logloss(labels, predictions), rtol=1e-5)
    served, served_spec = without_position(trained.model, trained.spec)
    logs = kd.data.dataset(served_spec, data.behaviors, data.parts["test"], 1024)
    scores = predict(served, logs).predictions
    np.testing.assert_allclose(found["auc"], kd.metrics.auc(labels, scores), rtol=1e-5)
    np.testing.assert_allclose(found["gauc"], kd.metrics.gauc(labels, scores, groups), rtol=1e-5)
    assert found["auc"] < kd.metrics.auc(labels, predictions) - 0.01
    run("evaluate", folder / "run")
    assert "gauc and auc are those of the output without the position" in capsys.readouterr().out


def test_callback_monitors_the_logloss(folder):
    data = PreparedData.load(folder / "data")
    assert kd.Evaluation(data.dataset("valid")).monitor == "val_logloss"
    assert kd.Evaluation(data.dataset("valid"), monitor="val_gauc").monitor == "val_gauc"


def test_predictions_are_without_the_position(folder, tmp_path):
    run("predict", folder / "run", folder / "data", tmp_path / "of_data.csv")
    of_data = pd.read_csv(tmp_path / "of_data.csv")
    assert {"position", "ctr"} <= set(of_data)
    words = ["--user", "user", "--time", "time", "--log-only"]
    log = a_log().drop(columns="position")
    log.to_csv(tmp_path / "log.csv", index=False)
    run("predict", folder / "run", tmp_path / "log.csv", tmp_path / "of_log.csv", *words)
    a_log().assign(position=4).to_csv(tmp_path / "log.csv", index=False)
    run("predict", folder / "run", tmp_path / "log.csv", tmp_path / "at_4.csv", *words)
    scores = [pd.read_csv(tmp_path / name)["ctr"] for name in ("of_log.csv", "at_4.csv")]
    np.testing.assert_array_equal(*scores)
    rows = pd.DataFrame({"item": ["i1", "i7"], "hist_item": [["i1"], []]})
    rows.to_parquet(tmp_path / "rows.parquet")
    run("predict", folder / "run", tmp_path / "rows.parquet", tmp_path / "of_rows.csv")
    assert pd.read_csv(tmp_path / "of_rows.csv")["ctr"].between(0.05, 1).all()


def test_version_is_checked(folder, tmp_path, capsys, checked_by_one_process):
    run("export", folder / "run", tmp_path / "models")
    run("check-serving", tmp_path / "models", folder / "data", "--run", folder / "run")
    rows = pd.DataFrame({"item": ["i1", "i7"], "hist_item": [["i1"], []]})
    rows.to_parquet(tmp_path / "rows.parquet")
    run("check-serving", tmp_path / "models", tmp_path / "rows.parquet", "--run", folder / "run")
    run("inspect", tmp_path / "models")
    assert "outputs are those at position 1, no input" in capsys.readouterr().out


def test_further_days_are_appended(folder):
    day = a_log(200).assign(time=lambda log: log["time"] + 100_000)
    data = PreparedData.load(folder / "data")
    data = data.append(day)
    assert data.days[0].samples.columns["position"].max() == 5
    with pytest.raises(ValueError, match="position"):
        data.append(day.drop(columns="position").assign(time=lambda log: log["time"] + 100_000))


def test_run_learns_a_further_day(folder, tmp_path):
    for name in ("data", "run"):
        shutil.copytree(folder / name, tmp_path / name)
    day = a_log(200).assign(time=lambda log: log["time"] + 100_000, item="new")
    day.to_csv(tmp_path / "day.csv", index=False)
    run("append", tmp_path / "data", tmp_path / "day.csv")
    run("update", tmp_path / "run", tmp_path / "data", "--quiet")
    trained = load_run(tmp_path / "run")
    before = load_run(folder / "run")
    assert trained.spec.features["item"].values.size > before.spec.features["item"].values.size
    found, was = (position_bias_of(r.model).probabilities() for r in (trained, before))
    assert (found[1:] != was[1:]).all()
    assert 0 < trained.days[0]["gauc"] < 1


def test_rows_with_histories():
    log = (
        a_log(100).drop(columns=["user", "time"]).assign(hist_item=lambda log: [["i1"]] * len(log))
    )
    target = ["item", kd.Position("position", size=5)]
    data = kd.data.prepare_rows(log, label="click", target=target, dim=4)
    assert data.spec.position.size == 5
    assert list(data.spec.without_position().inputs) == ["item", "hist_item"]


def test_options_that_a_position_refuses(folder, tmp_path):
    data = PreparedData.load(folder / "data")
    scaled = (
        r"must be 1 for a spec with a Position.* Received: positive_weight={}, negative_rate={}"
    )
    with pytest.raises(ValueError, match=scaled.format(2, 1)):
        train(data, tmp_path / "a", model="lr", positive_weight=2)
    with pytest.raises(ValueError, match=scaled.format(1.0, 0.5)):
        train(data.downsample_negatives(0.5), tmp_path / "a", model="lr")
    with pytest.raises(ValueError, match=r"must not be calibrated.* Received: calibrate='platt'"):
        train(data, tmp_path / "b", model="lr", calibrate="platt")
    trained = load_run(folder / "run")
    with pytest.raises(ValueError, match=r"must not be calibrated.* Received: the model 'base'"):
        kd.calibration.calibrate(trained.model, data.dataset("valid"))
    assert list(tmp_path.iterdir()) == []
