"""A model with two labels that a user builds: training, evaluation, export and serving."""

import json

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from sklearn.metrics import log_loss, roc_auc_score

import keras_din as kd
from keras_din.embed import embed
from keras_din.evaluation import predict
from keras_din.head import ctr_head, ctr_model
from keras_din.layers import AttentionSequencePoolingLayer
from keras_din.serving.checks.skew import find_skew, raw_rows
from keras_din.serving.version.description import read_description

OUTPUTS = ("ctr", "cvr")


def two_headed(spec):
    """Builds attention pooling as in DIN, with an MLP per label on top."""
    x = embed(spec)
    pool = AttentionSequencePoolingLayer((8,), "relu", True, name="interest_hist")
    (b,) = x.behaviors
    parts = [x.target, pool(b.query, b.keys, keys_mask=b.mask, query_mask=x.target_mask)]
    heads = {
        label.output: ctr_head(parts, x.target_mask, (8,), "relu", label=label)
        for label in spec.labels
    }
    return ctr_model(x.inputs, heads, name="two_headed")


@pytest.fixture(scope="module")
def data():
    """Items 0 to 4 are clicked more often than others. Odd items are bought more often."""
    rng = np.random.default_rng(0)
    user = np.repeat(np.arange(40), 12)
    item = rng.integers(0, 10, len(user))
    log = pd.DataFrame({"user": user, "time": np.tile(np.arange(12), 40), "item": item})
    log["click"] = rng.random(len(log)) < np.where(item < 5, 0.7, 0.3)
    log["buy"] = rng.random(len(log)) < np.where(item % 2, 0.8, 0.2)
    return kd.data.prepare_impressions(
        log.astype({"click": int, "buy": int, "item": str}),
        user="user",
        time="time",
        target=["item"],
        label=["click", kd.Label("buy", output="cvr")],
        split=kd.data.LastFraction(valid=0.25, test=0.25),
        dim=4,
    )


@pytest.fixture(scope="module")
def trained(data):
    keras.utils.set_random_seed(0)
    model = two_headed(data.spec)
    model.compile(
        kd.optimizers.LazyAdam(0.03),
        {"ctr": kd.losses.BinaryCrossentropy(), "cvr": kd.losses.BinaryCrossentropy(3.0)},
        loss_weights={"ctr": 1.0, "cvr": 0.5},
    )
    evaluation = kd.Evaluation(data.dataset("valid"), verbose=False, monitor="val_cvr_gauc")
    dataset = data.dataset("train", 15, shuffle=True)
    history = model.fit(dataset, epochs=3, callbacks=[evaluation], verbose=0, shuffle=False)
    return model, history.history, evaluation


def gauc(y_true, y_pred, groups):
    """Computes GAUC with scikit-learn, user by user."""
    of_users = [
        (roc_auc_score(y_true[mine], y_pred[mine]), mine.sum())
        for mine in (groups == group for group in np.unique(groups))
        if 0 < y_true[mine].mean() < 1
    ]
    return np.average([auc for auc, _ in of_users], weights=[rows for _, rows in of_users])


def test_both_labels_are_learned(data, trained):
    model, history, evaluation = trained
    np.testing.assert_allclose(
        history["loss"],
        np.add(history["ctr_loss"], np.multiply(0.5, history["cvr_loss"])),
        rtol=1e-4,
    )
    result = kd.evaluate(model, data.dataset("valid"))
    of_training = kd.evaluate(model, data.dataset("train"))
    for output in OUTPUTS:  # The Bayes-optimal normalized entropies are .88 and .72.
        assert of_training[f"{output}_ne"] < 0.92
    assert history["val_cvr_gauc"][-1] == result["cvr_gauc"]
    assert evaluation.best == max(entry["cvr_gauc"] for entry in evaluation.history)


def test_metrics_agree_with_scikit_learn(data, trained):
    model, *_ = trained
    samples = data.parts["test"]
    scores = predict(model, data.dataset("test")).predictions
    result = kd.evaluate(model, data.dataset("test"))
    for output, label in (("ctr", "click"), ("cvr", "buy")):
        y, p = samples.labels[label], scores[output].astype("float64")
        if output == "cvr":  # Its positives have weight 3.
            p = p / (p + 3 * (1 - p))
        assert result[f"{output}_gauc"] == pytest.approx(gauc(y, p, samples.group))
        assert result[f"{output}_logloss"] == pytest.approx(log_loss(y, p), rel=1e-6)


def click_rates_of(model, x):
    outputs = {name: values.astype("float64") for name, values in model.predict_on_batch(x).items()}
    cvr = outputs["cvr"]
    return outputs | {"cvr": cvr / (cvr + 3 * (1 - cvr))}


def served(signature, rows):
    answer = signature(**{name: tf.constant(values) for name, values in rows.items()})
    return {name: values.numpy() for name, values in answer.items()}


RAW = {
    "item": np.array([["1", "6", ""], ["3", "unknown", "8"]]),
    "hist_item": np.array([["3", "5"], ["", ""]]),
}


def one_per_row(rows):
    return {"item": rows["item"].ravel(), "hist_item": rows["hist_item"].repeat(3, axis=0)}


def indices(spec):
    index = {value: i + 2 for i, value in enumerate(spec.features["item"].vocabulary)}
    index |= {"": 0, "unknown": 1}
    return {name: np.vectorize(index.get)(of).astype("int32") for name, of in RAW.items()}


@pytest.mark.parametrize("options", [{}, {"order_by": "cvr", "tables": "int8"}])
@pytest.mark.usefixtures("checked_by_one_process")
def test_version_has_both_outputs_in_both_signatures(data, trained, tmp_path, options, capsys):
    model, *_ = trained
    test = data.dataset("test") if "tables" in options else None
    version = kd.export(model, data.spec, tmp_path / "two", test=test, **options)
    expected = click_rates_of(model, indices(data.spec))
    real = RAW["item"] != ""
    loaded = tf.saved_model.load(str(version)).signatures
    rank, one = served(loaded["rank"], RAW), served(loaded["serving_default"], one_per_row(RAW))
    assert set(one) == {"ctr", "cvr"}
    for name in OUTPUTS:
        atol = 0.02 if "tables" in options else 1e-5
        np.testing.assert_allclose(rank[name], np.where(real, expected[name], 0), atol=atol)
        np.testing.assert_allclose(one[name], rank[name].ravel(), atol=1e-6)
    by = rank[options.get("order_by", "ctr")]
    np.testing.assert_array_equal(rank["order"], np.argsort(-np.where(real, by, -1), axis=1))

    description = read_description(version)
    assert description["order_by"] == options.get("order_by", "ctr")
    assert {name: of["label"] for name, of in description["outputs"].items()} == {
        "ctr": "click",
        "cvr": "buy",
    }
    assert description["outputs"]["cvr"]["positive_weight"] == 3
    differences = description["largest_difference"]
    assert len(differences) == 6
    assert differences["rank/cvr"] <= 1e-5
    assert kd.FeatureSpec.from_json(json.dumps(description["spec"])).outputs == OUTPUTS
    printed = capsys.readouterr().out
    assert "ctr: the click rate of the log; assumed: training saw all negatives" in printed
    assert "cvr: the click rate of the log, the model's output with positive_weight=3" in printed
    if "tables" in options:
        labels = data.parts["test"].labels["buy"]
        scores = predict(model, data.dataset("test")).predictions["cvr"]
        found = description["tables"]["cvr_gauc_float32"]
        assert found == pytest.approx(gauc(labels, scores, data.parts["test"].group), abs=1e-3)


def test_difference_of_any_output_is_found(data, trained, tmp_path):
    model, *_ = trained
    version = kd.export(model, data.spec, tmp_path / "two", raw=True)
    batches = [(raw_rows(data.spec, x), x) for x, _ in data.dataset("test").as_numpy_iterator()]
    skew = find_skew(version, data.spec, model.predict_on_batch, batches)
    assert not skew.found
    assert set(skew.largest) == {
        f"{signature}/{output}" for signature in ("serving_default", "rank") for output in OUTPUTS
    }

    def other(x):
        outputs = dict(model.predict_on_batch(x))
        return outputs | {"cvr": outputs["cvr"] + 0.25}

    skew = find_skew(version, data.spec, other, batches)
    assert skew.largest["rank/cvr"] == pytest.approx(0.25, abs=1e-5)
    assert skew.largest["rank/ctr"] < 1e-5
    assert skew.worst[0].output == "cvr"
    one = kd.FeatureSpec(target=data.spec.target, sequences=data.spec.sequences)
    with pytest.raises(ValueError, match=r"must have the outputs .*\['ctr'\]\. .* has \['ctr',"):
        find_skew(version, one, other, batches)


def test_invalid_exports(data, trained, tmp_path):
    model, *_ = trained
    with pytest.raises(ValueError, match=r"`order_by` must be a formula .* output or label 'like'"):
        kd.export(model, data.spec, tmp_path / "two", order_by="like")
    one = kd.FeatureSpec(target=data.spec.target, sequences=data.spec.sequences)
    with pytest.raises(ValueError, match=r"must have the names of .*\['ctr'\]\. Received: \['ctr'"):
        kd.export(model, one, tmp_path / "two")
    with pytest.raises(ValueError, match=r"must have the names of .*'cvr'\]\. Received: <Keras"):
        kd.export(kd.build_base(one), data.spec, tmp_path / "two")
    with pytest.raises(ValueError, match=r"`positive_weight` must be one of 'ctr', 'cvr'\. Rec"):
        kd.export(model, data.spec, tmp_path / "two", positive_weight={"buy": 2})


def test_plain_keras_model_with_two_outputs(data):
    built = two_headed(data.spec)
    model = keras.Model(built.inputs, built.output)
    model.compile("adam", dict.fromkeys(OUTPUTS, kd.losses.BinaryCrossentropy()))
    model.fit(data.dataset("train", 64, shuffle=True), verbose=0, shuffle=False)
    assert set(predict(model, data.dataset("test")).predictions) == set(OUTPUTS)
