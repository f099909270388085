"""Labels that are numbers or missing: pipeline, training, evaluation, export and serving."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_din as kd
from keras_din.click_rates import click_rates
from keras_din.evaluation import predict
from keras_din.serving.version.description import read_description
from keras_din.training import run_click_rates, train

WATCH = kd.Label("watch", loss="poisson", weight=0.5)
SCORE = kd.Label("score", loss="huber")
ITEM = kd.Categorical("item", 12, dim=4)


def spec_of(*labels):
    return kd.FeatureSpec(
        target=[ITEM], sequences=[kd.Sequence("hist", of=[ITEM], max_length=3)], labels=labels
    )


def some_samples(labels, request=None):
    rows = len(next(iter(labels.values())))
    return kd.data.Samples(
        columns={"item": np.arange(rows) % 10 + 2},
        history={"hist": (np.zeros(rows, int), np.full(rows, 2))},
        labels=labels,
        group=np.arange(rows) // 4,
        request=request,
    )


LOG = {"hist": kd.data.BehaviorLog([0, 3], {"item": [2, 3, 4]})}
NAN = np.nan
LABELS = {
    "click": [1, 0, NAN, 0, 1, NAN],
    "watch": [30, NAN, 2, 0, NAN, 5.5],
    "score": [NAN, -3, NAN, NAN, NAN, 2],
}


def numbers(values):
    """Converts a batch to lists."""
    return keras.tree.map_structure(lambda each: each.numpy().tolist(), values)


def test_missing_labels_have_weight_0():
    spec = spec_of("click", WATCH, SCORE)
    ((_, y, weight),) = kd.data.dataset(spec, LOG, some_samples(LABELS), 8)
    assert numbers(y) == {
        "ctr": [[1], [0], [0], [0], [1], [0]],
        "watch": [[30], [0], [2], [0], [0], [5.5]],
        "score": [[0], [-3], [0], [0], [0], [2]],
    }
    assert numbers(weight) == {
        "ctr": [[1], [1], [0], [1], [1], [0]],
        "watch": [[1], [0], [1], [1], [0], [1]],
        "score": [[0], [1], [0], [0], [0], [1]],
    }
    # Without missing labels there are no weights.
    complete = {name: np.nan_to_num(values) for name, values in LABELS.items()}
    (batch,) = kd.data.dataset(spec, LOG, some_samples(complete), 8)
    assert len(batch) == 2


def test_missing_labels_with_requests_and_weights():
    spec = spec_of("click", WATCH)
    request = [0, 0, 0, 1, 1, 2]
    samples = some_samples(LABELS, request)
    samples = kd.data.Samples(
        **{n: getattr(samples, n) for n in ("columns", "history", "labels", "request")},
        group=np.zeros(6, int),
        weight=[2, 2, 3, 4, 0, 6],
    )
    ((_, y, weight),) = kd.data.dataset(spec, LOG, samples, 8, by_request=True)
    assert numbers(y["watch"]) == [[30, 0, 2], [0, 0, 0], [5.5, 0, 0]]
    assert numbers(weight) == {
        "ctr": [[2, 2, 0], [4, 0, 0], [0, 0, 0]],
        "watch": [[2, 0, 3], [4, 0, 0], [6, 0, 0]],
    }


@pytest.mark.parametrize(
    ("labels", "values", "message"),
    [
        (["click"], [1, 2, 0], r"Label 'click' must be 0 or 1\. Received: 2 in row 1\."),
        (["click"], [1, 0, NAN], r"Label 'click' must be 0 or 1\. Received: nan in row 2\. Only"),
        ([WATCH], [1, -2, 0], r"'watch' must be a finite number from 0, .*'poisson'.*: -2 in row"),
        ([WATCH], [1, NAN, 0], r"'watch' must be a finite .*Received: nan in row 1\. Only one of"),
        ([SCORE], [1, NAN, 0], r"'score' must be a finite number\. Received: nan in row 1\."),
        ([WATCH, SCORE], [1, -2, 0], r"'watch' must be a finite number from 0.*: -2 in row 1\."),
    ],
)
def test_labels_are_checked_against_the_spec(labels, values, message):
    spec = spec_of(*labels)
    samples = some_samples({label.name: values for label in spec.labels})
    with pytest.raises(ValueError, match=message):
        kd.data.dataset(spec, LOG, samples)
    # Any number is valid for these losses.
    kd.data.dataset(spec_of(SCORE), LOG, some_samples({"score": [0.5, -2, 1e9]}))


def compiled(spec):
    keras.utils.set_random_seed(0)
    model = kd.build_base(spec, hidden_units=(4,), activation="relu")
    losses = kd.losses.losses_of_labels(spec.labels)
    weights = {label.output: label.weight for label in spec.labels}
    model.compile("sgd", losses, weights, run_eagerly=True)  # Tracing takes longer.
    return model


def test_number_behind_a_missing_label_has_no_effect():
    spec = spec_of("click", WATCH, SCORE)
    ((x, y, weight),) = kd.data.dataset(spec, LOG, some_samples(LABELS), 8)
    weights = []
    for fill in (0, 1e30):
        model = compiled(spec)
        filled = {name: np.where(weight[name] != 0, each, fill) for name, each in y.items()}
        loss = model.test_on_batch(x, filled, weight, return_dict=True)["loss"]
        model.train_on_batch(x, filled, weight)
        weights.append((loss, *model.get_weights()))
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)
    outputs = compiled(spec).predict_on_batch(x)
    p, watch = outputs["ctr"].ravel()[[0, 1, 3, 4]], outputs["watch"].ravel()[[0, 2, 3, 5]]
    click = -np.mean(np.log(np.where([1, 0, 0, 1], p, 1 - p)))
    poisson = np.mean(watch - np.array([30, 2, 0, 5.5]) * np.log(watch))
    error = np.abs(outputs["score"].ravel()[[1, 5]] - [-3, 2])
    huber = np.mean(np.where(error <= 1, error**2 / 2, error - 0.5))
    assert float(weights[0][0]) == pytest.approx(click + 0.5 * poisson + huber, rel=1e-5)


def test_batch_without_a_label_has_a_loss_of_0():
    spec = spec_of("click", WATCH)
    labels = {"click": [1, 0, 1], "watch": [NAN, NAN, NAN]}
    ((x, y, weight),) = kd.data.dataset(spec, LOG, some_samples(labels), 8)
    model = compiled(spec)
    before = model.get_layer("watch_logit").get_weights()
    found = model.train_on_batch(x, y, weight, return_dict=True)
    assert found["watch_loss"] == 0
    assert np.isfinite(found["loss"])
    for one, other in zip(before, model.get_layer("watch_logit").get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert all(np.isfinite(each).all() for each in model.get_weights())


def test_evaluation_leaves_missing_labels_out():
    spec = spec_of("click", WATCH, SCORE)
    samples = some_samples(LABELS)
    dataset = kd.data.dataset(spec, LOG, samples, 4)
    model = compiled(spec)
    found = predict(model, dataset)
    np.testing.assert_array_equal(found.labels["watch"], np.float32(LABELS["watch"]))
    assert found.sizes.tolist() == [1] * 6
    result = kd.evaluate(model, dataset)
    watch, score = found.predictions["watch"][[0, 2, 3, 5]], found.predictions["score"][[1, 5]]
    assert result["watch_rows"] == 4
    assert result["watch_mae"] == pytest.approx(np.abs(watch - [30, 2, 0, 5.5]).mean())
    assert result["watch_calibration"] == pytest.approx(watch.mean() / 9.375)
    assert result["score_rmse"] == pytest.approx(np.sqrt(np.square(score - [-3, 2]).mean()))
    assert result["ctr_rows"] == 4
    expected = kd.metrics.all_metrics(
        [1, 0, 0, 1], found.predictions["ctr"][[0, 1, 3, 4]], samples.group[[0, 1, 3, 4]]
    )
    assert {name: result[f"ctr_{name}"] for name in expected} == pytest.approx(expected)


def planted(labels, rows=600):
    """Items from 5 on are clicked and watched longer. A third of the watch times is missing."""
    rng = np.random.default_rng(0)
    item = rng.integers(2, 12, rows)
    click = rng.random(rows) < np.where(item >= 7, 0.8, 0.2)
    watch = rng.poisson(np.where(item >= 7, 40.0, 4.0)).astype("float32")
    watch[rng.random(rows) < 1 / 3] = NAN
    values = {"click": click, "watch": watch}
    if len(labels) == 1:
        values["watch"] = np.nan_to_num(watch)
    samples = kd.data.Samples(
        columns={"item": item},
        history={"hist": (np.zeros(rows, int), np.full(rows, 2))},
        labels={label.name: values[label.name] for label in labels},
        group=np.arange(rows) // 20,
    )
    parts = {"train": samples[:400], "valid": samples[400:500], "test": samples[500:]}
    return kd.data.PreparedData(spec_of(*labels), LOG, parts)


BOTH = (kd.Label("click"), WATCH)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    options = {"options": {"hidden_units": [8]}, "epochs": 6, "batch_size": 50, "verbose": 0}
    options |= {"learning_rate": 0.1, "positive_weight": 2.0, "monitor": "watch_mae"}
    return train(planted(BOTH), folder, model="base", **options)


def test_train_compiles_the_loss_of_each_label(run):
    losses = run.model.loss
    assert (type(losses["ctr"]), losses["ctr"].positive_weight) == (kd.losses.BinaryCrossentropy, 2)
    assert type(losses["watch"]) is kd.losses.Poisson
    assert run.model._compile_loss._user_loss_weights == {"ctr": 1.0, "watch": 0.5}
    test = run.result["test"]
    assert test["watch_mae"] < 12  # The mean of all rows is wrong by 18.
    assert test["watch_calibration"] == pytest.approx(1, abs=0.3)
    assert test["watch_rows"] < test["ctr_rows"] == 100
    assert test["ctr_gauc"] > 0.7
    rates = run_click_rates(run)
    assert rates.of_outputs["ctr"].factor == 2
    assert rates.of_outputs["watch"].is_number
    assert rates.describe().endswith("watch: the expected number")


def test_monitor_of_numbers(run, tmp_path):
    lines = (run.folder / "metrics.csv").read_text().splitlines()
    values = [dict(zip(lines[0].split(","), line.split(","), strict=True)) for line in lines[1:]]
    best = min(values, key=lambda entry: float(entry["watch_mae"]))
    assert int(best["step"]) == run.result["best_step"]
    with pytest.raises(ValueError, match=r"Received: monitor='watch_gauc'"):
        train(planted(BOTH), tmp_path / "a", monitor="watch_gauc")
    with pytest.raises(ValueError, match=r"Received: monitor='ctr_mae'"):
        train(planted(BOTH), tmp_path / "a", monitor="ctr_mae")


def test_run_with_one_number(tmp_path):
    data = planted((WATCH,))
    assert train(data, tmp_path / "lr", model="lr", epochs=1, verbose=0).result["test"]["rmse"] > 0
    arguments = json.loads((tmp_path / "lr" / "run.json").read_text())["arguments"]
    assert arguments["monitor"] == "rmse"
    model = keras.saving.load_model(tmp_path / "lr" / "best.keras")
    assert model._compile_loss._user_loss_weights == [0.5]
    with pytest.raises(ValueError, match=r"`positive_weight` must be 1 for data whose labels are"):
        train(data, tmp_path / "a", model="lr", positive_weight=2.0)
    with pytest.raises(
        ValueError, match=r"`loss` must be 'binary_crossentropy' for data whose lab"
    ):
        train(data, tmp_path / "a", model="lr", loss="jrc")
    with pytest.raises(ValueError, match=r"must have a label of 0 and 1"):
        train(data, tmp_path / "a", model="popularity")
    with pytest.raises(ValueError, match=r"`downsample_negatives` requires a label of 0 and 1"):
        data.downsample_negatives(0.5)
    with pytest.raises(ValueError, match=r"`positive_weight` must be 1 for a model whose labels"):
        click_rates(model, positive_weight=3)


def test_mae_of_mostly_zeros_chooses_the_weights_before_training(tmp_path, capsys):
    """Predictions near 0 have the lowest MAE, and training predicts the mean instead."""
    data = planted((kd.Label("watch", loss="mse"),))
    for samples in data.parts.values():
        samples.labels["watch"][:] = np.where(np.arange(len(samples)) % 10, 0, 50)
    options = {"model": "lr", "epochs": 1, "learning_rate": 0.5, "batch_size": 20, "verbose": 0}
    capsys.readouterr()
    run = train(data, tmp_path / "mae", monitor="mae", **options)
    assert run.result["best_step"] == 0
    printed = capsys.readouterr().out
    assert "better 'mae' than 5 before it, so the weights before training were" in printed
    assert "predictions near it have the lowest MAE" in printed
    assert "monitor 'rmse'.\n" in printed
    run = train(data, tmp_path / "rmse", monitor="rmse", **options)
    assert run.result["best_step"] == 20
    assert "weights before training" not in capsys.readouterr().out


def test_validation_without_the_monitored_label(tmp_path):
    data = planted(BOTH)
    data.parts["valid"].labels["watch"][:] = NAN
    with pytest.raises(ValueError, match=r"'valid' must have rows with the monitored label 'watch"):
        train(data, tmp_path / "a", monitor="watch_mae")
    evaluation = kd.Evaluation(data.dataset("valid"), monitor="val_watch_mae", verbose=False)
    model = compiled(data.spec)
    with pytest.raises(ValueError, match=r"`dataset` must have labels of the monitored output"):
        model.fit(data.dataset("train"), callbacks=[evaluation], verbose=0, shuffle=False)


def test_callback_monitors_the_first_output(run):
    data = planted((WATCH, kd.Label("click")))
    evaluation = kd.Evaluation(data.dataset("valid"), verbose=False)
    assert evaluation.monitor == "val_watch_rmse"
    model = compiled(data.spec)
    history = model.fit(
        data.dataset("train"), callbacks=[evaluation], verbose=0, shuffle=False
    ).history
    assert {"val_watch_rmse", "val_watch_mae", "val_watch_calibration", "val_ctr_gauc"} <= set(
        history
    )
    assert evaluation.best == min(entry["watch_rmse"] for entry in evaluation.history)


@pytest.mark.parametrize("tables", ["float32", "int8"])
@pytest.mark.usefixtures("checked_by_one_process")
def test_version_returns_the_expected_number(run, tmp_path, tables):
    data = planted(BOTH)
    options = {"tables": tables, "test": data.dataset("test")} if tables == "int8" else {}
    rates = run_click_rates(run)
    version = kd.export(run.model, run.spec, tmp_path / "v", rates=rates, **options)
    items = np.array([[3, 9, 0], [11, 2, 5]], "int32")
    hist = np.array([[3, 4], [0, 0]], "int32")
    signature = tf.saved_model.load(str(version)).signatures["rank"]
    inputs = {"item": tf.constant(items), "hist_item": tf.constant(hist)}
    rows = {
        name: tf.cast(each, signature.structured_input_signature[1][name].dtype)
        for name, each in inputs.items()
    }
    answer = {name: each.numpy() for name, each in signature(**rows).items()}
    live = run.model.predict_on_batch({"item": items, "hist_item": hist})
    rtol = 0.2 if tables == "int8" else 1e-5
    np.testing.assert_allclose(answer["watch"], live["watch"], rtol=rtol)
    p = live["ctr"].astype("float64")
    np.testing.assert_allclose(answer["ctr"], p / (p + 2 * (1 - p)), rtol=rtol)
    description = read_description(version)
    assert description["outputs"]["watch"]["is"] == "the expected number"
    assert description["outputs"]["watch"]["is_number"] is True
    assert description["outputs"]["ctr"]["is_number"] is False
    if tables == "int8":
        found = description["tables"]
        assert found["watch_rmse_float32"] == pytest.approx(run.result["test"]["watch_rmse"])
        assert found["ctr_gauc_float32"] == pytest.approx(run.result["test"]["ctr_gauc"])


@pytest.mark.parametrize(
    "loss",
    [
        kd.losses.BinaryCrossentropy(),
        kd.losses.JRC(),
        "binary_crossentropy",
        {"ctr": kd.losses.BinaryCrossentropy(), "watch": keras.losses.BinaryCrossentropy()},
    ],
    ids=["ours", "ranking", "text", "dict"],
)
def test_crossentropy_of_a_number_is_an_error(loss):
    model = kd.build_base(spec_of("click", WATCH), hidden_units=(2,))
    with pytest.raises(ValueError, match="for the output 'watch'"):
        model.compile("sgd", loss)
    model.compile("sgd", kd.losses.losses_of_labels(spec_of("click", WATCH).labels))
    one = kd.build_base(spec_of(SCORE), hidden_units=(2,))
    one_loss = loss["watch"] if isinstance(loss, dict) else loss
    with pytest.raises(ValueError, match="must be a loss of numbers"):
        one.compile("sgd", one_loss)
