"""The raw values of one row and candidate."""

import numpy as np

from keras_din.features import Categorical


def real_positions(x, sequence, row):
    first = next(f for f in sequence.of if isinstance(f, Categorical))
    return np.flatnonzero(x[sequence.input_name(first)][row])


def values_of(spec, x, row, candidate):
    """Returns input name -> real values: one per input, several per behavior input."""
    values = {}
    for name, info in spec.inputs.items():
        if info.role == "behavior":
            values[name] = [x[name][row, j] for j in real_positions(x, info.sequence, row)]
        else:
            values[name] = [x[name][row, candidate] if info.role == "target" else x[name][row]]
    return values
