"""Version folders: written whole or not at all."""

import contextlib
import os
import pathlib
import shutil
import tempfile
import time

TEMPORARY_PREFIX = ".writing-"


def versions(parent) -> list[int]:
    """The version numbers below `parent`, the oldest first."""
    parent = pathlib.Path(parent)
    if not parent.is_dir():
        return []
    return sorted(int(entry.name) for entry in parent.iterdir() if entry.name.isdecimal())


@contextlib.contextmanager
def new_version(parent):
    """Gives a temporary folder beside the versions and publishes it when the block succeeds.

    The folder is renamed to a number that is the current Unix time, or one more than the newest
    version where that is later; two writers at once get two numbers. When the block fails, the
    temporary folder is removed and nothing else has changed.

    Args:
        parent: The folder of versions; made where it is missing.

    Yields:
        `(folder, published)`: the temporary folder as a `pathlib.Path`, and a list that holds
        the path of the version once it is published.
    """
    parent = pathlib.Path(parent)
    parent.mkdir(parents=True, exist_ok=True)
    folder = pathlib.Path(tempfile.mkdtemp(prefix=TEMPORARY_PREFIX, dir=parent))
    # mkdtemp makes it private; a server that runs as another user must read a version.
    folder.chmod(0o777 & ~_umask())
    published = []
    try:
        yield folder, published
        published.append(_publish(folder, parent))
    finally:
        if not published:
            shutil.rmtree(folder, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


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
