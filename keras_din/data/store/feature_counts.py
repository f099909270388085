"""Counts how often each index occurs in samples, from the log, without building histories."""

import numpy as np

from keras_din.data.store.arrays import chunks
from keras_din.data.store.bags import Bags
from keras_din.data.store.consistency import check_samples
from keras_din.data.store.order import ranges
from keras_din.features import PADDING_INDEX, FeatureSpec
from keras_din.time_index import in_units, numpy_indices

_PAIRS_AT_ONCE = 2**20


def count_features(spec: FeatureSpec, behaviors: dict, samples) -> dict:
    """Counts the indices that a model reads in one pass over samples, row by row.

    Each occurrence counts: in the context, in the candidate, at every position of a history (at
    most `max_length`) and of a bag (at most `max_values`). An index that occurs three times in one
    history counts three times, and an event counts once for each sample whose history contains
    it. Padding, index 0, is not counted.

    Args:
        spec: The features.
        behaviors: Sequence name -> `BehaviorLog`.
        samples: The `Samples`.

    Returns:
        Name of each table -> int64 `(vocabulary_size,)`, the sum over the features that share it.
        A table that is not shared has the name of its feature. A table of a feature that the model
        computes from its inputs, such as a `LastMatch`, is left out.

    Raises:
        ValueError: If samples, logs and spec are inconsistent.

    Reference:
        `n_j` of [Zhou et al., 2018](https://arxiv.org/abs/1706.06978), Sec. 5.1: "the number of
        occurrence for feature id j in all samples". Its Eq. (4) would count a sample once in
        which an index occurs several times.
    """
    columns = check_samples(spec, behaviors, samples)
    reads = {}
    for sequence in spec.sequences:
        start, end = samples.history[sequence.name]
        events = len(behaviors[sequence.name])
        reads[sequence.name] = _count_reads(events, start, end, sequence.max_length)
    of_inputs = [info.feature.table for info in spec.inputs.values()]
    tables = {table.name: table for table in of_inputs if table is not None}
    counts = {name: np.zeros(table.values.size, np.int64) for name, table in tables.items()}
    for name, info in spec.inputs.items():
        table = info.feature.table
        if info.feature.from_times:
            weights = None if info.sequence is None else reads[info.sequence.name]
            counts[table.name] += (
                _count_elapsed(info, columns[name], samples)
                if info.feature.reads_request
                else _count_time_indices(info.feature, columns[name], weights)
            )
        elif table is not None:
            weights = None if info.sequence is None else reads[info.sequence.name]
            size, most = table.values.size, info.feature.max_values
            column = columns[name]
            if isinstance(column, Bags) and most is not None:
                column, weights = _count_bag_reads(column, weights, most)
            # With weights, bincount sums in float64, which is exact up to 2^53.
            found = np.bincount(column, weights, minlength=size)
            counts[table.name] += found.astype(np.int64)
    for each in counts.values():
        each[PADDING_INDEX] = 0
    return counts


def _count_time_indices(feature, times: np.ndarray, weights) -> np.ndarray:
    """Counts the indices of times. Time `i` is read `weights[i]` times, by default once."""
    size = feature.table.values.size
    counts = np.zeros(size, np.int64)
    for part in chunks(len(times)):
        found = numpy_indices(feature, in_units(times[part], feature.time_unit))
        weight = None if weights is None else weights[part]
        counts += np.bincount(found, weight, minlength=size).astype(np.int64)
    return counts


def _count_elapsed(info, times: np.ndarray, samples) -> np.ndarray:
    """Counts the indices of all pairs of a sample and a behavior of its history."""
    feature = info.feature
    counts = np.zeros(feature.table.values.size, np.int64)
    rows = max(1, _PAIRS_AT_ONCE // info.sequence.max_length)
    for first in range(0, len(samples), rows):
        part = slice(first, first + rows)
        start, end = (each[part] for each in samples.history[info.sequence.name])
        size = np.minimum(end - start, info.sequence.max_length)
        at = in_units(np.asarray(times)[ranges(end - size, size)], feature.time_unit)
        request = np.repeat(in_units(samples.time[part], feature.time_unit), size)
        counts += np.bincount(numpy_indices(feature, at, request), minlength=len(counts))
    return counts


def _count_bag_reads(column: Bags, weights, max_values: int):
    """The values of all bags, and how often each is read if row `i` is read `weights[i]` times."""
    bag = column.bag_ids_of_values()
    reads = np.bincount(column.place, weights, minlength=len(column.offsets) - 1)
    within = np.arange(len(bag)) - column.offsets[bag] < max_values
    return column.values, reads[bag] * within


def _count_reads(events: int, start, end, max_length: int) -> np.ndarray:
    """How many histories contain each event: int64 `(events,)`."""
    start = np.maximum(start, end - max_length)
    begin, stop = (np.bincount(bound, minlength=events + 1) for bound in (start, end))
    return np.cumsum(begin - stop)[:events]
