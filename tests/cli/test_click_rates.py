"""Commands on a run with a positive weight and downsampled negatives use click rates."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

import keras_din as kd
from keras_din.cli import main
from keras_din.click_rates import click_rates
from keras_din.data import PreparedData
from keras_din.evaluation import evaluate, predict
from keras_din.training import load_run, read_arguments, run_click_rates, train

FACTOR = 20 / 0.25


def a_log(rows=4000, seed=0):
    """One row in ten is a click, independent of user and item."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "user": rng.integers(40, size=rows),
            "item": [f"i{item}" for item in rng.integers(5, size=rows)],
            "time": np.arange(rows) + 1_700_000_000,
            "click": (rng.random(rows) < 0.1).astype(int),
        }
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("click rates")
    columns = {"user": "user", "time": "time", "label": "click", "target": ["item"], "dim": 2}
    data = kd.data.prepare_impressions(a_log(), **columns)
    # Downsampled twice, with a save in between: .5 * .5 of the negatives.
    data.downsample_negatives(0.5).save(folder / "once")
    PreparedData.load(folder / "once").downsample_negatives(0.5, seed=1).save(folder / "data")
    words = ["train", str(folder / "data"), str(folder / "run"), "--model", "lr", "--quiet"]
    words += ["--epochs", "2", "--batch-size", "128", "--learning-rate", "0.05"]
    assert main([*words, "--positive-weight", "20"]) == 0
    return folder


def run(capsys, *words):
    code = main([str(word) for word in words])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def by_hand(model, data, part, factor):
    """Returns the calibration of `p / (p + factor (1 - p))`, computed in float64."""
    p, labels, _ = predict(model, data.dataset(part))
    p = p.astype("float64")
    return np.sum(p / (p + factor * (1 - p))) / labels.sum()


def factor_of(rates):
    (rate,) = rates.of_outputs.values()
    return rate.factor


def test_run_has_both_rates(folder):
    assert PreparedData.load(folder / "data").negative_rate == 0.25
    assert read_arguments(folder / "run")["negative_rate"] == 0.25
    rates = run_click_rates(load_run(folder / "run"))
    (rate,) = rates.of_outputs.values()
    assert rate.factor == FACTOR
    assert set(rate.known_from.values()) == {"the run"}


def test_reported_metrics_are_calibrated(folder, capsys):
    run_ = load_run(folder / "run")
    data = PreparedData.load(folder / "data")
    raw = evaluate(run_.model, data.dataset("test"), raw=True)
    assert evaluate(run_.model, data.dataset("test")) == pytest.approx(run_.result["test"])
    expected = by_hand(run_.model, data, "test", FACTOR)
    assert raw["calibration"] > 4 * expected
    assert run_.result["test"]["calibration"] == pytest.approx(expected, rel=1e-3)
    assert run_.result["test"]["gauc"] == pytest.approx(raw["gauc"], abs=1e-3)
    code, printed, _ = run(capsys, "evaluate", folder / "run")
    assert code == 0
    assert "positive_weight=20 and negative_rate=0.25 undone" in printed
    _, printed, _ = run(capsys, "evaluate", folder / "run", "--json")
    assert json.loads(printed) == pytest.approx(run_.result["test"], abs=1e-3)
    _, printed, _ = run(capsys, "evaluate", folder / "run", "--raw", "--json")
    assert json.loads(printed) == pytest.approx(raw)
    # In the training part, labels have a quarter of the negatives too.
    _, printed, _ = run(capsys, "evaluate", folder / "run", "--part", "train", "--json")
    found = json.loads(printed)["calibration"]
    assert found == pytest.approx(by_hand(run_.model, data, "train", 20), rel=1e-3)


def test_export_and_check_serving(folder, tmp_path, capsys, checked_by_one_process):
    models = tmp_path / "models"
    code, printed, error = run(capsys, "export", folder / "run", models)
    assert code == 0, error
    assert "ctr: the click rate of the log, the model's output with positive_weight=20" in printed
    assert "assumed" not in printed
    (version,) = models.iterdir()
    description = json.loads((version / "keras_din.json").read_text())
    ctr = description["outputs"]["ctr"]
    assert (ctr["positive_weight"], ctr["negative_rate"]) == (20, 0.25)
    assert description["metrics"]["test"] == load_run(folder / "run").result["test"]
    check = ["check-serving", models, folder / "data", "--run", folder / "run", "--rows", "200"]
    code, printed, error = run(capsys, *check)
    assert code == 0, error
    assert "positive_weight=20 and negative_rate=0.25 undone" in printed
    code, printed, _ = run(capsys, "inspect", models)
    assert (
        "the click rate of the log: positive_weight 20 (the run), negative_rate 0.25 (the run)"
        in printed
    )
    # If the version undoes other numbers, its predictions differ from those of the run.
    ctr["positive_weight"] = 10.0
    (version / "keras_din.json").write_text(json.dumps(description))
    code, printed, error = run(capsys, *check)
    assert code == 1
    assert "must give the same predictions" in error
    expected = "the version undoes positive_weight=10, negative_rate=0.25, the run was trained"
    assert expected in printed
    # A version in the older format has no entry, and undoes nothing.
    shutil.rmtree(version)
    assert run(capsys, "export", folder / "run", models, "--raw")[0] == 0
    (version,) = models.iterdir()
    description = json.loads((version / "keras_din.json").read_text())
    assert description.pop("outputs")["ctr"]["raw"] is True
    description["format"] = 1
    code, printed, _ = run(capsys, *check)
    assert code == 0
    (version / "keras_din.json").write_text(json.dumps(description))
    code, printed, _ = run(capsys, *check)
    assert code == 0
    assert "as it is (raw)" in printed


def test_popularity_of_downsampled_data(folder, tmp_path):
    """Popularity counts a quarter of the negatives, so its odds are four times as high."""
    data = PreparedData.load(folder / "data")
    counted = train(data, tmp_path / "run", model="popularity", verbose=0)
    assert factor_of(run_click_rates(counted)) == 4
    expected = by_hand(counted.model, data, "test", 4)
    assert expected == pytest.approx(1, abs=0.4)
    assert counted.result["test"]["calibration"] == pytest.approx(expected, rel=1e-3)
    for model in (counted.model, load_run(counted.folder).model):
        found = evaluate(model, data.dataset("test"))
        assert found == pytest.approx({**counted.result["test"]}, nan_ok=True)
        (rate,) = click_rates(model).of_outputs.values()
        assert (rate.factor, *rate.known_from.values()) == (4, "the loss", "the loss")


@pytest.mark.parametrize("raw", [False, True])
def test_evaluation_of_a_downsampled_part(folder, capsys, raw):
    """The labels have a quarter of the negatives, so only the factor 20 is undone, not 80."""
    run_, data = load_run(folder / "run"), PreparedData.load(folder / "data")
    expected = by_hand(run_.model, data, "train", 1 if raw else 20)
    found = evaluate(run_.model, data.dataset("train"), raw=raw)
    assert found["calibration"] == pytest.approx(expected, rel=1e-5)
    words = [folder / "run", "--part", "train", "--json"]
    code, printed, _ = run(capsys, "evaluate", *words, *["--raw"] * raw)
    assert code == 0
    assert json.loads(printed) == pytest.approx(found)
    assert data.dataset("test").negative_rate == 1
