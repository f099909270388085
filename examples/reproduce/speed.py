"""The speed of training: some steps of a run, timed after a warm-up."""

import json
import time

import keras

from examples.reproduce.running import Job, data_of
from keras_din.training import load_run

_WARM_UP, _TIMED = 5, 50
_FILE = "speed.json"


class _StepTimer(keras.callbacks.Callback):
    """Records the time when training begins and when each step ends."""

    def __init__(self):
        super().__init__()
        self.times = []

    def on_train_begin(self, logs=None):
        self.times.append(time.perf_counter())

    def on_train_batch_end(self, batch, logs=None):
        self.times.append(time.perf_counter())


def speed(job: Job, setting: dict, measure: bool) -> dict:
    """Returns `samples/s` and `s/epoch` of a run, or an empty dict.

    It is empty for a model without training steps, and if the speed was never measured.
    """
    if job.entry.settings is not None:
        return {}
    file = job.at(setting) / _FILE
    if not measure:
        return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    data = data_of(job)
    training = job.source.training
    batches = data.dataset(
        "train",
        training["batch_size"],
        shuffle=True,
        by_request=training.get("by_request", False),
    )
    steps = min(_WARM_UP + _TIMED, int(batches.cardinality()) - 1)  # The last batch may be smaller.
    timer = _StepTimer()
    keras.backend.clear_session()
    model = load_run(job.at(setting)).model
    model.fit(batches.take(steps), shuffle=False, verbose=0, callbacks=[timer])
    warm = min(_WARM_UP, steps // 2)
    seconds = (timer.times[-1] - timer.times[warm]) / (steps - warm)
    rows = len(data.parts["train"])
    epoch = seconds * int(batches.cardinality())
    result = {"samples/s": rows / epoch, "s/epoch": epoch}
    file.write_text(json.dumps(result), encoding="utf-8")
    return result
