"""Atomic writes: files and folders that are written completely or not at all."""

import contextlib
import os
import pathlib
import shutil
import uuid

from keras_din.checks import local_path

__all__ = ["atomic_file", "atomic_folder"]


@contextlib.contextmanager
def atomic_file(file: pathlib.Path):
    """Yields a temporary path, which replaces `file` when the block succeeds."""
    partial = file.with_name(f".partial-{file.name}")
    try:
        yield partial
        os.replace(partial, file)
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(folder: str | os.PathLike, header: str, overwrite: bool = False):
    """Yields a temporary folder, which becomes `folder` when the block succeeds.

    The temporary folder is in the same parent folder. If the block fails or is interrupted,
    `folder` does not change.

    Args:
        folder: A path that does not exist, or an empty folder.
        header: Name of a file that only prepared data contains.
        overwrite: Whether existing prepared data is replaced.

    Raises:
        FileExistsError: If the folder is not empty, and `overwrite` is not set or the folder is
            not prepared data; also if another process has written it meanwhile.
    """
    local_path("folder", folder)
    folder = pathlib.Path(os.path.realpath(folder))  # A link must not be replaced itself.
    _check_replaceable(folder, header, overwrite)
    folder.parent.mkdir(parents=True, exist_ok=True)
    sibling = lambda suffix: folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.{suffix}")  # noqa: E731
    partial, old = sibling("partial"), sibling("old")
    try:
        partial.mkdir()
        yield partial
        _check_replaceable(folder, header, overwrite)
        if folder.exists():
            os.rename(folder, old)
        os.rename(partial, folder)
    except BaseException:
        if old.exists() and not folder.exists():
            os.rename(old, folder)
        shutil.rmtree(partial, ignore_errors=True)
        raise
    if old.exists():
        shutil.rmtree(old)


def _check_replaceable(folder: pathlib.Path, header: str, overwrite: bool) -> None:
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    is_prepared_data = (folder / header).is_file()
    if not (overwrite and is_prepared_data):
        allowed = "prepared data, or a new or empty folder" if overwrite else "new or empty"
        hint = " Pass overwrite=True to replace prepared data." if is_prepared_data else ""
        raise FileExistsError(f"`folder` must be {allowed}. Received: {folder}.{hint}")
