"""The files in the folder of a run."""

import csv
import json
import pathlib
import tempfile

import keras

from keras_din.atomic_write import atomic_file
from keras_din.checks import json_values
from keras_din.losses.of_labels import CROSSENTROPY
from keras_din.run_files import (
    BEST,
    CALIBRATION,
    FORMAT,
    METRICS,
    PROGRESS,
    RESULT,
    RUN,
    SPEC,
    UPDATES,
    UPDATES_TABLE,
    read_calibration,
    read_json,
    read_result,
    read_updates,
)
from keras_din.version import __version__
from keras_din.workers import is_chief

__all__ = [
    "BEST",
    "CALIBRATION",
    "METRICS",
    "PROGRESS",
    "RESULT",
    "RUN",
    "SPEC",
    "UPDATES",
    "check_has_result",
    "check_new",
    "read_calibration",
    "read_json",
    "read_result",
    "read_run",
    "read_updates",
    "save_model",
    "save_spec",
    "write_json",
    "write_metrics",
    "write_run",
    "write_updates",
]


def check_new(folder: pathlib.Path) -> None:
    """Raises a `FileExistsError` if a folder is not empty."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        hint = " Pass resume=True to continue this run." if (folder / RUN).exists() else ""
        raise FileExistsError(f"`folder` must be new or empty. Received: {folder}.{hint}")


def write_run(
    folder: pathlib.Path, data, found: str, arguments: dict, data_folder: str | None
) -> None:
    """Creates the folder of a new run with its spec and `run.json`. `found` is the fingerprint."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SPEC).write_text(data.spec.to_json(), encoding="utf-8")
    content = {
        "format": FORMAT,
        "arguments": arguments,
        "data": data_folder,
        "fingerprint": found,
        "negative_rate": data.negative_rate,
        "versions": {"keras_din": __version__, "keras": keras.__version__},
    }
    write_json(folder / RUN, content)


def read_run(folder: pathlib.Path) -> dict:
    """Returns the content of `run.json`.

    Raises:
        FileNotFoundError: If the folder has no run.
        ValueError: If the run has another format.
    """
    if not (folder / RUN).is_file():
        raise FileNotFoundError(f"`folder` must be the folder of a run. Received: {folder}.")
    content = read_json(folder / RUN)
    if content.get("format") != FORMAT:
        raise ValueError(
            f"A run must have the format {FORMAT}. Received: format={content.get('format')!r} in "
            f"{folder}. A run without a format is of keras_din 0.1: train a new run in another "
            "folder, or use keras_din 0.1."
        )
    # Runs that were made before these arguments have their defaults.
    content["arguments"] = {"loss": CROSSENTROPY, "loss_weight": 1.0} | content["arguments"]
    return content


def write_metrics(folder: pathlib.Path, rows: list) -> None:
    """Writes `metrics.csv`: one line per evaluation, with the columns of all evaluations."""
    _write_table(folder / METRICS, rows)


def _write_table(file: pathlib.Path, rows: list) -> None:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with atomic_file(file) as path, open(path, "w", newline="") as stream:
        writer = csv.DictWriter(stream, columns)
        writer.writeheader()
        writer.writerows(rows)


def write_updates(folder: pathlib.Path, days: list) -> None:
    """Writes `updates.csv`: one line per day that a run was updated with."""
    rows = []
    for day in days:
        row: dict = {}
        for name, value in day.items():
            names = (
                {f"{name}_{key}": v for key, v in value.items()}
                if isinstance(value, dict)
                else {name: value}
            )
            row |= names
        rows.append(row)
    _write_table(folder / UPDATES_TABLE, rows)


def check_has_result(folder: pathlib.Path) -> None:
    """Raises a `ValueError` if the training of a run has not ended."""
    if not (folder / RESULT).is_file():
        raise ValueError(
            "The training of the run must have ended. Received: a run that was interrupted in "
            f"{folder}. Pass resume=True to `train` (on the command line `--resume`) to end it."
        )


def save_spec(spec, file: pathlib.Path) -> None:
    """Writes a spec."""
    with atomic_file(file) as path:
        path.write_text(spec.to_json(), encoding="utf-8")


def save_model(model: keras.Model, file: pathlib.Path) -> None:
    """Saves a model as `.keras`. Of several workers all must call it, and only the chief writes."""
    if is_chief():
        with atomic_file(file) as path:
            model.save(path)
        return
    # Saving creates variables, and their values are sent to all workers.
    with tempfile.TemporaryDirectory() as folder:
        model.save(pathlib.Path(folder) / file.name)


def write_json(file: pathlib.Path, content, indent: int | None = 1) -> None:
    """Writes a JSON file. NaN and infinity, which JSON does not have, become null."""
    content = json_values(file.name, content, nulls=True)
    with atomic_file(file) as path:
        path.write_text(json.dumps(content, indent=indent, allow_nan=False), encoding="utf-8")
