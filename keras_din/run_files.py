"""The names of the files in the folder of a run, and their JSON. It needs no package."""

import json
import math
import pathlib

RUN, PROGRESS, RESULT = "run.json", "progress.json", "result.json"
SPEC, METRICS, BEST = "spec.json", "metrics.csv", "best.keras"
UPDATES, UPDATES_TABLE = "updates.json", "updates.csv"
CALIBRATION = "calibration.json"
# Runs of keras_din 0.1 have no format. Their layers and arguments have other names.
FORMAT = 2


def read_json(file: pathlib.Path, default=None):
    """Returns the content of a JSON file, or `default` if there is no file."""
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else default


def read_result(folder: pathlib.Path) -> dict | None:
    """Returns the result of a run, `None` if it has none. A metric that is null is NaN."""
    result = read_json(folder / RESULT)
    for part in ("train", "valid", "test"):
        metrics = (result or {}).get(part, {})
        metrics.update({name: math.nan for name, value in metrics.items() if value is None})
    return result


def read_updates(folder: pathlib.Path) -> tuple:
    """Returns `(model, spec, days)`: the files of the run's model and spec, and its days."""
    content = read_json(folder / UPDATES, {"model": None, "days": []})
    name = content["model"]
    if name is None:
        return folder / BEST, folder / SPEC, []
    return folder / f"{name}.keras", folder / f"{name}.json", content["days"]


def read_calibration(folder: pathlib.Path, model_file: pathlib.Path) -> dict | None:
    """Returns the calibration of a run's model; `None` if there is none, or of another model."""
    content = read_json(folder / CALIBRATION)
    return content if content is not None and content["of"] == model_file.name else None
