"""A model whose logits are an input, and rows whose click rate is known."""

import keras
import numpy as np
import tensorflow as tf

from keras_din import Bucketized, Categorical, CTRModel, FeatureSpec, Label, Numeric
from keras_din.embed import read_inputs, valid_mask
from keras_din.head import label_output

SPEC = FeatureSpec(
    context=[Categorical("tab", vocabulary=["home", "search", "mail"])],
    target=[Categorical("item", 50), Bucketized("price", boundaries=[1, 5]), Numeric("score")],
)


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x, "float64")))


def model_of(spec=SPEC, loss=None):
    """Returns a model whose outputs have the logits `score`, with a slope of 2 for further ones."""
    inputs, values = read_inputs(spec)
    mask = valid_mask(spec.target, [values[feature.name] for feature in spec.target])
    logits = keras.ops.expand_dims(values["score"], -1)
    outputs = {
        label.output: label_output(label, logits * (1 + i), mask)
        for i, label in enumerate(spec.labels)
    }
    model = CTRModel(inputs, outputs if len(outputs) > 1 else next(iter(outputs.values())))
    if loss is not None:
        model.compile("sgd", loss)
    return model


def arrays_of(rows=4000, seed=0, offsets=(0, 0, 0, 0, 0)):
    """Returns `(x, y)` with one candidate; the click rate is `sigmoid(score / 2 - 1 + offset)`.

    The offsets belong to the indices of `tab`. Index 4, the value `mail`, does not occur.
    """
    rng = np.random.default_rng(seed)
    tab = rng.integers(1, 4, rows).astype("int32")
    score = rng.normal(size=rows).astype("float32")
    click = rng.random(rows) < sigmoid(score / 2 - 1 + np.array(offsets)[tab])
    x = {
        "tab": tab,
        "item": rng.integers(2, 50, (rows, 1)).astype("int32"),
        "price": rng.integers(2, 5, (rows, 1)).astype("int32"),
        "score": score[:, None],
    }
    return x, click.astype("float32")[:, None]


def dataset_of(*arrays, batch_size=1000, groups=None, **attributes):
    """Returns batches of arrays `(x, y)` or `(x, y, weight)`."""
    dataset = tf.data.Dataset.from_tensor_slices(arrays).batch(batch_size)
    dataset.groups = groups
    for name, value in attributes.items():
        setattr(dataset, name, value)
    return dataset


def with_labels(labels):
    """Returns the spec with other labels."""
    return FeatureSpec(context=SPEC.context, target=SPEC.target, labels=labels)


TWO_LABELS = with_labels(["click", Label("buy", output="cvr")])
