"""Rows of a log on disk, in a folder per shard."""

import pathlib
from collections.abc import Iterable

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from keras_din.data.reading.columns import from_arrow
from keras_din.data.sharded.count_rows import add_counts, add_times
from keras_din.data.sharded.shard_names import shards_of_users
from keras_din.features.names import unused_name


class RowsOfShards:
    """Writes the rows of a log to a folder per shard, and reads them again.

    Each piece of the log is a file, so no files stay open, however many shards there are.

    Args:
        folder: An empty folder.
        shards: The number of shards.
        user: Name of the column of users.
    """

    def __init__(self, folder: pathlib.Path, shards: int, user: str):
        self._folder, self._shards, self._user = folder, shards, user
        self._line = ""
        self._schema: pa.Schema | None = None
        self._pieces = 0

    def __enter__(self) -> "RowsOfShards":
        return self

    def __exit__(self, *_) -> None:
        """Does nothing, since no files stay open."""

    def add(self, table: pa.Table, lines: np.ndarray) -> None:
        """Adds rows and their positions in the log, in the order of the log."""
        if self._schema is None:
            self._line = unused_name("line", table.column_names)
            self._schema = table.schema.append(pa.field(self._line, pa.int64()))
        number = shards_of_users(from_arrow(table[self._user]), self._shards)
        table = table.append_column(self._line, pa.array(lines, pa.int64())).cast(self._schema)
        order = np.argsort(number, kind="stable")
        ends = np.cumsum(np.bincount(number, minlength=self._shards))
        for shard, rows in enumerate(np.split(order, ends[:-1])):
            if len(rows):
                folder = self._folder / str(shard)
                folder.mkdir(exist_ok=True)
                pq.write_table(table.take(pa.array(rows)), folder / f"{self._pieces:08d}.parquet")
        self._pieces += 1

    def read(self, shard: int) -> pd.DataFrame:
        """Reads the rows of a shard in the order of the log, indexed by their `line`."""
        assert self._schema is not None, "rows were added"
        files = sorted((self._folder / str(shard)).glob("*.parquet"))
        pieces = [pq.read_table(file, schema=self._schema, partitioning=None) for file in files]
        return indexed_by_line(pa.concat_tables([self._schema.empty_table(), *pieces]), self._line)

    def add_times(self, times: Iterable) -> pd.Series:
        """Adds the results of `count_times`."""
        return add_times(list(times))

    def add_values(self, counts: Iterable) -> dict:
        """Adds the values of several `RowCounts`: name of a column -> `Counted`."""
        return add_counts(list(counts))


def indexed_by_line(table: pa.Table, line: str | None) -> pd.DataFrame:
    """Converts a table to a frame that is indexed by a column of integers, named `line`."""
    columns = {name: from_arrow(table[name]) for name in table.column_names if name != line}
    index = np.arange(len(table)) if line is None else table[line].to_numpy()
    frame = pd.DataFrame(columns, copy=False)
    frame.index = pd.Index(index, name="line")
    return frame
