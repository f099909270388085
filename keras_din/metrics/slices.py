"""Sums over slices of sorted arrays."""

import numpy as np


def starts_new_value(values) -> np.ndarray:
    """Bool `(rows,)`: whether a value differs from the one before it. The first one does."""
    result = np.ones(len(values), bool)
    np.not_equal(values[1:], values[:-1], out=result[1:])
    return result


def sum_slices(values, first) -> np.ndarray:
    """Sums of the slices of `values` that begin at `first`. Both may be empty."""
    return np.add.reduceat(values, first) if len(first) else values[:0]


def count_classes(y_true, first) -> tuple:
    """`(positives, negatives)`, int64, of each slice of labels that begins at `first`."""
    positives = sum_slices(y_true.astype("int64"), first)
    return positives, np.diff(first, append=len(y_true)) - positives
