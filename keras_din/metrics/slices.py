"""Sums over slices of sorted arrays."""

import numpy as np


def starts_new_value(values) -> np.ndarray:
    """Returns a bool array `(rows,)`: whether a value differs from the previous one.

    The first entry is `True`.
    """
    result = np.ones(len(values), bool)
    np.not_equal(values[1:], values[:-1], out=result[1:])
    return result


def sum_slices(values, first) -> np.ndarray:
    """Returns the sums of the slices of `values` that start at `first`. Both may be empty."""
    return np.add.reduceat(values, first) if len(first) else values[:0]


def count_classes(y_true, first) -> tuple:
    """Counts `(positives, negatives)`, int64, in each slice of labels that starts at `first`."""
    positives = sum_slices(y_true.astype("int64"), first)
    return positives, np.diff(first, append=len(y_true)) - positives
