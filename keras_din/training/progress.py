"""The progress of a run: written at each checkpoint, read to continue after a kill."""

import dataclasses
import pathlib

import keras
import numpy as np

from keras_din import run_files
from keras_din.atomic_write import atomic_file
from keras_din.monitor import Best
from keras_din.training.run_folder import PROGRESS, save_model, write_json
from keras_din.workers import is_chief


@dataclasses.dataclass
class Progress:
    """The state of a run besides its model.

    Attributes:
        epochs: Number of complete epochs.
        steps: Number of complete steps of the current epoch.
        rows: The evaluations, see `Evaluation.history`.
        best: The numbers of `Best.state()`.
        running_loss: `[total, count]` of the mean loss of Keras in the current epoch.
        checkpoint: Name of the model's file, `None` before the first checkpoint.
        random: The states of the random generators of dropout, which Keras does not save.
        seconds: Time of training and its evaluations until the checkpoint.
        workers: Number of workers with rows of their own; 1 if all have the same rows.
    """

    epochs: int = 0
    steps: int = 0
    rows: list = dataclasses.field(default_factory=list)
    best: dict = dataclasses.field(default_factory=dict)
    running_loss: list | None = None
    checkpoint: str | None = None
    random: list = dataclasses.field(default_factory=list)
    seconds: float = 0.0
    workers: int = 1


def read_progress(folder: pathlib.Path) -> Progress:
    """Reads the progress of a run. Before the first checkpoint it is that of a new run."""
    return Progress(**run_files.read_progress(folder))


def write_checkpoint(folder: pathlib.Path, model: keras.Model, progress: Progress, best) -> None:
    """Writes the model and the progress. A run that is killed later resumes from this point.

    Of several workers all must call it, and only the chief writes.

    Args:
        folder: The folder of the run.
        model: The model in training.
        progress: Its progress. This function sets `best`, `checkpoint` and `random`.
        best: The `Best` evaluation, or `None` without validation.
    """
    name = f"epoch-{progress.epochs:04d}"
    if progress.steps:
        name += f"-step-{progress.steps:06d}"
    save_model(model, folder / f"{name}.keras")
    if not is_chief():
        return
    progress.best, arrays = best.state() if best is not None else ({}, {})
    if arrays:
        with atomic_file(folder / f"{name}.npz") as path:
            np.savez(path, **arrays)
    progress.checkpoint = f"{name}.keras"
    progress.random = [keras.ops.convert_to_numpy(state).tolist() for state in random_states(model)]
    # Only this write makes the checkpoint valid. Until then the previous checkpoint is valid.
    write_json(folder / PROGRESS, dataclasses.asdict(progress), indent=None)
    for old in folder.glob("epoch-*"):
        if old.suffix in (".keras", ".npz") and old.stem != name:
            old.unlink()


def load_checkpoint(folder: pathlib.Path, progress: Progress) -> keras.Model:
    """Loads the model of the checkpoint, with its optimizer and random states."""
    assert progress.checkpoint is not None, "there is no checkpoint"
    model = keras.saving.load_model(folder / progress.checkpoint)
    for variable, state in zip(random_states(model), progress.random, strict=True):
        variable.assign(state)
    return model


def restore_best(folder: pathlib.Path, progress: Progress, best: Best) -> None:
    """Sets `best` to the best evaluation before the checkpoint, if there is a checkpoint."""
    if progress.checkpoint is None:
        return
    arrays, file = {}, (folder / progress.checkpoint).with_suffix(".npz")
    if file.is_file():
        with np.load(file) as content:
            arrays = dict(content)
    best.restore(progress.best, arrays)


def random_states(model) -> list:
    """Returns the variables of the random generators of dropout, which Keras does not save."""
    return [v for v in model.variables if v.path.endswith("seed_generator_state")]
