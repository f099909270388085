"""The notebooks: their cells run, and they are committed with their outputs."""

import dataclasses
import json
import logging
import pathlib
import re
import tempfile

import matplotlib
import pytest

import keras_din as kd

EXAMPLES = pathlib.Path(__file__).parents[2] / "examples"
DIN, FEATURES = "din_in_a_notebook.ipynb", "features_in_a_notebook.ipynb"
FIGURES = {DIN: 5, FEATURES: 2}
each_notebook = pytest.mark.parametrize("name", FIGURES)


def read(name):
    """The notebook, and its cells of code."""
    notebook = json.loads((EXAMPLES / name).read_text(encoding="utf-8"))
    return notebook, [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


@pytest.fixture
def few(monkeypatch, tmp_path):
    """Uses few rows of the same data sets, no display, and `tmp_path` for the version."""
    whole, law = kd.data.load_kuairand, kd.data.synthetic_log

    def few_rows(**options):
        data = whole(**options)
        parts = {part: samples[:2000] for part, samples in data.parts.items()}
        return dataclasses.replace(data, parts=parts)

    monkeypatch.setattr(kd.data, "load_kuairand", few_rows)
    monkeypatch.setattr(kd.data, "synthetic_log", lambda seed: law(60, seed=seed))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    matplotlib.use("agg")
    yield
    matplotlib.pyplot.close("all")
    logging.disable(logging.NOTSET)


def run(name):
    """Runs all cells, and returns their variables."""
    names = {}
    for number, cell in enumerate(read(name)[1]):
        exec(compile("".join(cell["source"]), f"code cell {number}", "exec"), names)
    return names


def test_cells_of_features_run(few):
    names = run(FEATURES)
    assert (names["version"] / "saved_model.pb").is_file()
    assert {"time", "hist_time"} <= set(names["inputs"])
    assert not {"ago", "hour_of_day", "video_rate", "same_tag"} & set(names["inputs"])
    assert len(names["of_hour"]) == 24


def test_cells_of_din_run(few):
    names = run(DIN)
    assert (names["version"] / "saved_model.pb").is_file()
    assert list(names["answers"]) == ["the user", "an unknown user", "no history"]
    for answer in names["answers"].values():
        assert len(answer) == len(names["candidates"])
        assert answer["ctr"].is_monotonic_decreasing
    assert names["served"] == pytest.approx(names["evaluated"], abs=1e-5)


@each_notebook
def test_cells_were_run_in_order(name):
    notebook, cells = read(name)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    for cell in cells[1:]:  # The first cell imports.
        assert cell["outputs"], "".join(cell["source"])


@each_notebook
def test_outputs_are_complete(name):
    outputs = [output for cell in read(name)[1] for output in cell["outputs"]]
    types = {output["output_type"] for output in outputs}
    assert types == {"stream", "execute_result", "display_data"}  # No error.
    assert {output.get("name", "stdout") for output in outputs} == {"stdout"}  # No warning.
    figures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(figures) == FIGURES[name]


@each_notebook
def test_file_is_small_and_has_no_local_paths(name):
    notebook, cells = read(name)
    assert (EXAMPLES / name).stat().st_size < 600_000
    text = [output.get("text", "") for cell in cells for output in cell["outputs"]]
    assert not re.search(r"/(tmp|home|root|Users|usr|opt|work|var)/", json.dumps(text))
    for cell in notebook["cells"]:
        for link in re.findall(r"\]\((?!https:)(.*?)\)", "".join(cell["source"])):
            assert (EXAMPLES / link).is_file(), link
