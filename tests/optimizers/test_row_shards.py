"""Steps on the shards of a table equal the steps on one variable."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_din.layers import Embedding
from keras_din.optimizers import LazyAdam, LazyAdamW, RowwiseAdagrad
from tests.optimizers.shared import COUNTS, DIM, MBA, ROWS

OPTIMIZERS = {
    "LazyAdam": lambda: LazyAdam(0.1, clipnorm=0.5, amsgrad=True, use_ema=True, **MBA),
    "LazyAdamW": lambda: LazyAdamW(0.1, weight_decay=0.2, global_clipnorm=0.5, **MBA),
    "RowwiseAdagrad": lambda: RowwiseAdagrad(0.1, weight_decay=0.1, clipnorm=0.2, **MBA),
    "Adam": lambda: keras.optimizers.Adam(0.1),
}


def table(shards, optimizer):
    layer = Embedding(ROWS, DIM, feature="item", shards=shards)
    layer.build()
    layer.assign_rows(None, np.random.default_rng(0).normal(size=(ROWS, DIM)))
    optimizer.build(layer.embedding_shards)
    return layer


def step(layer, optimizer, indices, weights, dense):
    with tf.GradientTape() as tape:
        # A whole table has a dense gradient.
        found = layer(indices, training=True) * weights
        loss = tf.reduce_sum(found**2)
    variables = [each.value for each in layer.embedding_shards]
    gradients = tape.gradient(loss, variables)
    if dense:
        gradients = [tf.convert_to_tensor(each) for each in gradients]
    optimizer.apply(gradients, layer.embedding_shards)


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_on_shards(name, dense):
    optimizers = [OPTIMIZERS[name]() for _ in range(2)]
    one, several = (table(n, each) for n, each in zip((1, 4), optimizers, strict=True))
    rng = np.random.default_rng(1)
    for number in range(4):
        if number == 2 and name != "Adam":
            for optimizer in optimizers:
                optimizer.add_feature_counts({"item": COUNTS})
        indices = rng.integers(ROWS - 2, size=6)  # Two rows are never in a batch.
        weights = rng.normal(size=(6, DIM)).astype("float32")
        for layer, optimizer in zip((one, several), optimizers, strict=True):
            step(layer, optimizer, indices, weights, dense)
    np.testing.assert_allclose(several.read_rows(), one.read_rows(), rtol=1e-5, atol=1e-6)
    if name == "LazyAdam":
        for layer, optimizer in zip((one, several), optimizers, strict=True):
            optimizer.finalize_variable_values(layer.embedding_shards)
        np.testing.assert_allclose(several.read_rows(), one.read_rows(), rtol=1e-5, atol=1e-6)


def test_counts_of_shards_must_have_the_rows_of_the_table():
    optimizer = LazyAdam(mini_batch_aware_l2=0.1, feature_counts={"item": COUNTS[:-1]})
    with pytest.raises(
        ValueError, match=r"one entry for each of the 9 rows .* Received: 8 entries"
    ):
        table(4, optimizer)
