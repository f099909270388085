"""`update`: days that are evaluated before the model learns from them; exact after a kill."""

import importlib
import json

import keras
import numpy as np
import pandas as pd
import pytest

import keras_din as kd
from keras_din.cli import main
from keras_din.data import append_to_folder, prepare_impressions, prepare_interactions
from keras_din.training import load_run, read_days, train, update
from tests.data.prepare.shared import a_day

update_module = importlib.import_module("keras_din.training.update")
run_module = importlib.import_module("keras_din.training.run")
COLUMNS = {"user": "user", "time": "time", "label": "click", "target": ["item"], "dim": 2}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Data with two appended days, and a run that knows none of them."""
    folder = tmp_path_factory.mktemp("update")
    base = prepare_impressions(a_day(0, rows=40), **COLUMNS)
    run = train(base, folder / "run", model="lr", epochs=1, batch_size=8, verbose=0)
    return base.append(a_day(1, rows=40)).append(a_day(2, rows=40)), run


def copied(run, tmp_path, name="run"):
    """The run in another folder."""
    folder = tmp_path / name
    folder.mkdir()
    for file in run.folder.iterdir():
        if file.is_file():
            (folder / file.name).write_bytes(file.read_bytes())
    return load_run(folder)


@pytest.fixture(scope="module")
def updated(trained, tmp_path_factory):
    """A copy of the run that has learned from both days."""
    data, run = trained
    return update(copied(run, tmp_path_factory.mktemp("updated")), data, verbose=0)


def weights(run):
    return [
        *run.model.get_weights(),
        *map(keras.ops.convert_to_numpy, run.model.optimizer.variables),
    ]


def test_days_are_evaluated_before_they_are_learned(trained, updated, tmp_path):
    data, run = trained
    after = copied(updated, tmp_path)
    assert [day["day"] for day in after.days] == [1, 2]
    assert after.spec == data.spec
    assert after.model.optimizer.iterations.numpy() > run.model.optimizer.iterations.numpy()
    # By hand: the old model on the first day, where the two new items are out-of-vocabulary.
    old = run.spec.features["item"].vocabulary
    log = a_day(1, rows=40)
    assert after.days[0]["unknown"]["item"] == pytest.approx(1 - log["item"].isin(old).mean())
    rows = kd.data.rows_dataset(histories_of(log, data), run.spec, label="click")
    expected = kd.evaluate(run.model, rows, groups=False)
    for name in ("logloss", "auc", "calibration"):
        assert after.days[0][name] == pytest.approx(expected[name], rel=1e-5)
    table = pd.read_csv(after.folder / "updates.csv")
    assert table["logloss"].tolist() == pytest.approx([day["logloss"] for day in after.days])
    assert table["sizes_item"].tolist() == [day["sizes"]["item"] for day in after.days]
    again = update(after, data, verbose=0)
    for one, other in zip(weights(again), weights(after), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("replay", [0.0, 0.5])
def test_counts_of_regularization_grow_by_those_of_each_day(trained, updated, tmp_path, replay):
    data, run = trained
    after = updated
    if replay:
        after = update(copied(run, tmp_path), data, replay=replay, verbose=0)
    expected = np.maximum(data.feature_counts("train")["item"], 1)
    for index in range(2):
        expected += data.day(index).feature_counts("train")["item"]
    expected[0] = 0
    variables = after.model.optimizer.variables
    found = [each for each in variables if each.name == "item_feature_counts"]
    assert found
    indices, _ = data.spec.tables["item"].values.known
    for variable in found:  # A spare row gets a count together with its value.
        np.testing.assert_array_equal(variable[: max(indices) + 1], expected[: max(indices) + 1])


def histories_of(log, data):
    """The rows of the first day with their histories as lists of raw items."""
    day = data.days[0]
    entries = (None, None, *data.spec.features["item"].vocabulary)
    start, end = day.samples.history["hist"]
    items = day.behaviors["hist"].columns["item"]
    histories = [[entries[i] for i in items[s:e]] for s, e in zip(start, end, strict=True)]
    rows = log.iloc[day.samples.line]
    return rows[["item", "click"]].assign(hist_item=histories).reset_index(drop=True)


@pytest.mark.parametrize("options", [{}, {"replay": 0.5, "epochs": 2, "learning_rate": 0.01}])
def test_one_call_per_day_and_one_for_all_days_are_equal(trained, tmp_path, options):
    data, run = trained
    whole = update(copied(run, tmp_path, "whole"), data, verbose=0, **options)
    by_day = copied(run, tmp_path, "by day")
    base = prepare_impressions(a_day(0, rows=40), **COLUMNS)
    one_day = base.append(a_day(1, rows=40))
    update(by_day, one_day, verbose=0, **options)
    by_day = update(by_day.folder, one_day.append(a_day(2, rows=40)), verbose=0, **options)
    for key in ("logloss", "auc", "gauc", "unknown"):
        assert [d[key] for d in by_day.days] == [d[key] for d in whole.days]
    for one, other in zip(weights(by_day), weights(whole), strict=True):
        np.testing.assert_array_equal(one, other)


def test_new_rows_do_not_depend_on_the_day_they_are_added(tmp_path):
    """With random initial values and dropout, which `lr` has not."""
    base = prepare_impressions(a_day(0, rows=40), **COLUMNS)
    options = {"model": "base", "options": {"hidden_units": (4,), "dropout": 0.5}}
    run = train(base, tmp_path / "run", epochs=1, batch_size=8, verbose=0, **options)
    one_day = base.append(a_day(1, rows=40))
    two_days = one_day.append(a_day(2, rows=40))
    options = {"replay": 0.5, "epochs": 2, "learning_rate": 0.01, "verbose": 0}
    whole = update(copied(run, tmp_path, "whole"), two_days, **options)
    by_day = update(copied(run, tmp_path, "by day"), one_day, **options)
    by_day = update(by_day, two_days, **options)
    for one, other in zip(weights(by_day), weights(whole), strict=True):
        np.testing.assert_array_equal(one, other)


def test_new_rows_start_from_the_mean_of_their_group(tmp_path, monkeypatch):
    def log(day):
        rows = a_day(day, rows=40)
        return rows.assign(category=[f"c{item % 2}" for item in rows["item"]])

    columns = COLUMNS | {"target": ["item", "category"]}
    base = prepare_impressions(log(0), **columns)
    run = train(base, tmp_path / "run", model="lr", epochs=1, batch_size=8, verbose=0)
    data = base.append(log(1))
    before = keras.ops.convert_to_numpy(run.model.get_layer("weight_item").embeddings)
    monkeypatch.setattr(kd.CTRModel, "fit", lambda *_, **__: None)
    after = update(copied(run, tmp_path, "copy"), data, new_rows="mean_of:category", verbose=0)
    table = keras.ops.convert_to_numpy(after.model.get_layer("weight_item").embeddings)
    items = data.spec.features["item"].vocabulary
    old = len(run.spec.features["item"].vocabulary)
    assert len(items) > old
    for row, item in enumerate(items[old:], 2 + old):
        of_group = [2 + i for i, other in enumerate(items[:old]) if other % 2 == item % 2]
        np.testing.assert_allclose(table[row], before[of_group].mean(axis=0), rtol=1e-5)
    assert table[2 + old : 2 + len(items)].all()  # Weights start at 0.
    for wrong in ("mean_of:no", "mean_of:item", "mean", None):
        with pytest.raises(ValueError, match=r"(group of an item|`new_rows`) must be .* Received"):
            update(run, data, new_rows=wrong)


@pytest.mark.parametrize("items, moved", [("bbf", True), ("fab", False)])
def test_values_that_came_back_before_the_update_start_again(tmp_path, monkeypatch, items, moved):
    def log(day, items):
        hours = np.arange(2 * len(items))
        columns = {"user": hours % 3, "time": (day * 24 + hours) * 3600, "click": hours % 2}
        return pd.DataFrame(columns | {"item": list(2 * items)})

    base = prepare_impressions(log(500, "abc"), **COLUMNS)
    options = {"model": "base", "options": {"hidden_units": (4,)}}
    run = train(base, tmp_path / "run", epochs=1, batch_size=8, verbose=0, **options)
    assert run.spec.features["item"].vocabulary == ("a", "b", "c")
    # "a" and "b" leave on the first day. One of them comes back on the second, or both.
    data = base.append(log(501, "cde"), max_values=3).append(log(502, items), max_values=4)
    came_back = data.spec.features["item"].vocabulary.index("b")
    assert moved == (came_back != 1)
    layer = run.model.get_layer("embedding_item")
    before = keras.ops.convert_to_numpy(layer.embeddings)
    monkeypatch.setattr(kd.CTRModel, "fit", lambda *_, **__: None)
    after = update(run, data, verbose=0).model.get_layer("embedding_item")
    table = keras.ops.convert_to_numpy(after.embeddings)
    np.testing.assert_array_equal(table[2 + came_back], after.initial_rows([2 + came_back])[0])
    kept = 2 + data.spec.features["item"].vocabulary.index("c")
    np.testing.assert_array_equal(table[kept], before[4])


def test_an_update_while_the_run_is_loaded(trained, tmp_path, monkeypatch):
    run = copied(trained[1], tmp_path)
    content = json.dumps({"model": "update-000001", "days": [{"day": 1}]})
    (run.folder / "updates.json").write_text(content)
    for of_training, suffix in (("best.keras", "keras"), ("spec.json", "json")):
        (run.folder / of_training).rename(run.folder / f"update-000001.{suffix}")
    load = run_module._load_run

    def slow(folder, *files):
        monkeypatch.undo()
        for file in folder.glob("update-000001.*"):
            file.rename(file.with_stem("update-000002"))
        (folder / "updates.json").write_text(content.replace("1", "2"))
        return load(folder, *files)

    monkeypatch.setattr(run_module, "_load_run", slow)
    assert load_run(run.folder).days == [{"day": 2}]
    (run.folder / "update-000002.keras").unlink()
    with pytest.raises(FileNotFoundError, match=r"without update-000002\.keras"):
        load_run(run.folder)


@pytest.mark.parametrize("where", ["fit", "save_model", "save_spec", "write_json"])
def test_an_interrupted_update_goes_on_with_the_same_result(
    trained, updated, tmp_path, monkeypatch, where
):
    data, run = trained
    cut = copied(run, tmp_path, "cut")

    class Interrupted(Exception):
        pass

    calls = []

    def interrupted(function):
        def call(*arguments, **keywords):
            calls.append(1)
            if len(calls) == 2:  # On the second day.
                raise Interrupted
            return function(*arguments, **keywords)

        return call

    with monkeypatch.context() as patch:
        owner = kd.CTRModel if where == "fit" else update_module
        patch.setattr(owner, where, interrupted(getattr(owner, where)))
        with pytest.raises(Interrupted):
            update(cut, data, verbose=0)
    assert len(read_days(cut.folder)) == 1
    assert len(load_run(cut.folder).days) == 1
    resumed = update(cut.folder, data, verbose=0)
    for one, other in zip(weights(resumed), weights(updated), strict=True):
        np.testing.assert_array_equal(one, other)
    files = sorted(path.name for path in cut.folder.iterdir())
    assert [name for name in files if name.startswith("update-")] == [
        "update-000002.json",
        "update-000002.keras",
    ]


def test_negatives_of_a_day_are_downsampled_like_those_of_the_run(tmp_path, monkeypatch):
    base = prepare_impressions(a_day(0, rows=40), **COLUMNS)
    less = base.downsample_negatives(0.25)
    run = train(less, tmp_path / "run", model="lr", epochs=1, verbose=0)
    learned, fit = [], kd.CTRModel.fit

    def counted(model, dataset, **options):
        learned.append(sum(len(labels) for _, labels in dataset))
        return fit(model, dataset, **options)

    monkeypatch.setattr(kd.CTRModel, "fit", counted)
    data = base.append(a_day(1, rows=40))
    after = update(run, data, verbose=0)
    labels = data.day(-1).parts["train"].label
    assert labels.sum() < learned[0] < labels.sum() + 0.6 * (labels == 0).sum()
    assert after.model.loss.negative_rate == 0.25
    with pytest.raises(ValueError, match="`replay` requires data with all negatives"):
        update(run, less.append(a_day(1, rows=40)), replay=0.5)


def test_runs_that_can_not_be_updated(trained, tmp_path):
    data, run = trained
    other = prepare_impressions(a_day(0).assign(item="x"), **COLUMNS).append(
        a_day(1).assign(item="y")
    )
    with pytest.raises(ValueError, match="item"):
        update(copied(run, tmp_path), other, verbose=0)
    with pytest.raises(ValueError, match="`replay` must be"):
        update(run, data, replay=1.0)
    counted = train(
        prepare_impressions(a_day(0), **COLUMNS),
        tmp_path / "counted",
        model="popularity",
        verbose=0,
    )
    with pytest.raises(ValueError, match="of 'popularity'"):
        update(counted, data)
    (counted.folder / "result.json").unlink()
    with pytest.raises(ValueError, match="must have ended"):
        update(counted, data)


def test_commands(tmp_path, capsys, checked_by_one_process):
    data, run = str(tmp_path / "data"), str(tmp_path / "run")
    base = prepare_impressions(a_day(0, rows=40), **COLUMNS)
    base.save(data)
    train(base, run, model="lr", epochs=1, data_folder=data, verbose=0)
    assert main(["update", run]) == 0
    assert "no new days" in capsys.readouterr().out
    assert main(["report", run]) == 1
    assert "must have learned from appended days" in capsys.readouterr().err
    append_to_folder(data, a_day(1, rows=40))
    assert main(["evaluate", run]) == 1
    assert f"call `keras-din update {run} {data}`" in capsys.readouterr().err
    assert main(["update", run, "--quiet", "--replay", "0.2"]) == 0
    printed = capsys.readouterr().out
    assert "metrics of each day before the model learned from it:" in printed
    assert "day 1: trained in" in printed
    assert main(["evaluate", run]) == 0
    assert main(["report", run]) == 0
    page = (tmp_path / "run" / "report.html").read_text()
    assert "<td>2020-09-14" in page
    assert (tmp_path / "run" / "report.png").read_bytes()[:4] == b"\x89PNG"
    assert json.loads((tmp_path / "run" / "updates.json").read_text())["model"] == "update-000001"
    assert main(["export", run, str(tmp_path / "models")]) == 0


def test_a_day_without_samples_adds_values_only(tmp_path):
    """Such as the first behaviors of new users in data of `prepare_interactions`."""
    log = a_day(0, rows=40, items=12)[["user", "time", "item"]]
    base = prepare_interactions(log, user="user", time="time", target=["item"], dim=2)
    run = train(base, tmp_path / "run", model="lr", epochs=1, batch_size=16, verbose=0)
    new = pd.DataFrame({"user": ["x", "y"], "time": log["time"].max() + 60, "item": [900, 901]})
    steps = int(run.model.optimizer.iterations.numpy())
    run = update(run, base.append(new), verbose=0)
    (day,) = run.days
    assert "logloss" not in day
    assert day["unknown"] == {}
    assert {900, 901} <= set(run.spec.features["item"].vocabulary)
    assert int(run.model.optimizer.iterations.numpy()) == steps
