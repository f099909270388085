"""The files in the folder of a run."""

import csv
import json
import pathlib

import keras

from keras_din.atomic_write import atomic_file
from keras_din.training.data_fingerprint import fingerprint
from keras_din.version import __version__

RUN, PROGRESS, RESULT = "run.json", "progress.json", "result.json"
SPEC, METRICS, BEST = "spec.json", "metrics.csv", "best.keras"
# Runs of keras_din 0.1 have no format. Layers and arguments had other names then.
_FORMAT = 2


def check_new(folder: pathlib.Path) -> None:
    """Refuses a folder that holds something."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        hint = " Continue it with resume=True." if (folder / RUN).exists() else ""
        raise FileExistsError(f"`folder` must be new or empty. Received: {folder}.{hint}")


def write_run(folder: pathlib.Path, data, arguments: dict, data_folder: str | None) -> None:
    """Makes the folder of a new run: its spec and `run.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SPEC).write_text(data.spec.to_json(), encoding="utf-8")
    content = {
        "format": _FORMAT,
        "arguments": arguments,
        "data": data_folder,
        "fingerprint": fingerprint(data),
        "negative_rate": data.negative_rate,
        "versions": {"keras_din": __version__, "keras": keras.__version__},
    }
    write_json(folder / RUN, content)


def read_run(folder: pathlib.Path) -> dict:
    """The content of `run.json`.

    Raises:
        FileNotFoundError: When `folder` holds no run.
        ValueError: When a version of the library wrote it that this one does not read.
    """
    if not (folder / RUN).is_file():
        raise FileNotFoundError(f"`folder` must be that of a training run. Received: {folder}.")
    content = read_json(folder / RUN)
    if content.get("format") != _FORMAT:
        raise ValueError(
            f"A run must be of format {_FORMAT}. Received: format={content.get('format')!r} in "
            f"{folder}. Without a format it is of keras_din 0.1: train anew in another folder, or "
            "use keras_din 0.1."
        )
    return content


def write_metrics(folder: pathlib.Path, rows: list) -> None:
    """Writes `metrics.csv`: one line per evaluation, with all columns that a row has."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with atomic_file(folder / METRICS) as path, open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


def save_model(model: keras.Model, file: pathlib.Path) -> None:
    """Saves a model as `.keras`."""
    with atomic_file(file) as path:
        model.save(path)


def write_json(file: pathlib.Path, content, indent: int | None = 1) -> None:
    """Writes a JSON file."""
    with atomic_file(file) as path:
        path.write_text(json.dumps(content, indent=indent), encoding="utf-8")


def read_json(file: pathlib.Path, default=None):
    """The content of a JSON file, or `default` where there is none."""
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else default
