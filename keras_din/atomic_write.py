"""Files and folders that are written completely or not at all."""

import contextlib
import os
import pathlib
import shutil
import uuid

from keras_din.checks import local_path


@contextlib.contextmanager
def atomic_file(file: pathlib.Path):
    """Yields a path beside `file` to write to, which replaces `file` when the block succeeds."""
    partial = file.with_name(f".partial-{file.name}")
    try:
        yield partial
        os.replace(partial, file)
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(folder: str | os.PathLike, header: str, overwrite: bool = False):
    """Yields a path to write to, which becomes `folder` when the block succeeds.

    It is beside the folder and renamed when complete, so that an interrupted or failed block
    leaves what was there before.

    Args:
        folder: A path where nothing is, or an empty folder.
        header: Name of a file that stands in prepared data and nowhere else.
        overwrite: Whether prepared data that is there may be replaced.

    Raises:
        FileExistsError: When something is there, and `overwrite` is not set or it is something
            else than prepared data.
    """
    local_path("folder", folder)
    folder = pathlib.Path(os.path.realpath(folder))  # Not a link to it, which would be replaced.
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        ours = (folder / header).is_file()
        if not (overwrite and ours):
            way = "prepared data, or a new or empty folder" if overwrite else "new or empty"
            hint = " Prepared data is replaced with overwrite=True." if ours else ""
            raise FileExistsError(f"`folder` must be {way}. Received: {folder}.{hint}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = lambda word: folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.{word}")  # noqa: E731
    partial, old = beside("partial"), beside("old")
    try:
        partial.mkdir()
        yield partial
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
