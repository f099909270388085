"""Runs: their files, resuming after any interruption, monitors and errors."""

import csv
import dataclasses
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

import keras_din as kd
from keras_din.data import synthetic_log
from keras_din.evaluation import evaluate
from keras_din.models import MODELS
from keras_din.training import fingerprint, load_run, read_arguments, train
from keras_din.training.monitor_choice import choose_monitor

OPTIONS = {"hidden_units": [16], "dropout": 0.3}
SETTINGS = {
    "model": "base",
    "options": OPTIONS,
    "epochs": 3,
    "batch_size": 64,
    "learning_rate": 0.01,
    "verbose": 0,
}
LR = SETTINGS | {"model": "lr", "options": {}}  # For tests that do not depend on the model.


@pytest.fixture(scope="module")
def data():
    return synthetic_log(60, 16, interests=2, categories=10, held_out=3, dim=4)


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    return train(data, tmp_path_factory.mktemp("runs") / "run", **SETTINGS, data_folder="there")


def rows(folder):
    with open(folder / "metrics.csv", newline="") as file:
        return list(csv.DictReader(file))


def progress(folder):
    """Returns the progress of a run, with the arrays of its best evaluations, without its time."""
    content = json.loads((folder / "progress.json").read_text())
    assert content.pop("seconds") > 0
    file = (folder / content["checkpoint"]).with_suffix(".npz")
    with np.load(file) as arrays:
        return content | {name: array.tolist() for name, array in arrays.items()}


def test_train_writes_the_files_of_a_run(run, data):
    assert {file.name for file in run.folder.iterdir()} == {
        "run.json",
        "spec.json",
        "metrics.csv",
        "best.keras",
        "progress.json",
        "epoch-0003.keras",
        "epoch-0003.npz",
        "result.json",
    }
    content = read_arguments(run.folder)
    assert content["arguments"]["options"] == OPTIONS
    assert content["data"] == "there"
    table = rows(run.folder)
    assert [int(row["step"]) for row in table] == [0, 10, 20, 30]
    assert [row["epoch"] for row in table] == ["", "1", "2", "3"]
    assert content["arguments"]["monitor"] == "gauc_then_logloss"
    best = next(row for row in table if int(row["step"]) == run.result["best_step"])
    np.testing.assert_allclose(run.result["valid"]["gauc"], float(best["gauc"]))
    assert run.result["test"]["rows"] == 180


def test_load_run_returns_the_best_model(run, data):
    loaded = load_run(run.folder)
    assert loaded.spec == data.spec
    assert loaded.result == run.result
    x, _ = next(iter(data.dataset("test")))
    np.testing.assert_array_equal(loaded.model.predict_on_batch(x), run.model.predict_on_batch(x))


def test_same_seed_gives_the_same_weights(run, data, tmp_path):
    again = train(data, tmp_path / "again", **SETTINGS)
    other = train(data, tmp_path / "other", **SETTINGS, seed=1)
    for a, b in zip(run.model.get_weights(), again.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert rows(again.folder) == rows(run.folder)
    assert rows(other.folder) != rows(run.folder)


class Killed(keras.callbacks.Callback):
    """Interrupts training in the middle of an epoch, like a signal."""

    def __init__(self, step):
        super().__init__()
        self.step = step

    def on_train_batch_begin(self, batch, logs=None):
        if int(self.model.optimizer.iterations) == self.step:
            raise KeyboardInterrupt


@pytest.mark.parametrize("step", [0, 5, 10, 25])
def test_interrupted_run_resumes_to_the_same_result(run, data, tmp_path, monkeypatch, step):
    folder = tmp_path / "run"
    fit = keras.Model.fit

    def interrupted(self, *arguments, callbacks, **keywords):
        return fit(self, *arguments, callbacks=[*callbacks, Killed(step)], **keywords)

    monkeypatch.setattr(keras.Model, "fit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(data, folder, **SETTINGS)
    monkeypatch.undo()
    resumed = train(data, folder, resume=True, verbose=0, epochs=1)
    assert rows(folder) == rows(run.folder)
    assert progress(folder) == progress(run.folder)
    assert resumed.result == run.result
    for a, b in zip(run.model.get_weights(), resumed.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_run_of_a_killed_process_resumes(tmp_path):
    script = """
import sys
from keras_din.data import synthetic_log
from keras_din.training import train
data = synthetic_log(60, 16, interests=2, categories=10, held_out=3, dim=4)
train(data, sys.argv[1], model="base", options={"hidden_units": [8]}, epochs=2000, batch_size=64,
      patience=2000, verbose=0)
"""
    folder = tmp_path / "run"
    root = pathlib.Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(folder)], cwd=root, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 120
        while not (folder / "progress.json").exists() and time.monotonic() < deadline:
            assert process.poll() is None
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    done = json.loads((folder / "progress.json").read_text())["epochs"]
    run = json.loads((folder / "run.json").read_text())
    run["arguments"]["epochs"] = done + 1
    (folder / "run.json").write_text(json.dumps(run))
    data = synthetic_log(60, 16, interests=2, categories=10, held_out=3, dim=4)
    train(data, folder, resume=True, epochs=1, verbose=0)
    assert [int(row["step"]) for row in rows(folder)] == list(range(0, 10 * (done + 1) + 1, 10))


def test_more_epochs_and_a_finished_run(run, data, tmp_path):
    folder = tmp_path / "run"
    train(data, folder, **(SETTINGS | {"epochs": 1}))
    assert len(rows(folder)) == 2
    more = train(data, folder, resume=True, epochs=3, verbose=0)
    assert rows(folder) == rows(run.folder)
    before = (folder / "best.keras").read_bytes()
    assert train(data, folder, resume=True, epochs=3, verbose=0).result == more.result
    assert (folder / "best.keras").read_bytes() == before


def test_resume_keeps_the_number_of_epochs_of_the_run(run, data, tmp_path):
    folder = tmp_path / "run"
    train(data, folder, **(SETTINGS | {"epochs": 1}))
    train(data, folder, resume=True, verbose=0)
    assert len(rows(folder)) == 2  # The default of a new run is 10.
    train(data, folder, resume=True, epochs=2, verbose=0)
    assert read_arguments(folder)["arguments"]["epochs"] == 2
    train(data, folder, resume=True, verbose=0)
    assert rows(folder) == rows(run.folder)[:3]


def test_call_that_raises_creates_no_folder(data, tmp_path):
    with pytest.raises(ValueError, match="by_request"):
        train(data, tmp_path / "run", **SETTINGS, by_request=True)
    parts = {"valid": data.parts["valid"]}
    with pytest.raises(ValueError, match="`part` must be one of 'valid'"):
        train(dataclasses.replace(data, parts=parts), tmp_path / "run", **SETTINGS)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("label", [0, 1])
def test_validation_with_one_class_monitors_logloss(data, tmp_path, capsys, label):
    valid = data.parts["valid"]
    valid = valid[valid.label == label]
    data = dataclasses.replace(data, parts=data.parts | {"valid": valid})
    settings = LR | {"epochs": 1}
    found = f"{label * len(valid)} clicks in {len(valid)} rows"
    for monitor in ("gauc_then_logloss", "gauc", "auc", "ne"):
        message = (
            f"`monitor='{monitor}'` must be used with a part 'valid' .*: pass 'logloss'.* {found}"
        )
        with pytest.raises(ValueError, match=message):
            train(data, tmp_path / "run", **settings, monitor=monitor)
    assert not (tmp_path / "run").exists()
    run = train(data, tmp_path / "run", **settings)
    assert f"monitors the logloss. The part has {found}." in capsys.readouterr().out
    assert read_arguments(run.folder)["arguments"]["monitor"] == "logloss"
    best = min(rows(run.folder), key=lambda row: float(row["logloss"]))
    assert run.result["best_step"] == int(best["step"])
    train(data, tmp_path / "given", **settings, monitor="logloss")
    assert rows(tmp_path / "given") == rows(run.folder)
    train(data, tmp_path / "counted", model="popularity")
    assert capsys.readouterr().out.count("monitors the") == 0


@pytest.mark.parametrize("of", ["history", "columns"])
def test_data_fingerprint_depends_on_histories_and_candidates(data, of):
    train_part = data.parts["train"]
    if of == "history":
        start, end = train_part.history["hist"]
        changed = {"history": {"hist": (np.minimum(start + 1, end), end)}}
    else:
        name = data.spec.target[0].name
        changed = {"columns": train_part.columns | {name: train_part.columns[name][::-1]}}
    parts = data.parts | {"train": dataclasses.replace(train_part, **changed)}
    assert fingerprint(dataclasses.replace(data, parts=parts)) != fingerprint(data)


def test_resume_after_early_stopping_trains_no_epoch(data, tmp_path):
    options = LR | {"learning_rate": 1e-30, "epochs": 9, "patience": 2}
    train(data, tmp_path / "run", **options)
    assert len(rows(tmp_path / "run")) == 1 + 3
    train(data, tmp_path / "run", resume=True, epochs=9, verbose=0)
    assert len(rows(tmp_path / "run")) == 1 + 3


def norm_of_tables(model):
    tables = [v for v in model.trainable_variables if getattr(v, "is_embedding_table", False)]
    return sum(float(keras.ops.norm(table)) for table in tables)


def test_mini_batch_aware_regularization(data, tmp_path):
    settings = SETTINGS | {"mini_batch_aware_l2": 100.0, "epochs": 2}
    whole = train(data, tmp_path / "whole", **settings)
    assert whole.model.optimizer.mini_batch_aware_l2 == 100.0
    plain = train(data, tmp_path / "plain", **(SETTINGS | {"epochs": 2}))
    assert norm_of_tables(whole.model) < 0.9 * norm_of_tables(plain.model)
    train(data, tmp_path / "parts", **(settings | {"epochs": 1}))
    resumed = train(data, tmp_path / "parts", resume=True, epochs=2, verbose=0)
    for a, b in zip(whole.model.get_weights(), resumed.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_positive_weight(data, tmp_path):
    """Outputs are higher, metrics are of click rates, and a resumed run has the same loss."""
    settings = {"model": "lr", "epochs": 3, "learning_rate": 0.1, "verbose": 0}
    parts = {part: data.parts[part] for part in ("train", "test")}  # The last weights are the best.
    data = dataclasses.replace(data, parts=parts)
    run = train(data, tmp_path / "run", **settings, positive_weight=3.0)
    assert run.model.loss.positive_weight == 3.0
    plain = train(data, tmp_path / "plain", **settings)
    answers = evaluate(run.model, data.dataset("test"), raw=True)
    assert answers["calibration"] > 1.05 * plain.result["test"]["calibration"]
    assert (
        run.result["test"]["calibration"] < answers["calibration"] / 1.05
    )  # Metrics of click rates.
    resumed = train(data, tmp_path / "run", resume=True, epochs=4, verbose=0)
    assert resumed.model.loss.positive_weight == 3.0


def test_feature_counts_of_frozen_tables_are_left_out(data, tmp_path, monkeypatch):
    item, category = data.spec.target

    def without_categories(spec):
        model = MODELS["lr"](spec)
        for layer in model.layers:
            layer.trainable = getattr(layer, "feature", None) != category.name
        return model

    monkeypatch.setitem(MODELS, "frozen", without_categories)
    run = train(data, tmp_path, model="frozen", mini_batch_aware_l2=1.0, epochs=1, verbose=0)
    counts = [v for v in run.model.optimizer.variables if "feature_counts" in v.path]
    assert {v.name.removesuffix("_feature_counts") for v in counts} == {item.name}
    expected = np.maximum(data.feature_counts("train")[item.name], 1)
    for share in counts:
        np.testing.assert_array_equal(np.asarray(share)[2:], expected[2:])


def test_popularity_run(data, tmp_path):
    """Smoothed click rates by hand, one line of metrics, and the same result when resumed."""
    run = train(data, tmp_path / "run", model="popularity", epochs=7, verbose=0)
    samples = data.parts["train"]
    items = samples.columns["item_id"]
    item = items[0]
    strength, mean = run.result["prior_strength"], samples.label.mean()
    clicks, shown = samples.label[items == item].sum(), (items == item).sum()
    x, _ = next(iter(data.dataset("train", 1)))
    expected = (clicks + strength * mean) / (shown + strength)
    assert float(run.model(x)[0, 0]) == pytest.approx(expected, rel=1e-5)
    (line,) = rows(run.folder)
    assert line["step"] == "0"
    assert float(line["logloss"]) == run.result["valid"]["logloss"]
    assert run.result["best_step"] == 0
    assert run.result["test"]["rows"] == 180
    assert {file.name for file in run.folder.iterdir()} == {
        *("run.json", "spec.json", "metrics.csv", "best.keras", "result.json"),
    }
    loaded = load_run(run.folder)
    np.testing.assert_array_equal(loaded.model.get_weights(), run.model.get_weights())
    (run.folder / "best.keras").unlink()
    resumed = train(data, run.folder, resume=True, verbose=0)
    assert resumed.result == run.result
    np.testing.assert_array_equal(resumed.model.get_weights(), run.model.get_weights())
    assert (run.folder / "best.keras").is_file()


def test_result_is_json_and_an_undefined_metric_is_read_as_nan(data, tmp_path):
    test = data.parts["test"]
    clicks = test[test.label == 1]  # Without a row of label 0, GAUC and AUC are undefined.
    parts = {"train": data.parts["train"], "test": clicks}
    train(dataclasses.replace(data, parts=parts), tmp_path, model="popularity", verbose=0)
    text = (tmp_path / "result.json").read_text()
    written = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert written["test"]["auc"] is None
    read = load_run(tmp_path).result["test"]
    assert np.isnan(read["auc"])
    assert read["logloss"] == written["test"]["logloss"]


def test_popularity_without_validation_and_with_weights(data, tmp_path):
    samples = data.parts["train"]
    items = samples.columns["item_id"]
    weight = np.where(items == items[0], 1.0, 0.0).astype("float32")
    weight[np.flatnonzero(items != items[0])[:5]] = 2.0
    parts = {"train": dataclasses.replace(samples, weight=weight)}
    run = train(dataclasses.replace(data, parts=parts), tmp_path, model="popularity", verbose=0)
    assert run.result == {"best_step": 0, "prior_strength": 10.0}
    mean = np.average(samples.label, weights=weight)
    shown = np.sum(weight * (items == items[0]))
    clicks = np.sum(weight * samples.label * (items == items[0]))
    x, _ = next(iter(data.dataset("train", 1)))
    assert float(run.model(x)[0, 0]) == pytest.approx((clicks + 10 * mean) / (shown + 10), rel=1e-5)


@pytest.mark.parametrize("word, value", [("positive_weight", 3.0), ("ema_momentum", 0.9)])
def test_popularity_raises_for_arguments_without_effect(data, tmp_path, word, value):
    with pytest.raises(ValueError, match=rf"`{word}` must be \d for model='popularity', which is"):
        train(data, tmp_path / "x", model="popularity", **{word: value})
    assert not (tmp_path / "x").exists()


def test_run_of_version_0_1_raises(run, data, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(run.folder, folder)
    content = json.loads((folder / "run.json").read_text())
    del content["format"]
    (folder / "run.json").write_text(json.dumps(content))
    for read in (load_run, read_arguments, lambda folder: train(data, folder, resume=True)):
        with pytest.raises(ValueError, match=r"format 2. Received: .*None .*: train a new run in"):
            read(folder)


def test_monitor_logloss_keeps_the_lowest(data, tmp_path):
    run = train(data, tmp_path / "run", **LR, monitor="logloss")
    best = min(rows(run.folder), key=lambda row: float(row["logloss"]))
    assert run.result["best_step"] == int(best["step"])
    np.testing.assert_allclose(run.result["valid"]["logloss"], float(best["logloss"]))


def test_validation_without_gauc_monitors_logloss(data, tmp_path):
    valid = data.parts["valid"]
    alone = dataclasses.replace(valid, group=np.arange(len(valid)))
    data = dataclasses.replace(data, parts=data.parts | {"valid": alone})
    assert choose_monitor(None, data, verbose=False) == "logloss"
    with pytest.raises(
        ValueError, match="`monitor='gauc'` must be used with users of the part 'valid'"
    ):
        train(data, tmp_path / "other", **LR, monitor="gauc")


def test_remedies_name_the_monitored_output():
    labels = [kd.Label("click"), kd.Label("buy")]
    spec = kd.FeatureSpec(target=[kd.Categorical("item", 3, dim=1)], labels=labels)
    none, mixed = np.zeros(4, int), np.array([0, 1, 0, 1])
    for buys, groups, remedy in (
        (none, none, r"'buy_logloss', or prepare a larger part"),
        (mixed, np.arange(4), r"'buy_logloss' or 'buy_auc'\. Received: no such user"),
    ):
        samples = kd.data.Samples({"item": none + 2}, {}, {"click": mixed, "buy": buys}, groups)
        with pytest.raises(ValueError, match=f"must be used with .* pass {remedy}"):
            choose_monitor("buy_gauc", kd.data.PreparedData(spec, {}, {"valid": samples}), False)


def test_ema_momentum_keeps_averages(data, tmp_path, monkeypatch):
    """The best weights are averages over steps. The trained weights do not change."""
    fit, seen = keras.Model.fit, {}

    def watched(self, *arguments, callbacks, **keywords):
        look = keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda batch, logs: seen.setdefault(momentum, []).append(
                [variable.numpy() for variable in self.trainable_variables]
            )
        )
        return fit(self, *arguments, callbacks=[*callbacks, look], **keywords)

    monkeypatch.setattr(keras.Model, "fit", watched)
    for momentum in (0.0, 0.8):
        run = train(data, tmp_path / f"{momentum}", **BY_STEPS, ema_momentum=momentum)
    assert len(seen[0.8]) == 20
    np.testing.assert_equal(seen[0.8], seen[0.0])
    average = seen[0.8][0]
    for weights in seen[0.8][1 : run.result["best_step"]]:
        average = [0.8 * a + 0.2 * w for a, w in zip(average, weights, strict=True)]
    assert run.result["best_step"] > 1
    for variable, expected in zip(run.model.trainable_variables, average, strict=True):
        np.testing.assert_allclose(variable, expected, rtol=1e-5, atol=1e-7)


def test_evaluate_freq_in_steps(data, tmp_path):
    run = train(data, tmp_path / "run", **(LR | {"epochs": 1}), evaluate_freq=4)
    assert [int(row["step"]) for row in rows(run.folder)] == [0, 4, 8, 10]


BY_STEPS = SETTINGS | {"epochs": 2, "evaluate_freq": 4}


@pytest.fixture(scope="module", params=[0.0, 0.8])
def run_by_steps(request, data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    return train(data, folder, **BY_STEPS, ema_momentum=request.param)


@pytest.mark.parametrize("step, checkpoint", [(5, 4), (19, 16)])
def test_run_resumes_within_an_epoch(run_by_steps, data, tmp_path, monkeypatch, step, checkpoint):
    folder = tmp_path / "run"
    fit, steps = keras.Model.fit, []
    watching = [Killed(step)]

    def watched(self, *arguments, callbacks, **keywords):
        return fit(self, *arguments, callbacks=[*callbacks, *watching], **keywords)

    monkeypatch.setattr(keras.Model, "fit", watched)
    momentum = read_arguments(run_by_steps.folder)["arguments"]["ema_momentum"]
    with pytest.raises(KeyboardInterrupt):
        train(data, folder, **BY_STEPS, ema_momentum=momentum)
    watching[:] = [
        keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: steps.append(batch))
    ]
    resumed = train(data, folder, resume=True, verbose=0)
    assert len(steps) == 20 - checkpoint
    assert resumed.result == run_by_steps.result
    for a, b in zip(run_by_steps.model.get_weights(), resumed.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert rows(folder) == rows(run_by_steps.folder)
    assert len(list(folder.glob("epoch-*.keras"))) == 1


@pytest.mark.parametrize("momentum", [0.0, 0.8])
def test_without_validation(data, tmp_path, momentum):
    parts = {part: samples for part, samples in data.parts.items() if part != "valid"}
    data = type(data)(data.spec, data.behaviors, parts)
    settings = LR | {"epochs": 1, "ema_momentum": momentum}
    run = train(data, tmp_path / "run", **settings)
    assert run.result["best_step"] == 10
    last = keras.saving.load_model(tmp_path / "run" / "epoch-0001.keras")
    if momentum:
        last.optimizer.finalize_variable_values(last.trainable_variables)
    for a, b in zip(run.model.get_weights(), last.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert "valid" not in run.result


@pytest.mark.parametrize(
    "options, message",
    [
        ({"model": "dinn"}, "`model` must be one of 'popularity', .*'din'"),
        ({"epochs": 0}, "`epochs` must be a positive integer. Received: epochs=0"),
        ({"batch_size": -1}, "`batch_size` must be a positive integer"),
        ({"learning_rate": 0}, "`learning_rate` must be a positive number"),
        ({"learning_rate": "fast"}, "`learning_rate` must be a positive number"),
        ({"mini_batch_aware_l2": -1}, "`mini_batch_aware_l2` must be 0 or more. Received: .*=-1"),
        ({"mini_batch_aware_l2": True}, "`mini_batch_aware_l2` must be 0 or more"),
        ({"positive_weight": 0}, "`positive_weight` must be a positive number"),
        ({"ema_momentum": 1}, r"`ema_momentum` must be a number in \[0, 1\)\. Received: .*=1"),
        ({"patience": 0}, "`patience` must be a positive integer"),
        ({"monitor": "val_gauc"}, "`monitor` must be one of 'gauc_then_logloss', .*'val_gauc'"),
        ({"seed": -1}, "`seed` must be a non-negative integer"),
        ({"evaluate_freq": "day"}, '`evaluate_freq` must be "epoch" or a positive integer'),
        ({"options": {"layers": 3}}, "`options` must be one of 'attention_units'.*'layers'"),
        ({"options": {"dropout": 3}}, "`dropout` must be a number in"),
    ],
)
def test_invalid_arguments_raise(data, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        train(data, tmp_path / "x", **options)
    assert not (tmp_path / "x").exists()


def test_invalid_folders_raise(run, data, tmp_path):
    with pytest.raises(FileExistsError, match=r"new or empty.* Pass resume=True to continue"):
        train(data, run.folder)
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError, match="must be new or empty"):
        train(data, tmp_path)
    assert os.listdir(tmp_path) == ["file"]
    with pytest.raises(FileNotFoundError, match="must be the folder of a run"):
        train(data, tmp_path / "nothing", resume=True)
    with pytest.raises(FileNotFoundError, match="must be the folder of a run"):
        load_run(tmp_path)


def test_resume_with_other_data_raises(run):
    other = synthetic_log(60, 16, interests=2, categories=10, held_out=3, dim=4, seed=1)
    assert fingerprint(other) != fingerprint(
        synthetic_log(60, 16, interests=2, categories=10, held_out=3, dim=4)
    )
    with pytest.raises(
        ValueError, match=r"A run must resume with its own data, of there.*`keras-din update`"
    ):
        train(other, run.folder, resume=True)


@pytest.mark.parametrize(
    "other",
    [
        {"model": "lr"},
        {"options": {"dropout": 0.3}},
        {"batch_size": 32},
        {"learning_rate": 0.1},
        {"mini_batch_aware_l2": 0.5},
        {"positive_weight": 2.0},
        {"ema_momentum": 0.9},
        {"patience": 3},
        {"monitor": "auc"},
        {"evaluate_freq": 5},
        {"by_request": True},
        {"seed": 1},
    ],
)
def test_resume_with_other_arguments_raises(run, data, other):
    before = (run.folder / "run.json").read_bytes()
    (word,) = other
    with pytest.raises(
        ValueError, match=f"`{word}` must be the same as in the run that resumes, .*"
    ):
        train(data, run.folder, resume=True, verbose=0, **({"epochs": 9} | other))
    assert (run.folder / "run.json").read_bytes() == before  # Same epochs.


def test_resume_accepts_the_arguments_of_the_run(run, data):
    again = SETTINGS | {"options": {"hidden_units": (16,), "dropout": 0.3}}
    assert train(data, run.folder, resume=True, **again).result == run.result


def test_negative_rate_is_saved_with_the_loss(data, tmp_path):
    thin, folder = data.downsample_negatives(0.5), tmp_path / "run"
    settings = LR
    train(thin, folder, **(settings | {"epochs": 1}))
    assert keras.saving.load_model(folder / "epoch-0001.keras").loss.negative_rate == 0.5
    train(thin, folder, resume=True, epochs=2, verbose=0)
    assert keras.saving.load_model(folder / "epoch-0002.keras").loss.negative_rate == 0.5


@keras.saving.register_keras_serializable(package="tests")
class TraceCounter(keras.layers.Layer):
    """Identity that counts how often it is traced for training."""

    traces = 0

    def call(self, inputs, training=None):
        TraceCounter.traces += bool(training)
        return inputs


def test_training_step_is_traced_once_for_all_epochs(data, tmp_path, monkeypatch):
    def build(spec):
        model = MODELS["lr"](spec)
        return keras.Model(model.inputs, TraceCounter()(model.output))

    monkeypatch.setitem(MODELS, "counting", build)
    traces = []
    for epochs in (1, 4):
        TraceCounter.traces = 0
        train(data, tmp_path / str(epochs), model="counting", epochs=epochs, patience=4, verbose=0)
        traces.append(TraceCounter.traces)
    assert traces[0] == traces[1] > 0


def test_previous_checkpoint_remains_if_the_disk_is_full(run, data, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    save = keras.Model.save

    def full(self, path, *arguments, **keywords):
        if "epoch-0002" in str(path):
            pathlib.Path(path).write_bytes(b"half")
            raise OSError(28, "No space left on device")
        return save(self, path, *arguments, **keywords)

    monkeypatch.setattr(keras.Model, "save", full)
    with pytest.raises(OSError, match="No space left"):
        train(data, folder, **SETTINGS)
    monkeypatch.undo()
    assert not [file for file in folder.iterdir() if "partial" in file.name]
    assert train(data, folder, resume=True, epochs=1, verbose=0).result == run.result


def test_run_resumes_with_another_number_of_shards(data, tmp_path):
    settings = LR | {"epochs": 1, "ema_momentum": 0.9}
    run = train(data, tmp_path / "run", **settings, shards={"item_id": 3})
    assert {each.shards for each in run.model.layers if hasattr(each, "shards")} == {1, 3}
    train(data, tmp_path / "run", epochs=2, shards=2, resume=True, verbose=0)
    file = json.loads((tmp_path / "run" / "progress.json").read_text())["checkpoint"]
    last = keras.saving.load_model(tmp_path / "run" / file)
    assert last.get_layer("weight_item_id").shards == 2
    assert int(last.optimizer.iterations) == 2 * -(-len(data.parts["train"]) // 64)
    assert read_arguments(tmp_path / "run")["arguments"]["shards"] == 2
    with pytest.raises(ValueError, match="`shards` must name tables of the spec"):
        train(data, tmp_path / "other", **settings, shards={"x": 3})
    assert not (tmp_path / "other").exists()
