"""A worker that trains on its own shards: `python -m ... INDEX ADDRESSES FOLDER`.

The chief then trains the same model alone on all shards, and compares.
"""

import sys

import keras
import numpy as np
import tensorflow as tf

import keras_din as kd
from keras_din.workers import gather_arrays

tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
index, addresses, folder = int(sys.argv[1]), sys.argv[2], sys.argv[3]
strategy = kd.distributed.connect(addresses, index)
EVERYTHING = 10_000  # More than the rows of any worker: their order has no effect.
initial: list = []


def train(data, strategy):
    """Returns model, weights of rows, counts of indices, and the metrics of training and test."""
    keras.utils.set_random_seed(0)
    with strategy.scope():
        data = data.weight_by_recency(3)
        model = kd.build_din(
            data.spec, attention_units=(3,), hidden_units=(3,), activation="dice", dropout=0.0
        )
        counts = data.feature_counts()
        optimizer = kd.optimizers.LazyAdam(0.01, mini_batch_aware_l2=0.1, feature_counts=counts)
        model.compile(optimizer, kd.losses.BinaryCrossentropy())
    initial.append(model.get_weights())
    model.set_weights(initial[0])
    history = kd.distributed.fit(
        model,
        lambda shard: data.dataset("train", 2 * EVERYTHING, shuffle=True, shard=shard),
        strategy,
        epochs=3,
        callbacks=[kd.Evaluation(data.dataset("valid", 7), verbose=False)],
        verbose=0,
    )
    with strategy.scope():
        test = kd.evaluate(model, data.dataset("test", 4))
    return model, data.parts["train"].weight, counts, history.history | test


own = kd.data.load_shards(folder, index, 2)
model, weights, counts, logs = train(own, strategy)
of_whole = model.get_weights()
with strategy.scope():
    weights_of_all = np.concatenate(
        [part["weights"] for part in gather_arrays({"weights": weights})]
    )
    # Batches of few rows: workers with unequal rows end together, and stay equal.
    batches = lambda shard: own.dataset("train", 16, shuffle=True, shard=shard)  # noqa: E731
    lengths = [part["length"] for part in gather_arrays({"length": len(batches((index, 2)))})]
    assert lengths[0] != lengths[1], lengths
    steps = model.optimizer.iterations.numpy()
    kd.distributed.fit(model, batches, strategy, epochs=2, verbose=0)
    assert model.optimizer.iterations.numpy() - steps == 2 * min(lengths)
    first, second = gather_arrays({str(i): each for i, each in enumerate(model.get_weights())})
    for name, value in first.items():
        np.testing.assert_array_equal(second[name], value)
if index == 0:
    whole = kd.data.load_shards(folder)
    alone, of_rows, counts_alone, logs_alone = train(whole, tf.distribute.get_strategy())
    np.testing.assert_allclose(np.sort(weights_of_all), np.sort(of_rows), rtol=1e-6)
    for name, value in counts_alone.items():
        np.testing.assert_array_equal(counts[name], value)
    for value, other in zip(alone.get_weights(), of_whole, strict=True):
        np.testing.assert_allclose(other, value, rtol=1e-5, atol=1e-6)
    assert logs.keys() == logs_alone.keys()
    for name, value in logs_alone.items():
        np.testing.assert_allclose(logs[name], value, rtol=1e-5, err_msg=name)
print("gauc", logs["gauc"], flush=True)
