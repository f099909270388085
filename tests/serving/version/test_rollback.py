"""`rollback`: an older version is published again."""

import errno
import json
import shutil

import pytest

from keras_din.cli import main
from keras_din.serving import rollback
from keras_din.serving.version import rollback as module
from keras_din.serving.version.folders import DESCRIPTION_FILE, versions


@pytest.fixture
def path(tmp_path):
    """Three versions, with the few files that a rollback reads."""
    for number in (100, 200, 300):
        folder = tmp_path / "models" / str(number)
        (folder / "variables").mkdir(parents=True)
        (folder / "saved_model.pb").write_bytes(b"graph %d" % number)
        (folder / "variables" / "data").write_bytes(b"weights %d" % number)
        (folder / DESCRIPTION_FILE).write_text(json.dumps({"number": number}))
    return tmp_path / "models"


def content(version):
    return (version / "saved_model.pb").read_bytes(), (version / "variables" / "data").read_bytes()


def test_the_version_before_is_published_again(path):
    first = rollback(path)
    assert versions(path) == [100, 200, 300, int(first.name)]
    assert content(first) == (b"graph 200", b"weights 200")
    assert json.loads((first / DESCRIPTION_FILE).read_text()) == {
        "number": 200,
        "copy_of_version": 200,
    }
    second = rollback(path)  # Not to 300, from which the first one went away.
    assert int(second.name) > int(first.name)
    assert content(second) == (b"graph 100", b"weights 100")
    with pytest.raises(ValueError, match="older than the one that is served"):
        rollback(path)
    third = rollback(path, int(first.name))
    assert json.loads((third / DESCRIPTION_FILE).read_text())["copy_of_version"] == 200


def test_versions_that_can_not_be_published(path):
    for number in (300, 150):
        with pytest.raises(ValueError, match=rf"Received: version={number}\."):
            rollback(path, number)
    rollback(path, 100)
    with pytest.raises(ValueError, match=r"Received: version=100\."):
        rollback(path, 100)
    with pytest.raises(ValueError, match="the folder of a version"):
        rollback(path / "100")
    with pytest.raises(ValueError, match=r"versions \[\]"):
        rollback(path.parent / "none")


def test_a_full_disk_publishes_nothing(path, monkeypatch):
    def fails(*arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module.shutil, "copytree", fails)
    with pytest.raises(OSError, match="No space left"):
        rollback(path)
    assert versions(path) == [100, 200, 300]
    assert sorted(entry.name for entry in path.iterdir()) == ["100", "200", "300"]


def test_a_copy_answers_as_its_original(exports, tmp_path, capsys):
    import tensorflow as tf

    _, version = exports["lr"]
    shutil.copytree(version, tmp_path / "models" / "1")
    shutil.copytree(version, tmp_path / "models" / "2")
    assert main(["rollback", str(tmp_path / "models")]) == 0
    printed = capsys.readouterr().out
    assert "was served: 2" in printed
    assert "a copy of version 1" in printed
    newest = tmp_path / "models" / str(versions(tmp_path / "models")[-1])
    assert set(tf.saved_model.load(str(newest)).signatures) == {"serving_default", "rank"}
    assert main(["rollback", str(tmp_path / "models"), "--to", "7"]) == 1
    assert "Received: version=7" in capsys.readouterr().err
