"""Checks of arguments."""

import json
import math
import numbers
import operator
import os
import pathlib
import re


def positive_integer(name: str, value, minimum: int = 1, owner: str = "") -> int:
    """Returns `value` as an `int`, or raises a `ValueError` with the argument and its owner."""
    description = {0: "a non-negative integer", 1: "a positive integer"}[minimum]
    try:
        number = operator.index(value)
    except TypeError:  # Also raised by the `__index__` of an array with several values.
        number = -1
    if isinstance(value, bool) or number < minimum:
        of = f" of {owner}" if owner else ""
        raise ValueError(f"`{name}`{of} must be {description}. Received: {name}={value!r}.")
    return number


def positive_number(name: str, value) -> float:
    """Returns a finite `value > 0` as a `float`, or raises a `ValueError`."""
    if not is_number(value) or not 0 < value < math.inf:
        raise ValueError(f"`{name}` must be a positive number. Received: {name}={value!r}.")
    return float(value)


def not_negative(name: str, value) -> float:
    """Returns a finite `value >= 0` as a `float`, or raises a `ValueError`."""
    if not is_number(value) or not 0 <= value < math.inf:
        raise ValueError(f"`{name}` must be 0 or more. Received: {name}={value!r}.")
    return float(value)


# An address such as `gs://bucket`, which `pathlib` writes with only one slash. A single letter
# before the colon is a Windows drive.
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")


def local_path(name: str, path) -> pathlib.Path:
    """Returns `path` as a path of the local file system, or raises a `ValueError`.

    An address such as `gs://bucket/din` would become a local folder named `gs:`.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise ValueError(
            f"`{name}` must be a path, a string or a `pathlib.Path`. "
            f"Received: {type(path).__name__}."
        )
    if _ADDRESS.match(os.fspath(path)):
        raise ValueError(
            f"`{name}` must be a path of a local file system: copy the data, or mount the storage. "
            f"Received: the address {os.fspath(path)!r}."
        )
    return pathlib.Path(path)


def is_number(value) -> bool:
    """Returns whether a value is a Python or NumPy number, but not a bool."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def epoch_or_steps(name: str, value):
    """Returns `"epoch"` or a positive number of steps, or raises a `ValueError`."""
    try:
        return value if value == "epoch" else positive_integer(name, value)
    except ValueError:
        raise ValueError(
            f'`{name}` must be "epoch" or a positive integer. Received: {name}={value!r}.'
        ) from None


def layer_sizes(name: str, values, at_least_one: bool = False) -> tuple:
    """Returns the sizes of a stack of layers as a tuple of `int`, or raises a `ValueError`."""
    try:
        sizes = tuple(positive_integer(name, value) for value in values)
    except (TypeError, ValueError):
        raise ValueError(
            f"`{name}` must be a list of positive integers. Received: {name}={values!r}."
        ) from None
    if at_least_one and not sizes:
        raise ValueError(f"`{name}` must hold at least one layer. Received: {name}={values!r}.")
    return sizes


def fraction(name: str, value) -> float:
    """Returns a `value` in [0, 1) as a `float`, or raises a `ValueError`."""
    if not is_number(value) or not 0 <= value < 1:
        raise ValueError(f"`{name}` must be a number in [0, 1). Received: {name}={value!r}.")
    return float(value)


def rate(name: str, value) -> float:
    """Returns a `value` in (0, 1] as a `float`, or raises a `ValueError`."""
    if not is_number(value) or not 0 < value <= 1:
        raise ValueError(f"`{name}` must be in (0, 1]. Received: {name}={value!r}.")
    return float(value)


def one_of(name: str, value, allowed: tuple):
    """Returns `value` if it is one of `allowed`, or raises a `ValueError` that lists them."""
    if value not in allowed:
        names = ", ".join(map(repr, allowed))
        raise ValueError(f"`{name}` must be one of {names}. Received: {name}={value!r}.")
    return value


def json_values(name: str, value, nulls: bool = False):
    """Returns `value` after a round trip through JSON, or raises a `ValueError`.

    NumPy scalars become Python numbers. JSON has no NaN and infinity: with `nulls` they become
    `None`, otherwise they raise the error.
    """
    try:
        text = json.dumps(value, default=_to_python_number, allow_nan=nulls)
    except (TypeError, ValueError) as error:
        raise ValueError(f"`{name}` must be JSON serializable. Received: {error}.") from None
    return json.loads(text, parse_constant=lambda name: None)


def _to_python_number(value):
    """Converts a NumPy scalar to a Python number."""
    if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        return value.item()
    raise TypeError(f"a value of type {type(value).__name__}")
