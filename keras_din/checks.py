"""Checks of arguments that several rooms share."""

import json
import math
import numbers
import operator
import os
import pathlib
import re


def positive_integer(word: str, value, minimum: int = 1, owner: str = "") -> int:
    """`value` as an `int`, or a `ValueError` that names the argument and what it is of."""
    wanted = {0: "a non-negative integer", 1: "a positive integer"}[minimum]
    try:
        number = operator.index(value)
    except TypeError:  # Also of an array, which has an `__index__` and may refuse it.
        number = -1
    if isinstance(value, bool) or number < minimum:
        of = f" of {owner}" if owner else ""
        raise ValueError(f"`{word}`{of} must be {wanted}. Received: {word}={value!r}.")
    return number


def positive_number(word: str, value) -> float:
    """`value` as a `float` more than 0 and finite, or a `ValueError` that names the argument."""
    if not is_number(value) or not 0 < value < math.inf:
        raise ValueError(f"`{word}` must be a positive number. Received: {word}={value!r}.")
    return float(value)


def not_negative(word: str, value) -> float:
    """`value` as a finite `float` of 0 or more, or a `ValueError` that names the argument."""
    if not is_number(value) or not 0 <= value < math.inf:
        raise ValueError(f"`{word}` must be 0 or more. Received: {word}={value!r}.")
    return float(value)


# Also as `pathlib` writes it, with one slash. A drive of Windows has one letter.
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")


def local_path(word: str, path) -> pathlib.Path:
    """`path` as a path of the local file system, or a `ValueError` that names the argument.

    An address such as `gs://bucket/din` would become a local folder named `gs:`.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise ValueError(
            f"`{word}` must be a path, a string or a `pathlib.Path`. "
            f"Received: {type(path).__name__}."
        )
    if _ADDRESS.match(os.fspath(path)):
        raise ValueError(
            f"`{word}` must be a path of a local file system: copy to or from it, or mount the "
            f"storage. Received: the address {os.fspath(path)!r}."
        )
    return pathlib.Path(path)


def is_number(value) -> bool:
    """Whether a value is a number, of Python or of NumPy, and no truth value."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def epoch_or_steps(word: str, value):
    """`"epoch"`, or a positive number of steps as an `int`, or a `ValueError`."""
    try:
        return value if value == "epoch" else positive_integer(word, value)
    except ValueError:
        raise ValueError(
            f'`{word}` must be "epoch" or a positive integer. Received: {word}={value!r}.'
        ) from None


def layer_sizes(word: str, values, at_least_one: bool = False) -> tuple:
    """The sizes of a stack of layers as a tuple of `int`, or a `ValueError`."""
    try:
        sizes = tuple(positive_integer(word, value) for value in values)
    except (TypeError, ValueError):
        raise ValueError(
            f"`{word}` must be a list of positive integers. Received: {word}={values!r}."
        ) from None
    if at_least_one and not sizes:
        raise ValueError(f"`{word}` must hold at least one layer. Received: {word}={values!r}.")
    return sizes


def fraction(word: str, value) -> float:
    """`value` as a `float` in [0, 1), or a `ValueError` that names the argument."""
    if not is_number(value) or not 0 <= value < 1:
        raise ValueError(f"`{word}` must be a number in [0, 1). Received: {word}={value!r}.")
    return float(value)


def rate(word: str, value) -> float:
    """`value` as a `float` in (0, 1], or a `ValueError` that names the argument."""
    if not is_number(value) or not 0 < value <= 1:
        raise ValueError(f"`{word}` must be in (0, 1]. Received: {word}={value!r}.")
    return float(value)


def one_of(word: str, value, allowed: tuple):
    """`value`, which must be one of `allowed`, or a `ValueError` that lists them."""
    if value not in allowed:
        names = ", ".join(map(repr, allowed))
        raise ValueError(f"`{word}` must be one of {names}. Received: {word}={value!r}.")
    return value


def json_values(word: str, value, nulls: bool = False):
    """`value` as JSON gives it back, numpy scalars as numbers, or a `ValueError` that names it.

    JSON has no word for NaN and infinity: with `nulls` they are `None`, else refused.
    """
    try:
        text = json.dumps(value, default=_plain, allow_nan=nulls)
    except (TypeError, ValueError) as error:
        raise ValueError(f"`{word}` must hold what JSON takes. Received: {error}.") from None
    return json.loads(text, parse_constant=lambda name: None)


def _plain(value):
    """A numpy scalar as a Python number."""
    if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        return value.item()
    raise TypeError(f"a value of type {type(value).__name__}")
