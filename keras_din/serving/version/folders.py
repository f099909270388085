"""Version folders: written whole or not at all, by any number of writers. Standard library only."""

import contextlib
import os
import pathlib
import shutil
import tempfile
import time
import warnings

try:
    import fcntl
except ModuleNotFoundError:  # Windows: what killed writers leave stays there.
    fcntl = None  # type: ignore[assignment]

TEMPORARY_PREFIX = ".writing-"
_LOCK = "lock"


class NewVersion:
    """A version that is being written.

    Attributes:
        folder: Where its files go; what is there becomes the version.
        scratch: A folder for files that are needed while it is written.
        published: Where the version is, once it is; `None` before.
    """

    def __init__(self, temporary: pathlib.Path):
        self.folder = temporary / "version"
        self.scratch = temporary / "scratch"
        self.published: pathlib.Path | None = None
        self.folder.mkdir()
        self.scratch.mkdir()


def versions(parent) -> list[int]:
    """The version numbers below `parent`, the oldest first."""
    parent = pathlib.Path(parent)
    if not parent.is_dir():
        return []
    names = [entry.name for entry in parent.iterdir()]
    return sorted(int(name) for name in names if name.isascii() and name.isdecimal())


def check_versions_folder(path) -> pathlib.Path:
    """`path` as the folder that holds versions, or a `ValueError`.

    A version written into another version is one that no server finds, and a folder named by a
    number beside versions is one that a server takes for a version.
    """
    path = pathlib.Path(path)
    inside = next((p for p in (path, *path.parents) if (p / "saved_model.pb").is_file()), None)
    if inside is None and path.name.isascii() and path.name.isdecimal():
        beside = (path.parent / str(number) for number in versions(path.parent))
        inside = path if any((p / "saved_model.pb").is_file() for p in beside) else None
    if inside is not None:
        raise ValueError(
            "`path` must be the folder of the versions, below which `export` makes a new one: "
            f"{inside.parent}. Received: {path}, the folder of a version."
        )
    return path


@contextlib.contextmanager
def new_version(parent, keep: int | None = None):
    """Gives a folder beside the versions to write to, and publishes it when the block succeeds.

    The folder is renamed to a number that is the current Unix time, or one more than the newest
    version where that is later; two writers at once get two numbers. When the block fails,
    nothing has changed. What writers left that were killed is removed first.

    Args:
        parent: The folder of versions; made where it is missing.
        keep: How many versions stay, with the new one, once it is published; the oldest go.
            Versions newer than it stay in any case. By default all stay. A warning names those
            that can't be removed.

    Yields:
        A `NewVersion`.

    Raises:
        ValueError: When `parent` is the folder of a version.
        OSError: When `parent` can't be written.
    """
    parent = check_versions_folder(parent)
    with contextlib.ExitStack() as stack:
        try:
            parent.mkdir(parents=True, exist_ok=True)
            temporary = stack.enter_context(temporary_folder(parent))
            version = NewVersion(temporary)
        except OSError as error:
            raise type(error)(
                error.errno,
                f"`path` must be a folder that can be written ({error.strerror})",
                str(parent),
            ) from error
        remove_stale_writers(parent)
        yield version
        _flush(version.folder)
        published = version.published = _publish(version.folder, parent)
        if keep is not None:
            _retire(published, keep, temporary)


@contextlib.contextmanager
def temporary_folder(parent: pathlib.Path):
    """A folder below `parent` whose lock is held as long as the block runs; then it is removed.

    The system lets go of the lock of a process that dies, however it dies: a folder whose lock
    can be had is nobody's.
    """
    while True:
        folder = pathlib.Path(tempfile.mkdtemp(prefix=TEMPORARY_PREFIX, dir=parent))
        with contextlib.ExitStack() as stack:
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            try:
                lock = stack.enter_context(open(folder / _LOCK, "a"))
                if fcntl:
                    fcntl.flock(lock, fcntl.LOCK_EX)
                ours = os.path.samestat(os.stat(folder / _LOCK), os.fstat(lock.fileno()))
            except FileNotFoundError:
                ours = False
            if not ours:  # Another writer removed the folder before it was locked.
                continue
            yield folder
            return


def remove_stale_writers(parent: pathlib.Path) -> None:
    """Removes the temporary folders below `parent` that no living process has locked."""
    if not fcntl:
        return
    for folder in parent.glob(f"{TEMPORARY_PREFIX}*"):
        # The lock is held, or the folder is gone by now or not ours to remove.
        with contextlib.suppress(OSError), open(folder / _LOCK, "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder)


def _flush(folder: pathlib.Path) -> None:
    """Has all that is below `folder` on the disk before its name is."""
    windows = os.name == "nt"  # It opens no folders, and flushes what it may write.
    for path in [folder, *folder.rglob("*")]:
        if windows and path.is_dir():
            continue
        descriptor = os.open(path, os.O_RDWR if windows else os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _publish(folder: pathlib.Path, parent: pathlib.Path) -> pathlib.Path:
    number = max([int(time.time()), *(newest + 1 for newest in versions(parent))])
    while True:
        version = parent / str(number)
        try:
            # A folder that holds something is never replaced: of two writers who choose the same
            # number the second gets an error here, and takes the next one.
            folder.rename(version)
        except OSError:
            if not version.exists():
                raise
            number += 1
        else:
            return version


def _retire(version: pathlib.Path, keep: int, temporary: pathlib.Path) -> None:
    """Removes older versions; each vanishes at once, as a server that looks must see it.

    The new one is published by now, so a warning lists what can't be removed.
    """
    left = []
    older = [number for number in versions(version.parent) if number < int(version.name)]
    for number in older[: max(0, len(older) - keep + 1)]:
        try:
            (version.parent / str(number)).rename(temporary / f"retired-{number}")
        except FileNotFoundError:
            continue  # Another writer was first.
        except OSError as error:
            left.append(f"{number} ({error.strerror})")
    if left:
        warnings.warn(
            f"{version} is published, and {keep} versions should stay. These could not be removed: "
            f"{', '.join(left)}.",
            stacklevel=4,
        )
