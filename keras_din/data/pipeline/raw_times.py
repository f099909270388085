"""The times that a client sends with the rows of a data set."""

from collections.abc import Iterator

import numpy as np

from keras_din.data.store.consistency import request_starts
from keras_din.data.store.order import ranges
from keras_din.data.store.samples import Samples
from keras_din.features import FeatureSpec
from keras_din.time_index import in_units


def raw_times(
    spec: FeatureSpec, behaviors: dict, samples: Samples, batch_size: int, *, by_request: bool
) -> Iterator[dict]:
    """Returns the times of the batches of `dataset` without `shuffle`, one dict per batch.

    Args:
        spec: The features. If none is computed from times, the dicts are empty.
        behaviors: Sequence name -> `BehaviorLog`.
        samples: The `Samples`.
        batch_size: Same as in `dataset`.
        by_request: Same as in `dataset`.

    Returns:
        An iterator of dicts: name of the input of an exported version -> int64 in the declared
        unit, `time` `(batch,)` and `{sequence}_time` `(batch, time)`, padded at the end with 0.
    """
    firsts = request_starts(samples)[:-1] if by_request else np.arange(len(samples))
    for start in range(0, len(firsts), batch_size):
        rows = firsts[start : start + batch_size]
        found = {}
        for name, feature in spec.time_inputs.items():
            sequence = spec.raw_inputs[name].sequence
            if sequence is not None:
                times = _histories(sequence, behaviors, samples, rows)
            else:
                assert samples.time is not None, "checked by `dataset`"
                times = samples.time[rows]
            found[name] = in_units(times, feature.time_unit)
        yield found


def _histories(sequence, behaviors: dict, samples: Samples, rows: np.ndarray) -> np.ndarray:
    """Returns the times of the behaviors of rows, `(rows, time)`, padded at the end with 0."""
    start, end = (each[rows] for each in samples.history[sequence.name])
    size = np.minimum(end - start, sequence.max_length)
    is_real = np.arange(size.max(initial=0)) < size[:, None]
    times = np.zeros(is_real.shape, np.int64)
    times[is_real] = np.asarray(behaviors[sequence.name].time)[ranges(end - size, size)]
    return times
