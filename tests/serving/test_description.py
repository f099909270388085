"""`keras_din.json`: enough to know what a version is and how to ask it."""

import json

import tensorflow as tf

import keras_din as kd
from keras_din.serving.description import read_description
from tests.serving.specs import SPEC


def test_what_a_version_says(exports):
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
    vocabularies = {f["name"]: f.get("vocabulary") for f in plain["spec"]["features"]}
    assert vocabularies["item"] == "assets/item.txt"
    assert vocabularies["words"] == ["two\nlines", "\r", "one"]


def test_tensors_of_the_graph(exports):
    version = exports["din"][1]
    with tf.Graph().as_default() as graph, tf.compat.v1.Session() as session:
        tf.compat.v1.saved_model.loader.load(session, ["serve"], str(version))
        for signature in read_description(version)["signatures"].values():
            for side in ("inputs", "outputs"):
                for told in signature[side].values():
                    tensor = graph.get_tensor_by_name(told["tensor"])
                    assert tensor.dtype.name == told["dtype"]
                    assert len(told["shape"]) in (1, 2)
