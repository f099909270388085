"""Folders are written completely or not at all."""

import pytest

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
