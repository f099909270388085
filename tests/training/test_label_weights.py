"""Runs of a model with several labels, a product and learned weights of the losses."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

import keras_din as kd
from keras_din.training import load_run, train, update

LABELS = [kd.Label("click"), kd.Label("buy", output="cvr", given="click")]
SETTINGS = {
    "model": "multi_task",
    "options": {
        "backbone": "base",
        "head_options": {"units": [4]},
        "hidden_units": [4],
    },
    "batch_size": 64,
    "learning_rate": 0.02,
    "mini_batch_aware_l2": 0,
    "label_weights": "uncertainty",
    "verbose": 0,
}


def a_log():
    rng = np.random.default_rng(0)
    item = rng.integers(8, size=400)
    click = rng.random(400) < np.where(item < 4, 0.7, 0.3)
    log = pd.DataFrame({"user": np.arange(400) % 20, "time": np.arange(400), "item": item})
    return log.assign(click=click.astype(int), buy=(click & (item % 2 == 1)).astype(int))


@pytest.fixture(scope="module")
def data():
    split = kd.data.LastFraction(valid=0.0, test=0.25)  # The last weights are the best.
    return kd.data.prepare_impressions(
        a_log(), user="user", time="time", target=["item"], label=LABELS, split=split, dim=4
    )


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    return train(data, tmp_path_factory.mktemp("runs") / "run", **SETTINGS, epochs=1)


def test_weights_are_learned(run):
    learned = run.result["label_weights"]
    assert learned["ctr"] != 1
    assert learned == load_run(run.folder).model.uncertainty_weights.current
    assert learned == json.loads((run.folder / "result.json").read_text())["label_weights"]
    content = json.loads((run.folder / "run.json").read_text())
    assert content["arguments"]["label_weights"] == "uncertainty"


def test_update_learns_them_too(run, data, tmp_path):
    shutil.copytree(run.folder, tmp_path / "run")
    log = a_log()
    updated = update(tmp_path / "run", data.append(log.assign(time=log["time"] + 400)), verbose=0)
    learned = updated.model.uncertainty_weights.current
    assert updated.result["label_weights"] == updated.days[-1]["label_weights"] == learned
    assert learned != run.result["label_weights"]


def test_resumed_run_has_the_same_weights(data, tmp_path):
    whole = train(data, tmp_path / "whole", **SETTINGS, epochs=2)
    train(data, tmp_path / "run", **SETTINGS, epochs=1)
    resumed = train(data, tmp_path / "run", resume=True, epochs=2, verbose=0)
    expected = pytest.approx(whole.result["label_weights"], rel=1e-5)
    assert resumed.result["label_weights"] == expected
    # Beside other work the last digit of a few weights differed.
    for one, other in zip(whole.model.get_weights(), resumed.model.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_invalid_labels(data, tmp_path):
    def with_labels(*labels):
        spec = kd.FeatureSpec(target=data.spec.target, sequences=data.spec.sequences, labels=labels)
        return kd.data.PreparedData(spec, data.behaviors, data.parts, data.report)

    for labels, text in (
        ([kd.Label("click")], "requires data with several labels"),
        ([kd.Label("click", weight=2), kd.Label("buy")], "learns the weights of the labels"),
    ):
        with pytest.raises(ValueError, match=text):
            train(with_labels(*labels), tmp_path / "run", **SETTINGS)
    with pytest.raises(ValueError, match="`label_weights` must be one of 'fixed', 'uncertainty'"):
        train(data, tmp_path / "run", label_weights="learned")
    with pytest.raises(ValueError, match="`positive_weight` must be 1 for a spec with `given`"):
        train(data, tmp_path / "run", positive_weight=2.0)
    assert not (tmp_path / "run").exists()
