"""The names of the files of saved data, by which a load finds that one is missing."""

import pathlib
from collections.abc import Iterable

from keras_din.count_text import count_text

__all__ = ["check_files", "file_names"]

BAD_ROWS = "bad_rows.csv"  # It has no row of the data, so it may be removed.


def file_names(folder: pathlib.Path, others: tuple = ()) -> list[str]:
    """Returns the names of all files in a folder, sorted, without those of bad rows.

    Args:
        folder: The folder.
        others: Names of files and folders in it that are not part of the data.
    """
    names = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    others = (*others, BAD_ROWS)
    return sorted(name.as_posix() for name in names if name.parts[0] not in others)


def check_files(folder: pathlib.Path, names: Iterable[str]) -> None:
    """Raises a `ValueError` if a file of a folder is missing."""
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        others = f" and {count_text(len(missing) - 1, 'other')}" if len(missing) > 1 else ""
        raise ValueError(
            "The files of prepared data must be complete: copy or prepare them again. "
            f"Received: {folder} without {missing[0]}{others}."
        )
