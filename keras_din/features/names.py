"""Checks of the names of features, sequences and inputs."""

import keyword
import re


def check_name(kind: str, name) -> None:
    # What TensorFlow takes as a name in a graph and Python as the name of an argument.
    if not isinstance(name, str) or not re.fullmatch("[A-Za-z][A-Za-z0-9_]*", name):
        raise ValueError(
            f"The name of a {kind} must be ASCII letters, digits and underscores, a letter "
            f"first. Received: name={name!r}."
        )
    if kind != "Sequence" and (keyword.iskeyword(name) or name == "self"):
        raise ValueError(
            f"The name of a {kind} must be none of Python's own words, since served inputs are "
            f"the arguments of functions. Received: name={name!r}."
        )


def first_duplicate(values):
    seen = set()
    for value in values:
        if value in seen:
            return value
        seen.add(value)
    return None


def check_unique(what: str, names: list) -> None:
    twice = first_duplicate(names)
    if twice is not None:
        raise ValueError(f"The names of {what} must differ. Received: {twice!r} twice.")
