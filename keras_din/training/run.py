"""`Run`, and functions that read a run from its folder."""

import os
import pathlib
from typing import NamedTuple

import keras

from keras_din.checks import local_path
from keras_din.click_rates import ClickRates, click_rates
from keras_din.features import FeatureSpec
from keras_din.html_table import html_table
from keras_din.spec_fingerprint import check_fingerprint
from keras_din.training.run_folder import (
    read_calibration,
    read_result,
    read_run,
    read_updates,
)


class Run(NamedTuple):
    """A finished run.

    Attributes:
        folder: The folder of the run.
        model: The model with the best weights; with its calibration if the run is calibrated.
        spec: The `FeatureSpec`.
        result: A dict, name of the part -> metrics of the best weights. It also has `best_step`,
            `prior_strength` for the model `"popularity"`, `days` after `update`, and `calibration`
            if the run is calibrated. The metrics are then those of the calibrated model.

    Example:

    ```python
    from keras_din.training import Run, train

    data = kd.data.synthetic_log(20, 8, interests=2, categories=4, held_out=1, dim=2)
    run = train(data, "runs/popularity", model="popularity", verbose=0)
    isinstance(run, Run), run.result["test"]["logloss"], run.model.name
    ```
    """

    folder: pathlib.Path
    model: keras.Model
    spec: FeatureSpec
    result: dict

    def _repr_html_(self) -> str:
        parts = [part for part in ("valid", "test") if part in self.result]
        names = dict.fromkeys(name for part in parts for name in self.result[part])
        rows = [(name, *(self.result[part].get(name, "") for part in parts)) for name in names]
        title = f"Run of {self.model.name} in {self.folder}"
        return html_table(title, ("metric", *parts), rows)

    @property
    def days(self) -> list:
        """The metrics of each day that the run has learned from by `update`, before it did."""
        return self.result.get("days", [])


def load_run(folder: str | os.PathLike, *, calibrated: bool = True) -> Run:
    """Loads a run with its best model, or the model of its last update.

    The result is empty before the end of training.

    Args:
        folder: The folder of the run.
        calibrated: Whether the model has the calibration of the run, if there is one.

    Raises:
        FileNotFoundError: If the folder has no run, or the run has no model yet.
        ValueError: If keras_din 0.1 wrote the run, or the spec in the folder differs from the spec
            of the model.

    Example:

    ```python
    from keras_din.training import load_run, train

    data = kd.data.synthetic_log(20, 8, interests=2, categories=4, held_out=1, dim=2)
    run = train(data, "runs/popularity", model="popularity", verbose=0)
    load_run("runs/popularity").model.predict(data.dataset("test"), verbose=0)
    ```
    """
    folder = local_path("folder", folder)
    read_run(folder)
    while True:
        updates = read_updates(folder)
        calibration = read_calibration(folder, updates[0]) if calibrated else None
        try:
            return _load_run(folder, updates, calibration)
        except (FileNotFoundError, ValueError):
            # An update or calibration that ends at the same time removes the model before it: read
            # the new one.
            if read_updates(folder) == updates and (
                not calibrated or read_calibration(folder, updates[0]) == calibration
            ):
                raise


def _load_run(folder: pathlib.Path, updates: tuple, calibration: dict | None) -> Run:
    """Loads the model and the spec of a run."""
    model_file, spec_file, days = updates
    if calibration is not None:
        model_file = folder / calibration["model"]
    if not model_file.is_file():
        raise FileNotFoundError(
            f"The run must have finished an evaluation. Received: {folder}, without "
            f"{model_file.name}."
        )
    spec = FeatureSpec.from_json(spec_file.read_text(encoding="utf-8"))
    model = keras.saving.load_model(model_file)
    check_fingerprint(model, spec, f"{spec_file}")
    result = (read_result(folder) or {}) | ({"days": days} if days else {})
    if days and "label_weights" in days[-1]:
        result["label_weights"] = days[-1]["label_weights"]
    if calibration is not None:
        facts = {name: value for name, value in calibration.items() if name != "metrics"}
        result |= calibration["metrics"] | {"calibration": facts}
    return Run(folder, model, spec, result)


def read_days(folder: str | os.PathLike) -> list:
    """Reads the metrics of each day that a run has learned from by `update`.

    Args:
        folder: The folder of the run.

    Returns:
        A list with one dict per day, the oldest first. Empty before the first `update`.

    Raises:
        FileNotFoundError: If the folder has no run.

    Example:

    ```python
    from keras_din.training import read_days, train

    data = kd.data.synthetic_log(20, 8, interests=2, categories=4, held_out=1, dim=2)
    run = train(data, "runs/popularity", model="popularity", verbose=0)
    read_days("runs/popularity")  # []
    ```
    """
    folder = local_path("folder", folder)
    read_run(folder)
    return read_updates(folder)[2]


def read_arguments(folder: str | os.PathLike) -> dict:
    """Reads `run.json` of a run: its arguments, the folder of its data, and so on.

    Args:
        folder: The folder of the run.

    Returns:
        A dict. `"arguments"` are those of `train`.

    Raises:
        FileNotFoundError: If the folder has no run.
        ValueError: If keras_din 0.1 wrote the run.

    Example:

    ```python
    from keras_din.training import read_arguments, train

    data = kd.data.synthetic_log(20, 8, interests=2, categories=4, held_out=1, dim=2)
    run = train(data, "runs/popularity", model="popularity", verbose=0)
    read_arguments("runs/popularity")["arguments"]["model"]  # "popularity"
    ```
    """
    return read_run(local_path("folder", folder))


def run_click_rates(run: Run, raw: bool = False) -> ClickRates:
    """Returns the `ClickRates` of a run: its positive weight and its negative rate.

    Args:
        run: The `Run`.
        raw: Whether outputs stay those of the model, instead of click rates of the log.

    Returns:
        A `ClickRates`. Its `model(run.model)` is a model whose outputs are click rates of the log.

    Example:

    ```python
    from keras_din.training import run_click_rates, train

    data = kd.data.synthetic_log(20, 8, interests=2, categories=4, held_out=1, dim=2)
    run = train(data, "runs/popularity", model="popularity", verbose=0)
    run_click_rates(run).model(run.model).predict(data.dataset("test"), verbose=0)
    ```
    """
    content = read_arguments(run.folder)
    return click_rates(
        run.model,
        content["arguments"]["positive_weight"],
        content["negative_rate"],
        raw,
        known_from="the run",
        outputs=run.spec.outputs,
    )
