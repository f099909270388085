"""Pairs of training rows and behaviors of their histories, from which features are proposed."""

import numpy as np

_ROWS = 10_000  # Training rows that are read, of larger data evenly spaced ones.


def training_pairs(data, sequence) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the pairs of training rows and of the behaviors that a model reads.

    Args:
        data: The `PreparedData`.
        sequence: The `Sequence`.

    Returns:
        `(rows, row, event)`: int64 `(rows,)`, at most 10,000 training rows at equal steps; and
        int64 `(pairs,)` each, the position in `rows` and in the log of the sequence.
    """
    samples = data.parts["train"]
    rows = np.linspace(0, len(samples) - 1, min(len(samples), _ROWS)).astype(np.int64)
    start, end = (each[rows] for each in samples.history[sequence.name])
    length = np.minimum(end - start, sequence.max_length)
    row = np.repeat(np.arange(len(rows)), length)
    first = end - length - (np.cumsum(length) - length)
    return rows, row, first[row] + np.arange(len(row))
