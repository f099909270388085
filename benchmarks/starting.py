"""What it takes to begin: the import, and the way to the first training step."""

import time

from process import answer


def imports() -> dict:
    """Seconds of `import keras_din` after TensorFlow and Keras, and of these two."""
    start = time.perf_counter()
    import keras  # noqa: F401
    import tensorflow  # noqa: F401

    middle = time.perf_counter()
    import keras_din  # noqa: F401

    return {"before": middle - start, "ours": time.perf_counter() - middle}


def first_step(data: str) -> dict:
    """Seconds from prepared data to the end of the first step of `fit`, as in the demo."""
    import keras

    import keras_din as kd
    from keras_din.cli import demo

    prepared = kd.data.load_kuairand() if data == "kuairand" else kd.data.synthetic_log()
    settings = demo.SETTINGS[data]
    moments = []
    clock = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: moments.append(time.perf_counter())
    )
    start = time.perf_counter()
    model = kd.build_din(prepared.spec, attention_units=[32], **demo.OPTIONS[data])
    optimizer = kd.optimizers.LazyAdam(settings["learning_rate"])
    model.compile(optimizer, kd.losses.BinaryCrossentropy())
    rows = prepared.dataset("train", settings["batch_size"], shuffle=True)
    model.fit(rows, steps_per_epoch=2, verbose=0, shuffle=False, callbacks=[clock])
    return {"seconds": moments[0] - start}


if __name__ == "__main__":
    answer(imports=imports, first_step=first_step)
