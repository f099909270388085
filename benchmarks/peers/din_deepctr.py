"""The DIN of DeepCTR, without the L2 penalty on its embeddings, which would make it slower."""

import os

os.environ["TF_USE_LEGACY_KERAS"] = "1"  # DeepCTR is written for Keras 2.

from importlib.metadata import version

import tensorflow as tf
from deepctr.feature_column import SparseFeat, VarLenSparseFeat
from deepctr.models import DIN
from harness.batch_file import FEATURES
from harness.process import task_main

from peers.tasks import make_tasks


def build(items, categories, dim, length, steps_per_execution=1):
    item = SparseFeat("item_id", items, embedding_dim=dim)
    category = SparseFeat("cate_id", categories, embedding_dim=dim)

    def history(name, size, table):
        feature = SparseFeat(name, size, embedding_dim=dim, embedding_name=table)
        return VarLenSparseFeat(feature, maxlen=length)

    columns = [
        item,
        category,
        history("hist_item_id", items, "item_id"),
        history("hist_cate_id", categories, "cate_id"),
    ]
    model = DIN(
        columns,
        ["item_id", "cate_id"],
        dnn_hidden_units=(80, 40),
        dnn_activation="sigmoid",
        att_hidden_size=(80, 40),
        att_activation="sigmoid",
        att_weight_normalization=True,
        l2_reg_embedding=0.0,
    )
    model.compile(
        tf.keras.optimizers.Adam(1e-3),
        "binary_crossentropy",
        steps_per_execution=steps_per_execution,
    )
    return model


def dataset(batches):
    x = {name: batches[name] for name in FEATURES}
    return tf.data.Dataset.from_tensor_slices((x, batches["label"])).repeat().prefetch(2)


def repeat(function, batches):
    rows = iter(dataset(batches))

    def steps(number):
        for _ in range(number):
            function(rows)

    return steps


def train_function(model, batches):
    return repeat(model.make_train_function(), batches)


def predict_function(model, batches):
    return repeat(model.make_predict_function(), batches)


VERSIONS = {"DeepCTR": f"{version('deepctr')} on TensorFlow {tf.__version__}"}
TASKS = make_tasks(build, train_function, predict_function, VERSIONS, save=tf.saved_model.save)

if __name__ == "__main__":
    task_main(**TASKS)
