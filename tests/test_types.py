"""Types: mypy passes on the package and on the code of the pages, and finds wrong calls."""

import importlib.util
import os
import pathlib
import re
import subprocess
import sys

import pytest

from docs.run_page import pages, steps

ROOT = pathlib.Path(__file__).parent.parent
# These tests are slow, because they run mypy.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="needs mypy"),
]


@pytest.fixture(scope="module")
def mypy(tmp_path_factory):
    """Runs mypy with the settings of `setup.cfg`. Returns its exit status and output."""
    cache = tmp_path_factory.mktemp("mypy")

    def run(*arguments):
        result = subprocess.run(
            [sys.executable, "-m", "mypy", "--cache-dir", cache, *arguments],
            cwd=ROOT,
            env={**os.environ, "MYPYPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=600,
        )
        return result.returncode, result.stdout + result.stderr

    return run


def test_package(mypy):
    status, output = mypy()
    assert status == 0, output


WRONG = {
    'kd.Categorical("a", vocabulary_size="ten")': "arg-type",
    'kd.Bag("a", 10, poling="sum")': "call-arg",
    'kd.FeatureSpec(target="item")': "arg-type",
    "kd.build_din(spec, hidden_units=80)": "arg-type",
    "kd.export(model, spec)": "call-arg",
    'kd.Evaluation([], restore_best_weights="yes")': "arg-type",
    'kd.data.prepare_rows("rows.csv", label="click", target=["item"], max_length="all")': (
        "arg-type"
    ),
    "kd.metrics.all_metric([0, 1], [0.1, 0.9])": "attr-defined",
}


LINES = [
    "import keras",
    "import keras_din as kd",
    'spec = kd.FeatureSpec(target=[kd.Categorical("item_id", 10)])',
    "model: keras.Model = kd.build_din(spec)",
    *WRONG,
]


@pytest.fixture(scope="module")
def output(mypy, tmp_path_factory):
    """The output of one run for the code of the pages and for the wrong calls."""
    folder = tmp_path_factory.mktemp("code")
    files = {"wrong.py": LINES}
    for number, page in enumerate(pages()):
        code = [step.code for step in steps(page.read_text("utf-8")) if step.language == "python"]
        if code:
            files[f"page_{number}_{page.stem.replace('-', '_')}.py"] = code
    assert len(files) > 1
    for name, lines in files.items():
        (folder / name).write_text("\n".join(lines), encoding="utf-8")
    # The option applies to these files alone: bodies without types in the package are not reported.
    options = "--check-untyped-defs", "--follow-imports", "silent"
    status, output = mypy(*options, *(folder / name for name in files))
    assert status == 1, output
    return output


def test_code_of_the_pages(output):
    assert re.search(r"checked \d+ source files", output)
    assert "page_" not in output, output


def test_wrong_calls_are_found(output):
    found = re.findall(r"wrong\.py:(\d+): error: .*\[([a-z-]+)\]", output)
    first = len(LINES) - len(WRONG) + 1
    assert found == [(str(line), kind) for line, kind in enumerate(WRONG.values(), first)]
