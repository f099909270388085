"""The table on real logs: the whole command on a few rows, and its parts by hand."""

import csv
import dataclasses
import math
import pickle

import numpy as np
import pandas as pd
import pytest

from examples.reproduce import __main__ as reproduce
from examples.reproduce import anchors, report, tuning
from examples.reproduce.entries import ENTRIES, EXPECTED
from examples.reproduce.sources import SOURCES, load
from keras_din.data import PreparedData, load_kuairand
from keras_din.models import MODELS


@pytest.fixture(scope="module")
def few():
    data = load_kuairand(max_length=10)
    parts = {part: samples[:1500] for part, samples in data.parts.items()}
    return PreparedData(data.spec, data.behaviors, parts, data.report)


@pytest.fixture
def small(few, monkeypatch):
    source = dataclasses.replace(SOURCES["kuairand"], load=lambda folder, paper: few)
    monkeypatch.setitem(reproduce.SOURCES, "kuairand", source)


def test_command(small, tmp_path, capsys):
    folder = tmp_path / "kuairand" / "honest"
    words = ["--data", "kuairand", "--epochs", "1", "--budget", "1", "--runs", str(tmp_path)]
    reproduce.main([*words, "--models", "popularity,no_history", "--seeds", "1", "--speed"])
    output = capsys.readouterr().out
    assert "| popularity | no_history | " in output
    assert (folder / "table.md").read_text() in output + "\n"
    assert (folder / "gauc.png").read_bytes().startswith(b"\x89PNG")
    runs = pd.read_csv(folder / "runs.csv")
    assert list(runs["model"]) == ["popularity", "no_history"]
    assert (runs["parameters"] > 0).all()
    assert (runs.loc[1, ["samples/s", "s/epoch"]] > 0).all()
    assert runs.loc[0, ["samples/s", "s/epoch"]].isna().all()  # It has no training steps.
    assert runs.loc[0, "setting"].startswith("prior_strength ")
    written = {file: file.stat().st_mtime_ns for file in folder.rglob("best.keras")}
    assert len(written) == 2
    # Finished runs are not repeated, and given settings replace the search.
    words += ["--models", "no_history,popularity", "--settings", str(folder / "chosen.json")]
    reproduce.main([*words, "--seeds", "2"])
    output = capsys.readouterr().out
    assert "tries" not in output
    assert " ± " in output
    now = {file: file.stat().st_mtime_ns for file in folder.rglob("best.keras")}
    assert now.items() > written.items()
    assert len(now) == 3
    runs = pd.read_csv(folder / "runs.csv")
    assert list(zip(runs["model"], runs["seed"], strict=True)) == [
        ("no_history", 0),
        ("no_history", 1),
        ("popularity", 0),  # Independent of the seed.
    ]


def test_protocol_of_the_paper(small, few, tmp_path, capsys):
    data = load(reproduce.SOURCES["kuairand"], None, "paper")
    assert {part: len(samples) for part, samples in data.parts.items()} == {
        "train": 3000,
        "valid": 1500,
    }
    np.testing.assert_array_equal(data.parts["valid"].label, few.parts["test"].label)
    words = ["--data", "kuairand", "--models", "lr", "--protocol", "paper"]
    words += ["--epochs", "2", "--budget", "2", "--seeds", "1", "--runs", str(tmp_path)]
    reproduce.main(words)
    assert capsys.readouterr().out.count("lr tries") == 2
    seen = []
    for metrics in tmp_path.rglob("metrics.csv"):
        with open(metrics, newline="") as file:
            seen += [float(line["gauc"]) for line in csv.DictReader(file)]
    assert len(seen) == 2 * 3
    (line,) = pd.read_csv(tmp_path / "kuairand/paper/runs.csv").to_dict("records")
    assert line["gauc"] == pytest.approx(max(seen))


def test_file_of_the_authors(tmp_path):
    path = tmp_path / "dataset.pkl"
    train = [(0, [1], 2, 1), (0, [1], 0, 0), (0, [1, 2], 3, 1), (0, [1, 2], 0, 0)]
    with open(path, "wb") as file:
        for held in (train, [(0, [1, 2, 3], (4, 0))], np.array([0, 0, 1, 1, 0]), (1, 5, 2)):
            pickle.dump(held, file, 2)
    honest = load(SOURCES["din-pickle"], tmp_path, "honest")
    assert [len(honest.parts[part]) for part in ("train", "valid", "test")] == [2, 2, 2]
    paper = load(SOURCES["din-pickle"], path, "paper")
    assert [len(paper.parts[part]) for part in ("train", "valid")] == [4, 2]
    assert anchors.anchors("din-pickle", paper) == {}  # It is not the Electronics data.


def test_anchors_belong_to_their_data():
    class Data:
        parts = {}  # noqa: RUF012
        report = {"rows": 20_000_263}  # noqa: RUF012

    assert anchors.anchors("movielens", Data())["DIN paper"]["din"] == (None, 0.7337)
    assert anchors.anchors("kuairand", Data()) == {}
    Data.report = {"rows": 100_004}
    assert anchors.anchors("movielens", Data()) == {}
    item = type("Item", (), {"vocabulary_size": 63_003})()
    Data.spec = type("Spec", (), {"target": [item]})()
    Data.parts = {"train": range(2), "valid": range(384_806)}
    assert anchors.anchors("din-pickle", Data())["authors' code"]["din"] == (0.8698, 0.8714)


@pytest.mark.parametrize(
    "words, message",
    [
        (["--data", "beauty"], "does not come with the package: --folder is required"),
        (["--data", "kuairand", "--models", "dinn"], r"Received: \['dinn'\]"),
    ],
)
def test_invalid_arguments_exit(words, message, capsys):
    with pytest.raises(SystemExit):
        reproduce.main(words)
    assert pd.Series(capsys.readouterr().err).str.contains(message).all()


def test_raw_amazon_requires_both_files(tmp_path):
    with pytest.raises(ValueError, match=r"must contain one file reviews_\*\.json\*"):
        load(SOURCES["raw-amazon"], tmp_path, "honest")


def test_every_model_has_a_line():
    of_several_labels = {"multi_task"}  # See examples/labels.
    expected = {*MODELS, "boosted_trees"} - of_several_labels
    assert {entry.model for entry in ENTRIES.values()} == expected
    assert {name for pair in EXPECTED for name in pair} == set(ENTRIES)


def test_all_models_have_the_same_settings():
    tried = tuning.settings(4, dropout=0.3)
    assert tried[0] == {"learning_rate": 1e-3, "dropout": 0.3, "mini_batch_aware_l2": 0.0}
    assert len({tuple(one.values()) for one in tried}) == 4
    assert tuning.settings(6, dropout=0.3)[:4] == tried
    assert len(tuning.settings(100)) == 3 * 3 * 2


def test_best_setting():
    assert tuning.best([({"a": 1}, math.nan), ({"a": 2}, 0.6), ({"a": 3}, 0.6)]) == {"a": 2}


def test_summary_by_hand():
    line = {"logloss": 0.5, "calibration": 1.0, "ece": 0.0, "valid gauc": 0.5, "setting": "s"}
    line |= {"best_step": 7, "parameters": 1234}
    runs = pd.DataFrame(
        [
            {"model": "base", "seed": 0, "gauc": 0.60, "auc": 0.7} | line,
            {"model": "base", "seed": 1, "gauc": 0.62, "auc": 0.7} | line,
            {"model": "din", "seed": 0, "gauc": 0.65, "auc": 0.75} | line,
        ]
    )
    text = report.summary(runs, {"there": {"din": (None, 0.8)}})
    assert text.at["base", "gauc"] == "0.6100 ± 0.0141"  # .01 sqrt(2)
    assert text.at["din", "gauc"] == "0.6500"
    assert text.at["din", "RelaImpr"] == "+25.0%"  # .25 / .2 - 1
    assert text.at["base", "best step"] == "7, 7"
    assert text.at["base", "parameters"] == "1,234"
    assert list(text["AUC, there"]) == ["", "0.8000"]
    assert "GAUC, there" not in text
    assert report.markdown(text[["gauc"]], index=True).splitlines() == [
        "| model | gauc |",
        "| --- | --- |",
        "| base | 0.6100 ± 0.0141 |",
        "| din | 0.6500 |",
    ]


def test_order_by_hand():
    """Two users with two rows: base is right for the first one, DIN for both."""
    rows = {"labels": np.array([1, 0, 1, 0]), "groups": np.array([1, 1, 2, 2])}
    half = rows | {"predictions": np.array([0.9, 0.1, 0.1, 0.9])}
    right = rows | {"predictions": np.array([0.9, 0.1, 0.9, 0.1])}
    pairs = report.order({("base", 0): half, ("din", 0): right, ("base", 1): right})
    (pair,) = pairs.to_dict("records")
    assert (pair["less"], pair["more"]) == ("base", "din")
    assert pair["difference"] == 0.5
    # Both users have weight 2. d_g is 0 and 1: sqrt(2 / (2 - 1) * 2 * (2 * .5)^2) / 4.
    assert pair["over users"] == pytest.approx(0.5)
    assert pair["deviations"] == pytest.approx(1)
    both = report.order(
        {("base", 0): half, ("din", 0): right, ("base", 1): right, ("din", 1): right}
    )
    assert both["difference"][0] == 0.25
    assert both["over seeds"][0] == pytest.approx(math.sqrt(0.125))
    error = math.sqrt(0.25**2 + 0.125 / 2)
    assert both["deviations"][0] == pytest.approx(0.25 / error)


def test_verdicts():
    pairs = pd.DataFrame(
        {
            "less": ["base"] * 3,
            "more": ["din"] * 3,
            "difference": [0.1, -0.1, 0.01],
            "over users": [0.01] * 3,
            "over seeds": [0.0] * 3,
            "deviations": [10.0, -10.0, 1.0],
        }
    )
    assert list(report.order_as_text(pairs)["as expected"]) == ["yes", "no", "equal"]
