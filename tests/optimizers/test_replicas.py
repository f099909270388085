"""Two replicas with half a batch each match one replica with the whole batch."""

import subprocess
import sys

SCRIPT = """
import numpy as np
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from keras_din.layers import Embedding
from keras_din.optimizers import LazyAdam

ROWS = [[[1, 2, 2], [2, 3, 1]], [[4, 4, 1], [4, 2, 0]]]  # (steps, replicas, positions)
VALUES = np.random.default_rng(0).normal(size=(2, 2, 3, 2)).astype("float32")


def slices(rows, values):
    return tf.IndexedSlices(tf.constant(values), tf.constant(rows), tf.constant([6, 2]))


def make(options):
    layer = Embedding(6, 2, "ones", feature="item")
    layer.build()
    optimizer = LazyAdam(0.1, **options)
    optimizer.build([layer.embeddings])
    return layer.embeddings, optimizer


strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
# The norm is that of the sum, and a row that both replicas have is regularized once.
L2 = {"mini_batch_aware_l2": 1.0, "feature_counts": {"item": np.arange(6)}}
for options in ({}, {"clipnorm": 0.1}, {"loss_scale_factor": 4.0, "clipnorm": 0.1}, L2):
    one, optimizer = make(options)
    for rows, values in zip(ROWS, VALUES):
        optimizer.apply([slices(np.ravel(rows), values.reshape(6, 2))])

    with strategy.scope():
        two, optimizer = make(options)
    for rows, values in zip(ROWS, VALUES):
        replica = strategy.experimental_distribute_values_from_function(
            lambda context: np.int32(context.replica_id_in_sync_group)
        )

        @tf.function
        def step(i):
            row = tf.gather(tf.constant(rows), i)
            value = tf.gather(tf.constant(values), i)
            optimizer.apply([tf.IndexedSlices(value, row, tf.constant([6, 2]))])

        strategy.run(step, (replica,))
    np.testing.assert_allclose(two.numpy(), one.numpy(), rtol=1e-5, err_msg=str(options))

# A model whose requests are split between the replicas, with Keras' loss and metrics.
import keras
import keras_din as kd
from keras_din.head import probability
from keras_din.layers import Bias

def model():
    x = keras.Input((None,), name="x")
    logit = Bias(name="bias")(keras.ops.expand_dims(x, -1))
    model = kd.CTRModel({"x": x}, probability(logit, x > -1e8))
    model.compile(keras.optimizers.SGD(1.0), "binary_crossentropy", metrics=["AUC", "accuracy"])
    return model

x = np.array([[20, -1, 7], [0.5, 2, 7]], "float32")
y = np.array([[0, 1, 1], [1, 0, 1]], "float32")
weight = np.array([[1, 1, 0], [1, 1, 0]], "float32")
batches = tf.data.Dataset.from_tensors(({"x": x}, y, weight)).unbatch().batch(2)
histories = []
for scope in (strategy.scope(), tf.distribute.get_strategy().scope()):
    with scope:
        trained = model()
    histories.append(trained.fit(batches, epochs=2, shuffle=False, verbose=0).history)
for name, values in histories[1].items():
    np.testing.assert_allclose(histories[0][name], values, rtol=1e-5, err_msg=name)
"""


def test_two_replicas_match_one():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
