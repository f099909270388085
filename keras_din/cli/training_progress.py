"""`TrainingProgress`: the steps and the loss of `fit` in the line of a phase."""

import time
from collections.abc import Callable

import keras

_OFTEN = 0.1  # Seconds between two texts, because reading the loss waits for the device.


class TrainingProgress(keras.callbacks.Callback):
    """Callback that shows the epoch, the step and the mean loss of training.

    Args:
        show: The function that `keras_din.cli.phases.phase` returns.
    """

    def __init__(self, show: Callable[[str], None]):
        super().__init__()
        self.show = show
        self.epoch, self.shown = 0, 0.0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch + 1

    def on_train_batch_end(self, batch, logs=None):
        now = time.monotonic()
        if now - self.shown < _OFTEN:
            return
        self.shown = now
        self._show(batch + 1, logs)

    def on_epoch_end(self, epoch, logs=None):
        self._show(None, logs)

    def _show(self, step: int | None, logs) -> None:
        text = f": epoch {self.epoch} of {self.params['epochs']}"
        if step is not None:
            steps = self.params.get("steps")
            text += f", step {step:,}" + ("" if steps is None else f" of {steps:,}")
        if logs and "loss" in logs:
            text += f", loss {float(logs['loss']):.4f}"
        self.show(text)
