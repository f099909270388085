"""Runs with losses that rank: their data, arguments, resuming, updates and errors."""

import dataclasses
import json

import numpy as np
import pytest

import keras_din as kd
from keras_din.cli import main
from keras_din.cli.train import LOSSES
from keras_din.data.prepare import prepared_data
from keras_din.losses.of_labels import CROSSENTROPY, RANKING, losses_of_labels
from keras_din.training import read_arguments, train, update
from tests.data.prepare.shared import a_day

SETTINGS = {"model": "lr", "batch_size": 64, "learning_rate": 0.05, "verbose": 0}
JRC = {"loss": "jrc", "loss_weight": 0.5}


@pytest.fixture(scope="module")
def data():
    return kd.data.synthetic_log(30, 16, interests=2, categories=10, held_out=3, dim=4)


def test_command_offers_all_losses():
    assert (CROSSENTROPY, *RANKING) == LOSSES


@pytest.mark.parametrize("name", RANKING)
def test_run_has_the_loss(data, tmp_path, name):
    options = {"loss": name, "loss_weight": 0.5, "positive_weight": 2.0, "epochs": 1}
    run = train(data.downsample_negatives(0.5), tmp_path / "run", **SETTINGS, **options)
    assert type(run.model.loss) is RANKING[name]
    expected = {"weight": 0.5, "crossentropy": 1.0, "positive_weight": 2.0, "negative_rate": 0.5}
    assert run.model.loss.get_config() == expected | {"name": name}
    arguments = read_arguments(run.folder)["arguments"]
    assert (arguments["loss"], arguments["loss_weight"]) == (name, 0.5)
    raw = kd.evaluate(run.model, data.dataset("test"), raw=True)["calibration"]
    assert raw > 1.5 * run.result["test"]["calibration"]  # Both factors of the odds are undone.


def batches_of(monkeypatch):
    """Returns a list of the `batch_by` of each training dataset."""
    found, create = [], prepared_data.pipeline.dataset

    def dataset(*args, batch_by=None, shuffle=False, **words):
        if shuffle:
            found.append(batch_by)
        return create(*args, batch_by=batch_by, shuffle=shuffle, **words)

    monkeypatch.setattr(prepared_data.pipeline, "dataset", dataset)
    return found


def test_batches_are_by_user_unless_rows_are_requests(data, tmp_path, monkeypatch):
    found = batches_of(monkeypatch)
    options = SETTINGS | {"epochs": 1}
    train(data, tmp_path / "plain", **options)
    train(data, tmp_path / "users", **options, **JRC)
    parts = {
        part: dataclasses.replace(samples, request=np.arange(len(samples)))
        for part, samples in data.parts.items()
    }
    requests = dataclasses.replace(data, parts=parts)
    with pytest.raises(ValueError, match="Received: no such request in 300 rows"):
        train(requests, tmp_path / "requests", **options, **JRC, by_request=True)
    assert not (tmp_path / "requests").exists()
    assert found == [None, "user"]


def test_requests_are_ranked(tmp_path, monkeypatch):
    """The rows of a user are one request."""
    log = a_day(0, rows=60)
    log = log.assign(request=log["user"], time=0)
    columns = {"user": "user", "time": "time", "label": "click", "target": ["item"], "dim": 2}
    data = kd.data.prepare_impressions(
        log,
        **columns,
        request="request",
        duplicates="keep",
        split=kd.data.ByUser(valid=0.0, test=0.2),
    )
    found = batches_of(monkeypatch)
    options = {"model": "lr", "epochs": 1, "batch_size": 2, "verbose": 0, "by_request": True}
    run = train(data, tmp_path / "run", **options, **JRC)
    assert found == [None]
    assert type(run.model.loss) is kd.losses.JRC


@pytest.mark.parametrize("label", [None, 1.0])
def test_users_must_have_both_labels(data, tmp_path, label):
    rows = data.parts["train"]
    if label is None:
        rows = dataclasses.replace(rows, group=np.arange(len(rows)))
    else:
        rows = dataclasses.replace(rows, labels=np.full(len(rows), label))
    other = dataclasses.replace(data, parts=data.parts | {"train": rows})
    with pytest.raises(ValueError, match="so the part 'train' must have users with both labels"):
        train(other, tmp_path / "run", **SETTINGS, **JRC)


def test_resumed_run_is_the_same(data, tmp_path):
    settings = SETTINGS | JRC | {"evaluate_freq": 5}
    whole = train(data, tmp_path / "whole", **settings, epochs=2)
    train(data, tmp_path / "parts", **settings, epochs=1)
    resumed = train(data, tmp_path / "parts", resume=True, epochs=2, verbose=0)
    assert resumed.result == whole.result
    for a, b in zip(whole.model.get_weights(), resumed.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    for other in ({"loss": "pairwise_logistic"}, {"loss": "jrc", "loss_weight": 2.0}):
        with pytest.raises(ValueError, match="must be the same as in the run that resumes"):
            train(data, tmp_path / "parts", resume=True, verbose=0, **other)


def test_update_keeps_the_loss(tmp_path, monkeypatch):
    columns = {"user": "user", "time": "time", "label": "click", "target": ["item"], "dim": 2}
    data = kd.data.prepare_impressions(a_day(0, rows=40), **columns)
    options = {"model": "lr", "epochs": 1, "batch_size": 8, "verbose": 0, "loss": "jrc"}
    run = train(data, tmp_path / "run", **options)
    found = batches_of(monkeypatch)
    updated = update(run, data.append(a_day(1, rows=40)), verbose=0)
    assert found == ["user"]
    assert updated.model.loss.get_config() == run.model.loss.get_config()


def test_command(data, tmp_path):
    data.save(tmp_path / "data")
    words = ["train", str(tmp_path / "data"), str(tmp_path / "run"), "--model", "lr", "--quiet"]
    words += ["--loss", "pairwise_logistic", "--loss-weight", "0.25", "--epochs", "1"]
    assert main(words) == 0
    arguments = read_arguments(tmp_path / "run")["arguments"]
    assert (arguments["loss"], arguments["loss_weight"]) == ("pairwise_logistic", 0.25)


def test_ranking_losses_are_those_of_binary_labels():
    labels = [kd.Label("click"), kd.Label("watch", loss="poisson")]
    losses = losses_of_labels(labels, 2.0, 0.5, "jrc", 0.25)
    assert (
        losses["ctr"].get_config()
        == kd.losses.JRC(0.25, positive_weight=2.0, negative_rate=0.5).get_config()
    )
    assert type(losses["watch"]) is kd.losses.Poisson


@pytest.mark.parametrize(
    "options, message",
    [
        ({"loss": "hinge"}, "`loss` must be one of 'binary_crossentropy', 'pairwise_logistic'"),
        ({"loss": "jrc", "loss_weight": 0}, "`loss_weight` must be a positive number"),
        ({"loss_weight": 2.0}, "`loss_weight` must be 1 without a ranking loss"),
        ({"model": "popularity", "loss": "jrc"}, "`loss` must be 'binary_crossentropy' for model="),
    ],
)
def test_invalid_arguments(data, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        train(data, tmp_path / "run", **options)


def test_runs_without_a_loss_have_the_crossentropy(data, tmp_path):
    folder = tmp_path / "run"
    train(data, folder, **SETTINGS, epochs=1)
    content = json.loads((folder / "run.json").read_text())
    for name in ("loss", "loss_weight"):
        del content["arguments"][name]
    (folder / "run.json").write_text(json.dumps(content))
    assert read_arguments(folder)["arguments"]["loss"] == CROSSENTROPY
    resumed = train(data, folder, resume=True, epochs=2, verbose=0)
    assert type(resumed.model.loss) is kd.losses.BinaryCrossentropy
