"""Models and evaluations are released: no graph and no variable stays in memory."""

import gc

import numpy as np
import pytest
import tensorflow as tf

import keras_din as kd
from keras_din.losses import BinaryCrossentropy
from tests.specs import random_batch

ITEM = kd.Categorical("item", 9, dim=2)
SPEC = kd.FeatureSpec(target=[ITEM], sequences=[kd.Sequence("hist", of=[ITEM])])
SMALL = {
    "din": {"attention_units": (2,), "hidden_units": (2,)},
    "dien": {"hidden_units": (2,)},
    "bst": {"num_heads": 1, "hidden_units": (2,)},
}
X = {name: tf.constant(values) for name, values in random_batch(SPEC, candidates=2).items()}
Y = np.ones((4, 2), "float32")


def alive():
    """Returns the numbers of graphs, variables and handles of variables."""
    gc.collect()
    graphs = variables = handles = 0
    for each in gc.get_objects():
        kind = type(each)
        graphs += issubclass(kind, tf.Graph)
        variables += issubclass(kind, tf.Variable)
        handles += issubclass(kind, tf.Tensor) and each.dtype == tf.resource
    return graphs, variables, handles


def small(name):
    model = kd.MODELS[name](SPEC, **SMALL.get(name, {}))
    model.compile("sgd", BinaryCrossentropy(), jit_compile=False)
    return model


@pytest.mark.parametrize("name", ["deepfm", "din", "dien", "bst"])
def test_models_are_released(name):
    def train_and_predict():
        model = small(name)
        model.train_on_batch(X, Y)
        model.predict_on_batch(X)

    train_and_predict()
    before = alive()
    train_and_predict()
    assert alive() == before


def test_evaluations_are_released():
    model = small("din")
    y = np.tile(np.float32([1, 0]), (4, 1))
    data = tf.data.Dataset.from_tensors((X, tf.constant(y)))
    kd.evaluate(model, data)
    before = alive()
    for _ in range(2):
        kd.evaluate(model, data)
    assert alive() == before


def test_trainings_with_an_evaluation_are_released():
    def train():
        model = small("din")
        y = np.tile(np.float32([1, 0]), (4, 1))
        data = tf.data.Dataset.from_tensors((X, tf.constant(y)))
        callback = kd.Evaluation(data, monitor="val_auc", verbose=False)
        model.fit(data, callbacks=[callback], shuffle=False, verbose=0)

    train()
    before = alive()
    train()
    assert alive() == before
