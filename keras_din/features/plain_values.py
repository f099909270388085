"""Values of vocabularies as Python's own strings and integers."""

import contextlib
import operator
import os

from keras_din.checks import local_path


def read_lines(path: str | os.PathLike, dtype: str | None) -> tuple:
    """The lines of a vocabulary file, as integers with `dtype="int64"`."""
    # Windows begins files with a mark.
    with open(local_path("vocabulary", path), encoding="utf-8-sig") as file:
        values = [line.rstrip("\r\n") for line in file]
    if dtype != "int64":
        return tuple(values)
    try:
        return tuple(int(value) for value in values)
    except ValueError as error:
        raise ValueError(
            f"A vocabulary file with dtype='int64' must hold one integer per line. "
            f"Received: {os.fspath(path)!r} ({error})."
        ) from None


def plain_value(value):
    """A value of NumPy, pandas or Arrow as a Python one, so that JSON and lookup tables take it.

    Bytes are UTF-8 text; any other value is returned unchanged.
    """
    if hasattr(value, "as_py"):  # Of Arrow.
        value = value.as_py()
    if isinstance(value, bytes):
        with contextlib.suppress(UnicodeDecodeError):
            return value.decode()
    if isinstance(value, str):
        return str.__str__(value)  # Without the type of NumPy, or of an `enum`.
    if not isinstance(value, (bool, int)) and hasattr(value, "__index__"):
        with contextlib.suppress(TypeError):  # Of NumPy's booleans.
            return operator.index(value)
    return operator.index(value) if isinstance(value, int) and type(value) is not bool else value
