"""A DIN of Keras' own layers: padded histories, concatenated inputs, dense Adam."""

import keras
import numpy as np
import tensorflow as tf
from harness.batch_file import FEATURES
from harness.process import task_main
from keras import layers, ops

from peers.tasks import make_tasks


def build(items, categories, dim, length, steps_per_execution=1):
    inputs = {
        name: keras.Input((length if name.startswith("hist") else 1,), dtype="int32", name=name)
        for name in FEATURES
    }
    item = layers.Embedding(items, dim)
    category = layers.Embedding(categories, dim)
    join = layers.Concatenate()
    query = join([item(inputs["item_id"]), category(inputs["cate_id"])])
    keys = layers.Concatenate()([item(inputs["hist_item_id"]), category(inputs["hist_cate_id"])])
    tiled = ops.repeat(query, length, axis=1)
    x = layers.Concatenate()([tiled, keys, tiled - keys, tiled * keys])
    for units in (80, 40):
        x = layers.Dense(units, activation="sigmoid")(x)
    scores = layers.Dense(1)(x)
    valid = ops.expand_dims(inputs["hist_item_id"] != 0, -1)
    weights = ops.softmax(ops.where(valid, scores, -1e9), axis=1)
    interest = ops.sum(weights * keys, axis=1)
    x = layers.Concatenate()([interest, layers.Flatten()(query)])
    for units in (80, 40):
        x = layers.Dense(units, activation="sigmoid")(x)
    model = keras.Model(inputs, layers.Dense(1, activation="sigmoid")(x))
    model.compile(
        keras.optimizers.Adam(1e-3), "binary_crossentropy", steps_per_execution=steps_per_execution
    )
    return model


def dataset(batches):
    x = {name: batches[name] for name in FEATURES}
    x = {name: v if name.startswith("hist") else v[..., np.newaxis] for name, v in x.items()}
    return tf.data.Dataset.from_tensor_slices((x, batches["label"])).repeat().prefetch(2)


def train_function(model, batches):
    model.make_train_function()
    rows = iter(dataset(batches))

    def steps(number):
        for _ in range(number):
            model.train_function(rows)
        model.optimizer.iterations.numpy()

    return steps


def predict_function(model, batches):
    model.make_predict_function()
    rows = iter(dataset(batches))

    def steps(number):
        for _ in range(number):
            result = model.predict_function([next(rows)])
        result.numpy()

    return steps


def save(model, folder):
    model.export(folder, verbose=False)


VERSIONS = {"Keras": keras.__version__, "TensorFlow": tf.__version__}
TASKS = make_tasks(build, train_function, predict_function, VERSIONS, save=save)

if __name__ == "__main__":
    task_main(**TASKS)
