"""Batches that other processes compute from row numbers, for workers of parameter servers."""

import mmap
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from keras_din.checks import positive_integer
from keras_din.data.pipeline.batches import batch_element
from keras_din.data.pipeline.plan import plan_batches
from keras_din.data.pipeline.tensors import column_tensor
from keras_din.data.store.samples import Samples
from keras_din.features import FeatureSpec

__all__ = ["RemoteBatches"]


class RemoteBatches:
    """The batches of `keras_din.data.dataset` as row numbers, from which any process computes them.

    The pipeline of `dataset` calls Python once per epoch, so it runs only in the process that
    created it. Here one process chooses the rows of each batch, `rows_of(epoch, step)`. Another one
    opens the columns, `columns()`, and computes the batch of such rows, `batch(columns, rows)`.
    Both run as graphs of TensorFlow alone. `PreparedData.remote_batches` creates an object of this
    class.

    A column in a file of loaded data is memory-mapped by the other process, so it must see the file
    at the same path. Any other column is sent to it once, as a tensor.

    Args:
        spec: Same as in `dataset`.
        behaviors: Same as in `dataset`.
        samples: Same as in `dataset`.
        batch_size: Same as in `dataset`.
        shuffle: Same as in `dataset`. The orders are the same too.
        seed: Same as in `dataset`.
        by_request: Same as in `dataset`.
        batch_by: Same as in `dataset`.
        drop_remainder: Same as in `dataset`.
        negative_rate: The rate of `downsample_negatives`.

    Attributes:
        spec: The features.
        steps: Number of batches of an epoch.
        files: The paths that other processes must see.
    """

    def __init__(
        self,
        spec: FeatureSpec,
        behaviors: dict,
        samples: Samples,
        batch_size: int = 1024,
        *,
        shuffle: bool = False,
        seed: int = 0,
        by_request: bool = False,
        batch_by: str | None = None,
        drop_remainder: bool = False,
        negative_rate: float = 1.0,
    ):
        self.spec, self.negative_rate = spec, negative_rate
        self._batch_size = positive_integer("batch_size", batch_size)
        self._seed = positive_integer("seed", seed, minimum=0)
        self._shuffle = bool(shuffle)
        self._plan = plan_batches(
            spec, behaviors, samples, self._batch_size, by_request, batch_by, drop_remainder
        )
        self.steps = self._plan.batches
        self._epoch: int | None = None
        self._order = np.zeros(0, np.int64)
        # The columns in the order in which `batch_element` reads them, and each of them once.
        self._sources: list = []
        self._reads: list[int] = []
        numbers: dict[int, int] = {}

        def record(column):
            if id(column) not in numbers:
                numbers[id(column)] = len(self._sources)
                self._sources.append(_MappedColumn.of(column) or column_tensor(column))
                kept.append(column)
            self._reads.append(numbers[id(column)])
            return column

        kept: list = []  # So that no other column gets the `id` of one that has been deleted.
        self._element = lambda to_tensor: batch_element(
            spec,
            behaviors,
            samples,
            self._plan.columns,
            self._plan.bounds,
            bool(batch_by),
            to_tensor=to_tensor,
        )
        self._element(record)
        self.files = sorted({s.path for s in self._sources if isinstance(s, _MappedColumn)})

    def settings(self) -> dict:
        """What determines the rows of each step, as plain values."""
        return {
            "rows": self._plan.rows,
            "batch_size": self._batch_size,
            "steps": self.steps,
            "shuffle": self._shuffle,
            "seed": self._seed,
            "by_user": self._plan.users is not None,
            "by_request": self._plan.bounds is not None,
        }

    def rows_of(self, epoch: int, step: int) -> np.ndarray:
        """Returns the row numbers of a batch, int64 `(rows,)`."""
        if self._epoch != epoch:
            self._order, self._epoch = self._order_of(epoch), epoch
        start = step * self._batch_size
        return self._order[start : start + self._batch_size].astype(np.int64)

    def _order_of(self, epoch: int) -> np.ndarray:
        if self._shuffle:
            return self._plan.order(self._seed, epoch)
        users = self._plan.users
        if users is not None and users.rows is not None:
            return users.rows
        return np.arange(self._plan.rows)

    def columns(self) -> tf.data.Dataset:
        """Opens the columns: a dataset whose elements are all of them, again and again.

        An element shares the memory of the columns. TensorFlow calls this function, as a graph, on
        each worker.
        """
        opened = [s.open() if isinstance(s, _MappedColumn) else s for s in self._sources]
        options = tf.data.Options()
        # With these optimizations, tf.data would copy all columns into a graph.
        options.experimental_optimization.apply_default_optimizations = False
        options.autotune.enabled = False
        return tf.data.Dataset.from_tensors(tuple(opened)).repeat().with_options(options)

    def batch(self, columns: tuple, rows):
        """Computes a batch.

        Args:
            columns: An element of `columns()`.
            rows: Int64 tensor `(rows,)`.

        Returns:
            `(x, y)` or `(x, y, sample_weight)`, see `dataset`.
        """
        reads = iter(self._reads)
        to_tensor: Callable = lambda column: columns[next(reads)]  # noqa: E731
        return self._element(to_tensor)(rows)


class _MappedColumn:
    """A column as a part of a file.

    Args:
        path: The path of the file.
        size: Number of bytes of the file.
        start: The first byte of the column.
        shape: The shape of the column.
        dtype: Its dtype.
    """

    def __init__(self, path: str, size: int, start: int, shape: tuple, dtype: np.dtype):
        self.path, self._size, self._start = path, size, start
        self._shape, self._dtype = shape, dtype

    @classmethod
    def of(cls, column: np.ndarray) -> "_MappedColumn | None":
        """Returns the part of a file that a column maps into memory, or `None`."""
        mapped: Any = column
        while mapped is not None and not isinstance(mapped, np.memmap):
            mapped = getattr(mapped, "base", None)
        if mapped is None or mapped.filename is None or not column.flags.c_contiguous:
            return None
        if not column.nbytes:
            return None
        memory = np.frombuffer(mapped._mmap, np.uint8)  # type: ignore[attr-defined]
        # The mapping starts at a multiple of the granularity.
        first = mapped.offset - mapped.offset % mmap.ALLOCATIONGRANULARITY
        start = first + column.ctypes.data - memory.ctypes.data
        if not first <= start <= first + len(memory) - column.nbytes:
            return None  # A copy of a mapped array is a `np.memmap` too.
        size = os.path.getsize(mapped.filename)
        return cls(str(mapped.filename), size, start, column.shape, column.dtype)

    def open(self):
        """Returns the column as a tensor that shares the memory of the file."""
        data = tf.raw_ops.ImmutableConst(
            dtype=tf.uint8, shape=[self._size], memory_region_name=self.path
        )
        count = int(np.prod(self._shape)) * self._dtype.itemsize
        part = data[self._start : self._start + count]
        shape = self._shape if self._dtype.itemsize == 1 else (*self._shape, self._dtype.itemsize)
        return tf.bitcast(tf.reshape(part, shape), tf.as_dtype(self._dtype))
