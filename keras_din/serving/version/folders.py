"""Version folders: written atomically, by any number of writers. Standard library only."""

import contextlib
import os
import pathlib
import shutil
import tempfile
import time
import warnings

try:
    import fcntl
except ModuleNotFoundError:  # On Windows, temporary folders of killed writers are not removed.
    fcntl = None  # type: ignore[assignment]

DESCRIPTION_FILE = "keras_din.json"
TEMPORARY_PREFIX = ".writing-"
DELTA_SUFFIX = ".delta"  # Of the file next to a version that `make_delta` writes.
PARTIAL_PREFIX = ".partial-"  # Of a file that a killed `make_delta` left, see `atomic_file`.
_LOCK = "lock"


class NewVersion:
    """A version that is being written.

    Attributes:
        folder: Folder for the files of the version.
        scratch: Folder for files that are needed only while it is written.
        published: Folder of the version after publishing; `None` before.
    """

    def __init__(self, temporary: pathlib.Path):
        self.folder = temporary / "version"
        self.scratch = temporary / "scratch"
        self.published: pathlib.Path | None = None
        self.folder.mkdir()
        self.scratch.mkdir()


def versions(parent) -> list[int]:
    """Returns the version numbers in `parent`, the oldest first."""
    parent = pathlib.Path(parent)
    if not parent.is_dir():
        return []
    names = [entry.name for entry in parent.iterdir()]
    return sorted(int(name) for name in names if name.isascii() and name.isdecimal())


def check_versions_folder(path) -> pathlib.Path:
    """Returns `path`. Raises a `ValueError` if it is a version instead of a folder of versions.

    A server would not find a version inside of a version. It would load a folder whose name is a
    number, next to versions, as a version.
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
def new_version(parent, keep: int | None = None, number: int | None = None):
    """Yields a temporary folder next to the versions, and publishes it if the block succeeds.

    The folder is renamed to a number: the current Unix time, or one more than the newest version
    if that is larger. Two writers at the same time get two numbers. If the block fails, there is
    no new version. Temporary folders of killed writers are removed first.

    Args:
        parent: The folder of versions. It is created if it is missing.
        keep: Number of versions to keep, with the new one. The oldest ones are removed after
            publishing, with their deltas. Versions with a larger number are always kept. By
            default all versions are kept. A warning lists versions that cannot be removed.
        number: The number of the version, if it is already known.

    Yields:
        A `NewVersion`.

    Raises:
        ValueError: If `parent` is the folder of a version.
        FileExistsError: If there is a version with `number`.
        OSError: If `parent` cannot be written.
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
        published = version.published = _publish(version.folder, parent, number)
        if keep is not None:
            _remove_old_versions(published, keep, temporary)


@contextlib.contextmanager
def temporary_folder(parent: pathlib.Path):
    """Yields a new folder in `parent`, which is locked during the block and then removed.

    The system releases the lock when the process ends, also when it is killed. So a folder
    without a lock has no writer.
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
            if not ours:  # Another writer removed the folder before the lock was taken.
                continue
            yield folder
            return


def remove_stale_writers(parent: pathlib.Path) -> None:
    """Removes the temporary folders in `parent` that no running process has locked."""
    if not fcntl:
        return
    for folder in parent.glob(f"{TEMPORARY_PREFIX}*"):
        # An error means that a writer has the lock, or that the folder cannot be removed.
        with contextlib.suppress(OSError), open(folder / _LOCK, "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder)


def _flush(folder: pathlib.Path) -> None:
    """Flushes all files in `folder` to the disk, so that they exist before it is renamed."""
    windows = os.name == "nt"  # Windows cannot open folders, and flushes writable files only.
    for path in [folder, *folder.rglob("*")]:
        if windows and path.is_dir():
            continue
        descriptor = os.open(path, os.O_RDWR if windows else os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _publish(folder: pathlib.Path, parent: pathlib.Path, given: int | None) -> pathlib.Path:
    number = given
    if number is None:
        number = max([int(time.time()), *(newest + 1 for newest in versions(parent))])
    while True:
        version = parent / str(number)
        try:
            # `rename` never replaces a folder that is not empty. If two writers choose the same
            # number, the second one gets an error and takes the next number.
            folder.rename(version)
        except OSError as error:
            if not version.exists():
                raise
            if given is not None:
                raise FileExistsError(
                    error.errno, "a version must not exist yet", str(version)
                ) from error
            number += 1
        else:
            return version


def _remove_old_versions(version: pathlib.Path, keep: int, temporary: pathlib.Path) -> None:
    """Removes older versions and their deltas.

    Each version is renamed first, so that no server sees a part of it.

    The new version is already published. So a warning lists versions that cannot be removed.
    """
    left = []
    older = [number for number in versions(version.parent) if number < int(version.name)]
    for number in older[: max(0, len(older) - keep + 1)]:
        try:
            for prefix in ("", PARTIAL_PREFIX):
                name = f"{prefix}{number}{DELTA_SUFFIX}"
                (version.parent / name).unlink(missing_ok=True)
            (version.parent / str(number)).rename(temporary / f"retired-{number}")
        except FileNotFoundError:
            continue  # Another writer removed it.
        except OSError as error:
            left.append(f"{number} ({error.strerror})")
    if left:
        warnings.warn(
            f"{version} is published, and {keep} versions should stay. These could not be removed: "
            f"{', '.join(left)}.",
            stacklevel=4,
        )
