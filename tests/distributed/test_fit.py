"""`fit` on two workers equals `fit` on one; under other strategies it is `model.fit`."""

import contextlib
import sys
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_din as kd
from tests.data.sharded.shared import COLUMNS, random_log
from tests.distributed.shared import free_addresses, started, wait_for


def test_two_workers_equal_one():
    """Weights, logs, `Evaluation` and `evaluate`."""
    addresses = ",".join(free_addresses(2))
    commands = [["-m", "tests.distributed.two_workers", index, addresses] for index in range(2)]
    with started(commands) as processes:
        codes, outputs = wait_for(processes)
    assert codes == [0, 0], outputs
    assert outputs[0].splitlines()[-1] == outputs[1].splitlines()[-1]


def test_two_workers_with_their_own_shards_equal_one(tmp_path):
    """Weights, `weight_by_recency`, `feature_counts`, `Evaluation` and `evaluate`."""
    log = random_log(3, rows=900, users=40)
    columns = COLUMNS | {"target": ["item", "shop"], "bags": [], "max_bad": 0.2}
    kd.data.prepare_shards(log, tmp_path / "data", 5, **columns)
    addresses = ",".join(free_addresses(2))
    program = "tests.distributed.two_workers_with_shards"
    commands = [["-m", program, index, addresses, tmp_path / "data"] for index in range(2)]
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


def of_pairs(shard):
    x, y = np.arange(8.0)[:, None], np.arange(8.0)
    return tf.data.Dataset.from_tensor_slices((x, y)).batch(4)


@pytest.fixture
def strategy(monkeypatch):
    """The strategy of one of two workers, of which the other one does nothing."""
    module = sys.modules["keras_din.distributed.fit"]
    monkeypatch.setattr(module, "worker_of", lambda strategy=None: (0, 2))
    monkeypatch.setattr(module, "gather_from_workers", lambda data: [data, data])
    return tf.distribute.MirroredStrategy(["CPU:0"])


def test_callbacks_are_those_of_keras(strategy):
    """One callback without a list; callbacks that change the learning rate and stop training."""
    with strategy.scope():
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(0.0), "mse")
    stop = keras.callbacks.EarlyStopping("loss", patience=2)
    history = kd.distributed.fit(model, of_pairs, strategy, 5, stop, verbose=0)
    assert len(history.history["loss"]) == 3
    slower = keras.callbacks.ReduceLROnPlateau("loss", patience=1, min_delta=1e9)
    with strategy.scope():
        model.compile(keras.optimizers.SGD(1e-3), "mse")
    history = kd.distributed.fit(model, of_pairs, strategy, 3, [slower], verbose=0)
    np.testing.assert_allclose(history.history["learning_rate"], [1e-3, 1e-3, 1e-4], rtol=1e-5)


@pytest.mark.parametrize(
    "layers, in_scope, is_compiled, message",
    [
        ([keras.Input((1,))], True, False, r"`model` must be compiled: .* Received: <Sequential"),
        ([], True, True, r"`model` must be built, .* Received: <Sequential"),
        (
            [keras.Input((1,))],
            False,
            True,
            r"built in `strategy\.scope\(\)`, .* Received: '.*kernel'",
        ),
    ],
)
def test_models_that_workers_cannot_share_raise(strategy, layers, in_scope, is_compiled, message):
    with strategy.scope() if in_scope else contextlib.nullcontext():
        model = keras.Sequential([*layers, keras.layers.Dense(1)])
        if is_compiled:
            model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=message):
        kd.distributed.fit(model, of_pairs, strategy, verbose=0)


def test_the_loss_must_have_the_rate_of_the_data(strategy):
    data = kd.data.synthetic_log(20, 8, interests=2, categories=4, held_out=1, dim=2)
    data = data.downsample_negatives(0.5)
    with strategy.scope():
        model = kd.build_lr(data.spec)
        model.compile(kd.optimizers.LazyAdam(1e-3), kd.losses.BinaryCrossentropy())
    with pytest.raises(ValueError, match=r"must have the rate .* Received: .*negative_rate=0\.5"):
        kd.distributed.fit(
            model, lambda shard: data.dataset("train", 16, shard=shard), strategy, verbose=0
        )


def test_a_worker_with_several_devices_is_refused(strategy):
    several = types.SimpleNamespace(num_replicas_in_sync=4)
    with pytest.raises(
        ValueError,
        match=r"start one process per GPU, with its own CUDA_VISIBLE_DEVICES\. "
        r"Received: 4 devices of 2 workers",
    ):
        kd.distributed.fit(None, of_pairs, several)


@pytest.mark.parametrize("options", [{"epochs": 0}, {"initial_epoch": -1}])
def test_invalid_epochs_raise(options):
    with pytest.raises(ValueError, match=f"`{next(iter(options))}` must be a .* integer"):
        kd.distributed.fit(None, None, None, **options)


@pytest.mark.parametrize("timeout", [0, "1", None])
def test_invalid_timeout_raises(timeout):
    with pytest.raises(ValueError, match="`timeout` must be a positive number"):
        kd.distributed.connect(timeout=timeout)
