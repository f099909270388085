"""Our side: the model, and the time of its steps with the input pipeline that feeds them."""

import functools

import keras
import tensorflow as tf
from measuring import memory, peak_memory, seconds_a_step, seconds_in_turn, steps_a_call
from process import answer

import keras_din as kd

VERSIONS = {
    "keras_din": kd.__version__,
    "Keras": keras.__version__,
    "TensorFlow": tf.__version__,
}


def din(spec, steps: int = 1) -> keras.Model:
    """The DIN of all rows, ready to train."""
    model = kd.build_din(
        spec, attention_units=(80, 40), hidden_units=(80, 40), activation="sigmoid", dropout=0
    )
    model.compile(
        kd.optimizers.LazyAdam(1e-3),
        kd.losses.BinaryCrossentropy(),
        steps_per_execution=steps,
    )
    # Before the first step, which is traced twice when it makes the optimizer's variables.
    model.optimizer.build(model.trainable_variables)
    return model


def train(
    data: str,
    batch_size: int,
    seconds: float,
    shuffle: bool = True,
    by_request: bool = False,
) -> dict:
    """The time of a step of the function that `fit` calls, on batches made as it goes."""
    data = kd.data.PreparedData.load(data)
    dataset = data.dataset("train", batch_size, shuffle=shuffle, by_request=by_request)
    rows = iter(dataset.repeat())
    before = memory()
    at_once = steps_a_call(batch_size)
    model = din(data.spec, at_once)
    model.make_train_function()
    return _measured(functools.partial(_train_steps, model, rows), seconds, before, at_once)


def train_in_turn(data: list, batch_size: int, seconds: float) -> dict:
    """The time of a step on each of some data sets, a model each, all in one process and in turn.

    `"steps"` is in the order of the data, whose rows are taken as they stand.
    """
    trainers, at_once = [], steps_a_call(batch_size)
    for folder in data:
        each = kd.data.PreparedData.load(folder)
        rows = iter(each.dataset("train", batch_size).repeat())
        model = din(each.spec, at_once)
        model.make_train_function()
        trainers.append(functools.partial(_train_steps, model, rows))
    taken = seconds_in_turn(trainers, seconds)
    return {"steps": [each / at_once for each in taken], "versions": VERSIONS}


def _train_steps(model, rows, number):
    for _ in range(number):
        model.train_function(rows)
    model.optimizer.iterations.numpy()


def predict(data: str, batch_size: int, seconds: float, ready: int = 0) -> dict:
    """The time of a call of the function that `predict` calls.

    On batches made as it goes, or on so many that are `ready` in memory, round and round.
    """
    data = kd.data.PreparedData.load(data)
    batches = data.dataset("train", batch_size, shuffle=True).map(lambda x, y: x)
    if ready:
        batches = batches.take(ready).cache()
        sum(1 for _ in batches)  # Which fills it.
    rows = iter(batches.repeat())
    before = memory()
    model = din(data.spec)
    model.make_predict_function()

    def steps(number):
        for _ in range(number):
            result = model.predict_function([(next(rows),)])
        result.numpy()

    return _measured(steps, seconds, before)


def _measured(steps, seconds, before, at_once: int = 1) -> dict:
    taken = seconds_a_step(steps, seconds) / at_once
    return {"step": taken, "memory": peak_memory() - before, "versions": VERSIONS}


if __name__ == "__main__":
    answer(train=train, train_in_turn=train_in_turn, predict=predict)
