"""Public names: their examples run, and they are in the reference of the site."""

import importlib
import inspect
import pathlib
import re
import textwrap

import keras
import matplotlib
import numpy as np
import pytest

matplotlib.use("Agg")
from matplotlib import pyplot

import keras_din as kd
from docs._extensions.public_names import PUBLIC_MODULES, public_names

# The examples of Spark need Java, see `tests/data/test_spark.py`.
MODULES = [module for module in PUBLIC_MODULES if module != "keras_din.data.spark"]
# Public names whose examples cannot run here. Only ever remove names.
WITHOUT_EXAMPLE = {"distributed.experimental.run_task"}  # It runs until its process is ended.
# Examples that take seconds -> packages of extras that they need.
SLOW = {
    "distributed.fit": [],
    "export": [],
    "serving.apply_delta": [],
    "serving.make_delta": [],
    "serving.sample_request": [],
    "serving.export_litert": ["ai_edge_litert"],
    "serving.export_onnx": ["tf2onnx", "onnxruntime"],
    "training.Run": [],
    "training.calibrate_run": ["sklearn"],
    "training.check_resumed": [],
    "training.load_run": [],
    "training.read_arguments": [],
    "training.read_days": [],
    "training.remove_calibration": ["sklearn"],
    "training.run_click_rates": [],
    "training.train": [],
    "training.update": [],
}

EXAMPLE = re.compile(r"^Examples?:\n(.*?)(?=^\w[\w ]*:\n|\Z)", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"```python\n(.*?)```", re.DOTALL)


def public_callables():
    """Returns public functions and classes by their shortest public path, without duplicates."""
    found = {}
    for path in MODULES:
        module = importlib.import_module(path)
        for name in module.__all__:
            value = getattr(module, name)
            if callable(value) and value not in found.values():
                found[f"{path}.{name}".removeprefix("keras_din.")] = value
    return found


def examples(value):
    """Returns the code blocks under `Example:` of a docstring."""
    sections = EXAMPLE.findall(inspect.getdoc(value) or "")
    return [textwrap.dedent(code) for section in sections for code in CODE.findall(section)]


CALLABLES = public_callables()


@pytest.fixture(autouse=True)
def close_figures():
    yield
    pyplot.close("all")


def test_every_public_name_has_an_example_or_is_listed():
    lacking = {name for name, value in CALLABLES.items() if not examples(value)}
    assert lacking == WITHOUT_EXAMPLE


def test_every_public_name_is_in_the_reference_of_the_site_once():
    pages = (pathlib.Path(__file__).parent.parent / "docs" / "reference").glob("*.md")
    text = "\n".join(page.read_text(encoding="utf-8") for page in sorted(pages))
    listed = re.findall(r"^   ~(keras_din\.[\w.]+)$", text, re.MULTILINE)
    # A new public name needs a line in a list of `docs/reference/*.md`.
    assert sorted(listed) == sorted(public_names())


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if name in SLOW else ())
        for name, value in CALLABLES.items()
        if examples(value)
    ],
)
def test_example_runs(name, tmp_path, monkeypatch):
    for package in SLOW.get(name, []):
        pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    for code in examples(CALLABLES[name]):
        exec(compile(code, f"<example of {name}>", "exec"), {"kd": kd, "keras": keras, "np": np})
