"""The comparison of losses: the whole command on a few rows, and its differences by hand."""

import dataclasses
import types

import numpy as np
import pandas as pd
import pytest

from examples.losses import __main__ as losses
from examples.reproduce.sources import SOURCES
from keras_din.data import PreparedData, load_kuairand
from keras_din.training import read_arguments


def test_command(tmp_path, monkeypatch, capsys):
    data = load_kuairand(max_length=5)
    parts = {part: samples[:800] for part, samples in data.parts.items()}
    few = PreparedData(data.spec, data.behaviors, parts, data.report)
    source = dataclasses.replace(SOURCES["kuairand"], load=lambda folder, paper: few)
    monkeypatch.setitem(losses.SOURCES, "kuairand", source)
    words = ["kuairand", "--model", "lr", "--epochs", "1", "--runs", str(tmp_path)]
    words += ["--seeds", "2", "--weights", "0.5", "2", "--losses", "jrc"]
    losses.main(words)
    output = capsys.readouterr().out
    assert "jrc tries 0.5" in output
    assert "jrc tries 2: gauc on validation " in output
    assert (tmp_path / "kuairand" / "table.md").read_text() in output + "\n"
    runs = pd.read_csv(tmp_path / "kuairand" / "runs.csv")
    assert runs["model"].tolist() == [n for n in ("crossentropy", "control", "jrc") for _ in "01"]
    written = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("best.keras")}
    assert len(written) == 2 + 2 + 3  # The first seed of jrc has two weights.
    for file in written:
        arguments = read_arguments(file.parent)["arguments"]
        name = file.parts[-3]
        weight = arguments["loss_weight"]
        expected = "lr" if arguments["loss"] == "binary_crossentropy" else None
        assert name == (expected or f"lr-{arguments['loss']}-{weight:g}")
    losses.main(words)  # Finished runs are not repeated.
    assert {file: file.stat().st_mtime_ns for file in tmp_path.rglob("best.keras")} == written


def test_differences_by_hand():
    """One user; two positives and two negatives. The first model has 2 of 4 pairs in order."""
    labels, groups = np.array([1, 1, 0, 0]), np.zeros(4, int)
    predictions = {"crossentropy": [0.9, 0.1, 0.2, 0.3], "jrc": [0.9, 0.25, 0.2, 0.3]}
    scores = {
        (name, seed): {"predictions": np.array(p), "labels": labels, "groups": groups}
        for name, p in predictions.items()
        for seed in (0, 1)
    }
    metrics = {"crossentropy": (0.4, 0.5), "jrc": (0.5, 0.8)}
    runs = pd.DataFrame(
        [
            {"model": name, "seed": seed} | dict.fromkeys(losses._PAID, metrics[name][seed])
            for name in predictions
            for seed in (0, 1)
        ]
    )
    (line,) = losses.differences(runs, scores).to_dict("records")
    assert line["loss"] == "jrc"
    assert line["gauc"].startswith("+0.2500")  # 3 of 4 pairs.
    assert line["logloss"] == "+0.2000 ± 0.1000"  # Differences .1 and .3.


@pytest.mark.parametrize("sizes, expected", [([2, 2], True), ([2, 3], False)])
def test_requests_of_pairs(sizes, expected):
    request = np.repeat([0, 1], sizes)
    data = types.SimpleNamespace(parts={"train": types.SimpleNamespace(request=request)})
    assert losses.has_pairs_only(data, SOURCES["beauty"]) is expected
    assert losses.has_pairs_only(data, SOURCES["kuairand"]) is False


def test_other_data_requires_a_folder(capsys):
    with pytest.raises(SystemExit):
        losses.main(["beauty"])
    assert "beauty does not come with the package: --folder is required" in capsys.readouterr().err
