"""Folders are written completely or not at all."""

import multiprocessing
import os
import time

import pytest

from keras_din import atomic_write
from keras_din.atomic_write import atomic_folder


def write(folder, text: str, overwrite: bool = False, meanwhile=lambda: None) -> None:
    with atomic_folder(folder, "header", overwrite) as partial:
        (partial / "header").write_text(text)
        meanwhile()


def test_the_first_of_two_processes_is_not_written_over(tmp_path):
    folder = tmp_path / "data"
    with pytest.raises(FileExistsError, match="must be new or empty"):
        write(folder, "second", meanwhile=lambda: write(folder, "first"))
    assert (folder / "header").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_overwrite_replaces_the_first(tmp_path):
    folder = tmp_path / "data"
    write(folder, "second", overwrite=True, meanwhile=lambda: write(folder, "first"))
    assert (folder / "header").read_text() == "second"
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def write_and_wait(folder, kind, connection):
    def wait():
        connection.send("written")
        time.sleep(60)

    if kind == "replaced":  # Killed after the old folder was moved away.
        atomic_write.os.rename, rename = lambda *paths: (rename(*paths), wait()), os.rename
        write(folder, "second", overwrite=True)
    inner = lambda: write(next(folder.parent.glob(".data.*.partial")), "inner", meanwhile=wait)  # noqa: E731
    with atomic_folder(folder, "header", kind != "new") as partial:
        (inner if kind == "nested" else wait)()
        (partial / "header").write_text("second")


@pytest.fixture
def killed(tmp_path):
    """A function that kills a process while it writes."""
    processes = []

    def kill(kind: str, is_killed: bool = True):
        context = multiprocessing.get_context("fork")
        ours, theirs = context.Pipe()
        process = context.Process(target=write_and_wait, args=(tmp_path / "data", kind, theirs))
        process.start()
        processes.append(process)
        assert ours.poll(30)
        if is_killed:
            process.kill()
            process.join(30)

    yield kill
    for process in processes:
        process.kill()
        process.join(30)


def names(folder) -> list:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("kind", ["new", "nested"])
def test_what_a_killed_writer_left_is_removed(tmp_path, killed, kind):
    killed(kind)
    assert len(names(tmp_path)) == {"new": 2, "nested": 4}[kind]
    write(tmp_path / "data", "first")
    assert names(tmp_path) == ["data"]
    assert (tmp_path / "data" / "header").read_text() == "first"


def test_what_a_killed_writer_was_to_replace_is_restored(tmp_path, killed):
    write(tmp_path / "data", "first")
    killed("replaced")
    assert not (tmp_path / "data").exists()
    with pytest.raises(FileExistsError, match="must be new or empty"):
        write(tmp_path / "data", "third")
    assert names(tmp_path) == ["data"]
    assert (tmp_path / "data" / "header").read_text() == "first"


def test_a_running_writer_and_those_of_other_machines_stay(tmp_path, killed):
    killed("new", is_killed=False)
    running = names(tmp_path)
    (tmp_path / ".data.00000000.partial").mkdir()
    (tmp_path / ".data.00000000.writer").write_text("another machine")
    write(tmp_path / "data", "first")
    others = [".data.00000000.partial", ".data.00000000.writer"]
    assert names(tmp_path) == sorted([*running, *others, "data"])


def test_a_folder_that_is_written_at_the_last_moment_is_not_replaced(tmp_path, monkeypatch):
    folder, checks = tmp_path / "data", []
    check_replaceable = atomic_write._check_replaceable

    def check(*arguments):
        checks.append(arguments)
        if len(checks) != 2:
            check_replaceable(*arguments)
            return
        folder.mkdir()  # After the check before the rename.
        (folder / "header").write_text("first")

    monkeypatch.setattr(atomic_write, "_check_replaceable", check)
    with pytest.raises(FileExistsError, match="must be new or empty"):
        write(folder, "second")
    assert (folder / "header").read_text() == "first"
    assert names(tmp_path) == ["data"]
