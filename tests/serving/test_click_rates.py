"""In both signatures, `ctr` is the click rate of the log."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_din as kd
from keras_din.click_rates import click_rates

ITEM = kd.Categorical("item", vocabulary=["a", "b", "c"], dim=4)
SPEC = kd.FeatureSpec(target=[ITEM], sequences=[kd.Sequence("hist", of=[ITEM], max_length=5)])
ROWS = {"item": np.array([["a", "", "c"]]), "hist_item": np.array([["b", "a"]])}
INDICES = {"item": np.array([[2, 0, 4]], "int32"), "hist_item": np.array([[3, 2]], "int32")}


def a_model(logits=(1.0, 3.0), **loss):
    """Returns a model whose logits for the two candidates are `logits`."""
    keras.utils.set_random_seed(0)
    model = kd.build_base(SPEC, hidden_units=(8,), activation="relu")
    model.compile("adam", kd.losses.BinaryCrossentropy(**loss))
    logit = model.get_layer("logit")
    hidden = keras.Model(model.inputs, logit.input)
    first, _, second = np.asarray(hidden.predict_on_batch(INDICES), "float64").reshape(3, 8)
    away = second - first
    kernel = (logits[1] - logits[0]) * away / (away @ away)
    logit.set_weights([kernel[:, None], np.array([logits[0] - kernel @ first])])
    of_logits = 1 / (1 + np.exp(-np.array(logits)))
    np.testing.assert_allclose(model.predict_on_batch(INDICES)[0, [0, 2]], of_logits, atol=1e-5)
    return model


def by_hand(model, factor):
    """Returns `p / (p + factor (1 - p))` in float64, for the output `p` of the live model."""
    p = model.predict_on_batch(INDICES).astype("float64")
    return p / (p + factor * (1 - p))


def served(version, signature="rank"):
    answer = tf.saved_model.load(str(version)).signatures[signature]
    rows = ROWS
    if signature == "serving_default":
        rows = {"item": ROWS["item"][0], "hist_item": ROWS["hist_item"].repeat(3, axis=0)}
    return {k: v.numpy() for k, v in answer(**{k: tf.constant(v) for k, v in rows.items()}).items()}


@pytest.mark.parametrize("tables", ["float32", "int8"])
def test_both_signatures_return_click_rates(tmp_path, checked_by_one_process, capsys, tables):
    model = a_model(positive_weight=20, negative_rate=0.5)
    version = kd.export(model, SPEC, tmp_path / "din", tables=tables)
    assert capsys.readouterr().out == ""  # Nothing was assumed.
    rank, one = served(version), served(version, "serving_default")
    expected = by_hand(model, 40)
    assert expected[0, 0] < 0.9 * model.predict_on_batch(INDICES)[0, 0]
    np.testing.assert_allclose(rank["ctr"], expected, atol=1e-5 if tables == "float32" else 0.1)
    np.testing.assert_allclose(one["ctr"], rank["ctr"][0], atol=1e-6)
    assert rank["ctr"][0, 1] == one["ctr"][1] == 0  # Padding.
    assert rank["order"].tolist() == [[*np.argsort(-expected[0, [0, 2]]) * 2, 1]]
    assert json.loads((version / "keras_din.json").read_text())["outputs"] == {
        "ctr": {
            "label": "click",
            "is": "the click rate of the log",
            "is_number": False,
            "raw": False,
            "positive_weight": 20.0,
            "negative_rate": 0.5,
            "known_from": {
                "positive_weight": "the loss",
                "negative_rate": "the loss",
            },
            "calibration": None,
        }
    }


def test_raw(tmp_path, unchecked, capsys):
    model = a_model(positive_weight=20)
    version = kd.export(model, SPEC, tmp_path / "din", raw=True)
    np.testing.assert_allclose(served(version)["ctr"], model.predict_on_batch(INDICES), atol=1e-5)
    entry = json.loads((version / "keras_din.json").read_text())["outputs"]["ctr"]
    assert (entry["is"], entry["raw"]) == ("the output of the model", True)
    assert capsys.readouterr().out == ""


def test_given_and_assumed_rates(tmp_path, unchecked, capsys):
    model = a_model()
    version = kd.export(model, SPEC, tmp_path / "din", positive_weight=5)
    np.testing.assert_allclose(served(version)["ctr"], by_hand(model, 5), atol=1e-5)
    assert "assumed: training saw all negatives (negative_rate=1)" in capsys.readouterr().out
    known = json.loads((version / "keras_din.json").read_text())["outputs"]["ctr"]["known_from"]
    assert known == {"positive_weight": "given", "negative_rate": "assumed"}
    with pytest.raises(ValueError, match=r"`negative_rate` must be in \(0, 1\]"):
        kd.export(model, SPEC, tmp_path / "din", negative_rate=0)
    with pytest.raises(
        ValueError, match=r"`rates` must not be given with .* Received: rates=Click"
    ):
        kd.export(model, SPEC, tmp_path / "din", rates=click_rates(model), raw=True)
