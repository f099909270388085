"""input: what the input pipeline costs a training step, its processor time included.

The step of `fit` on 64 batches that the pipeline makes at the same time, and on the same batches
ready in memory, in turn. Waiting is the median time that a step waits for its batch.
"""

import time

import numpy as np
from harness.process import run_task, task_main
from harness.table import Line

BATCHES = 64


def lines(runner):
    data, _ = runner.data("electronics", **({"users": 20_000} if runner.quick else {}))
    for size in (1024,) if runner.quick else (32, 1024):
        options = {"data": data, "batch_size": size, "seconds": runner.seconds}
        taken = run_task("rows.input", "steps", **options)
        share = taken["waiting"] / taken["with_pipeline"]
        result = f"{1e3 * taken['ready']:.2f} on ready batches; {share:.0%} of it waits for a batch"
        step = f"{1e3 * taken['with_pipeline']:.2f}"
        yield Line("input", f"batch {size}, ms per step", step, result=result)


def steps(data: str, batch_size: int, seconds: float) -> dict:
    """Measures seconds per step.

    Returns:
        A dict with `with_pipeline`, `ready` and `waiting`.
    """
    import tensorflow as tf
    from harness.our_din import build, train_steps
    from harness.timing import alternating_seconds_per_step, seconds_per_step

    from keras_din.data import PreparedData, dataset

    data = PreparedData.load(data)
    model = build(data.spec)
    model.make_train_function()
    samples = data.parts["train"]
    drawn = np.random.default_rng(0).permutation(len(samples))[: BATCHES * batch_size]
    batches = dataset(data.spec, data.behaviors, samples[drawn], batch_size)
    made, ready = iter(batches.repeat()), iter(batches.cache().repeat())
    for _ in range(BATCHES):  # The first pass fills the cache.
        next(ready)

    def train_on(batches):
        return lambda number: train_steps(model, batches, number)

    train_on(made)(BATCHES)
    functions = [train_on(made), train_on(ready)]
    with_pipeline, on_ready = alternating_seconds_per_step(functions, seconds, 3)

    step = tf.function(model.train_step, reduce_retracing=True)
    waits = []

    def train_and_wait(number):
        for _ in range(number):
            start = time.perf_counter()
            batch = next(made)
            waits.append(time.perf_counter() - start)
            step(batch)
        model.optimizer.iterations.numpy()

    seconds_per_step(train_and_wait, seconds)
    waiting = float(np.median(waits))
    return {"with_pipeline": with_pipeline, "ready": on_ready, "waiting": waiting}


if __name__ == "__main__":
    task_main(steps=steps)
