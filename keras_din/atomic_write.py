"""Atomic writes: files and folders that are written completely or not at all."""

import contextlib
import glob
import os
import pathlib
import shutil
import socket
import uuid

from keras_din.checks import local_path

try:
    import fcntl
except ModuleNotFoundError:  # On Windows, temporary folders of killed writers are not removed.
    fcntl = None  # type: ignore[assignment]

__all__ = ["atomic_file", "atomic_folder"]

_LOCK = ".writer"


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
    `folder` does not change. Temporary folders of killed writers of `folder` are removed first, and
    a folder that a killed writer was about to replace is restored.

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
    _remove_stale_writers(folder)
    _check_replaceable(folder, header, overwrite)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(folder) as lock:
        partial, old = lock.with_suffix(".partial"), lock.with_suffix(".old")
        try:
            partial.mkdir()
            yield partial
            _check_replaceable(folder, header, overwrite)
            _replace(folder, partial, old, header, overwrite)
        except BaseException:
            if old.exists() and not folder.exists():
                os.rename(old, folder)
            shutil.rmtree(partial, ignore_errors=True)
            raise
        if old.exists():
            shutil.rmtree(old)


def _replace(folder: pathlib.Path, partial: pathlib.Path, old, header: str, overwrite: bool):
    try:
        if overwrite and (folder / header).is_file():
            os.rename(folder, old)
        elif folder.exists():
            folder.rmdir()  # An error if another process has written it meanwhile.
        os.rename(partial, folder)
    except OSError:
        _check_replaceable(folder, header, overwrite)
        raise


def _check_replaceable(folder: pathlib.Path, header: str, overwrite: bool) -> None:
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    is_prepared_data = (folder / header).is_file()
    if not (overwrite and is_prepared_data):
        allowed = "prepared data, or a new or empty folder" if overwrite else "new or empty"
        hint = " Pass overwrite=True to replace prepared data." if is_prepared_data else ""
        raise FileExistsError(f"`folder` must be {allowed}. Received: {folder}.{hint}")


@contextlib.contextmanager
def _locked(folder: pathlib.Path):
    """Yields the path of a new file beside a folder, which is locked during the block.

    The system releases the lock when the process ends, also when it is killed. The file has the
    name of the machine, since locks of network file systems may not reach other machines.
    """
    while True:
        path = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}{_LOCK}")
        with open(path, "x", encoding="utf-8") as lock:
            lock.write(socket.gethostname())
            lock.flush()
            if fcntl:
                with contextlib.suppress(OSError):  # A file system without locks.
                    fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.exists():  # Another writer removed it before it was locked.
                continue
            try:
                yield path
            finally:
                path.unlink(missing_ok=True)
            return


def _remove_stale_writers(folder: pathlib.Path) -> None:
    """Removes what killed writers of a folder on this machine left beside it."""
    if not fcntl:
        return
    for path in folder.parent.glob(f".{glob.escape(folder.name)}.*{_LOCK}"):
        # An error means that a writer has the lock, or that files cannot be removed.
        with contextlib.suppress(OSError), open(path, "r+", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if lock.read() != socket.gethostname():
                continue
            partial, old = path.with_suffix(".partial"), path.with_suffix(".old")
            _remove_stale_writers(partial)  # Of a folder that was written to this one.
            if old.exists() and not folder.exists():
                os.rename(old, folder)
            for each in (partial, old):
                shutil.rmtree(each, ignore_errors=True)
            path.unlink()
