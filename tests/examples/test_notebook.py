"""The notebook: its cells run, and it is committed with its outputs."""

import json
import logging
import pathlib
import re
import tempfile

import matplotlib
import pytest

import keras_din as kd

FILE = pathlib.Path(__file__).parents[2] / "examples" / "din_in_a_notebook.ipynb"
NOTEBOOK = json.loads(FILE.read_text(encoding="utf-8"))
CELLS = [cell for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]


@pytest.fixture
def few(monkeypatch, tmp_path):
    """Uses few rows of the same data sets, no display, and `tmp_path` for the version."""
    whole, law = kd.data.load_kuairand, kd.data.synthetic_log

    def few_rows():
        data = whole()
        parts = {part: samples[:2000] for part, samples in data.parts.items()}
        return kd.data.PreparedData(data.spec, data.behaviors, parts, data.report)

    monkeypatch.setattr(kd.data, "load_kuairand", few_rows)
    monkeypatch.setattr(kd.data, "synthetic_log", lambda seed: law(60, seed=seed))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    matplotlib.use("agg")
    yield
    matplotlib.pyplot.close("all")
    logging.disable(logging.NOTSET)


def test_cells_run(few):
    names = {}
    for number, cell in enumerate(CELLS):
        exec(compile("".join(cell["source"]), f"code cell {number}", "exec"), names)
    assert (names["version"] / "saved_model.pb").is_file()
    assert list(names["answers"]) == ["the user", "an unknown user", "no history"]
    for answer in names["answers"].values():
        assert len(answer) == len(names["candidates"])
        assert answer["ctr"].is_monotonic_decreasing
    assert names["served"] == pytest.approx(names["evaluated"], abs=1e-5)


def test_cells_were_run_in_order():
    assert [cell["execution_count"] for cell in CELLS] == list(range(1, len(CELLS) + 1))
    assert NOTEBOOK["metadata"]["kernelspec"]["name"] == "python3"
    for cell in CELLS[1:]:  # The first cell imports.
        assert cell["outputs"], "".join(cell["source"])


def test_outputs_are_complete():
    outputs = [output for cell in CELLS for output in cell["outputs"]]
    types = {output["output_type"] for output in outputs}
    assert types == {"stream", "execute_result", "display_data"}  # No error.
    assert {output.get("name", "stdout") for output in outputs} == {"stdout"}  # No warning.
    figures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(figures) == 5


def test_file_is_small_and_has_no_local_paths():
    assert FILE.stat().st_size < 600_000
    text = [output.get("text", "") for cell in CELLS for output in cell["outputs"]]
    assert not re.search(r"/(tmp|home|root|Users|usr|opt|work|var)/", json.dumps(text))
    for cell in NOTEBOOK["cells"]:
        for link in re.findall(r"\]\((?!https:)(.*?)\)", "".join(cell["source"])):
            assert (FILE.parent / link).is_file(), link
