"""A process of the tests on servers.

`python -m tests.distributed.experimental.on_servers TASK INDEX COORDINATOR WORKERS SERVERS FOLDER
SCENARIO ...`: the coordinator runs scenarios, functions of this module. Other tasks need no
scenarios.
"""

import contextlib
import itertools
import pathlib
import shutil
import sys
import time

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.distribute.coordinator import cluster_coordinator

import keras_din as kd

experimental = kd.distributed.experimental
EPOCHS = 3


def build(data, make_optimizer, counts=True, shards=1):
    arguments = {"mini_batch_aware_l2": 0.1, "feature_counts": data.feature_counts()}
    spec = data.spec.with_shards(shards)
    model = kd.build_din(
        spec, attention_units=(3,), hidden_units=(3,), activation="dice", dropout=0.0
    )
    model.compile(
        make_optimizer(**arguments if counts else {}),
        kd.losses.BinaryCrossentropy(),
        metrics=["AUC"],
    )
    return model


def lazy_adam(**arguments):
    rate = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)
    return kd.optimizers.LazyAdam(rate, clipnorm=0.1, **arguments)


def batches_of(data):
    return data.remote_batches("train", 16, shuffle=True, seed=3)


def train_alone(data, shards=1):
    """The same training in one process. Weights start from a seed."""
    keras.utils.set_random_seed(5)
    alone = build(data, lazy_adam, shards=shards)
    initial = [value.copy() for value in alone.get_weights()]
    history = alone.fit(
        data.dataset("train", 16, shuffle=True, seed=3), epochs=EPOCHS, shuffle=False, verbose=0
    )
    return initial, alone, history.history["loss"]


def assert_equal(model, alone):
    for value, other in zip(alone.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(other, value, rtol=1e-5, atol=1e-6)
    pairs = zip(alone.optimizer.variables, model.optimizer.variables, strict=True)
    for value, other in pairs:
        value, other = map(keras.ops.convert_to_numpy, (value, other))
        np.testing.assert_allclose(other, value, rtol=1e-4, atol=1e-6, err_msg=str(value))


@contextlib.contextmanager
def failing(runs):
    """Context manager in which some runs of steps fail, as if a worker ended while a server read.

    TensorFlow repeats a step itself twice for each server that its errors name.
    """
    execute_on = cluster_coordinator.Closure.execute_on
    count = itertools.count()

    def execute(closure, worker):
        is_step = not isinstance(closure, cluster_coordinator.ResourceClosure)
        if is_step and next(count) in runs:
            words = "Additional GRPC error information from remote target /job:ps/replica:0/task:1:"
            raise tf.errors.UnavailableError(None, None, f"2 root error(s) found.\n{words}")
        return execute_on(closure, worker)

    cluster_coordinator.Closure.execute_on = execute
    try:
        yield count
    finally:
        cluster_coordinator.Closure.execute_on = execute_on


def one_at_a_time(strategy, data, folder):
    """One step at a time equals one process: losses, weights and the state of the optimizer.

    The shards of a table lie on different servers. Steps that fail are repeated.
    """
    initial, alone, losses = train_alone(data, shards=2)
    with strategy.scope():
        model = build(data, lazy_adam, shards=2)
    tables = [layer for layer in model.layers if isinstance(layer, kd.layers.Embedding)]
    assert len(tables) == 2
    for table in tables:
        devices = sorted(shard.value.device for shard in table.embedding_shards)
        assert len(devices) == 2
        assert all(f"/job:ps/replica:0/task:{i}/" in device for i, device in enumerate(devices))
    model.set_weights(initial)
    failures = (5, 6, 7, 8, 20)
    with failing(failures) as runs:
        history = experimental.fit_on_servers(
            model, batches_of(data), strategy, EPOCHS, steps_in_flight=1, verbose=0
        )
    assert next(runs) == EPOCHS * batches_of(data).steps + len(failures)
    np.testing.assert_allclose(history.history["loss"], losses, rtol=1e-5)
    assert_equal(model, alone)
    assert int(model.optimizer.iterations) == EPOCHS * batches_of(data).steps


def rows_of_tables(strategy, data, folder):
    """Slots lie with their table, and a step reads and writes single rows of them."""
    makers = [kd.optimizers.LazyAdam, kd.optimizers.LazyAdamW, kd.optimizers.RowwiseAdagrad]
    for make in makers:
        with strategy.scope():
            model = build(data, make)
        graphs = []
        compute_loss = model.compute_loss

        def recorded(*arguments, compute_loss=compute_loss, graphs=graphs, **keywords):
            graphs.append(tf.compat.v1.get_default_graph())
            return compute_loss(*arguments, **keywords)

        model.compute_loss = recorded
        one_batch = data.remote_batches("train", 10_000)
        experimental.fit_on_servers(model, one_batch, strategy, steps_in_flight=1, verbose=0)
        tables = [v for v in model.trainable_variables if v.path.endswith("embeddings")]
        of_rows = [
            v for v in [*tables, *model.optimizer.variables]
            if len(v.shape) and v.shape[0] in [table.shape[0] for table in tables]
        ]  # fmt: skip
        assert len(of_rows) == {makers[2]: 6}.get(make, 8)
        for variable in of_rows:
            (table,) = [each for each in tables if each.shape[0] == variable.shape[0]]
            assert variable.value.device == table.value.device, variable.path
            assert "/job:ps/" in variable.value.device
            used = {
                operation.type
                for graph in graphs
                for outside, inside in graph.captures
                if outside is variable.value.handle
                for operation in inside.consumers()
            }
            assert "ResourceGather" in used, variable.path
            assert used <= {"ResourceGather", "ResourceScatterUpdate"}, (variable.path, used)
        assert len({table.value.device for table in tables}) == 2


def no_step_is_lost(strategy, data, folder):
    """The count of an optimizer, on which schedules depend, is that of the steps."""
    with strategy.scope():
        model = build(data, lazy_adam)
    batches = batches_of(data)
    counts = []
    seen = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: counts.append(int(model.optimizer.iterations))
    )
    experimental.fit_on_servers(model, batches, strategy, 20, seen, steps_in_flight=8, verbose=0)
    assert counts == [batches.steps * epoch for epoch in range(1, 21)]


def invalid_arguments(strategy, data, folder):
    """Errors name what is wrong, also errors of the workers."""

    def error_of(model, batches=None, **options):
        batches = batches_of(data) if batches is None else batches
        try:
            experimental.fit_on_servers(model, batches, strategy, verbose=0, **options)
        except (ValueError, OSError) as error:
            return str(error)
        raise AssertionError("There is no error.")

    alone = build(data, lazy_adam)
    assert "built in `strategy.scope()`" in error_of(alone)
    with strategy.scope():
        model = build(data, lazy_adam)
        averaging = build(data, lambda: kd.optimizers.LazyAdam(use_ema=True), counts=False)
    assert "`batches` must be `data.remote_batches" in error_of(model, data.dataset("train"))
    assert "`use_ema` of the optimizer is not supported" in error_of(averaging)
    other = kd.data.synthetic_log(20, 8, interests=2, categories=4, held_out=1, dim=2)
    assert "`batches`" in error_of(model, other.remote_batches("train"))
    outside = kd.optimizers.LazyAdam(1e-3)
    with strategy.scope():
        model.compile(outside, kd.losses.BinaryCrossentropy())
    assert "`model` must be compiled in `strategy.scope()`" in error_of(model)
    with strategy.scope():
        model.compile(kd.optimizers.LazyAdam(1e-3), kd.losses.BinaryCrossentropy())
    experimental.fit_on_servers(
        model, batches_of(data), strategy, backup_dir=folder / "other", verbose=0
    )
    less = data.remote_batches("train", 8)
    assert "`backup_dir` must be that of a run with the same data and batches" in error_of(
        model, less, backup_dir=folder / "other", epochs=2
    )
    data.save(folder / "moved")
    moved = kd.data.PreparedData.load(folder / "moved").remote_batches("train", 16)
    shutil.rmtree(folder / "moved")
    assert "All workers must see the files of the data at the same paths" in error_of(model, moved)


class Reported(keras.callbacks.Callback):
    """Prints each finished step, for the test that ends processes."""

    def on_train_batch_end(self, batch, logs=None):
        print("step", flush=True)


def workers_end(strategy, data, folder):
    """The test ends and restarts workers meanwhile."""
    tf.get_logger().setLevel("INFO")  # It reports when a worker has joined again.
    with strategy.scope():
        model = build(data, lazy_adam)
    batches = batches_of(data)
    steps = 0

    def is_enough():
        return (folder / "enough").exists()

    class Until(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            nonlocal steps
            steps += 1
            self.model.stop_training = is_enough()

    experimental.fit_on_servers(model, batches, strategy, 10**6, [Until(), Reported()], verbose=0)
    assert int(model.optimizer.iterations) == steps
    print("workers_end", flush=True)


def server_ends(strategy, data, folder):
    """The test ends a server, in a pause. Training ends by an error."""
    initial, _, _ = train_alone(data)
    with strategy.scope():
        model = build(data, lazy_adam)
    model.set_weights(initial)

    class Slow(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            time.sleep(0.1)
            while (folder / "pause").exists():
                time.sleep(0.1)

    experimental.fit_on_servers(
        model, batches_of(data), strategy, EPOCHS, [Slow(), Reported()],
        steps_in_flight=1, backup_dir=folder / "backup", save_freq=4, verbose=0,
    )  # fmt: skip


def resumes(strategy, data, folder):
    """Training continues from the checkpoint, and ends like training without interruption."""
    _, alone, losses = train_alone(data)
    with strategy.scope():
        model = build(data, lazy_adam)
    steps = []
    seen = keras.callbacks.LambdaCallback(on_train_batch_end=lambda step, logs: steps.append(step))
    for _ in range(2):  # The second call finds that all epochs were trained.
        history = experimental.fit_on_servers(
            model, batches_of(data), strategy, EPOCHS, seen,
            steps_in_flight=1, backup_dir=folder / "backup", save_freq=4, verbose=0,
        )  # fmt: skip
        assert 0 < len(steps) < EPOCHS * batches_of(data).steps
        if "loss" in history.history:
            last = history.history["loss"][-1]
    np.testing.assert_allclose(last, losses[-1], rtol=1e-5)
    assert_equal(model, alone)
    (kept,) = (folder / "backup").glob("*.keras")
    assert_equal(keras.saving.load_model(kept), alone)


def main(task, index, coordinator, workers, servers, folder=None, *scenarios):
    if task != "chief":
        experimental.run_task(coordinator, workers, servers, task, int(index))
    strategy = experimental.connect_to_servers(coordinator, workers, servers, timeout=300)
    folder = pathlib.Path(folder)
    data = kd.data.PreparedData.load(folder / "data")
    for scenario in scenarios:
        begin = time.monotonic()
        globals()[scenario](strategy, data, folder)
        print(f"{scenario}: {time.monotonic() - begin:.1f} s", flush=True)


if __name__ == "__main__":
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    main(*sys.argv[1:])
