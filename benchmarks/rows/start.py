"""start: seconds that `import keras_din` adds, and seconds to the first training step.

The import is timed after those of TensorFlow and Keras, in fresh processes; the figure is their
median. The first step is timed on the demo's data, prepared, in a fresh process after the imports:
from building the model to the end of the first step of `fit`.
"""

import statistics
import time

from harness.process import run_task, task_main
from harness.table import Line

MAX_IMPORT_SECONDS, MAX_FIRST_STEP_SECONDS = 0.3, 5


def lines(runner):
    results = [run_task("rows.start", "imports") for _ in range(1 if runner.quick else 5)]
    ours = statistics.median(result["keras_din"] for result in results)
    others = statistics.median(result["others"] for result in results)
    yield Line(
        "start",
        "import keras_din, s",
        f"{ours:.2f}",
        result=f"after {others:.1f} of TensorFlow and Keras",
        goal=f"under {MAX_IMPORT_SECONDS} s",
        met=ours < MAX_IMPORT_SECONDS,
    )
    for data in [] if runner.quick else ["kuairand", "synthetic"]:
        taken = run_task("rows.start", "first_step", data=data)["seconds"]
        yield Line(
            "start",
            f"first step, {data}, s",
            f"{taken:.1f}",
            goal=f"under {MAX_FIRST_STEP_SECONDS} s",
            met=taken < MAX_FIRST_STEP_SECONDS,
        )


def imports() -> dict:
    """Measures the seconds of the imports: `others`, TensorFlow and Keras, then `keras_din`."""
    start = time.perf_counter()
    import keras  # noqa: F401
    import tensorflow  # noqa: F401

    middle = time.perf_counter()
    import keras_din  # noqa: F401

    return {"others": middle - start, "keras_din": time.perf_counter() - middle}


def first_step(data: str) -> dict:
    """Measures the `seconds` from prepared data to the end of the first step of `fit`."""
    import keras

    import keras_din as kd
    from keras_din.cli import demo

    prepared = kd.data.load_kuairand() if data == "kuairand" else kd.data.synthetic_log()
    settings = {"learning_rate": 1e-3, "batch_size": 1024} | demo.SETTINGS[data]
    ends = []
    timer = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: ends.append(time.perf_counter())
    )
    start = time.perf_counter()
    model = kd.build_din(prepared.spec, attention_units=[32], **demo.OPTIONS[data])
    optimizer = kd.optimizers.LazyAdam(settings["learning_rate"])
    model.compile(optimizer, kd.losses.BinaryCrossentropy())
    rows = prepared.dataset("train", settings["batch_size"], shuffle=True)
    model.fit(rows, steps_per_epoch=2, verbose=0, shuffle=False, callbacks=[timer])
    return {"seconds": ends[0] - start}


if __name__ == "__main__":
    task_main(imports=imports, first_step=first_step)
