"""Version folders are complete or missing, even if writers are killed or run at the same time."""

import contextlib
import fcntl
import os
import pathlib
import random
import subprocess
import sys
import time

import pytest

from keras_din.serving.version import folders as publishing
from keras_din.serving.version.folders import new_version, versions

FAKE_WRITER = pathlib.Path(__file__).parent / "fake_writer.py"
WHOLE = {"first": "whole", "second": "whole"}


def write(parent, **keywords):
    with new_version(parent, **keywords) as version:
        (version.folder / "file").touch()
        (version.scratch / "notes").touch()
    return version.published


def names(parent):
    return {entry.name for entry in parent.iterdir()}


def test_numbers_grow(tmp_path):
    (tmp_path / "99999999999").mkdir()
    (tmp_path / "99999999999" / "file").touch()
    (tmp_path / "latest").mkdir()
    (tmp_path / "٣").mkdir()
    assert write(tmp_path) == tmp_path / "100000000000"
    assert versions(tmp_path) == [99999999999, 100000000000]
    assert versions(tmp_path / "nowhere") == []


def test_the_number_is_the_time(tmp_path):
    before = int(time.time())
    assert before <= int(write(tmp_path / "a" / "b").name) <= time.time()


def test_only_the_version_is_published_with_default_permissions(tmp_path):
    mask = os.umask(0o022)
    try:
        published = write(tmp_path)
    finally:
        os.umask(mask)
    assert names(published) == {"file"}
    assert published.stat().st_mode & 0o777 == 0o755
    assert names(tmp_path) == {published.name}


def test_writing_without_locks(tmp_path, monkeypatch):
    """Windows has no `fcntl`."""
    monkeypatch.setattr(publishing, "fcntl", None)
    (tmp_path / ".writing-other").mkdir()
    assert names(write(tmp_path)) == {"file"}
    assert (tmp_path / ".writing-other").is_dir()
    assert len(names(tmp_path)) == 2


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_leaves_nothing(tmp_path, error):
    def fail():
        with new_version(tmp_path) as version:
            (version.folder / "file").touch()
            raise error

    with pytest.raises(type(error)):
        fail()
    assert names(tmp_path) == set()


def test_a_full_disk_before_anything_is_written(tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(publishing.NewVersion, "__init__", full)
    with pytest.raises(OSError, match=r"`path` must be a folder that can be written \(No space"):
        write(tmp_path)
    assert names(tmp_path) == set()


def test_folder_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    message = "`path` must be a folder that can be written"
    for parent in (tmp_path / "file", tmp_path / "file" / "din"):
        with pytest.raises(OSError, match=message):
            write(parent)

    def refuse(*arguments, **keywords):
        raise PermissionError(13, "Permission denied", str(tmp_path / ".writing-x"))

    monkeypatch.setattr("tempfile.mkdtemp", refuse)
    with pytest.raises(PermissionError, match=rf"{message} \(Permission denied\): '{tmp_path}'"):
        write(tmp_path)


def test_folder_without_write_permission(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError, match="must be a folder that can be written"):
        write(tmp_path)


def test_keep(tmp_path):
    for number in ("5", "7", "9"):
        (tmp_path / number).mkdir()
        (tmp_path / number / "file").touch()
    new = write(tmp_path, keep=3).name
    assert names(tmp_path) == {"7", "9", new}
    newest = write(tmp_path, keep=1).name
    assert names(tmp_path) == {newest}
    (tmp_path / "0012").mkdir()  # A server reads it as 12, but `export` did not write it.
    last = write(tmp_path, keep=1).name
    assert names(tmp_path) == {"0012", last}
    assert write(tmp_path).name in names(tmp_path) > {last}


def test_warning_for_versions_that_cannot_be_removed(tmp_path, monkeypatch):
    for number in ("5", "7", "9"):
        (tmp_path / number).mkdir()
    rename = pathlib.Path.rename

    def refuse(path, target):
        if path.name in ("5", "9"):
            raise PermissionError(13, "Permission denied", str(path))
        return rename(path, target)

    monkeypatch.setattr(pathlib.Path, "rename", refuse)
    message = r"removed: 5 \(Permission denied\), 9 \(Permission denied\)\."
    with pytest.warns(UserWarning, match=message):
        new = write(tmp_path, keep=1)
    assert (new / "file").exists()
    assert names(tmp_path) == {"5", "9", new.name}


def test_old_versions_are_renamed_before_they_are_removed(tmp_path, monkeypatch):
    """A server never sees a part of a version."""
    old = write(tmp_path)
    removed = []
    rmtree = publishing.shutil.rmtree

    def watch(folder, **keywords):
        removed.append((folder.name.startswith(".writing-"), old.exists()))
        rmtree(folder, **keywords)

    monkeypatch.setattr(publishing.shutil, "rmtree", watch)
    write(tmp_path, keep=1)
    assert removed == [(True, False)]


def test_folders_of_killed_writers_are_removed(tmp_path):
    for name, files in {"a": [], "b": ["lock"], "c": ["lock", "version/file"], "d": ["x"]}.items():
        for file in files:
            (tmp_path / f".writing-{name}" / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / f".writing-{name}" / file).touch()
        (tmp_path / f".writing-{name}").mkdir(exist_ok=True)
    with new_version(tmp_path) as living:
        (living.folder / "file").touch()
        write(tmp_path)
        assert (living.folder / "file").exists()
        assert len(list(tmp_path.glob(".writing-*"))) == 1
    assert len(versions(tmp_path)) == len(names(tmp_path)) == 2


def test_a_folder_removed_before_it_was_locked(tmp_path, monkeypatch):
    """Another writer may see a folder before its lock is taken."""
    flock, seen = fcntl.flock, []

    def late(file, how):
        if not seen:
            seen.append(file.name)
            publishing.remove_stale_writers(tmp_path)
            assert not list(tmp_path.glob(".writing-*"))
        flock(file, how)

    monkeypatch.setattr(fcntl, "flock", late)
    published = write(tmp_path)
    assert names(tmp_path) == {published.name}
    assert seen


@contextlib.contextmanager
def two_writers(parent, count, keep):
    """Starts two writers at once, which are killed at the end of the block if they still run."""
    words = [sys.executable, "-I", str(FAKE_WRITER), publishing.__file__, str(parent)]
    words += [str(count), str(keep)]
    writers = [subprocess.Popen(words, stdout=subprocess.PIPE) for _ in range(2)]
    try:
        for writer in writers:
            assert writer.stdout.readline() == b"ready\n"
        yield writers
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
            writer.stdout.close()


def test_writers_at_once(tmp_path):
    with two_writers(tmp_path, count=20, keep=99) as writers:
        assert [writer.wait() for writer in writers] == [0, 0]
    assert len(versions(tmp_path)) == len(names(tmp_path)) == 40


def test_killed_at_any_point(tmp_path):
    """Runs fifty writers, two at a time. No version is incomplete, and the last writer succeeds."""
    chance = random.Random(0)
    interrupted = newest = 0
    for _ in range(25):
        with two_writers(tmp_path, count=10**6, keep=3):
            time.sleep(chance.uniform(0, 0.03))
        interrupted += bool(list(tmp_path.glob(".writing-*")))
        found = versions(tmp_path)
        assert max(found, default=0) >= newest
        newest = max(found, default=0)
        for number in found:
            version = tmp_path / str(number)
            assert {file.name: file.read_text() for file in version.iterdir()} == WHOLE
    assert interrupted > 10
    published = write(tmp_path)
    assert int(published.name) > newest > 0
    assert not list(tmp_path.glob(".writing-*"))
