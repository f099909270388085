"""Models of mixed precision are exported in float32, and do not change."""

import contextlib

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_din as kd
from keras_din.serving import saved_model
from keras_din.serving.graph.float32_layers import (
    float32_inference,
    float32_outputs,
    half_precision_report,
)
from keras_din.serving.graph.int8_tables import Int8Tables
from keras_din.serving.sample_rows import sample_rows
from keras_din.serving.version.description import read_description
from tests.models.shared import randomized
from tests.serving.specs import SPEC
from tests.specs import TRAINED, ZOO

X = sample_rows(SPEC).indices
POLICIES = {"mixed_bfloat16": "bfloat16", "mixed_float16": "float16"}


@contextlib.contextmanager
def built_with(policy):
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize(
    "name, policy", [*((name, "mixed_bfloat16") for name in TRAINED), ("din", "mixed_float16")]
)
def test_outputs_equal_those_of_a_float32_model(name, policy):
    with built_with(policy):
        half = randomized(ZOO[name](SPEC), scale=0.2)
    floats = randomized(ZOO[name](SPEC), scale=0.2)
    before = half.predict_on_batch(X)
    ctr = float32_outputs(half)
    np.testing.assert_allclose(ctr(X), floats(X), rtol=0, atol=1e-6)
    with float32_inference(half):
        np.testing.assert_allclose(half(X), ctr(X), rtol=0, atol=1e-6)
    np.testing.assert_array_equal(half.predict_on_batch(X), before)
    report = half_precision_report(half, SPEC, ctr)
    assert report["dtypes"] == [POLICIES[policy]]
    assert 1e-5 < report["largest_difference"] < 1e-2
    assert half_precision_report(floats, SPEC, ctr) is None


def test_float32_model_does_not_change():
    model = randomized(kd.build_din(SPEC), scale=0.2)
    before = model.predict_on_batch(X)
    np.testing.assert_allclose(float32_outputs(model)(X), before, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "policy, tables", [("mixed_bfloat16", "float32"), ("mixed_float16", "int8")]
)
def test_export_is_compared_with_float32(checked_by_one_process, tmp_path, policy, tables):
    with built_with(policy):
        model = (
            kd.build_bst(SPEC) if tables == "float32" else kd.build_base(SPEC, hidden_units=(8,))
        )
    version = kd.export(model, SPEC, tmp_path, tables=tables)
    description = read_description(version)
    assert max(description["largest_difference"].values()) <= 1e-5
    assert description["half_precision"]["dtypes"] == [POLICIES[policy]]
    assert description["half_precision"]["largest_difference"] > 1e-5
    assert description["tables"]["dtype"] == tables
    live = float32_outputs(model) if tables == "float32" else Int8Tables(model).outputs
    rows = {name: tf.constant(values) for name, values in sample_rows(SPEC).raw.items()}
    ctr = tf.saved_model.load(str(version)).signatures["rank"](**rows)["ctr"]
    np.testing.assert_allclose(ctr, np.where(X["item"] != 0, live(X), 0), rtol=0, atol=1e-5)


def test_policies_are_restored_after_an_error(tmp_path, monkeypatch):
    with built_with("mixed_bfloat16"):
        model = kd.build_base(SPEC, hidden_units=(4,))
    before = [layer.dtype_policy for layer in model.layers]
    monkeypatch.setattr(saved_model, "FeatureEncoder", None)  # Calling it raises an error.
    with pytest.raises(TypeError):
        kd.export(model, SPEC, tmp_path)
    assert [layer.dtype_policy for layer in model.layers] == before


class Own(keras.layers.Layer):
    """A layer of a user, with sublayers in a dict."""

    def __init__(self, units):
        super().__init__()
        self.sublayers = {"a": keras.layers.Dense(units), "b": [keras.layers.Dense(1)]}

    def call(self, inputs):
        return self.sublayers["b"][0](keras.ops.gelu(self.sublayers["a"](inputs)))


def own_model(item):
    """A model with a nested model that is called twice, a map of policies and half variables."""
    inner = keras.Input((None, 8))
    inner = keras.Model(inner, keras.layers.Dense(8, activation="tanh")(inner))
    x = inner(inner(keras.layers.Embedding(9, 8)(item)))
    policies = keras.dtype_policies.DTypePolicyMap(default_policy="mixed_float16")
    x = keras.layers.Dense(8, dtype=policies, name="mapped")(x)
    x = keras.layers.Dense(8, dtype="bfloat16", name="whole")(x)
    ctr = keras.layers.Activation("sigmoid", dtype="float32")(Own(4)(x))
    return keras.Model({"item": item}, ctr[..., 0])


def test_layers_of_users():
    spec = kd.FeatureSpec(target=[kd.Categorical("item", 9, dim=8)])
    with built_with("mixed_bfloat16"):
        model = randomized(own_model(keras.Input((None,), dtype="int32", name="item")))
    layers = model._flatten_layers()
    policies = [layer._dtype_policy for layer in layers]
    with float32_inference(model):
        half = [layer.name for layer in layers if layer.compute_dtype != "float32"]
        assert half == [model.name, "whole"]  # Both have variables of half precision.
    assert all(a is b._dtype_policy for a, b in zip(policies, layers, strict=True))
    assert len(model.get_layer("mapped").dtype_policy) == 0
    report = half_precision_report(model, spec, float32_outputs(model))
    assert report["dtypes"] == ["bfloat16", "float16"]
