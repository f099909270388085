"""The calibration of a run: a calibrated model beside the trained one, which does not change."""

import os
import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_din.calibration import METHODS, calibrate
from keras_din.calibration.calibrated_model import check_by, check_no_position
from keras_din.calibration.curves import check_installed
from keras_din.calibration.rows import check_enough
from keras_din.checks import local_path, one_of
from keras_din.click_rates import calibration_of
from keras_din.evaluation import evaluate
from keras_din.spec_fingerprint import fingerprint
from keras_din.training.run import Run, load_run, run_click_rates
from keras_din.training.run_folder import (
    CALIBRATION,
    check_has_result,
    read_json,
    read_run,
    read_updates,
    save_model,
    write_json,
)
from keras_din.workers import check_has_all_users

if TYPE_CHECKING:
    from keras_din.data import PreparedData


def calibrate_run(
    run: "Run | str | os.PathLike",
    data: "PreparedData",
    method: str = "isotonic",
    *,
    by: str | None = None,
    output: str | Sequence[str] | None = None,
    shrinkage: float | None = None,
    part: str = "valid",
) -> Run:
    """Calibrates the model of a run, see `keras_din.calibration.calibrate`.

    The run's folder receives the calibrated model and `calibration.json`: the arguments, the
    report of each output, and the metrics of the calibrated model. `load_run` then returns the
    calibrated model, so `export`, `evaluate` and `predict` use it too. The trained model does not
    change: a second call replaces the calibration, and `remove_calibration` removes it. `update`
    trains the uncalibrated model and removes the calibration.

    Args:
        run: A `Run`, or its folder. Its training must have ended.
        data: A `PreparedData` with the spec of the run.
        method: See `calibrate`, also for `by`, `output` and `shrinkage`.
        by: Name of a feature whose values have their own curves, or `None`.
        output: Name of the only output to calibrate, or a list of names, for example without one
            that has too few clicks. Defaults to all outputs that are probabilities.
        shrinkage: Number of further rows per value.
        part: The part of the data that the curves are fitted to. The model must not have learned
            from it.

    Returns:
        The `Run` with the calibrated model. `run.result` has the metrics of the calibrated model
        and the entry `"calibration"`.

    Raises:
        ValueError: In the cases of `calibrate`, if the run has no result yet, or if the data is
            that of one of several workers.

    Example:

    ```python
    from keras_din.training import calibrate_run, train

    data = kd.data.synthetic_log(100, 16, interests=2, categories=4, held_out=4, dim=2)
    run = train(data, "runs/lr", model="lr", epochs=1, verbose=0)
    run = calibrate_run(run, data, "isotonic")
    run.result["calibration"]["outputs"]["ctr"]["after"]["ece"]
    ```
    """
    folder = local_path("run", run.folder if isinstance(run, Run) else run)
    arguments = read_run(folder)["arguments"]
    one_of("part", part, tuple(data.parts))
    check_has_all_users(data.worker, "calibrate_run")
    check_has_result(folder)
    run = load_run(folder, calibrated=False)
    rates = run_click_rates(run)
    datasets = {
        name: data.dataset(name, arguments["batch_size"], by_request=arguments["by_request"])
        for name in dict.fromkeys([part, "valid", "test"])
        if name in data.parts
    }
    test = datasets.get("test") if part != "test" else None
    model = calibrate(
        run.model,
        datasets[part],
        method,
        by=by,
        output=output,
        shrinkage=shrinkage,
        test=test,
        rates=rates,
    )
    layers = {name: calibration_of(model, name, run.spec.outputs) for name in run.spec.outputs}
    numbers = [int(file.stem.split("-")[1]) for file in folder.glob("calibrated-*.keras")]
    file = folder / f"calibrated-{max(numbers, default=0) + 1:06d}.keras"
    save_model(model, file)
    # Only this write makes the calibration valid. It belongs to one model of the run.
    content = {
        "of": read_updates(folder)[0].name,
        "model": file.name,
        "method": method,
        "by": by,
        "part": part,
        "outputs": {name: layer.report for name, layer in layers.items() if layer is not None},
        "metrics": {name: evaluate(model, each) for name, each in datasets.items()},
    }
    write_json(folder / CALIBRATION, content)
    _remove_models(folder, kept=file.name)
    return load_run(folder)


def remove_calibration(run: "Run | str | os.PathLike") -> dict | None:
    """Removes the calibration of a run, which then has its trained model again.

    Args:
        run: A `Run`, or its folder.

    Returns:
        The content of `calibration.json`, or `None` if the run was not calibrated.

    Example:

    ```python
    from keras_din.training import calibrate_run, remove_calibration, train

    data = kd.data.synthetic_log(100, 16, interests=2, categories=4, held_out=4, dim=2)
    run = train(data, "runs/lr", model="lr", epochs=1, verbose=0, calibrate="isotonic")
    remove_calibration(run)["method"]  # "isotonic"
    ```
    """
    folder = local_path("run", run.folder if isinstance(run, Run) else run)
    read_run(folder)
    content = read_json(folder / CALIBRATION)
    (folder / CALIBRATION).unlink(missing_ok=True)
    _remove_models(folder)
    return content


def check_calibration(data: "PreparedData", calibrate: str | None, by: str | None) -> None:
    """Raises the errors of a calibration on the part `"valid"` before training.

    Args:
        data: The `PreparedData`.
        calibrate: The argument of `train`.
        by: The argument `calibrate_by` of `train`.
    """
    if calibrate is None:
        if by is not None:
            raise ValueError(
                "`calibrate_by` must be given with `calibrate`, the method. "
                f"Received: calibrate_by={by!r} and calibrate=None."
            )
        return
    one_of("calibrate", calibrate, tuple(METHODS))
    check_no_position(data.spec.position is not None, f"calibrate={calibrate!r}")
    check_installed()
    if "valid" not in data.parts:
        raise ValueError(
            "`calibrate` requires data with a part 'valid', which curves are fitted to. "
            f"Received: calibrate={calibrate!r} and the parts {list(data.parts)}."
        )
    labels = [label for label in data.spec.labels if label.is_binary]
    if not labels:
        raise ValueError(
            "`calibrate` requires a label of 0 and 1. "
            f"Received: calibrate={calibrate!r} and labels that are numbers."
        )
    if by is not None:
        check_by([fingerprint(data.spec)], by, "calibrate_by")
    for label in labels:
        values = data.parts["valid"].labels[label.name]
        check_enough(str(label.output), values[~np.isnan(values)])


def _remove_models(folder: pathlib.Path, kept: str | None = None) -> None:
    for file in folder.glob("calibrated-*.keras"):
        if file.name != kept:
            file.unlink()
