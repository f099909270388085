"""`update(new_rows="projection_of:title")`: by day, with the data that was there before."""

import keras
import numpy as np
import pytest
from sklearn.linear_model import RidgeCV

import keras_din as kd
from keras_din.cli import main
from keras_din.data import PreparedData, append_to_folder, prepare_impressions
from keras_din.training import load_run, train, update
from tests.data.prepare.shared import a_day

COLUMNS = {"user": "user", "time": "time", "label": "click"}
VECTORS = dict(enumerate(np.random.default_rng(0).normal(size=(40, 3)).round(2)))
WITHOUT = 13  # A new item of the first appended day.


def a_log(day):
    return a_day(2 * day, rows=80, items=12)


def vectors_of(day):
    items = set(a_log(day)["item"]) - {WITHOUT}
    return {"title": {item: VECTORS[item] for item in sorted(items)}}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of data with two appended days, the same with one, and a run of the base data."""
    root = tmp_path_factory.mktemp("projection")
    title = kd.Vector("title", 3, of="item", project_to=2)
    base = prepare_impressions(
        a_log(0), **COLUMNS, target=["item", title], dim=2, vectors=vectors_of(0)
    )
    options = {"hidden_units": ()}
    train(base, root / "run", model="base", options=options, epochs=1, batch_size=16, verbose=0)
    for name, days in (("one", 1), ("two", 2)):
        base.save(root / name)
        for day in range(1, days + 1):
            append_to_folder(root / name, a_log(day), vectors=vectors_of(day))
    return root


def copied(trained, tmp_path, name="run"):
    folder = tmp_path / name
    folder.mkdir()
    for file in (trained / "run").iterdir():
        if file.is_file():
            (folder / file.name).write_bytes(file.read_bytes())
    return folder


def table_of(model):
    return keras.ops.convert_to_numpy(model.get_layer("embedding_item").embeddings)


def state_of(run):
    variables = [*run.model.weights, *run.model.optimizer.variables]
    return [keras.ops.convert_to_numpy(each) for each in variables]


def test_new_rows_are_predicted_from_the_rows_of_training(trained, tmp_path, monkeypatch, capsys):
    data, run = PreparedData.load(trained / "one"), load_run(trained / "run")
    before = table_of(run.model)
    monkeypatch.setattr(kd.CTRModel, "fit", lambda *_, **__: None)
    capsys.readouterr()
    after = update(copied(trained, tmp_path), data, new_rows="projection_of:title", verbose=0)
    table, vectors = table_of(after.model), np.float64(data.spec.vectors["title"].vectors.values)
    old = run.spec.features["item"].vocabulary
    counts = data.feature_counts("train")["item"]
    fitted = [row for row in range(2, 2 + len(old)) if counts[row]]
    assert len(fitted) >= 10
    x, y = vectors[fitted], np.float64(before[fitted])
    expected = RidgeCV(10.0 ** np.arange(-6, 4) * x.var(axis=0).mean() * len(x)).fit(x, y)
    new = [2 + i for i, v in enumerate(data.spec.features["item"].vocabulary) if v not in old]
    lacks = 2 + data.spec.features["item"].vocabulary.index(WITHOUT)
    assert lacks in new
    projected = [row for row in new if row != lacks]
    np.testing.assert_allclose(table[projected], expected.predict(vectors[projected]), rtol=1e-4)
    layer = after.model.get_layer("embedding_item")
    np.testing.assert_array_equal(table[[lacks]], layer.initial_rows([lacks], seed=0))
    np.testing.assert_array_equal(table[: 2 + len(old)], before[: 2 + len(old)])
    assert (
        f"day 1: new rows of table 'item': {len(projected)} start from the projection of 'title', "
        f"fitted on {len(fitted)} rows; 1 start from the initializer" in capsys.readouterr().out
    )


def test_an_update_that_is_interrupted_has_the_same_result(trained, tmp_path, capsys):
    how = "projection_of:title"
    data = PreparedData.load(trained / "two")
    capsys.readouterr()
    whole = update(copied(trained, tmp_path, "whole"), data, new_rows=how, verbose=0)
    of_whole = capsys.readouterr().out

    class Interrupted(Exception):
        pass

    calls, fit = [], kd.CTRModel.fit

    def interrupted(*arguments, **keywords):
        calls.append(1)
        if len(calls) == 2:  # On the second day.
            raise Interrupted
        return fit(*arguments, **keywords)

    cut = copied(trained, tmp_path, "cut")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kd.CTRModel, "fit", interrupted)
        with pytest.raises(Interrupted):
            update(cut, data, new_rows=how, verbose=0)
    assert len(load_run(cut).days) == 1
    capsys.readouterr()
    command = ["update", str(cut), str(trained / "two"), "--new-rows", how, "--quiet"]
    assert main(command) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "new rows of" in line]
    assert line.startswith("day 2: ")
    assert line in of_whole
    resumed = load_run(cut)
    assert len(resumed.days) == 2
    for found, expected in zip(state_of(resumed), state_of(whole), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", ["no", "item", ""])
def test_a_name_that_is_no_vector(trained, tmp_path, name):
    data = PreparedData.load(trained / "one")
    with pytest.raises(ValueError, match=r"must name a Vector .*\['title'\]. Received: new_rows="):
        update(copied(trained, tmp_path), data, new_rows=f"projection_of:{name}")
