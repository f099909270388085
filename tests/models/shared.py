"""Specs, random weights and scores that tests of several models use."""

import numpy as np
import tensorflow as tf

from keras_din import Bag, Categorical, FeatureSpec, Numeric, Sequence
from keras_din.models.din import AUTHORS

ITEM = Categorical("item_id", 40, dim=8)


CATE = Categorical("cate_id", 12, dim=8)


SPEC = FeatureSpec(
    context=[Categorical("segment", 5, dim=3), Numeric("age", mean=1, std=2)],
    target=[ITEM, CATE],
    sequences=[Sequence("hist", of=[ITEM, CATE], side_features=[Categorical("action", 4, dim=2)])],
)


GENRES = Bag("genres", 9, dim=4)


BAGS = FeatureSpec(
    context=[Bag("words", 7, dim=3, pooling="max"), Numeric("age")],
    target=[GENRES, ITEM],
    sequences=[
        Sequence("hist", of=[GENRES, ITEM], side_features=[Bag("tags", 6, dim=2, pooling="sum")])
    ],
)


# The contract also holds for options that change the graph.
OPTIONS = {
    "din_authors": AUTHORS,
    "din_product": {
        "interaction": "product",
        "item_bias": True,
        "weight_normalization": False,
        "activation": "prelu",
    },
}


def randomized(model, seed=0, scale=0.5):
    """Sets random weights, so that no term is hidden by an initial zero."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        values = rng.normal(size=weight.shape) * scale
        weight.assign(np.abs(values) + 0.5 if "variance" in weight.path else values)
    return model


def compiled(model, optimizer="sgd", loss="binary_crossentropy"):
    """Creates the optimizer's variables, because a first step that creates them is traced twice."""
    model.compile(optimizer, loss)
    model.optimizer.build(model.trainable_variables)
    return model


def score(model, x):
    """Computes `ctr` eagerly, because tracing takes a second. Another test compares both."""
    return np.asarray(model(x))


def training_loss(model, x):
    """Returns a loss of the outputs plus the losses of layers."""
    return tf.reduce_sum(model(x, training=True)) + sum(model.losses)


def pad(x, time, candidates):
    paddings = {"context": ((0, 0),), "target": ((0, 0), candidates), "behavior": ((0, 0), time)}
    return {n: np.pad(v, paddings[SPEC.inputs[n].role]) for n, v in x.items()}


def float_tensors_of_length(graph, time, batch):
    """Returns the names of float tensors with both the batch size and the padded length."""
    found = []
    for operation in graph.get_operations():
        for tensor in operation.outputs:
            shape = tensor.shape
            if tensor.dtype.is_floating and shape.rank and shape.rank >= 2 and time in shape:
                found.append(f"{tensor.name} {shape}")
    return found
