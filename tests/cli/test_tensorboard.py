"""`keras-din train --tensorboard` writes the metrics of each epoch."""

import importlib.util

import numpy as np
import pytest

from keras_din.cli import main
from keras_din.data import synthetic_log
from keras_din.training.run_folder import read_json

WORDS = ["--model", "lr", "--epochs", "2", "--batch-size", "64", "--quiet", "--tensorboard"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("tensorboard") / "data")
    synthetic_log(20, 8, interests=2, categories=4, held_out=2, dim=2).save(folder)
    return folder


def scalars(folder):
    """Returns name -> values by step, from the files of events in a folder."""
    import tensorflow as tf
    from tensorboard.compat.proto import event_pb2

    found: dict = {}
    for file in sorted(folder.glob("events*")):
        for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
            event = event_pb2.Event.FromString(record)
            for value in event.summary.value:
                number = tf.make_ndarray(value.tensor)
                found.setdefault(value.tag, {})[event.step] = float(number)
    return found


@pytest.mark.slow
def test_metrics_of_each_epoch(data, tmp_path):
    pytest.importorskip("tensorboard")
    folder = tmp_path / "run"
    assert main(["train", data, str(folder), *WORDS]) == 0
    rows = read_json(folder / "progress.json")["rows"]
    losses = scalars(folder / "tensorboard" / "train")["epoch_loss"]
    assert list(losses) == [0, 1]
    np.testing.assert_allclose(list(losses.values()), [row["loss"] for row in rows[1:]], rtol=1e-5)
    of_validation = scalars(folder / "tensorboard" / "validation")
    for name in ("auc", "logloss"):
        expected = [row[name] for row in rows[1:]]
        np.testing.assert_allclose(
            list(of_validation[f"epoch_{name}"].values()), expected, rtol=1e-5
        )


def test_tensorboard_is_missing(data, tmp_path, monkeypatch, capsys):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "tensorboard" else find(name)
    )
    assert main(["train", data, str(tmp_path / "run"), *WORDS]) == 1
    assert "pip install 'keras_din[tensorboard]'" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_counted_model_has_no_epochs(data, tmp_path, capsys):
    words = ["--model", "popularity", "--tensorboard"]
    assert main(["train", data, str(tmp_path / "run"), *words]) == 1
    assert "`--tensorboard` requires a model that is trained in epochs" in capsys.readouterr().err
