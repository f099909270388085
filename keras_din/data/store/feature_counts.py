"""How often each index occurs in samples, counted on the log without building a history."""

import numpy as np

from keras_din.data.store.bags import Bags
from keras_din.data.store.consistency import check_samples
from keras_din.features import PADDING_INDEX, FeatureSpec


def count_features(spec: FeatureSpec, behaviors: dict, samples) -> dict:
    """Counts what a model reads in one pass over samples, row by row.

    Each place counts: the context, the candidate, and every position of a history, cut to
    `max_length`, and of a bag, cut to `max_values`. An index that stands three times in one
    history occurs three times there, and an event counts once for each sample whose history has
    it. Padding, index 0, counts 0.

    Args:
        spec: The features.
        behaviors: Sequence name -> `BehaviorLog`.
        samples: The `Samples`.

    Returns:
        Name of each table -> int64 `(vocabulary_size,)`: the sum over the features that share it. A
        table has the name of its feature where it is not shared.

    Raises:
        ValueError: When samples, logs and spec do not fit together.

    Reference:
        `n_j` of [Zhou et al., 2018](https://arxiv.org/abs/1706.06978), Sec. 5.1: "the number of
        occurrence for feature id j in all samples". Its Eq. (4) would count a sample once in
        which an index occurs several times.
    """
    columns = check_samples(spec, behaviors, samples)
    reads = {
        sequence.name: _reads(
            len(behaviors[sequence.name]), *samples.history[sequence.name], sequence.max_length
        )
        for sequence in spec.sequences
    }
    counts = {name: np.zeros(table.values.size, np.int64) for name, table in spec.tables.items()}
    for name, info in spec.inputs.items():
        table = info.feature.table
        if table is not None:
            weights = reads[info.sequence.name] if info.role == "behavior" else None
            size = table.values.size
            column = columns[name]
            if isinstance(column, Bags):
                column, weights = _values_read(column, weights, info.feature.max_values)
            # Weights make bincount sum float64, which is exact up to 2^53.
            found = np.bincount(column, weights, minlength=size)
            counts[table.name] += found.astype(np.int64)
    for each in counts.values():
        each[PADDING_INDEX] = 0
    return counts


def _values_read(column: Bags, weights, max_values: int):
    """The values of all bags, and how often each is read where rows are read `weights` times."""
    bag = column.bag_of_value()
    reads = np.bincount(column.place, weights, minlength=len(column.offsets) - 1)
    within = np.arange(len(bag)) - column.offsets[bag] < max_values
    return column.values, reads[bag] * within


def _reads(events: int, start, end, max_length: int) -> np.ndarray:
    """How many histories hold each event: int64 `(events,)`."""
    start = np.maximum(start, end - max_length)
    begin, stop = (np.bincount(bound, minlength=events + 1) for bound in (start, end))
    return np.cumsum(begin - stop)[:events]
