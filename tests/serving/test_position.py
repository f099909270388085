"""Exports of models with a `Position`: the outputs are those without it."""

import importlib.util
import json

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import keras_din as kd
from keras_din.cli.inspect import screen
from keras_din.serving import export_litert, export_onnx
from keras_din.serving.checks.skew import find_skew
from keras_din.serving.formats.litert import open_litert
from keras_din.serving.formats.onnx import open_onnx
from keras_din.serving.graph.float32_layers import float32_outputs
from keras_din.serving.sample_rows import sample_rows
from keras_din.serving.version.description import read_description
from keras_din.without_position import position_bias_of, without_position
from tests.models.shared import randomized
from tests.serving.one_process import check_exports_with

ITEM = kd.Categorical("item", vocabulary=["a", "b", "c", "d"], dim=4)
SPEC = kd.FeatureSpec(
    target=[ITEM, kd.Position("position", size=3)],
    sequences=[kd.Sequence("hist", of=[ITEM], max_length=5)],
)
SERVED = SPEC.without_position()


@pytest.fixture(scope="module")
def model():
    built = randomized(kd.build_base(SPEC, hidden_units=(4,)), scale=0.5)
    position_bias_of(built).position_logits.assign([[0.0], [-2.0]])
    return built


@pytest.fixture(scope="module")
def version(model, tmp_path_factory, one_process):
    with check_exports_with(one_process):
        return kd.export(model, SPEC, tmp_path_factory.mktemp("versions"), raw=True)


def served_scores(model, x):
    return keras.ops.convert_to_numpy(without_position(model, SPEC)[0](x))


def test_signatures_have_no_position(model, version):
    sample = sample_rows(SERVED, rows=6, seed=3)
    loaded = tf.saved_model.load(str(version))
    found = loaded.signatures["rank"](**{n: tf.constant(v) for n, v in sample.raw.items()})
    np.testing.assert_allclose(found["ctr"], served_scores(model, sample.indices), atol=1e-6)


def test_description(version):
    description = read_description(version)
    assert "position" not in description["signatures"]["rank"]["inputs"]
    entry = description["position"]
    assert entry["feature"] == "position"
    np.testing.assert_allclose(entry["seen"], [1, 0.5, 1 / (1 + np.exp(2))], rtol=1e-6)
    assert kd.FeatureSpec.from_json(json.dumps(description["spec"])).position is None
    assert "outputs are those at position 1, no input" in screen(version, description, {"a": 1})


def test_find_skew_compares_outputs_without_the_position(model, version):
    sample = sample_rows(SERVED, rows=6, seed=4)
    shape = sample.indices["item"].shape
    x = {**sample.indices, "position": np.full(shape, 3, "float32")}
    raw = {**sample.raw, "position": np.full(shape, 3, "float32")}
    live = float32_outputs(without_position(model, SPEC)[0])
    assert not find_skew(version, SPEC, live, [(raw, x)]).found
    assert not find_skew(version, SPEC, live, [(sample.raw, sample.indices)]).found


@pytest.mark.filterwarnings("ignore")  # Deprecation warnings of the converter.
@pytest.mark.parametrize("name", ["onnx", "litert"])
def test_files(model, name, tmp_path):
    for package in {"onnx": ("tf2onnx", "onnxruntime"), "litert": ("ai_edge_litert",)}[name]:
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    export, read = {"onnx": (export_onnx, open_onnx), "litert": (export_litert, open_litert)}[name]
    path = export(model, SPEC, tmp_path / "model", raw=True)
    x = sample_rows(SERVED, rows=4, seed=5).indices
    np.testing.assert_allclose(read(path)(x)["ctr"], served_scores(model, x), atol=1e-5)


def test_int8_tables_with_a_test_part(tmp_path, checked_by_one_process):
    rng = np.random.default_rng(0)
    log = pd.DataFrame(
        {
            "user": np.arange(60) % 6,
            "time": np.arange(60),
            "item": rng.choice(["a", "b", "c"], 60),
            "position": rng.integers(1, 4, 60),
            "click": rng.integers(0, 2, 60),
        }
    )
    data = kd.data.prepare_impressions(
        log,
        user="user",
        time="time",
        label="click",
        target=["item", kd.Position("position", size=3)],
        dim=4,
        max_length=5,
    )
    model = kd.build_base(data.spec, hidden_units=(4,))
    path = kd.export(
        model, data.spec, tmp_path, tables="int8", test=data.dataset("test", 8), raw=True
    )
    assert "gauc_int8" in read_description(path)["tables"]


@pytest.mark.parametrize("scale", [{"positive_weight": 2.0}, {"negative_rate": 0.5}])
def test_odds_must_not_be_scaled(model, scale, tmp_path):
    with pytest.raises(ValueError, match=r"A model with Position.* Received: "):
        kd.export(model, SPEC, tmp_path / "v", **scale)


def test_model_of_the_spec_without_the_position(tmp_path):
    with pytest.raises(ValueError, match=r"The spec has, the model lacks: \['position'\]"):
        kd.export(kd.build_base(SERVED), SPEC, tmp_path / "v", raw=True)
