"""`keras-din inspect` prints the summary of a version."""

import json
import shutil
import warnings

import pytest

import keras_din as kd
from keras_din.cli import main
from keras_din.serving import saved_model
from keras_din.serving.version.description import find_version, read_description
from tests.serving.specs import SPEC

DIFFERENCES = {"serving_default": 1.25e-7, "rank": 0.0}


@pytest.fixture(scope="module")
def version(tmp_path_factory):
    """A version that was exported without the check in a process, which takes seconds."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # The warning about missing warm-up requests.
        patch.setattr(saved_model, "check_parity", lambda *arguments: DIFFERENCES)
        path = tmp_path_factory.mktemp("exports")
        return kd.export(kd.build_popularity(SPEC), SPEC, path, metrics={"gauc": 0.5})


def screen_of(capsys, *words):
    assert main(["inspect", *map(str, words)]) == 0
    return capsys.readouterr().out


def test_summary_of_a_version(version, capsys):
    text = screen_of(capsys, version)
    lines = {line.split()[0]: line.split() for line in text.splitlines() if line}
    assert len(text.splitlines()) < 50
    assert max(map(len, text.splitlines()[5:])) <= 100
    assert lines["version"][1:] == str(version).split()
    assert lines["model"][1:3] == ["popularity,", "32"]
    assert "tensorflow" in lines["written"]
    assert lines["segment"] == ["segment", "int32", "indices", "5", "3", "context"]
    assert lines["age"][1:] == ["a", "number,", "mean", "1,", "std", "2", "context"]
    assert lines["city"][1:6] == ["string", "in", "hash", "buckets", "9"]
    assert lines["hist_s"] == ["hist_s", "float32", "(batch,", "time)", "(batch,", "time)"]
    rows = [" ".join(line.split()) for line in text.splitlines()]
    assert "item string (batch,) (batch, candidates) ''" in rows
    assert "shops_shop int64 (batch, time) (batch, time) -2" in rows
    assert "order int32 - (batch, candidates)" in rows
    assert "item string of a vocabulary 32 8 target, hist (at most 12)" in rows
    assert "metrics: gauc 0.5" in text
    assert "from the live model: serving_default 1.25e-07, rank 0" in text


def test_axes_of_bags(tmp_path, capsys, monkeypatch):
    item, tags = kd.Categorical("item", 9), kd.Bag("tags", 9, weights="scores")
    spec = kd.FeatureSpec(
        context=[kd.Bag("words", 9)],
        target=[item, tags],
        sequences=[kd.Sequence("hist", of=[item, tags])],
    )
    monkeypatch.setattr(saved_model, "check_parity", lambda *arguments: DIFFERENCES)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # The warning about missing warm-up requests.
        version = kd.export(kd.build_popularity(spec), spec, tmp_path)
    text = screen_of(capsys, version)
    rows = [" ".join(line.split()) for line in text.splitlines()]
    assert "words int32 (batch, values) (batch, values) 0" in rows
    assert "item int32 (batch,) (batch, candidates) 0" in rows
    assert "tags int32 (batch, values) (batch, candidates, values) 0" in rows
    assert "hist_tags int32 (batch, time, values) (batch, time, values) 0" in rows
    # Weights are next to their bag.
    of_target = "scores float32 (batch, values) (batch, candidates, values) 0.0"
    assert rows[rows.index(of_target) - 1].startswith("tags int32")
    assert "hist_scores float32 (batch, time, values) (batch, time, values) 0.0" in rows
    assert "tags int32 indices, weights scores 9 16 target, hist (at most 100)" in rows
    assert "ctr float32 (batch,) (batch, candidates)" in rows


def test_newest_version_is_shown(version, tmp_path, capsys):
    for name in ("9", "10"):
        shutil.copytree(version, tmp_path / name)
    assert str(tmp_path / "10") in screen_of(capsys, tmp_path)
    assert str(tmp_path / "9") in screen_of(capsys, tmp_path / "9")


def test_sizes_and_metrics_of_parts(version, tmp_path, capsys):
    version = shutil.copytree(version, tmp_path / "v")
    description = json.loads((version / "keras_din.json").read_text(encoding="utf-8"))
    description["metrics"] = {"best_step": 7, "test": {"gauc": 0.61234, "auc": 0.7}}
    (version / "keras_din.json").write_text(json.dumps(description), encoding="utf-8")
    (version / "assets" / "more").write_bytes(bytes(3_000_000))
    text = screen_of(capsys, version)
    assert "assets 3.0 MB" in text
    assert "test 0.6123 0.7000" in text
    assert "best_step 7" in text
    found = json.loads(screen_of(capsys, version, "--json"))
    assert found["spec"]["features"][-1]["name"] == "s"
    assert found["bytes"]["assets"] == sum(f.stat().st_size for f in (version / "assets").iterdir())


def test_version_of_0_1_has_the_same_summary(version, tmp_path, capsys):
    """In 0.1, the description has the values of tables in features, and the name `side`."""

    def summary(folder):
        lines = screen_of(capsys, folder).replace(str(folder), "").splitlines()
        return [line for line in lines if "keras_din.json" not in line]  # Its size differs.

    old = shutil.copytree(version, tmp_path / version.name)
    description = json.loads((old / "keras_din.json").read_text(encoding="utf-8"))
    spec = description["spec"]
    tables = {table["name"]: table for table in spec.pop("tables")}
    spec |= {"format": 1, "features": [tables.get(f["name"], {}) | f for f in spec["features"]]}
    for feature in spec["features"]:
        feature.pop("table", None)
    for sequence in spec["sequences"]:
        sequence["side"] = sequence.pop("side_features")
    (old / "keras_din.json").write_text(json.dumps(description), encoding="utf-8")
    assert summary(old) == summary(version)
    again, here = (
        kd.FeatureSpec.from_json(json.dumps(read_description(folder)["spec"]))
        for folder in (old, version)
    )
    assert again == here


def test_metrics_that_are_null(version, tmp_path, capsys):
    version = shutil.copytree(version, tmp_path / "v")
    description = json.loads((version / "keras_din.json").read_text(encoding="utf-8"))
    description["metrics"] = {"ne": None, "valid": {"gauc": None, "auc": 0.5}}
    (version / "keras_din.json").write_text(json.dumps(description), encoding="utf-8")
    text = screen_of(capsys, version)
    assert "metrics: ne -" in text
    assert "valid - 0.5000" in " ".join(text.split())


def test_days_and_weights_of_labels(version, tmp_path, capsys):
    version = shutil.copytree(version, tmp_path / "v")
    description = json.loads((version / "keras_din.json").read_text(encoding="utf-8"))
    day = {"day": 1, "time_from": "2026-11-11", "auc": 0.5, "unknown": {"item": 0.1}, "seconds": 2}
    description["metrics"] = {
        "best_step": 10,
        "label_weights": {"ctr": 0.5, "like": 1.25},
        "valid": {"auc": 0.6},
        "days": [day],
    }
    (version / "keras_din.json").write_text(json.dumps(description), encoding="utf-8")
    text = screen_of(capsys, version)
    table = " ".join(text.split())
    assert "valid 0.6000" in table
    assert "day 1 0.5000" in table
    assert "weights of the labels: ctr 0.5, like 1.25" in text
    assert "metrics: best_step 10\n" in text
    assert "time_from" not in text
    assert "{" not in text


def test_mixed_precision_is_shown(version, tmp_path, capsys):
    version = shutil.copytree(version, tmp_path / "v")
    description = json.loads((version / "keras_din.json").read_text(encoding="utf-8"))
    assert description.pop("half_precision") is None
    (version / "keras_din.json").write_text(json.dumps(description), encoding="utf-8")
    assert "served in float32" not in screen_of(capsys, version)  # A float32 model.
    description["half_precision"] = {"dtypes": ["bfloat16"], "largest_difference": 0.00123}
    (version / "keras_din.json").write_text(json.dumps(description), encoding="utf-8")
    message = (
        "served in float32, compared with the live model in bfloat16: largest_difference 0.00123"
    )
    assert message in screen_of(capsys, version)


@pytest.mark.parametrize(
    "files, message",
    [
        ({}, "must be a folder that `export` wrote, or one of such folders"),
        ({"saved_model.pb": ""}, "there is no keras_din.json"),
        ({"3/keras_din.json": "{}"}, "3 there is no saved_model.pb"),
        ({"keras_din.json": "{", "saved_model.pb": ""}, "this is wrong: JSONDecodeError"),
        ({"keras_din.json": '{"format": 9}', "saved_model.pb": ""}, "this is wrong: .*format 9"),
    ],
)
def test_other_folders_raise(tmp_path, capsys, files, message):
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    assert main(["inspect", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("keras-din: error: ")
    with pytest.raises((OSError, ValueError), match=message):
        read_description(find_version(tmp_path))
