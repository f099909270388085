"""`keras_din.json` describes a version: its signatures, spec and metrics."""

import json

import numpy as np
import pytest
import tensorflow as tf

import keras_din as kd
from keras_din.serving import saved_model
from keras_din.serving.version.description import read_description, write_description
from tests.serving.specs import SPEC


def test_content(exports):
    model, version = exports["din"]
    description = read_description(version)
    assert description["model"] == "din"
    assert description["parameters"] == model.count_params()
    assert description["metrics"] == {"gauc": 0.5}
    assert description["data_fingerprint"] is None
    assert description["versions"]["tensorflow"] == tf.__version__
    differences = description["largest_difference"]
    assert set(differences) == {"serving_default", "rank", "between_signatures"}
    assert all(0 <= difference <= 1e-5 for difference in differences.values())
    sizes = {"segment": 5, "words": 5, "city": 9, "item": 32, "shop": 12, "action": 6}
    assert description["vocabulary_sizes"] == sizes
    assert description["padding"] == {"item": "", "hist_item": "", "shops_shop": -2}


def test_the_spec_with_its_vocabularies(exports):
    version = exports["din"][1]
    assert kd.FeatureSpec.from_json(json.dumps(read_description(version)["spec"])) == SPEC
    plain = json.loads((version / "keras_din.json").read_text(encoding="utf-8"))
    vocabularies = {t["name"]: t.get("vocabulary") for t in plain["spec"]["tables"]}
    assert vocabularies["item"] == "assets/item.txt"
    assert vocabularies["words"] == ["two\nlines", "\r", "one"]
    removed = {
        table["name"]: table["removed"] for table in plain["spec"]["tables"] if "removed" in table
    }
    assert (vocabularies["shop"], removed) == ("assets/shop.txt", {"shop": [4]})
    known = "0\n-1\n4611686018427387905\n5\n7\n8\n9\n10\n"
    assert (version / "assets" / "shop.txt").read_text(encoding="utf-8") == known


def test_metrics_are_numbers_or_null(tmp_path, monkeypatch):
    monkeypatch.setattr(saved_model, "check_parity", lambda *arguments: {})
    monkeypatch.setattr(saved_model, "write_warmup", lambda *arguments: {"file": ""})
    metrics = {"valid": {"auc": np.float32(0.5), "gauc": np.nan}, "ne": [np.float64("inf")]}
    metrics |= {"rows": np.int64(3), "best": True, "of": None}
    model = kd.build_popularity(SPEC)
    version = kd.export(model, SPEC, tmp_path, metrics=metrics)

    def refuse(name):
        raise AssertionError(name)

    text = (version / "keras_din.json").read_text(encoding="utf-8")
    written = json.loads(text, parse_constant=refuse)["metrics"]
    expected = {"valid": {"auc": 0.5, "gauc": None}, "ne": [None]}
    assert written == expected | {"rows": 3, "best": True, "of": None}
    # GAUC is NaN if no group has both classes.
    tables = {"dtype": "int8", "gauc_loss": np.nan}
    outputs = {"ctr": {"is": "the output of the model", "raw": True}}
    write_description(version, model, SPEC, parity={}, warmup={}, tables=tables, outputs=outputs)
    assert read_description(version)["tables"] == {"dtype": "int8", "gauc_loss": None}


@pytest.mark.parametrize("word", ["metrics", "data_fingerprint"])
@pytest.mark.parametrize("value", [{"auc": np.zeros(2)}, {("valid", "auc"): 0.5}, {"of": {1}}])
def test_values_that_json_does_not_support(tmp_path, monkeypatch, word, value):
    monkeypatch.setattr(saved_model, "check_model", None)  # Must not be called.
    with pytest.raises(ValueError, match=f"`{word}` must be JSON serializable. Received: "):
        kd.export(kd.build_popularity(SPEC), SPEC, tmp_path / "x", **{word: value})
    assert not (tmp_path / "x").exists()


def test_tensors_of_the_graph(exports):
    version = exports["din"][1]
    with tf.Graph().as_default() as graph, tf.compat.v1.Session() as session:
        tf.compat.v1.saved_model.loader.load(session, ["serve"], str(version))
        for signature in read_description(version)["signatures"].values():
            for direction in ("inputs", "outputs"):
                for info in signature[direction].values():
                    tensor = graph.get_tensor_by_name(info["tensor"])
                    assert tensor.dtype.name == info["dtype"]
                    assert len(info["shape"]) in (1, 2)
