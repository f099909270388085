"""The comparison on real logs, on a few of their rows."""

import importlib.util
import pathlib

import pytest

from keras_din.data import PreparedData, load_kuairand

FILE = pathlib.Path(__file__).parents[2] / "examples" / "compare_on_real_data.py"


@pytest.fixture
def example():
    spec = importlib.util.spec_from_file_location("compare_on_real_data", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_table_over_seeds(example, tmp_path, monkeypatch, capsys):
    def few(folder):
        data = load_kuairand(folder)
        parts = {part: samples[:1200] for part, samples in data.parts.items()}
        return PreparedData(data.spec, data.behaviours, parts, data.report)

    monkeypatch.setitem(example.DATA, "kuairand", (few, {"epochs": 1}, {}))
    words = ["kuairand", "--seeds", "2", "--runs", str(tmp_path)]
    example.main(words)
    output = capsys.readouterr().out
    assert "RelaImpr" in output
    assert " ± " in output
    assert "  din - base: " in output
    assert "standard error over users" in output
    assert len(list((tmp_path / "kuairand").iterdir())) == 8
    example.main(words)  # All runs are there: nothing is trained again.
    assert capsys.readouterr().out == output


def test_data_that_does_not_come_with_the_package(example, capsys):
    with pytest.raises(SystemExit):
        example.main(["beauty"])
    assert "say where it is by --folder" in capsys.readouterr().err
