"""The last checkpoint of training on servers: a model and how far it was trained."""

import dataclasses
import json
import pathlib

import keras

from keras_din.atomic_write import atomic_file

__all__ = ["Backup", "Position"]

_PROGRESS = "progress.json"


@dataclasses.dataclass
class Position:
    """How far a model was trained.

    Attributes:
        epoch: Number of complete epochs.
        step: Number of complete steps of the current epoch.
        loss: Sum of the losses of the rows in the current epoch.
        rows: Number of these rows.
    """

    epoch: int = 0
    step: int = 0
    loss: float = 0.0
    rows: int = 0


class Backup:
    """A folder with one checkpoint.

    Args:
        folder: The folder, or `None` to keep no checkpoint.
        settings: What must be equal to continue: the data and its batches, as plain values.
    """

    def __init__(self, folder: pathlib.Path | None, settings: dict):
        self._folder, self._settings = folder, settings

    def load(self, model: keras.Model) -> Position:
        """Loads the checkpoint into a model and its optimizer, both built. Returns its position.

        Raises:
            ValueError: If the checkpoint is of other data or batches.
        """
        file = self._folder / _PROGRESS if self._folder is not None else None
        if file is None or not file.is_file():
            return Position()
        found = json.loads(file.read_text(encoding="utf-8"))
        if found["settings"] != self._settings:
            raise ValueError(
                "`backup_dir` must be that of a run with the same data and batches, or a new "
                f"folder. Received: {self._folder} of {found['settings']}, and {self._settings}."
            )
        model.load_weights(file.with_name(found["model"]))
        return Position(**found["position"])

    def save(self, model: keras.Model, position: Position) -> None:
        """Replaces the checkpoint. All steps must have been finished."""
        if self._folder is None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        name = f"epoch-{position.epoch:04d}-step-{position.step:06d}.keras"
        with atomic_file(self._folder / name) as path:
            model.save(path)
        content = {
            "model": name,
            "position": dataclasses.asdict(position),
            "settings": self._settings,
        }
        # Only this write makes the checkpoint valid. Until then the previous one is valid.
        with atomic_file(self._folder / _PROGRESS) as path:
            path.write_text(json.dumps(content, allow_nan=False), encoding="utf-8")
        for old in self._folder.glob("epoch-*.keras"):
            if old.name != name:
                old.unlink()
