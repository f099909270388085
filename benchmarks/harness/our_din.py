"""Our DIN on TensorFlow: the time of its steps with the input pipeline, and its export."""

import functools

import keras
import numpy as np
import tensorflow as tf

import keras_din as kd
from harness.electronics import VOCABULARY_SIZES
from harness.memory import peak_memory, resident_memory
from harness.process import task_main
from harness.timing import alternating_seconds_per_step, seconds_per_step, steps_per_execution

VERSIONS = {
    "keras_din": kd.__version__,
    "Keras": keras.__version__,
    "TensorFlow": tf.__version__,
}


def build(spec, steps_per_execution: int = 1) -> keras.Model:
    """Builds and compiles the DIN of all rows."""
    model = kd.build_din(
        spec, attention_units=(80, 40), hidden_units=(80, 40), activation="sigmoid", dropout=0
    )
    model.compile(
        kd.optimizers.LazyAdam(1e-3),
        kd.losses.BinaryCrossentropy(),
        steps_per_execution=steps_per_execution,
    )
    # A first step that makes the optimizer's variables is traced twice.
    model.optimizer.build(model.trainable_variables)
    return model


def train(
    data: str,
    batch_size: int,
    seconds: float,
    shuffle: bool = True,
    by_request: bool = False,
) -> dict:
    """Measures a step of the function that `fit` calls, including the input pipeline.

    Returns:
        A dict with `step` in seconds, `memory` in bytes and `versions`.
    """
    data = kd.data.PreparedData.load(data)
    dataset = data.dataset("train", batch_size, shuffle=shuffle, by_request=by_request)
    batches = iter(dataset.repeat())
    memory_before = resident_memory()
    per_call = steps_per_execution(batch_size)
    model = build(data.spec, per_call)
    model.make_train_function()
    steps = functools.partial(train_steps, model, batches)
    return _measure(steps, seconds, memory_before, per_call)


def train_alternating(
    data: list, batch_size: int, seconds: float, shards: list | None = None
) -> dict:
    """Measures a step on each of some data sets, one model each, in one process and in turn.

    The rows are taken in their order.

    Args:
        data: Folders of prepared data.
        batch_size: Rows per batch.
        seconds: About how long a run takes.
        shards: Number of shards of the tables of each model. Defaults to 1.

    Returns:
        A dict with `steps`, seconds in the order of the data sets, and `versions`.
    """
    functions, per_call = [], steps_per_execution(batch_size)
    for folder, count in zip(data, shards or [1] * len(data), strict=True):
        prepared = kd.data.PreparedData.load(folder)
        batches = iter(prepared.dataset("train", batch_size).repeat())
        model = build(prepared.spec.with_shards(count), per_call)
        model.make_train_function()
        functions.append(functools.partial(train_steps, model, batches))
    taken = alternating_seconds_per_step(functions, seconds)
    return {"steps": [each / per_call for each in taken], "versions": VERSIONS}


def train_steps(model, batches, number: int) -> None:
    """Calls the train function `number` times and waits until the steps are done."""
    for _ in range(number):
        model.train_function(batches)
    model.optimizer.iterations.numpy()


def predict(data: str, batch_size: int, seconds: float, cached_batches: int = 0) -> dict:
    """Measures a call of the function that `predict` calls.

    Args:
        data: Folder of prepared data.
        batch_size: Rows per batch.
        seconds: About how long a run takes.
        cached_batches: With 0 the pipeline makes each batch. Otherwise this number of batches is
            kept in memory and repeated.

    Returns:
        The same as `train`.
    """
    data = kd.data.PreparedData.load(data)
    dataset = data.dataset("train", batch_size, shuffle=True).map(lambda x, y: x)
    if cached_batches:
        dataset = dataset.take(cached_batches).cache()
        sum(1 for _ in dataset)  # The first pass fills the cache.
    batches = iter(dataset.repeat())
    memory_before = resident_memory()
    model = build(data.spec)
    model.make_predict_function()

    def steps(number):
        for _ in range(number):
            result = model.predict_function([(next(batches),)])
        result.numpy()

    return _measure(steps, seconds, memory_before)


def export(folder: str, max_length: int, strings: bool = False) -> dict:
    """Exports an untrained DIN.

    Args:
        folder: Where versions are written.
        max_length: The most behaviors of a history.
        strings: Whether the version takes strings; see `to_string`. Otherwise it takes indices.

    Returns:
        A dict with `version`, the folder of the version.
    """
    features = []
    for name, size in VOCABULARY_SIZES.items():
        if strings:
            values = {"vocabulary": [to_string(name, index) for index in range(2, size)]}
        else:
            values = {"vocabulary_size": size}
        features.append(kd.Categorical(name, dim=64, **values))
    history = kd.Sequence("hist", of=features, max_length=max_length)
    spec = kd.FeatureSpec(target=features, sequences=[history])
    return {"version": str(kd.export(build(spec), spec, folder))}


def to_string(name: str, index: int) -> str:
    """Returns the raw value of an index of a feature: a letter and 9 digits."""
    return f"{name[0]}{index:09d}"


def strings_of(inputs: dict) -> dict:
    """Returns the inputs of a request as strings in place of indices."""
    return {
        name: np.vectorize(lambda index, name=name: to_string(name.removeprefix("hist_"), index))(
            values
        )
        for name, values in inputs.items()
    }


def rank_function(version: str, inputs: dict):
    """Returns a function without arguments that calls the signature `rank` of a version once."""
    loaded = tf.saved_model.load(version)
    tensors = {name: tf.constant(values) for name, values in inputs.items()}
    return lambda: loaded.signatures["rank"](**tensors)["ctr"].numpy()


def _measure(steps, seconds, memory_before, per_call: int = 1) -> dict:
    taken = seconds_per_step(steps, seconds) / per_call
    return {"step": taken, "memory": peak_memory() - memory_before, "versions": VERSIONS}


if __name__ == "__main__":
    task_main(train=train, train_alternating=train_alternating, predict=predict, export=export)
