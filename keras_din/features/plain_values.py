"""Conversion of vocabulary values to Python strings and integers."""

import contextlib
import operator
import os

from keras_din.checks import local_path


def read_lines(path: str | os.PathLike, dtype: str | None) -> tuple:
    """Returns the lines of a vocabulary file, as integers with `dtype="int64"`."""
    # Files from Windows may start with a byte order mark.
    with open(local_path("vocabulary", path), encoding="utf-8-sig") as file:
        values = [line.rstrip("\r\n") for line in file]
    if dtype != "int64":
        return tuple(values)
    try:
        return tuple(int(value) for value in values)
    except ValueError as error:
        raise ValueError(
            f"A vocabulary file with dtype='int64' must contain one integer per line. "
            f"Received: {os.fspath(path)!r} ({error})."
        ) from None


def plain_value(value):
    """Converts a value of NumPy, pandas or Arrow to a Python value, for JSON and lookup tables.

    Bytes are decoded as UTF-8. Any other value is returned unchanged.
    """
    if hasattr(value, "as_py"):  # An Arrow scalar.
        value = value.as_py()
    if isinstance(value, bytes):
        with contextlib.suppress(UnicodeDecodeError):
            return value.decode()
    if isinstance(value, str):
        return str.__str__(value)  # Converts a subclass, such as `numpy.str_` or an `enum`.
    if not isinstance(value, (bool, int)) and hasattr(value, "__index__"):
        with contextlib.suppress(TypeError):  # Raised by NumPy booleans.
            return operator.index(value)
    return operator.index(value) if isinstance(value, int) and type(value) is not bool else value
