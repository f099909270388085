"""A run that was trained, and how it is loaded."""

import os
import pathlib
from typing import NamedTuple

import keras

from keras_din.checks import local_path
from keras_din.click_rates import ClickRates, click_rates
from keras_din.features import FeatureSpec
from keras_din.spec_fingerprint import check_fingerprint
from keras_din.training.run_folder import BEST, RESULT, SPEC, read_json, read_run


class Run(NamedTuple):
    """A finished run.

    Attributes:
        folder: The folder of the run.
        model: The model with the best weights.
        spec: The `FeatureSpec`.
        result: Part -> metrics of the best weights, and `best_step`. The model `"popularity"`
            also has `prior_strength`.
    """

    folder: pathlib.Path
    model: keras.Model
    spec: FeatureSpec
    result: dict


def load_run(folder: str | os.PathLike) -> Run:
    """The run in a folder: the best model so far, and the result, empty while it is training.

    Raises:
        FileNotFoundError: When there is no run, or no model in it yet.
        ValueError: When keras_din 0.1 wrote the run, or the folder's spec is not the one that its
            model was built from.
    """
    folder = local_path("folder", folder)
    read_run(folder)
    if not (folder / BEST).is_file():
        raise FileNotFoundError(
            f"The run must have finished an evaluation. Received: {folder}, without {BEST}."
        )
    spec = FeatureSpec.from_json((folder / SPEC).read_text(encoding="utf-8"))
    model = keras.saving.load_model(folder / BEST)
    check_fingerprint(model, spec, f"{folder / SPEC}")
    return Run(folder, model, spec, read_json(folder / RESULT, {}))


def read_arguments(folder: str | os.PathLike) -> dict:
    """The content of `run.json` of a run: its arguments, and the folder of its data.

    Raises:
        FileNotFoundError: When there is no run.
        ValueError: When keras_din 0.1 wrote the run.
    """
    return read_run(local_path("folder", folder))


def run_click_rates(run: Run, raw: bool = False) -> ClickRates:
    """The `positive_weight` and the rate of `data.downsample_negatives` that a run had."""
    content = read_arguments(run.folder)
    return click_rates(
        run.model,
        content["arguments"]["positive_weight"],
        content["negative_rate"],
        raw,
        known_from="the run",
        outputs=run.spec.outputs,
    )
