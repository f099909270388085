"""Types: mypy passes on the package and on the code of the README, and finds wrong calls."""

import importlib.util
import os
import pathlib
import re
import subprocess
import sys

import pytest

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


def test_code_of_the_readme(mypy, tmp_path):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    assert len(blocks) > 1
    code = tmp_path / "readme.py"
    code.write_text("\n".join(blocks), encoding="utf-8")
    # The option applies to this file alone: bodies without types in the package are not reported.
    status, output = mypy("--check-untyped-defs", "--follow-imports", "silent", code)
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


def test_wrong_calls_are_found(mypy, tmp_path):
    lines = [
        "import keras",
        "import keras_din as kd",
        'spec = kd.FeatureSpec(target=[kd.Categorical("item_id", 10)])',
        "model: keras.Model = kd.build_din(spec)",
        *WRONG,
    ]
    code = tmp_path / "wrong.py"
    code.write_text("\n".join(lines), encoding="utf-8")
    status, output = mypy(code)
    assert status == 1, output
    found = re.findall(r"wrong\.py:(\d+): error: .*\[([a-z-]+)\]", output)
    first = len(lines) - len(WRONG) + 1
    assert found == [(str(line), kind) for line, kind in enumerate(WRONG.values(), first)]
