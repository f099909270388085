"""Training speed of DIN, input pipeline included, beside the floor and a plain Keras 3 DIN.

    python benchmarks/training.py                  # all rows, a few minutes
    python benchmarks/training.py --quick          # under a minute

Histories shaped like Amazon Electronics, never cut by ours, cut at 100 by the plain model; item 64
and category 64, attention 80-40, top 80-40, float32. Machines are noisy: compare inside one run.
"""

import argparse
import platform
import time

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from electronics import electronics, mean_history
from floor import matrix_rate, operations

import keras_din as kd

ITEM = 64


def samples_per_second(model, dataset, batch_size: int, seconds: float, runs: int = 3) -> float:
    """Median over runs of the rate at which `fit`'s own train function eats the dataset."""
    model.make_train_function()
    train = model.train_function
    batches = iter(dataset)
    for _ in range(3):
        train(batches)
    rates, steps = [], 4
    while len(rates) < runs:
        start = time.perf_counter()
        for _ in range(steps):
            train(batches)
        model.optimizer.iterations.numpy()
        taken = time.perf_counter() - start
        if taken < seconds / 2:
            steps = min(2 * steps, 4096)
        else:
            rates.append(steps * batch_size / taken)
    return float(np.median(rates))


def our_model(spec, activation="sigmoid"):
    model = kd.build_din(
        spec, attention_units=(80, 40), hidden_units=(80, 40), activation=activation
    )
    model.compile(kd.optimizers.LazyAdam(1e-3), kd.losses.BinaryCrossentropy())
    return model


def plain_keras_model(spec, length: int = 100):
    """The DIN that one writes with Keras' own layers: padded, concatenated, dense Adam."""
    item, cate = spec.target
    inputs = {
        "item_id": keras.Input((1,), dtype="int32", name="item_id"),
        "cate_id": keras.Input((1,), dtype="int32", name="cate_id"),
        "hist_item_id": keras.Input((length,), dtype="int32", name="hist_item_id"),
        "hist_cate_id": keras.Input((length,), dtype="int32", name="hist_cate_id"),
    }
    items = keras.layers.Embedding(item.vocabulary_size, item.dim)
    cates = keras.layers.Embedding(cate.vocabulary_size, cate.dim)
    join = lambda *parts: keras.layers.Concatenate()(parts)  # noqa: E731
    query = join(items(inputs["item_id"]), cates(inputs["cate_id"]))
    keys = join(items(inputs["hist_item_id"]), cates(inputs["hist_cate_id"]))
    tiled = keras.ops.repeat(query, length, axis=1)
    x = join(tiled, keys, tiled - keys, tiled * keys)
    for units in (80, 40):
        x = keras.layers.Dense(units, activation="sigmoid")(x)
    scores = keras.layers.Dense(1)(x)
    real = keras.ops.expand_dims(inputs["hist_item_id"] != 0, -1)
    weights = keras.ops.softmax(keras.ops.where(real, scores, -1e9), axis=1)
    interest = keras.ops.sum(weights * keys, axis=1)
    x = join(interest, keras.layers.Flatten()(query))
    for units in (80, 40):
        x = keras.layers.Dense(units, activation="sigmoid")(x)
    model = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(x))
    model.compile(keras.optimizers.Adam(1e-3), "binary_crossentropy")
    return model


def padded(dataset, length: int):
    """Batches whose histories are all of one length, as the plain model takes them."""

    def pad(x, y):
        widen = lambda v: tf.pad(v, [[0, 0], [0, length - tf.shape(v)[1]]])  # noqa: E731
        x = {n: widen(v) if n.startswith("hist") else v for n, v in x.items()}
        return {
            n: tf.ensure_shape(v, (None, length)) if n.startswith("hist") else v
            for n, v in x.items()
        }, y

    return dataset.map(pad).prefetch(2)


def by_batch(sizes, seconds: float, users: int) -> pd.DataFrame:
    """Samples a second by batch size, and what share of the floor that is."""
    data, cut = electronics(users=users), electronics(users=users, max_length=100)
    floor = matrix_rate() / operations(mean_history(data), 2 * ITEM)
    lines = []
    for size in sizes:
        keras.backend.clear_session()
        train = data.dataset("train", size, shuffle=True).repeat()
        ours = samples_per_second(our_model(data.spec), train, size, seconds)
        keras.backend.clear_session()
        model = plain_keras_model(cut.spec)
        rows = padded(cut.dataset("train", size, shuffle=True).repeat(), 100)
        plain = samples_per_second(model, rows, size, seconds)
        lines.append(
            {
                "batch": size,
                "ours, never cut": ours,
                "floor": floor,
                "share of floor": ours / floor,
                "plain Keras 3, cut at 100": plain,
                "ratio": ours / plain,
            }
        )
        print(lines[-1], flush=True)
    return pd.DataFrame(lines)


def by_vocabulary(sizes, seconds: float, users: int) -> pd.DataFrame:
    """Milliseconds a step as the table of items grows: batch 1024, histories cut at 20, dim 32."""
    lines = []
    for items in sizes:
        keras.backend.clear_session()
        data = electronics(users=users, items=items, dim=32, max_length=20)
        train = data.dataset("train", 1024, shuffle=True).repeat()
        line = {"items": items}
        ours = samples_per_second(our_model(data.spec), train, 1024, seconds)
        line["ours, LazyAdam"] = 1024e3 / ours
        keras.backend.clear_session()
        model = plain_keras_model(data.spec, 20)
        plain = samples_per_second(model, padded(train, 20), 1024, seconds)
        line["plain Keras 3, Adam"] = 1024e3 / plain
        lines.append(line)
        print(line, flush=True)
    return pd.DataFrame(lines)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer rows, less time each")
    quick = parser.parse_args().quick
    users = 20_000 if quick else 192_403
    seconds = 0.5 if quick else 2.0
    print(
        f"{platform.processor() or platform.machine()}, TensorFlow {tf.__version__}, "
        f"Keras {keras.__version__}"
    )
    batches = by_batch((256, 1024) if quick else (32, 256, 1024, 4096), seconds, users)
    print("\nTraining, samples a second, input pipeline included")
    print(batches.to_string(index=False, float_format="{:,.2f}".format))
    items = (63_001, 1_000_000) if quick else (63_001, 1_000_000, 10_000_000)
    vocabularies = by_vocabulary(items, seconds, users)
    print("\nA step by size of the table of items, ms")
    print(vocabularies.to_string(index=False, float_format="{:,.1f}".format))


if __name__ == "__main__":
    main()
