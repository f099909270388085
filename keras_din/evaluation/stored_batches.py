"""The batches of a dataset in memory, some inputs of which can be permuted between all rows."""

import copy

import numpy as np

from keras_din.dataset_facts import batch_part_of, negative_rate_of, worker_of_rows
from keras_din.evaluation.predictions import real_candidates

__all__ = ["StoredBatches"]


class StoredBatches:
    """The batches of a dataset, read once and kept as arrays.

    Histories and bags have the width of the longest one of all batches, with zeros as padding.

    Args:
        dataset: A dataset, see `predict`. Its `x` must be a dict of dense tensors.
        spec: Its `FeatureSpec`.

    Attributes:
        spec: The spec, same as that of datasets.
        negative_rate: The rate of negatives, same as that of datasets.
        worker: The worker whose rows they are, same as that of datasets.
        batch_part: Which part of each batch it is, same as that of datasets.
    """

    def __init__(self, dataset, spec):
        self.spec, self.negative_rate = spec, negative_rate_of(dataset)
        self.worker, self.batch_part = worker_of_rows(dataset), batch_part_of(dataset)
        batches = [(x, rest, real_candidates(*rest)) for x, *rest in dataset]
        self._targets = [name for name, info in spec.inputs.items() if info.role == "target"]
        self._rest = [rest for _, rest, _ in batches]
        self._shapes = [real.shape for *_, real in batches]
        self._ends = np.cumsum([0, *(rows for rows, _ in self._shapes)])
        self._real = _concatenate([real for *_, real in batches])
        names = list(batches[0][0]) if batches else []
        self._columns = {n: _concatenate([_to_array(n, x[n]) for x, *_ in batches]) for n in names}
        self._sources: dict[str, np.ndarray] = {}  # Name of a permuted input -> where it reads.
        self._part: slice = slice(None)

    def __len__(self) -> int:
        """Number of rows."""
        return int(self._ends[-1])

    def permuted(self, names, seed) -> "StoredBatches":
        """Returns the batches with other values in some inputs. Nothing is copied or changed.

        Inputs of the context and of behaviors are permuted between rows, a whole history at a
        time. Inputs of the target are permuted between the real candidates of all rows. All inputs
        of either kind are permuted together, and with one candidate per row those of both kinds.

        Args:
            names: Names of the inputs.
            seed: The seed of `numpy.random.default_rng`.
        """
        of_rows = np.random.default_rng(seed).permutation(len(self))
        of_candidates = np.arange(self._real.size).reshape(self._real.shape)
        real = of_candidates[self._real]
        of_candidates[self._real] = real[np.random.default_rng(seed).permutation(len(real))]
        result = copy.copy(self)
        result._sources = {n: of_candidates if n in self._targets else of_rows for n in names}
        return result

    def shard(self, count: int, index: int) -> "StoredBatches":
        """Returns each `count`-th batch from `index` on, same as `tf.data.Dataset.shard`."""
        result = copy.copy(self)
        result._part = slice(index, None, count)
        return result

    def __iter__(self):
        for i in range(len(self._rest))[self._part]:
            rows, candidates = slice(*self._ends[i : i + 2]), self._shapes[i][1]
            yield (
                {name: self._read(name, rows, candidates) for name in self._columns},
                *self._rest[i],
            )

    def _read(self, name: str, rows: slice, candidates: int) -> np.ndarray:
        column, source = self._columns[name], self._sources.get(name)
        if name not in self._targets:
            return column[rows] if source is None else column[source[rows]]
        if source is None:
            return column[rows, :candidates]
        return column.reshape(-1, *column.shape[2:])[source[rows, :candidates]]


def _to_array(name: str, values) -> np.ndarray:
    if not hasattr(values, "__array__"):
        raise ValueError(
            "The inputs of `dataset` must be dense tensors, such as those of "
            f"`keras_din.data.dataset`. Received: {name!r}, a {type(values).__name__}."
        )
    return np.asarray(values)


def _concatenate(arrays: list) -> np.ndarray:
    """Concatenates arrays that may differ in the other sizes, with zeros as padding."""
    if not arrays:
        return np.zeros((0, 0), bool)
    widths = np.max([array.shape[1:] for array in arrays], axis=0).astype(int)
    result = np.zeros((sum(map(len, arrays)), *widths), arrays[0].dtype)
    first = 0
    for array in arrays:
        result[(slice(first, first + len(array)), *map(slice, array.shape[1:]))] = array
        first += len(array)
    return result
