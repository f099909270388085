"""Rows of a log in a DuckDB database on disk, whose memory has a limit."""

import contextlib
import pathlib
import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from keras_din.data.encoding.counted import Counted
from keras_din.data.reading.columns import from_arrow
from keras_din.data.sharded.count_rows import RowCounts, add_counts
from keras_din.data.sharded.plain_types import from_plain, to_plain
from keras_din.data.sharded.rows_of_shards import indexed_by_line
from keras_din.data.sharded.shard_names import shards_of_users
from keras_din.features.names import unused_name

MEMORY_LIMIT = "1GB"
_ROWS, _BYTES = 1 << 19, 1 << 26  # Of a run.
_SIZE = re.compile(r"[0-9]+(\.[0-9]+)? ?[KMGT]i?B", re.IGNORECASE)
_SETTINGS = {
    "autoinstall_known_extensions": "false",  # They would be read from the network.
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",
    "enable_progress_bar": "false",
}


class RowsInDuckDB:
    """Writes the rows of a log to a DuckDB database, and reads them by shard.

    Same as `RowsOfShards`, in one file instead of one per piece and shard. DuckDB adds the counts
    of shards within a limit of memory: what exceeds it is in temporary files. Rows are written in
    runs, each sorted by shard, so DuckDB skips most blocks of other shards when it reads a shard.
    A sort of all rows would need memory that grows with the log.

    Args:
        folder: An empty folder.
        shards: The number of shards.
        user: Name of the column of users.
        memory_limit: The most memory that DuckDB uses, such as `"1GB"`.
    """

    def __init__(self, folder: pathlib.Path, shards: int, user: str, memory_limit: str):
        self._shards, self._user = shards, user
        self._memory_limit = memory_limit
        self._schema: pa.Schema | None = None
        self._run: list[pa.Table] = []
        with self._within_memory():
            self._database = _connect(folder, memory_limit)

    def __enter__(self) -> "RowsInDuckDB":
        return self

    def __exit__(self, *_) -> None:
        self._database.close()

    def add(self, table: pa.Table, lines: np.ndarray) -> None:
        """Adds rows and their positions in the log."""
        if self._schema is None:
            self._schema = table.schema
        table = table.cast(self._schema)
        number = shards_of_users(from_arrow(table[self._user]), self._shards)
        # Names of DuckDB are the same in upper and lower case.
        columns = {f"c{i}": to_plain(column) for i, column in enumerate(table.columns)}
        columns |= {"shard": pa.array(number, pa.int32()), "line": pa.array(lines, pa.int64())}
        self._run.append(pa.table(columns))
        if sum(map(len, self._run)) >= _ROWS or sum(each.nbytes for each in self._run) >= _BYTES:
            self._write_run()

    def _write_run(self) -> None:
        if self._run:
            run = pa.concat_tables(self._run)
            self._run = []
            order = np.argsort(run["shard"].to_numpy(), kind="stable")
            self._append("rows", run.take(pa.array(order)), "TABLE")

    def read(self, shard: int) -> pd.DataFrame:
        """Reads the rows of a shard in the order of the log, indexed by their `line`."""
        assert self._schema is not None, "rows were added"
        self._write_run()
        found = self._read(f"SELECT * FROM rows WHERE shard = {int(shard)} ORDER BY line")
        columns = [from_plain(found[f"c{i}"], kind) for i, kind in enumerate(self._schema.types)]
        names = self._schema.names
        line = unused_name("line", names)
        return indexed_by_line(pa.table([*columns, found["line"]], [*names, line]), line)

    def add_times(self, times: Iterable) -> pd.Series:
        """Adds the results of `count_times`."""
        for each in times:
            columns = {"time": each.index.to_numpy(np.int64), "rows": each.to_numpy(np.int64)}
            self._append("times", pa.table(columns))
        found = self._read("SELECT time, sum(rows)::BIGINT rows FROM times GROUP BY time")
        self._drop("times")
        return pd.Series(found["rows"].to_numpy(), found["time"].to_numpy()).sort_index()

    def add_values(self, counts: Iterable) -> dict:
        """Adds the values of several `RowCounts`: name of a column -> `Counted`."""
        tables: dict[tuple, str] = {}
        in_bags: dict[str, bool] = {}
        for each in counts:
            for name, counted in each.values.items():
                in_bags[name] = in_bags.get(name, False) or counted.in_bags
                values = pa.array(counted.values, from_pandas=True)
                kind = name, counted.values.dtype, values.type
                table = tables.setdefault(kind, f"values_{len(tables)}")
                self._append(table, pa.table({"value": values, "rows": counted.counts}))
        found: list[RowCounts] = []
        for (name, dtype, _), table in tables.items():
            total = f"SELECT value, sum(rows)::BIGINT rows FROM {table} GROUP BY value"
            both = self._read(total)
            self._drop(table)
            values = from_arrow(both["value"]).astype(dtype)
            counted = Counted(values, both["rows"].to_numpy(), in_bags[name])
            found.append(RowCounts({name: counted}, pd.Series(dtype=np.int64), {}))
        return add_counts(found)

    def _append(self, name: str, table: pa.Table, kind: str = "TEMP TABLE") -> None:
        """Appends rows to a table of the database, which is created if it does not exist.

        Small appends to a temporary table do not wait for the disk.
        """
        with self._within_memory():
            self._database.register("piece", table)
            self._database.execute(
                f"CREATE {kind} IF NOT EXISTS {name} AS SELECT * FROM piece LIMIT 0"
            )
            self._database.execute(f"INSERT INTO {name} SELECT * FROM piece")
            self._database.unregister("piece")

    def _drop(self, name: str) -> None:
        with self._within_memory():
            self._database.execute(f"DROP TABLE {name}")

    def _read(self, query: str) -> pa.Table:
        with self._within_memory():
            return self._database.sql(query).to_arrow_table()

    @contextlib.contextmanager
    def _within_memory(self):
        try:
            yield
        except _import_duckdb().OutOfMemoryException as error:
            reason = str(error).split("\n", 1)[0]
            raise ValueError(
                "`memory_limit` (`--memory-limit`) and the free disk space must suffice for "
                "the rows of a shard. Raise the limit, or use more shards. "
                f"Received: {self._memory_limit!r}, with which DuckDB reports: {reason}"
            ) from error


def opener_of_duckdb(memory_limit: str) -> Callable:
    """Returns `RowsInDuckDB` with a limit, so that what is wrong shows before a log is read."""
    _import_duckdb()
    if not isinstance(memory_limit, str) or not _SIZE.fullmatch(memory_limit):
        raise ValueError(
            "`memory_limit` (`--memory-limit`) must be a number with a unit, such as '1GB' or "
            f"'500MB'. Received: {memory_limit!r}."
        )
    return partial(RowsInDuckDB, memory_limit=memory_limit)


def _import_duckdb() -> Any:
    try:
        import duckdb
    except ImportError:
        raise ImportError(
            '`engine="duckdb"` (`--engine duckdb`) needs DuckDB: '
            "python -m pip install 'keras_din[duckdb]'."
        ) from None
    return duckdb


def _connect(folder: pathlib.Path, memory_limit: str) -> Any:
    database = _import_duckdb().connect(
        folder / "rows.duckdb", config={"memory_limit": memory_limit}
    )
    temporary = str(folder / "temporary").replace("'", "''")
    for name, value in (_SETTINGS | {"temp_directory": f"'{temporary}'"}).items():
        database.execute(f"SET {name} = {value}")
    return database
