"""The demo, with smaller data."""

import functools
import json

import keras
import pytest

import keras_din.data
from keras_din.cli import demo, main
from keras_din.data import PreparedData, load_kuairand, synthetic_log
from keras_din.training import load_run


@pytest.fixture
def quick(monkeypatch):
    """Uses small data and one epoch. The steps are the same."""

    def few(*arguments, **keywords):
        data = load_kuairand()
        parts = {part: samples[:1500] for part, samples in data.parts.items()}
        return PreparedData(data.spec, data.behaviors, parts, data.report)

    small = functools.partial(synthetic_log, 300, 16, interests=2, categories=10)
    monkeypatch.setattr(keras_din.data, "load_kuairand", few)
    monkeypatch.setattr(keras_din.data, "synthetic_log", small)
    for settings in (*demo.SETTINGS.values(), demo.COUNTS_SETTINGS):
        monkeypatch.setitem(settings, "epochs", 1)


def test_demo_runs_twice(quick, checked_by_one_process, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["demo"]) == 0
    output = capsys.readouterr().out
    for word in (
        "popularity",
        "base",
        "din",
        "best reachable",
        "din_counts: DIN that also has the number of distinct categories",
        "GAUC of din_counts minus GAUC of din:",
        "GAUC",
        "scored with the SavedModel",
    ):
        assert word in output
    for name in ("kuairand", "synthetic"):
        (version,) = (tmp_path / "exported_models" / f"{name}_din").iterdir()
        assert json.loads((version / "keras_din.json").read_text())["model"] == "din"
        for model in demo.MODELS:
            assert (tmp_path / "runs" / "demo" / name / model / "result.json").is_file()
    counts = tmp_path / "runs" / "demo" / "synthetic" / demo.COUNTS
    assert json.loads((counts / "run.json").read_text())["arguments"]["monitor"] == "logloss"
    assert list(load_run(counts).spec.features) == [
        "categories",
        "item_id",
        "cate_id",
        "category_seen",
    ]
    assert not (tmp_path / "runs" / "demo" / "kuairand" / demo.COUNTS).exists()

    keras.backend.clear_session()
    monkeypatch.setattr(demo, "MODELS", ("base", "din"))
    assert main(["demo", "--data", "synthetic"]) == 0
    runs = {path.name for path in (tmp_path / "runs" / "demo").iterdir()}
    assert runs == {"kuairand", "synthetic", "synthetic-2"}
    assert len(list((tmp_path / "exported_models" / "synthetic_din").iterdir())) == 2
