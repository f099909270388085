"""`fit` on two workers equals `fit` on one; under other strategies it is `model.fit`."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_din as kd
from tests.distributed.shared import free_addresses, started, wait_for


def test_two_workers_equal_one():
    """Weights, logs, `Evaluation` and `evaluate`."""
    addresses = ",".join(free_addresses(2))
    commands = [["-m", "tests.distributed.two_workers", index, addresses] for index in range(2)]
    with started(commands) as processes:
        codes, outputs = wait_for(processes)
    assert codes == [0, 0], outputs
    assert outputs[0].splitlines()[-1] == outputs[1].splitlines()[-1]


def test_one_worker_hands_over_to_keras(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    strategy = kd.distributed.connect()
    assert strategy is tf.distribute.get_strategy()
    assert kd.distributed.is_chief()
    shards = []

    def batches(shard):
        shards.append(shard)
        x, y = np.arange(8.0)[:, None], np.arange(8.0)
        return tf.data.Dataset.from_tensor_slices((x, y)).batch(4)

    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    epochs = []
    seen = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: epochs.append(epoch))
    history = kd.distributed.fit(
        model, batches, strategy, epochs=3, callbacks=[seen], initial_epoch=1, verbose=0
    )
    assert (epochs, shards, len(history.history["loss"])) == ([1, 2], [(0, 1)], 2)


@pytest.mark.parametrize("options", [{"epochs": 0}, {"initial_epoch": -1}])
def test_invalid_epochs_raise(options):
    with pytest.raises(ValueError, match=f"`{next(iter(options))}` must be a .* integer"):
        kd.distributed.fit(None, None, None, **options)


@pytest.mark.parametrize("timeout", [0, "1", None])
def test_invalid_timeout_raises(timeout):
    with pytest.raises(ValueError, match="`timeout` must be a positive number"):
        kd.distributed.connect(timeout=timeout)
