"""Our DIN on any backend of Keras, on padded batches. It does not import TensorFlow itself.

The batches come from a file of `batch_file.py`. Each step is one of `fit` or `predict`, including
the overhead of Keras, and takes its batch from the memory of the host.
"""

import time
from importlib.metadata import version

import keras
import numpy as np

import keras_din as kd
from harness.batch_file import FEATURES, read
from harness.process import task_main

VERSIONS = {"keras_din": kd.__version__, "Keras": keras.__version__}


class RepeatedBatches(keras.utils.PyDataset):
    """The batches of a file, repeated until there are `steps`."""

    def __init__(self, arrays: dict, steps: int):
        super().__init__()
        self.arrays, self.steps = arrays, steps

    def __len__(self):
        return self.steps

    def __getitem__(self, step):
        i = step % len(self.arrays["label"])
        x = {name: self.arrays[name][i] for name in FEATURES}
        # One candidate per row.
        x = {name: v if name.startswith("hist") else v[:, np.newaxis] for name, v in x.items()}
        return x, self.arrays["label"][i][:, np.newaxis]


class EpochTimer(keras.callbacks.Callback):
    """Records the seconds of each epoch in `taken`."""

    def __init__(self):
        super().__init__()
        self.taken = []

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):  # Keras has read the loss, so the steps are done.
        self.taken.append(time.perf_counter() - self.started)


def build(arrays: dict, dim: int, length: int) -> keras.Model:
    """Builds and compiles the DIN for the vocabularies of a file of batches."""
    item = kd.Categorical("item_id", int(arrays["items"]), dim=dim)
    category = kd.Categorical("cate_id", int(arrays["categories"]), dim=dim)
    history = kd.Sequence("hist", of=[item, category], max_length=length)
    spec = kd.FeatureSpec(target=[item, category], sequences=[history])
    model = kd.build_din(
        spec, attention_units=(80, 40), hidden_units=(80, 40), activation="sigmoid", dropout=0
    )
    model.compile(kd.optimizers.LazyAdam(1e-3), kd.losses.BinaryCrossentropy())
    return model


def train(batches: str, dim: int, steps: int) -> dict:
    """Measures a step of `fit`: the median over three epochs of `steps`, after one that compiles.

    Returns:
        A dict with `step` in seconds and `versions`.
    """
    arrays = read(batches)
    model, timer = build(arrays, dim, arrays["hist_item_id"].shape[2]), EpochTimer()
    model.fit(RepeatedBatches(arrays, steps), epochs=4, shuffle=False, verbose=0, callbacks=[timer])
    return _median(timer.taken[1:], steps)


def predict(batches: str, dim: int, steps: int) -> dict:
    """Measures a step of `predict`, the same way as `train`."""
    arrays = read(batches)
    model, taken = build(arrays, dim, arrays["hist_item_id"].shape[2]), []
    for _ in range(4):
        started = time.perf_counter()
        model.predict(RepeatedBatches(arrays, steps), verbose=0)
        taken.append(time.perf_counter() - started)
    return _median(taken[1:], steps)


def _median(taken: list, steps: int) -> dict:
    backend = keras.backend.backend()
    versions = VERSIONS | {{"jax": "JAX", "torch": "PyTorch"}[backend]: version(backend)}
    return {"step": float(np.median(taken)) / steps, "versions": versions}


if __name__ == "__main__":
    task_main(train=train, predict=predict)
