"""A feature that a model computes from its inputs, from a `DataFrame` to an exported version."""

import dataclasses
import re

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from keras import ops

import keras_din as kd
from keras_din.derived_values import derived_values
from keras_din.embed import embed, feature_layer
from keras_din.features import KINDS, Categorical, Feature, FeatureSpec, Sequence, register_kind
from keras_din.linear import weight_layer


@dataclasses.dataclass(frozen=True)
class Double(Feature):
    """Two times a numeric context feature."""

    of: str
    has_column = False
    has_input = False
    roles = ("context",)


@pytest.fixture(autouse=True, scope="module")
def kind():
    register_kind(Double)
    derived_values.register(Double, lambda f, info, spec, values: 2 * values[f.of])
    feature_layer.register(Double, lambda f, tables: lambda x: ops.expand_dims(x, -1))
    weight_layer.register(Double, lambda f, i, options: keras.layers.Dense(1, **options))
    yield
    del KINDS["Double"]


def make_spec(kind=Double):
    item = Categorical("item", vocabulary=["a", "b"], dim=2)
    context = [kd.Numeric("age"), kind("twice", "age")]
    return FeatureSpec(context=context, target=[item], sequences=[Sequence("hist", of=[item])])


def test_spec_has_a_field_but_no_input():
    spec = make_spec()
    assert list(spec.fields) == ["age", "twice", "item", "hist_item"]
    assert list(spec.inputs) == list(spec.raw_inputs) == ["age", "item", "hist_item"]
    assert FeatureSpec.from_json(spec.to_json()) == spec
    message = r"Double\(.*must be in `context`\. Received: 'twice' in `target`"
    with pytest.raises(ValueError, match=message):
        FeatureSpec(target=[*spec.target, spec.context[1]])


def test_model_computes_the_values():
    spec = make_spec()
    x = embed(spec)
    model = keras.Model(x.inputs, x.fields["twice"])
    inputs = {"age": np.array([1.5]), "item": np.array([[2]]), "hist_item": np.array([[3]])}
    np.testing.assert_array_equal(model(inputs), [[3.0]])


def test_missing_implementation_is_named():
    message = "'keras_din.derived_values'.*Received: the kind Lone"

    class Lone(Feature):
        has_input = False

    spec = make_spec()
    spec = dataclasses.replace(spec, context=(spec.context[0], Lone("lone")))
    with pytest.raises(NotImplementedError, match=re.compile(message, re.S)):
        kd.build_base(spec)


@pytest.mark.parametrize("build", [kd.build_base, kd.build_lr])
def test_prepared_trained_and_exported(build, tmp_path, checked_by_one_process):
    log = pd.DataFrame(
        {
            "user": np.repeat([1, 2, 3, 4], 6),
            "time": np.tile(np.arange(6), 4) * 3600,
            "item": list("abab") * 6,
            "age": np.linspace(0, 1, 24),
            "click": [1, 0, 0, 1] * 6,
        }
    )
    context = [kd.Numeric("age"), Double("twice", "age")]
    roles = {"user": "user", "time": "time", "label": "click", "target": ["item"]}
    data = kd.data.prepare_impressions(log, **roles, context=context)
    data.save(tmp_path / "data")
    data = kd.data.PreparedData.load(tmp_path / "data")
    model = build(data.spec)
    model.compile("adam", "binary_crossentropy")
    model.fit(data.dataset("train"), shuffle=False, verbose=0)
    version = kd.export(model, data.spec, tmp_path / "exported")
    answer = tf.saved_model.load(str(version)).signatures["serving_default"]
    assert "twice" not in answer.structured_input_signature[1]
