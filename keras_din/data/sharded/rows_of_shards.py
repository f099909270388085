"""Rows of a log on disk, one Parquet file per shard."""

import pathlib

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from keras_din.data.reading.columns import from_arrow
from keras_din.data.sharded.shard_names import shards_of_users
from keras_din.features.names import unused_name


class RowsOfShards:
    """Writes the rows of a log to a file per shard, and reads them again.

    Use it in a `with` statement, in which rows are added.

    Args:
        folder: An empty folder.
        shards: The number of shards.
        user: Name of the column of users.
    """

    def __init__(self, folder: pathlib.Path, shards: int, user: str):
        self._folder, self._shards, self._user = folder, shards, user
        self._writers: dict[int, pq.ParquetWriter] = {}
        self._line: str | None = None
        self._schema: pa.Schema | None = None

    def __enter__(self) -> "RowsOfShards":
        return self

    def __exit__(self, *error) -> None:
        for writer in self._writers.values():
            writer.close()

    def add(self, table: pa.Table, lines: np.ndarray) -> None:
        """Adds rows and their positions in the log, in the order of the log."""
        if self._line is None:
            self._line = unused_name("line", table.column_names)
            self._schema = table.schema.append(pa.field(self._line, pa.int64()))
        number = shards_of_users(from_arrow(table[self._user]), self._shards)
        table = table.append_column(self._line, pa.array(lines, pa.int64()))
        assert self._schema is not None, "set above"
        table = table.cast(self._schema)
        order = np.argsort(number, kind="stable")
        ends = np.cumsum(np.bincount(number, minlength=self._shards))
        for shard, rows in enumerate(np.split(order, ends[:-1])):
            if len(rows):
                self._writer(shard).write_table(table.take(pa.array(rows)))

    def _writer(self, shard: int) -> pq.ParquetWriter:
        if shard not in self._writers:
            self._writers[shard] = pq.ParquetWriter(self._file(shard), self._schema)
        return self._writers[shard]

    def _file(self, shard: int) -> pathlib.Path:
        return self._folder / f"{shard}.parquet"

    def read(self, shard: int) -> pd.DataFrame:
        """Reads the rows of a shard, indexed by their `line`."""
        assert self._schema is not None, "rows were added"
        file = self._file(shard)
        table = pq.read_table(file) if file.is_file() else self._schema.empty_table()
        return indexed_by_line(table, self._line)


def indexed_by_line(table: pa.Table, line: str | None) -> pd.DataFrame:
    """Converts a table to a frame that is indexed by a column of integers, named `line`."""
    columns = {name: from_arrow(table[name]) for name in table.column_names if name != line}
    index = np.arange(len(table)) if line is None else table[line].to_numpy()
    frame = pd.DataFrame(columns, copy=False)
    frame.index = pd.Index(index, name="line")
    return frame
