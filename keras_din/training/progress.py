"""The progress of a run, written together with a checkpoint of its model."""

import dataclasses
import pathlib

import keras
import numpy as np

from keras_din.atomic_write import atomic_file
from keras_din.monitor import Best
from keras_din.training.run_folder import PROGRESS, read_json, save_model, write_json


@dataclasses.dataclass
class Progress:
    """All that a run must remember, besides its model, to resume.

    Attributes:
        epochs: Number of complete epochs.
        steps: Number of steps of the epoch that has begun.
        rows: The evaluations so far, as in `Evaluation.history`.
        best: The numbers of `Best.state()`.
        running_loss: `[total, count]` of Keras' mean loss in the epoch that has begun.
        checkpoint: Name of the file of the model, `None` before the first one.
        random: The states of the random numbers of dropout, which Keras does not save.
    """

    epochs: int = 0
    steps: int = 0
    rows: list = dataclasses.field(default_factory=list)
    best: dict = dataclasses.field(default_factory=dict)
    running_loss: list | None = None
    checkpoint: str | None = None
    random: list = dataclasses.field(default_factory=list)


def read_progress(folder: pathlib.Path) -> Progress:
    """The progress of the run in a folder, that of a new run before its first checkpoint."""
    return Progress(**read_json(folder / PROGRESS, {}))


def write_checkpoint(folder: pathlib.Path, model: keras.Model, progress: Progress, best) -> None:
    """Writes the model and the progress. A run that is killed later resumes from here.

    Args:
        folder: The folder of the run.
        model: The model in training.
        progress: Its progress. `best`, `checkpoint` and `random` are set here.
        best: The `Best` so far, or `None` without validation.
    """
    name = f"epoch-{progress.epochs:04d}"
    if progress.steps:
        name += f"-step-{progress.steps:06d}"
    save_model(model, folder / f"{name}.keras")
    progress.best, arrays = best.state() if best is not None else ({}, {})
    if arrays:
        with atomic_file(folder / f"{name}.npz") as path:
            np.savez(path, **arrays)
    progress.checkpoint = f"{name}.keras"
    progress.random = [
        keras.ops.convert_to_numpy(state).tolist() for state in _random_states(model)
    ]
    # This write alone moves the run on. Until it succeeds the checkpoint before counts.
    write_json(folder / PROGRESS, dataclasses.asdict(progress), indent=None)
    for old in folder.glob("epoch-*"):
        if old.suffix in (".keras", ".npz") and old.stem != name:
            old.unlink()


def load_checkpoint(folder: pathlib.Path, progress: Progress) -> keras.Model:
    """The model of the checkpoint, with its optimizer and random states."""
    assert progress.checkpoint is not None, "there is no checkpoint"
    model = keras.saving.load_model(folder / progress.checkpoint)
    for variable, state in zip(_random_states(model), progress.random, strict=True):
        variable.assign(state)
    return model


def restore_best(folder: pathlib.Path, progress: Progress, best: Best) -> None:
    """Sets `best` to the best evaluation up to the checkpoint, if there is one."""
    if progress.checkpoint is None:
        return
    arrays, file = {}, (folder / progress.checkpoint).with_suffix(".npz")
    if file.is_file():
        with np.load(file) as content:
            arrays = dict(content)
    best.restore(progress.best, arrays)


def _random_states(model) -> list:
    return [v for v in model.variables if v.path.endswith("seed_generator_state")]
