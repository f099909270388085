"""A worker that trains a small model: `python -m tests.distributed.two_workers INDEX ADDRESSES`.

The chief then trains the same model alone, and compares.
"""

import sys

import keras
import numpy as np
import tensorflow as tf

import keras_din as kd

tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
index, addresses = int(sys.argv[1]), sys.argv[2]
# With other weights, a prediction may lie so close to a threshold of AUC that rounding decides.
keras.utils.set_random_seed(index)
if index == 1:  # Of several CPU devices a worker uses one.
    devices = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], devices)
strategy = kd.distributed.connect(addresses, index)
assert strategy.num_replicas_in_sync == 2
data = kd.data.synthetic_log(9, 9, interests=2, categories=5, held_out=2, dim=4)

initial: list = []


def train(strategy, fit):
    with strategy.scope():
        model = kd.build_din(
            data.spec, attention_units=(3,), hidden_units=(3,), activation="dice", dropout=0.0,
            weight_normalization=False,
        )  # fmt: skip
        counts = data.feature_counts()
        optimizer = kd.optimizers.LazyAdam(
            0.01, clipnorm=0.1, mini_batch_aware_l2=0.1, feature_counts=counts
        )
        model.compile(optimizer, kd.losses.BinaryCrossentropy(), metrics=["AUC"])
    initial.append(model.get_weights())
    model.set_weights(initial[0])
    evaluation = kd.Evaluation(data.dataset("valid", 5), verbose=False)
    history = fit(model, evaluation)
    with strategy.scope():
        metrics = kd.evaluate(model, data.dataset("test", 4))
    return model.get_weights(), history.history, metrics


def batches(shard):
    return data.dataset("train", 16, shuffle=True, shard=shard)


two = train(
    strategy,
    lambda model, *callbacks: kd.distributed.fit(
        model, batches, strategy, epochs=2, callbacks=callbacks, verbose=0
    ),
)
assert kd.distributed.is_chief() or index
if index == 0:
    alone = tf.distribute.get_strategy()
    one = train(
        alone,
        lambda model, *callbacks: kd.distributed.fit(
            model, batches, alone, epochs=2, callbacks=callbacks, verbose=0
        ),
    )
    for value, other in zip(one[0], two[0], strict=True):
        np.testing.assert_allclose(other, value, rtol=1e-5, atol=1e-6)
    for of_one, of_two in zip(one[1:], two[1:], strict=True):
        assert of_one.keys() == of_two.keys()
        for name, value in of_one.items():
            np.testing.assert_allclose(of_two[name], value, rtol=1e-5, err_msg=name)
print("gauc", two[2]["gauc"], flush=True)
