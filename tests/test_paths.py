"""Addresses such as `gs://bucket/din` raise for every path, so no folder `gs:` is created."""

import pathlib

import keras
import numpy as np
import pytest

import keras_din as kd
from keras_din.checks import local_path
from keras_din.cli import main
from keras_din.data.store.arrays import load_arrays, save_arrays
from keras_din.serving import export_litert, export_onnx
from keras_din.serving.version.description import find_version
from keras_din.serving.version.folders import check_versions_folder
from keras_din.training import load_run, read_arguments, train

ADDRESS = "gs://bucket/din"
SPEC = kd.FeatureSpec(target=[kd.Categorical("item", 5, dim=2)])
LOG = {"user": "u", "time": "t", "target": ["item"]}


def data():
    samples = kd.data.Samples(
        {"item": np.array([2, 3])}, {}, labels=np.array([0, 1]), group=np.array([0, 0])
    )
    return kd.data.PreparedData(SPEC, {}, {"train": samples})


LOADERS = {
    "export": lambda path: kd.export(kd.build_popularity(SPEC), SPEC, path),
    "export_onnx": lambda path: export_onnx(kd.build_popularity(SPEC), SPEC, path),
    "export_litert": lambda path: export_litert(kd.build_popularity(SPEC), SPEC, path),
    "find_version": find_version,
    "train": lambda path: train(data(), path),
    "resume": lambda path: train(data(), path, resume=True),
    "load_run": load_run,
    "read_arguments": read_arguments,
    "save": lambda path: data().save(path),
    "load": kd.data.PreparedData.load,
    "save_arrays": lambda path: save_arrays(path, {}),
    "load_arrays": load_arrays,
    "impressions": lambda path: kd.data.prepare_impressions(path, label="y", **LOG),
    "behaviors": lambda path: kd.data.prepare_interactions(path, **LOG),
    "vocabulary": lambda path: kd.Categorical("item", vocabulary=path),
    "kuairand": kd.data.load_kuairand,
    "movielens": kd.data.load_movielens,
    "din_pickle": kd.data.load_din_pickle,
    "raw_amazon": lambda path: kd.data.load_amazon(path, path),
}


@pytest.mark.parametrize("take", LOADERS)
@pytest.mark.parametrize("form", [str, pathlib.Path])
def test_addresses_raise(tmp_path, monkeypatch, take, form):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"must be a path of a local file system.*Received: the "):
        LOADERS[take](form(ADDRESS))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words",
    [
        ["prepare", ADDRESS, "data", "--user", "u", "--time", "t", "--target", "item"],
        ["append", ADDRESS, "log.csv"],
        ["train", ADDRESS, "new"],
        ["update", ADDRESS, "data"],
        ["report", ADDRESS],
        ["rollback", ADDRESS],
        ["evaluate", ADDRESS],
        ["export", ADDRESS, "models"],
        ["inspect", ADDRESS],
        ["check-serving", ADDRESS, "data", "--run", "run"],
        ["predict", ADDRESS, "data", "ctr.csv"],
        ["predict", "run", "data", "s3://bucket/ctr.csv"],
        ["predict", "run", "s3://bucket/rows.parquet", "ctr.csv"],
    ],
)
def test_addresses_raise_in_commands(tmp_path, monkeypatch, capsys, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text("{}")
    assert main(words) == 1
    assert "must be a path of a local file system" in capsys.readouterr().err
    assert [entry.name for entry in tmp_path.iterdir()] == ["run"]


def test_valid_paths(tmp_path):
    assert local_path("path", tmp_path) == tmp_path
    for text in ("C:/models/din", "a:b/c", "models/din", "/x/file.tar.gz"):
        assert local_path("path", text) == pathlib.Path(text)
    with pytest.raises(ValueError, match=r"`path` must be a path, a string or .*Received: int"):
        local_path("path", 3)


@pytest.mark.parametrize("export", [kd.export, export_onnx, export_litert])
def test_arguments_in_another_order_raise(tmp_path, export):
    model = kd.build_popularity(SPEC)
    for arguments, names in [
        ((SPEC, model, tmp_path), "FeatureSpec, CTRModel, PosixPath"),
        ((model, str(tmp_path), SPEC), "CTRModel, str, FeatureSpec"),
        ((str(tmp_path), model, SPEC), "str, CTRModel, FeatureSpec"),
    ]:
        match = f"must be given a model, its FeatureSpec and a path, in this order.*{names}"
        with pytest.raises(ValueError, match=match):
            export(*arguments)
    with pytest.raises(ValueError, match=r"`model` must be a functional keras\.Model"):
        export(keras.Sequential(), SPEC, tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_folder_of_a_version_raises(tmp_path):
    version = tmp_path / "din" / "17"
    version.mkdir(parents=True)
    (version / "saved_model.pb").touch()
    for path in (version, version / "assets", tmp_path / "din" / "18"):
        with pytest.raises(
            ValueError, match=r"`path` must be the folder of the versions, .*/din\."
        ):
            check_versions_folder(path)
    with pytest.raises(ValueError, match="the folder of a version"):
        kd.export(kd.build_popularity(SPEC), SPEC, version)
    assert [file.name for file in version.iterdir()] == ["saved_model.pb"]
    for path in (tmp_path / "din", tmp_path / "2024", tmp_path / "din" / "other"):
        assert check_versions_folder(path) == path


@pytest.mark.parametrize("export", [export_onnx, export_litert])
def test_folder_instead_of_a_file_raises(tmp_path, export):
    with pytest.raises(
        ValueError, match=r"`path` must be the path of a file\. Received: the folder"
    ):
        export(kd.build_popularity(SPEC), SPEC, tmp_path)
