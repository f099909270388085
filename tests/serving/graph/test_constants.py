"""Weights as constants of the graph: outputs are equal, and only tables are read as variables."""

import numpy as np
import tensorflow as tf

import keras_din as kd
from keras_din.serving.graph import constants
from tests.specs import random_batch

ITEM = kd.Categorical("item", 20, dim=4)
SPEC = kd.FeatureSpec(target=[ITEM], sequences=[kd.Sequence("hist", of=[ITEM])])


def traced(model, x):
    """Returns the `ctr`, and the number of variables that the graph reads."""
    function = tf.function(lambda x: constants.call_with_constants(model, x))
    return function(x).numpy(), len(function.get_concrete_function(x).captured_inputs)


def test_only_tables_are_variables():
    model, x = kd.build_base(SPEC, hidden_units=(4,)), random_batch(SPEC)
    ctr, read = traced(model, x)
    np.testing.assert_allclose(ctr, model(x, training=False), atol=1e-6)
    assert read == 1


def test_very_large_weights_are_variables(monkeypatch):
    model, x = kd.build_base(SPEC, hidden_units=(4,)), random_batch(SPEC)
    weights = 4 * sum(np.prod(weight.shape) for weight in model.weights) - 4 * 20 * 4
    monkeypatch.setattr(constants, "MAX_BYTES", weights - 1)
    assert traced(model, x)[1] == len(model.weights)
    monkeypatch.setattr(constants, "MAX_BYTES", weights)
    assert traced(model, x)[1] == 1
