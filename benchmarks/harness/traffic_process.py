"""A process of `benchmarks/traffic.py`: `traffic_process.py ENGINE TASK STEPS ROWS...`.

The first process of an engine prints the bytes per step for each number of rows, as JSON.
"""

import json
import pathlib
import sys

import keras
import numpy as np
import tensorflow as tf

import keras_din as kd
from keras_din.data.pipeline.remote_batches import RemoteBatches
from keras_din.distributed import experimental

DIM, BATCH, HISTORY = 16, 1024, 10
WITH_SERVERS = ("whole", "shards")


class DenseAdam(keras.optimizers.Adam):
    """Adam on dense gradients, which are those of a table that a step reads as a whole."""

    def apply(self, grads, trainable_variables=None):
        grads = [tf.convert_to_tensor(gradient) for gradient in grads]
        return super().apply(grads, trainable_variables)


class CountedBytes(keras.callbacks.Callback):
    """Counts the bytes of the loopback device from a step on."""

    def __init__(self, first: int):
        super().__init__()
        self.first, self.begin, self.bytes = first, 0, 0

    def on_train_batch_begin(self, batch, logs=None):
        if batch == self.first:
            self.begin = received_bytes()

    def on_train_batch_end(self, batch, logs=None):
        self.bytes = received_bytes() - self.begin


def received_bytes() -> int:
    (line,) = pathlib.Path("/proc/net/dev").read_text().splitlines()[2:]
    return int(line.split(":")[1].split()[0])


def bytes_per_step(engine: str, strategy, rows: int, steps: int) -> float:
    """Trains a model with one table of `rows` rows. Rows are drawn uniformly."""
    has_servers = engine in WITH_SERVERS
    first = 20 if has_servers else 3  # Before, functions are traced and sent.
    samples = (first + steps) * BATCH
    item = kd.Categorical("item", rows, dim=DIM, shards=2 if engine == "shards" else 1)
    hist = kd.Sequence("hist", of=[item], max_length=HISTORY)
    spec = kd.FeatureSpec(target=[item], sequences=[hist])
    rng = np.random.default_rng(0)
    behaviors = {"item": rng.integers(2, rows, samples * HISTORY)}
    logs = {"hist": kd.data.BehaviorLog([0, samples * HISTORY], behaviors)}
    start = np.arange(samples) * HISTORY
    data = kd.data.Samples(
        {"item": rng.integers(2, rows, samples)},
        {"hist": (start, start + HISTORY)},
        rng.integers(0, 2, samples),
        np.zeros(samples, int),
    )
    with strategy.scope():
        model = kd.build_base(spec, hidden_units=(8,))
        optimizer = DenseAdam(1e-3) if engine == "dense" else kd.optimizers.LazyAdam(1e-3)
        model.compile(optimizer, kd.losses.BinaryCrossentropy())
    counted = CountedBytes(first)
    if has_servers:
        batches = RemoteBatches(spec, logs, data, BATCH)
        experimental.fit_on_servers(
            model, batches, strategy, 1, counted, steps_in_flight=1, timeout=600, verbose=0
        )
    else:
        part_of = lambda shard: kd.data.dataset(spec, logs, data, BATCH, shard=shard)  # noqa: E731
        kd.distributed.fit(model, part_of, strategy, 1, counted, verbose=0)
    return counted.bytes / steps


def main(engine: str, task: str, steps: str, *all_rows: str) -> None:
    if engine in WITH_SERVERS and task != "chief":
        experimental.run_task()
    has_servers = engine in WITH_SERVERS
    strategy = experimental.connect_to_servers() if has_servers else kd.distributed.connect()
    count = min(int(steps), 5) if engine == "dense" else int(steps)  # A gigabyte for 1 M rows.
    found = [bytes_per_step(engine, strategy, int(rows), count) for rows in all_rows]
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
