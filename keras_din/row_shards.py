"""Where the rows of a table are when the table is split into several variables, its shards."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

__all__ = ["RowShards", "row_shards"]


@dataclasses.dataclass(frozen=True, eq=False)
class RowShards:
    """Row `r` of a table is row `r // count` of the shard `r % count`.

    So all shards have about as many rows, and frequent values, which often have small indices, are
    in all of them. A table that gets more rows keeps its rows at their places. Row 0, which is
    padding, is row 0 of shard 0.

    Two objects are equal only if they are the same one, that of one table.

    Args:
        rows: Number of rows of the table.
        count: Number of shards, at most `rows`.
    """

    rows: int
    count: int = 1

    def size(self, shard: int) -> int:
        """Returns the number of rows of a shard."""
        return len(range(shard, self.rows, self.count))

    def own(self, values: np.ndarray, shard: int) -> np.ndarray:
        """Returns the rows of a shard: a view of `values` `(rows, ...)` of the whole table."""
        return values[shard :: self.count]

    def join(self, shards: Sequence[np.ndarray]) -> np.ndarray:
        """Returns the values of the whole table from those of all shards."""
        if self.count == 1:
            return np.asarray(shards[0])
        table = np.empty((self.rows, *shards[0].shape[1:]), shards[0].dtype)
        for shard, values in enumerate(shards):
            table[shard :: self.count] = values
        return table

    def from_other(self, shards: Sequence, shard: int) -> np.ndarray:
        """Returns the rows of a shard from the shards of the same table in another number.

        No more than one shard of each number is in memory.

        Args:
            shards: The values of each shard of the other number: arrays `(size, ...)`, which may
                be in a file, such as data sets of `h5py`.
            shard: The shard of this number.
        """
        others = len(shards)
        step = math.lcm(self.count, others)
        values = np.empty((self.size(shard), *shards[0].shape[1:]), shards[0].dtype)
        for other in range(others):
            # Of the rows in both shards, the first. The others follow at a distance of `step`.
            first = next((r for r in range(shard, step, self.count) if r % others == other), None)
            if first is not None and first < self.rows:
                part = np.asarray(shards[other])[first // others :: step // others]
                values[first // self.count :: step // self.count] = part
        return values


def row_shards(variable) -> tuple[RowShards, int]:
    """Returns the `RowShards` of a table and the shard of it that a variable is.

    A variable that is not split is shard 0 of 1.
    """
    shards = getattr(variable, "row_shards", None) or RowShards(int(variable.shape[0]))
    return shards, getattr(variable, "shard", 0)
