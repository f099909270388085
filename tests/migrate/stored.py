"""The models of DeepCTR in `deepctr_0_9_4`, which `make_deepctr_fixtures.py` has made."""

import functools
import json
import pathlib

import numpy as np

from keras_din.migrate import from_deepctr

FOLDER = pathlib.Path(__file__).parent / "deepctr_0_9_4"
CASES = json.loads((FOLDER / "cases.json").read_text())["cases"]
# Arguments of DeepCTR's `DIN` that follow from the weights.
FROM_WEIGHTS = ("dnn_hidden_units", "att_hidden_size", "dnn_use_bn")


@functools.cache
def arrays(name):
    with np.load(FOLDER / f"{name}.npz") as file:
        return dict(file)


def arrays_of(name, kind):
    """Returns the weights or the inputs of a model by their names."""
    found = arrays(name).items()
    return {key.removeprefix(kind): v for key, v in found if key.startswith(kind)}


def weights_of(name):
    return arrays_of(name, "weights ")


def inputs_of(name):
    return arrays_of(name, "inputs ")


def arguments_of(name):
    case = CASES[name]
    options = {k: v for k, v in case["options"].items() if k not in FROM_WEIGHTS}
    return options | {"history_feature_list": case["history_feature_list"]}


def converted(name, **arguments):
    """Returns the result of `from_deepctr`, with some arguments replaced."""
    given = {"feature_columns": CASES[name]["columns"], "weights": weights_of(name)}
    return from_deepctr(**given | arguments_of(name) | arguments)
