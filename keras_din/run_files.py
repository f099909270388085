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
        if part in (result or {}):
            result[part] = _null_as_nan(result[part])
    return result


def read_progress(folder: pathlib.Path) -> dict:
    """Returns the fields of the progress of a run, empty before the first checkpoint."""
    content = read_json(folder / PROGRESS, {})
    if "rows" in content:
        content["rows"] = [_null_as_nan(row, but=("epoch",)) for row in content["rows"]]
    for numbers in content.get("best", {}).values():  # See `Best.state`; the epoch may be null.
        numbers[2:] = [math.nan if number is None else number for number in numbers[2:]]
    return content


def read_updates(folder: pathlib.Path) -> tuple:
    """Returns `(model, spec, days)`: the files of the run's model and spec, and its days.

    A metric that is null is NaN.
    """
    content = read_json(folder / UPDATES, {"model": None, "days": []})
    name = content["model"]
    if name is None:
        return folder / BEST, folder / SPEC, []
    days = [_null_as_nan(day, but=("time_from", "time_to")) for day in content["days"]]
    return folder / f"{name}.keras", folder / f"{name}.json", days


def read_calibration(folder: pathlib.Path, model_file: pathlib.Path) -> dict | None:
    """Returns the calibration of a run's model; `None` if there is none, or of another model.

    A metric that is null is NaN.
    """
    content = read_json(folder / CALIBRATION)
    if content is None or content["of"] != model_file.name:
        return None
    content["metrics"] = {part: _null_as_nan(row) for part, row in content["metrics"].items()}
    return content


def _null_as_nan(values: dict, but: tuple = ()) -> dict:
    """Replaces null by NaN, which JSON does not have, except in the entries `but`."""
    return {
        name: math.nan if value is None and name not in but else value
        for name, value in values.items()
    }
