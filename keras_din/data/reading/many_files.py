"""Finds the files of a table: a list of paths, a pattern, or a folder with files below it."""

import fnmatch
import glob
import os
import pathlib
import urllib.parse

from keras_din.checks import local_path
from keras_din.count_text import count_text

# Files that other programs write beside tables. They are left out even if a list names them, since
# a shell replaces a pattern by such a list.
_MARKERS = (".*", "_SUCCESS", "_metadata", "_common_metadata", "*.crc")
_HIDDEN = (".*", "_*", "*.crc")  # Left out of folders and patterns.
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


def is_many_files(source) -> bool:
    """Whether this is a list of paths, a pattern or a folder, instead of the path of one file.

    A file in a folder named `column=value` is read in the same way as several.
    """
    if isinstance(source, (list, tuple)):
        return bool(source) and all(isinstance(each, (str, os.PathLike)) for each in source)
    if not isinstance(source, (str, os.PathLike)):
        return False
    path = os.fspath(source)
    return os.path.isdir(path) or _is_pattern(path) or bool(partition_of(path))


def find_files(source) -> list:
    """Finds the files of a table.

    Files in folders and files that a pattern matches are left out if their names begin with `_` or
    `.` or end in `.crc`, and so are all files below folders with such names. In a list, only
    `_SUCCESS`, `_metadata`, `_common_metadata` and names that begin with `.` or end in `.crc` are
    left out. Files of 0 bytes are left out too. What is left out is printed.

    Args:
        source: A path, a pattern (`*`, `?`, `[]`, and `**` for folders at any depth), a folder, or
            a list of these.

    Returns:
        Paths of the files, in the order of their names, whatever order `source` has.

    Raises:
        ValueError: If a pattern matches nothing, no file is left, or a file occurs twice.
        FileNotFoundError: If a path does not exist.
    """
    is_list = isinstance(source, (list, tuple))
    found, left_out = [], []
    for path in [local_path("source", each) for each in (source if is_list else [source])]:
        files, hidden = _expand(os.fspath(path), is_list)
        found += files
        left_out += hidden
    empty = [file for file in found if not os.path.getsize(file)]
    found = sorted((file for file in found if os.path.getsize(file)), key=_in_order)
    if not found:
        why = [count_text(len(left_out), "hidden file")] * bool(left_out)
        why += [count_text(len(empty), "empty file")] * bool(empty)
        raise ValueError(
            "A list, a pattern or a folder must lead to at least one file that is not empty. "
            f"Received: {source!r}, with {' and '.join(why) or 'no file'}."
        )
    _check_different(found)
    for files, what in ((left_out, "hidden or marker"), (empty, "empty")):
        if files:
            some = ", ".join(files[:3]) + (", ..." if len(files) > 3 else "")
            print(f"left out {count_text(len(files), f'{what} file')}: {some}", flush=True)
    return found


def partition_of(path: str) -> dict:
    """The columns that folders named `column=value` give to a file, as in Hive and Spark.

    Returns:
        Name of the column -> its text, which is empty where Hive has no value.
    """
    pairs = [part.partition("=") for part in pathlib.Path(path).parts[:-1]]
    found = {name: value for name, equals, value in pairs if name and equals}
    return {
        urllib.parse.unquote(name): "" if value == _NO_VALUE else urllib.parse.unquote(value)
        for name, value in found.items()
    }


def _is_pattern(path: str) -> bool:
    return glob.has_magic(path) and not os.path.exists(path)


def _expand(path: str, is_in_list: bool) -> tuple:
    """Returns `(files, hidden files)` of a path, a pattern or a folder."""
    if not _is_pattern(path):
        if os.path.isdir(path):
            return _below(path)
        os.stat(path)  # Raises an error if there is no such file.
        return (
            ([], [path])
            if is_in_list and _matches(os.path.basename(path), _MARKERS)
            else ([path], [])
        )
    matches = glob.glob(path, recursive=True)
    if not matches:
        raise ValueError(f"A pattern must match at least one file. Received: {path!r}.")
    fixed = next(i for i, part in enumerate(pathlib.Path(path).parts) if glob.has_magic(part))
    hidden_names = _MARKERS if os.path.basename(path).startswith("_") else _HIDDEN
    found: list[str] = []
    hidden: list[str] = []
    for match in matches:
        # With `**`, the files below a folder are matches themselves.
        if os.path.isdir(match) and "**" in path:
            continue
        files, others = _below(match) if os.path.isdir(match) else ([match], [])
        is_hidden = any(_matches(part, hidden_names) for part in pathlib.Path(match).parts[fixed:])
        found += [] if is_hidden else files
        hidden += files + others if is_hidden else others
    return found, hidden


def _below(folder: str) -> tuple:
    """Returns `(files, hidden files)` at any depth below a folder."""
    found: list[str] = []
    hidden: list[str] = []
    for parent, _, files in os.walk(folder, followlinks=True):
        inside = os.path.relpath(parent, folder)
        is_hidden = inside != "." and any(_matches(f, _HIDDEN) for f in pathlib.Path(inside).parts)
        for file in files:
            path = os.path.join(parent, file)
            (hidden if is_hidden or _matches(file, _HIDDEN) else found).append(path)
    return found, hidden


def _matches(name: str, patterns) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _in_order(path: str) -> tuple:
    return pathlib.Path(os.path.abspath(path)).parts


def _check_different(files: list) -> None:
    """Raises a `ValueError` if two paths lead to the same file."""
    known: dict[str, str] = {}
    for file in files:
        real = os.path.realpath(file)
        if real in known:
            how = "twice" if known[real] == file else f"and {file}, which are the same file"
            raise ValueError(
                "Each file must be given once, so that no row is read twice. "
                f"Received: {known[real]} {how}."
            )
        known[real] = file
