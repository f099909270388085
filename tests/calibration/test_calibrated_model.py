"""`calibrate`: click rates, order, padding, fields, several outputs, saved models and errors."""

import keras
import numpy as np
import pytest

import keras_din as kd
from keras_din.calibration import METHODS, calibrate
from keras_din.click_rates import click_rates
from keras_din.evaluation import predict
from keras_din.losses import BinaryCrossentropy
from keras_din.metrics import calibration_by_value
from tests.calibration.shared import (
    SPEC,
    TWO_LABELS,
    arrays_of,
    dataset_of,
    model_of,
    with_labels,
)


def copied(x, **changed):
    return {**x, **changed}


def outputs(model, x):
    """Returns the outputs as arrays."""
    return keras.tree.map_structure(np.asarray, model(x))


@pytest.mark.parametrize("method", METHODS)
def test_outputs_are_click_rates_in_the_same_order(method):
    x, y = arrays_of()
    groups = np.arange(len(y)) % 50
    rows, test = dataset_of(x, y, groups=groups), dataset_of(*arrays_of(seed=1), groups=groups)
    model = model_of()
    calibrated = calibrate(model, rows, method, test=test)
    assert isinstance(calibrated, kd.CTRModel)
    assert calibrated.fingerprint == model.fingerprint
    before, after = (kd.evaluate(each, test) for each in (model, calibrated))
    assert before["calibration"] > 1.5
    assert after["calibration"] == pytest.approx(1, abs=0.06)
    assert after["ece"] < 0.04 < 0.15 < before["ece"]
    assert after["gauc"] == before["gauc"]
    report = calibrated.get_layer("calibration").report
    assert (report["rows"], report["clicks"]) == (4000, int(y.sum()))
    for name, metrics in (("before", before), ("after", after)):
        expected = {each: metrics[each] for each in ("calibration", "ece", "logloss")}
        assert report["test"][name] == pytest.approx(expected, rel=1e-4, abs=1e-6)
    assert report["after"] == pytest.approx(
        {each: kd.evaluate(calibrated, rows)[each] for each in report["after"]}, rel=1e-4, abs=1e-6
    )


def test_padding_has_no_effect_and_stays_0():
    x, y = arrays_of(rows=1200)
    width = 3
    x = {name: v if v.ndim == 1 else v.reshape(400, width) for name, v in x.items()}
    x["tab"], y = x["tab"][:400], y.reshape(400, width)
    real = np.arange(width) < 1 + np.arange(400)[:, None] % width
    x["item"] = np.where(real, x["item"], 0)
    # Whatever stands at padding.
    x["score"] = np.where(real, x["score"], 9).astype("float32")
    y = np.where(real, y, 1).astype("float32")
    padded = dataset_of(x, y, real.astype("float32"))
    calibrated = calibrate(model_of(), padded, by="tab")
    p = outputs(calibrated, x)
    assert (p[~real] == 0).all()
    assert (p[real] > 0).all()
    flat = {name: v[real][:, None] for name, v in x.items() if v.ndim == 2}
    flat["tab"] = np.repeat(x["tab"], real.sum(axis=1))
    other = calibrate(model_of(), dataset_of(flat, y[real][:, None]), by="tab")
    for a, b in zip(*(each.layers[-1].curves for each in (calibrated, other)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_a_field_has_a_curve_per_value(method):
    offsets = (0, 1.5, -1.5, 0, 0)
    x, y = arrays_of(offsets=offsets)
    model, test = model_of(), arrays_of(offsets=offsets, seed=1)
    every, by_tab = (
        calibrate(model, dataset_of(x, y), method, by=by, shrinkage=50) for by in (None, "tab")
    )
    layer = by_tab.get_layer("calibration")
    assert (layer.by, layer.indices, layer.report["shrinkage"]) == ("tab", [1, 2, 3], 50)
    p, labels, _ = predict(by_tab, dataset_of(*test))
    table = calibration_by_value(labels, p, test[0]["tab"])
    np.testing.assert_allclose(table.calibration, 1, atol=0.15)
    p, _, _ = predict(every, dataset_of(*test))
    assert np.ptp(calibration_by_value(labels, p, test[0]["tab"]).calibration) > 1
    # A value that calibration has not seen.
    of = lambda index: copied(test[0], tab=np.full_like(test[0]["tab"], index))  # noqa: E731
    for index in (0, 4):
        np.testing.assert_array_equal(outputs(by_tab, of(index)), outputs(every, of(index)))
    # An index that the table does not have is out-of-vocabulary.
    np.testing.assert_array_equal(outputs(by_tab, of(77)), outputs(by_tab, of(1)))


def test_a_field_of_the_candidates_may_be_ragged():
    import tensorflow as tf

    x, y = arrays_of(rows=1000)
    y = np.where(x["price"] == 2, 1 - y, y)
    calibrated = calibrate(model_of(), dataset_of(x, y), "isotonic", by="price")
    dense = {name: v if v.ndim == 1 else v.reshape(500, 2) for name, v in x.items()}
    dense["tab"] = x["tab"][:500]
    ragged = {
        name: tf.constant(v) if v.ndim == 1 else tf.RaggedTensor.from_tensor(v)
        for name, v in dense.items()
    }
    found = calibrated(ragged, training=False)
    np.testing.assert_allclose(found, calibrated(dense), rtol=1e-6)
    flat = outputs(calibrated, x)
    np.testing.assert_allclose(found, flat.reshape(500, 2), rtol=1e-5)


def test_odds_of_training_are_undone_once():
    """The model was trained with a weight of 20 and a quarter of the negatives: odds times 80."""
    loss = BinaryCrossentropy(20, negative_rate=0.25)
    x, y = arrays_of()
    model, log = model_of(loss=loss), copied(x, score=x["score"] + np.log(80).astype("float32"))
    plain = calibrate(model_of(), dataset_of(x, y))
    calibrated = calibrate(model, dataset_of(log, y))
    np.testing.assert_allclose(outputs(calibrated, log), outputs(plain, x), rtol=1e-3)
    report = calibrated.get_layer("calibration").report
    assert report["before"] == pytest.approx(
        plain.get_layer("calibration").report["before"], rel=1e-4
    )
    # `calibrated` has the loss of the model, and nothing is undone twice.
    assert calibrated.loss.positive_weight == 20
    for given in ({}, {"positive_weight": 20, "negative_rate": 0.25}):
        rates = click_rates(calibrated, **given)
        assert rates.of_outputs["ctr"].factor == 1
        assert not rates.is_assumed
        assert rates.describe() == "ctr: the click rate of the log, calibrated"
        assert rates.model(calibrated) is calibrated
    test = dataset_of(log, y)
    assert kd.evaluate(calibrated, test) == kd.evaluate(calibrated, test, raw=True)
    assert kd.evaluate(calibrated, test)["calibration"] == pytest.approx(1, abs=0.02)


def test_rows_with_downsampled_negatives_are_weighted():
    x, y = arrays_of(rows=20_000)
    kept = (y[:, 0] == 1) | (np.random.default_rng(2).random(len(y)) < 0.2)
    some = {name: values[kept] for name, values in x.items()}
    downsampled = dataset_of(some, y[kept], negative_rate=0.2)
    whole, part = (calibrate(model_of(), rows, "platt") for rows in (dataset_of(x, y), downsampled))
    p = [outputs(each, x) for each in (whole, part)]
    assert p[1].mean() / p[0].mean() == pytest.approx(1, abs=0.05)
    report = part.get_layer("calibration").report
    assert report["after"]["calibration"] == pytest.approx(1, abs=0.01)
    assert kd.evaluate(part, downsampled)["calibration"] == pytest.approx(1, abs=0.01)


def test_each_probability_of_several_outputs_is_calibrated():
    spec = with_labels(["click", kd.Label("buy", output="cvr"), kd.Label("watch", loss="mse")])
    x, click = arrays_of()
    labels = {"ctr": click, "cvr": 1 - click, "watch": 5 + click}
    # The label `buy` of the last 1000 rows is missing.
    weight = np.ones_like(click)
    missing = np.where(np.arange(len(click))[:, None] < 3000, 1, 0).astype("float32")
    rows = dataset_of(x, labels, {"ctr": weight, "cvr": missing, "watch": weight})
    model = model_of(spec)
    with pytest.warns(UserWarning, match="the scores of the model do not rank"):
        calibrated = calibrate(model, rows, "platt")
    first = calibrate(model, rows, "isotonic", output="ctr")
    with pytest.warns(UserWarning, match="the scores of the model do not rank"):
        both = calibrate(first, rows, "platt", output=["cvr"])
    p, of_first, of_both, of_model = (outputs(each, x) for each in (calibrated, first, both, model))
    assert list(p) == ["ctr", "cvr", "watch"]
    np.testing.assert_array_equal(p["watch"], of_model["watch"])
    assert p["ctr"].mean() == pytest.approx(click.mean(), rel=1e-3)
    assert p["cvr"][:3000].mean() == pytest.approx(1 - click[:3000].mean(), rel=1e-3)
    np.testing.assert_array_equal(of_first["cvr"], of_model["cvr"])
    np.testing.assert_array_equal(of_both["ctr"], of_first["ctr"])
    np.testing.assert_array_equal(of_both["cvr"], p["cvr"])
    assert both.get_layer("calibration_1").report["rows"] == 3000
    with pytest.raises(ValueError, match=r"must be a probability .* the output 'watch', which is"):
        calibrate(model, rows, output=["ctr", "watch"])
    for wrong in ("ctvr", ["ctr", "ctvr"], []):
        with pytest.raises(ValueError, match="`output` must be one of 'ctr', 'cvr', 'watch'"):
            calibrate(model, rows, output=wrong)
    with pytest.raises(ValueError, match="whose output 'ctr' is calibrated"):
        calibrate(first, rows)


def test_rates_of_outputs_that_are_not_calibrated_stay():
    losses = {"ctr": BinaryCrossentropy(20), "cvr": BinaryCrossentropy(5)}
    x, click = arrays_of(rows=500)
    rows = dataset_of(x, {"ctr": click, "cvr": click})
    calibrated = calibrate(model_of(TWO_LABELS, losses), rows, "platt", output="ctr")
    rates = click_rates(calibrated).of_outputs
    assert (rates["ctr"].factor, rates["cvr"].factor) == (1, 5)


def test_calibrated_model_is_saved_and_cloned(tmp_path):
    x, y = arrays_of(rows=500)
    model = calibrate(model_of(), dataset_of(x, y), by="tab")
    model.save(tmp_path / "model.keras")
    expected = outputs(model, x)
    for copy in (
        keras.saving.load_model(tmp_path / "model.keras"),
        keras.models.clone_model(model),
    ):
        np.testing.assert_allclose(outputs(copy, x), expected, rtol=1e-6)
        assert click_rates(copy).describe() == "ctr: the click rate of the log, calibrated"
    assert keras.saving.load_model(tmp_path / "model.keras").fingerprint == model.fingerprint


def test_logits_of_confident_predictions_are_exact():
    x, y = arrays_of(rows=2000)
    high = copied(x, score=x["score"] + 30)
    curve = calibrate(model_of(), dataset_of(high, y), "platt")
    plain = calibrate(model_of(), dataset_of(x, y), "platt")
    np.testing.assert_allclose(outputs(curve, high), outputs(plain, x), rtol=1e-3)


def test_models_of_the_zoo_are_calibrated():
    data = kd.data.synthetic_log(200, 16, interests=2, categories=4, held_out=4, dim=2)
    model = kd.build_din(data.spec, hidden_units=[4], attention_units=[4])
    calibrated = calibrate(model, data.dataset("valid"), by="cate_id", test=data.dataset("test"))
    report = calibrated.get_layer("calibration").report
    assert report["after"]["calibration"] == pytest.approx(1, abs=0.05)
    assert report["test"]["after"]["ece"] < report["test"]["before"]["ece"]


@pytest.mark.parametrize(
    "arguments, match",
    [
        ({"method": "beta"}, "`method` must be one of 'platt', 'isotonic', 'piecewise_linear'"),
        ({"shrinkage": 0}, "`shrinkage` must be a positive number"),
        ({"by": "page"}, r"one of \['tab', 'item', 'price'\]. .*'page', no feature of the model"),
        ({"by": "score"}, "'score', a Numeric"),
        ({"output": "cvr"}, "`output` must be one of 'ctr'"),
    ],
)
def test_invalid_arguments(arguments, match):
    with pytest.raises(ValueError, match=match):
        calibrate(model_of(), dataset_of(*arrays_of(rows=100)), **arguments)


def test_too_few_rows_of_a_class():
    x, y = arrays_of(rows=100)
    for labels, found in ((y * 0, "100 rows, 0 of them"), (y * 0 + 1, "100 rows, 100 of them")):
        with pytest.raises(ValueError, match=f"'ctr' must have at least 10 rows .* {found}"):
            calibrate(model_of(), dataset_of(x, labels))
    ten = {name: values[:10] for name, values in x.items()}
    with pytest.raises(ValueError, match="Received: 10 rows, "):
        calibrate(model_of(), dataset_of(ten, y[:10]))


def test_rows_that_do_not_fit():
    x, y = arrays_of(rows=100)
    with pytest.raises(ValueError, match=r"must be 0 or 1. Received: 3 in row 0 of 'ctr'"):
        calibrate(model_of(), dataset_of(x, y * 0 + 3))
    with pytest.raises(ValueError, match=r"an entry for each calibrated output.*one tensor"):
        calibrate(model_of(TWO_LABELS), dataset_of(x, y))
    with pytest.raises(ValueError, match=r"an entry for each .*Received: \['ctr'\]"):
        calibrate(model_of(TWO_LABELS), dataset_of(x, {"ctr": y}))
    with pytest.raises(ValueError, match="at least one batch"):
        calibrate(model_of(), dataset_of(x, y).take(0))
    other = kd.FeatureSpec(
        context=SPEC.context, target=[kd.Categorical("item", 9), *SPEC.target[1:]]
    )
    with pytest.raises(ValueError, match="must have the features that the model was built with"):
        calibrate(model_of(), dataset_of(x, y, spec=other))


def test_a_field_with_many_values(monkeypatch):
    monkeypatch.setattr("keras_din.calibration.calibrated_model._MOST_VALUES", 40)
    with pytest.raises(ValueError, match=r"at most 40 values in .*, with 48 values"):
        calibrate(model_of(), dataset_of(*arrays_of(rows=2000)), by="item")


def test_models_of_others_are_refused():
    score = keras.Input((None,), name="score")
    p = keras.layers.Activation("sigmoid")(score)
    rows = dataset_of({"score": arrays_of(rows=100)[0]["score"]}, arrays_of(rows=100)[1])
    with pytest.raises(ValueError, match=r"a `keras_din.CTRModel`\. .*Received: a Functional"):
        calibrate(keras.Model({"score": score}, p), rows)
    own = kd.CTRModel({"score": score}, p)
    with pytest.raises(ValueError, match="`by` requires a model with the fingerprint"):
        calibrate(own, rows, by="tab")
    calibrated = calibrate(own, rows)
    assert kd.evaluate(calibrated, rows, groups=False)["calibration"] == pytest.approx(1, abs=0.05)


def test_mixed_precision():
    data = kd.data.synthetic_log(100, 16, interests=2, categories=4, held_out=4, dim=2)
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = kd.build_din(data.spec, hidden_units=[4], attention_units=[4])
        calibrated = calibrate(model, data.dataset("valid"))
    finally:
        keras.config.set_dtype_policy(policy)
    assert calibrated.output.dtype == "float32"
    found = kd.evaluate(calibrated, data.dataset("valid"))
    assert found["calibration"] == pytest.approx(1, abs=0.05)


def test_a_grown_vocabulary_needs_another_calibration():
    x, y = arrays_of(rows=500)
    calibrated = calibrate(model_of(), dataset_of(x, y), by="tab")
    grown = kd.FeatureSpec(
        context=[kd.Categorical("tab", vocabulary=["home", "search", "mail", "new"])],
        target=SPEC.target,
    )
    with pytest.raises(ValueError, match=r"must be the model before its calibration.*by 'tab'"):
        kd.grow(calibrated, SPEC, grown)
    assert kd.grow(model_of(), SPEC, grown) is not None
