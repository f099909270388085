"""Checks of the names of features, sequences and inputs, and names of added columns."""

import keyword
import re


def check_name(kind: str, name) -> None:
    """Raises a `ValueError` unless a name is valid in a TensorFlow graph and as an argument."""
    if not isinstance(name, str) or not re.fullmatch("[A-Za-z][A-Za-z0-9_]*", name):
        raise ValueError(
            f"The name of a {kind} must consist of ASCII letters, digits and underscores, and "
            f"start with a letter. Received: name={name!r}."
        )
    if kind != "Sequence" and (keyword.iskeyword(name) or name == "self"):
        raise ValueError(
            f"The name of a {kind} must not be a keyword of Python or 'self', since inputs of "
            f"exported versions are arguments of functions. Received: name={name!r}."
        )


def first_duplicate(values):
    """Returns the first value that repeats an earlier one, or `None`."""
    seen = set()
    for value in values:
        if value in seen:
            return value
        seen.add(value)
    return None


def check_unique(what: str, names: list) -> None:
    """Raises a `ValueError` if a name occurs twice."""
    duplicate = first_duplicate(names)
    if duplicate is not None:
        raise ValueError(f"The names of {what} must be unique. Received: {duplicate!r} twice.")


def unused_name(name: str, used) -> str:
    """Appends `_` to the name of an added column until no other column has it."""
    while name in used:
        name += "_"
    return name
