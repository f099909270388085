"""Our DIN on any backend of Keras, padded, as JAX and PyTorch have it: no TensorFlow is imported.

Batches come from the file that `batches.py` writes. Every step is one of `fit` or `predict`, with
what Keras does around it, and takes its batch from the memory of the host.
"""

import time
from importlib.metadata import version

import keras
import numpy as np
from peers.peer import FEATURES, read
from process import answer

import keras_din as kd

VERSIONS = {"keras_din": kd.__version__, "Keras": keras.__version__}


class Batches(keras.utils.PyDataset):
    """Ready batches, the same again until there are `steps`."""

    def __init__(self, arrays: dict, steps: int):
        super().__init__()
        self.arrays, self.steps = arrays, steps

    def __len__(self):
        return self.steps

    def __getitem__(self, step):
        i = step % len(self.arrays["label"])
        x = {name: self.arrays[name][i] for name in FEATURES}
        # A candidate a row.
        x = {name: v if name.startswith("hist") else v[:, np.newaxis] for name, v in x.items()}
        return x, self.arrays["label"][i][:, np.newaxis]


class Clock(keras.callbacks.Callback):
    """Seconds of each epoch, or of each pass of `predict`."""

    def __init__(self):
        super().__init__()
        self.taken = []

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):  # Keras has read the loss: the steps are done.
        self.taken.append(time.perf_counter() - self.started)


def din(arrays: dict, dim: int, length: int) -> keras.Model:
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
    """The median time of a step over three epochs of so many, after one that compiles."""
    arrays = read(batches)
    model, clock = din(arrays, dim, arrays["hist_item_id"].shape[2]), Clock()
    model.fit(Batches(arrays, steps), epochs=4, shuffle=False, verbose=0, callbacks=[clock])
    return measured(clock.taken[1:], steps)


def predict(batches: str, dim: int, steps: int) -> dict:
    """Likewise, of `predict`."""
    arrays = read(batches)
    model, taken = din(arrays, dim, arrays["hist_item_id"].shape[2]), []
    for _ in range(4):
        started = time.perf_counter()
        model.predict(Batches(arrays, steps), verbose=0)
        taken.append(time.perf_counter() - started)
    return measured(taken[1:], steps)


def measured(taken: list, steps: int) -> dict:
    backend = keras.backend.backend()
    versions = VERSIONS | {{"jax": "JAX", "torch": "PyTorch"}[backend]: version(backend)}
    return {"step": float(np.median(taken)) / steps, "versions": versions}


if __name__ == "__main__":
    answer(train=train, predict=predict)
