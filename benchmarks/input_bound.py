"""What the input costs a training step: the pipeline that runs beside it, and waiting for it.

    python benchmarks/input_bound.py
    python benchmarks/input_bound.py --quick

The step of `fit` on 64 batches made as it goes, against the same step on the same batches that
stand ready in memory: the difference is all that the pipeline costs, its processor time included. A
step waits for input while it asks for the next batch: that is timed apart, step by step.
"""

import argparse
import sys
import tempfile
import time

import numpy as np
from measuring import seconds_a_step, seconds_in_turn
from process import answer, ask

READY = 64


def steps(data: str, batch_size: int, seconds: float) -> dict:
    """Seconds a step: with the pipeline, on ready batches, of the pipeline alone, and waiting."""
    import tensorflow as tf
    from ours import din

    from keras_din.data import PreparedData, dataset

    data = PreparedData.load(data)
    model = din(data.spec)
    model.make_train_function()
    samples = data.parts["train"]
    any_of_them = np.random.default_rng(0).permutation(len(samples))[: READY * batch_size]
    samples = samples[any_of_them]
    batches = dataset(data.spec, data.behaviors, samples, batch_size)
    made, ready = iter(batches.repeat()), iter(batches.cache().repeat())
    for _ in range(READY):  # The first round fills the cache.
        next(ready)

    def train_on(rows):
        def run(number):
            for _ in range(number):
                model.train_function(rows)
            model.optimizer.iterations.numpy()

        return run

    def only_make(number):
        for _ in range(number):
            next(made)

    step = tf.function(model.train_step, reduce_retracing=True)
    waits = []

    def train_and_wait(number):
        for _ in range(number):
            start = time.perf_counter()
            batch = next(made)
            waits.append(time.perf_counter() - start)
            step(batch)
        model.optimizer.iterations.numpy()

    train_on(made)(READY)
    in_turn = [train_on(rows) for rows in (made, ready)]
    with_pipeline, on_ready = seconds_in_turn(in_turn, seconds, 3)
    alone = seconds_a_step(only_make, seconds)
    seconds_a_step(train_and_wait, seconds)
    return {
        "with pipeline": with_pipeline,
        "on ready batches": on_ready,
        "pipeline alone": alone,
        "waiting": float(np.median(waits)),
    }


def measure(quick: bool = False) -> list:
    """The rows of the benchmark: milliseconds a step by batch size, and the input's share."""
    lines = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = f"{scratch}/data"
        options = {"users": 20_000} if quick else {}
        ask("electronics", "save", kind="electronics", folder=folder, **options)
        for size in (1024,) if quick else (32, 1024):
            found = ask(
                "input_bound", "steps", data=folder, batch_size=size, seconds=0.4 if quick else 1.5
            )
            line = {"batch": size} | {f"{name}, ms": 1e3 * each for name, each in found.items()}
            line["input's share"] = 1 - found["on ready batches"] / found["with pipeline"]
            line["share of waiting"] = found["waiting"] / found["with pipeline"]
            lines.append(line)
    return lines


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one batch size, short runs")
    for line in measure(parser.parse_args().quick):
        print(", ".join(f"{n}: {v if isinstance(v, int) else f'{v:.3f}'}" for n, v in line.items()))


if __name__ == "__main__":
    # A process of `ask` is told its task in JSON.
    if sys.argv[1:] and sys.argv[1].startswith("{"):
        answer(steps=steps)
    else:
        main()
