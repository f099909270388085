"""Runs of the examples on disk: a line of JSON each, and comparisons of runs of the same seeds."""

import json
import pathlib

import numpy as np


def file_name(line: dict, keys) -> str:
    """Returns the name of the scores of a run, from the entries `keys` of its line."""
    return "-".join(str(line[key]).replace(" ", "_") for key in keys)


def read(file: pathlib.Path) -> list:
    """Returns the runs that are in a file."""
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def compared(differences) -> list:
    """Returns the cells of a difference: its mean with its error, and their ratio.

    Args:
        differences: For each seed the difference of two runs, and its error over users.
    """
    found = np.array(differences)
    mean, users = found.mean(axis=0)
    error = np.hypot(users, found[:, 0].std(ddof=len(found) > 1) / np.sqrt(len(found)))
    return [f"{mean:+.4f} ± {error:.4f}", f"{mean / error:+.1f}"]
