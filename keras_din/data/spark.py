"""Prepares logs in shards with Spark, for logs that no single machine can read.

Requires PySpark 4 and Java 17: `pip install 'keras_din[spark]'`. The machines of the cluster must
have this package, and a folder that all of them can write.
"""

import json
import os
import pathlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from keras_din.checks import local_path, positive_integer
from keras_din.data.encoding.counted import Counted, add_counted
from keras_din.data.prepare.interaction_arguments import InteractionArguments
from keras_din.data.prepare.items_of_log import columns_of_items
from keras_din.data.prepare.part_of_log import PartOfLog
from keras_din.data.reading.column_types import from_series
from keras_din.data.reading.columns import from_arrow
from keras_din.data.sharded.count_rows import count_items, count_rows, count_times
from keras_din.data.sharded.finish_shards import HEADER, write_header
from keras_din.data.sharded.learn_plan import learn_plan, log_facts
from keras_din.data.sharded.log_kinds import Arguments, arguments_of, columns_of
from keras_din.data.sharded.prepare_shard import write_shard
from keras_din.data.sharded.rows_of_shards import indexed_by_line
from keras_din.data.sharded.shard_names import find_shards, shard_path
from keras_din.data.sharded.shard_plan import ShardPlan, check_options
from keras_din.data.sharded.whole_tables import read_tables
from keras_din.features.names import unused_name

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

__all__ = ["prepare_impressions", "prepare_interactions"]

_SHARD = "__shard"
_REFUSED = {
    "sep": "Read CSV files with Spark.",
    "header": "Read CSV files with Spark.",
    "names": "Name the columns with Spark.",
}
_COUNTS = "name string, in_bags boolean, text string, whole long, number double, rows long"


def prepare_impressions(
    log: "DataFrame",
    folder: str | os.PathLike,
    *,
    shards: int,
    line: str | None = None,
    **options: Any,
) -> dict:
    """Prepares a log of impressions in shards with Spark.

    All shards together are bit for bit what `keras_din.data.prepare_impressions` returns for the
    log. Spark counts the values and the times of the training part, from which the driver learns
    the spec. Then it groups the rows by `crc32(user) % shards`, and each group is prepared and
    written by one task. Tasks that Spark repeats, also at the same time, change nothing, and a
    second call after an interruption prepares only the shards that are missing. The distinct values
    of the columns of features, and the distinct times, must fit in the memory of the driver, and
    the rows of a shard in that of a worker. `keras_din.data.load_shards` reads the folder.

    Args:
        log: The log, a `pyspark.sql.DataFrame`.
        folder: The folder to write, which all workers can reach.
        shards: The number of shards.
        line: Column of integers that number the rows in their order, which decides between rows of
            one user and time. By default such rows are ordered by their values.
        **options: The other arguments of `keras_din.data.prepare_impressions`, except
            `prior_history` and `vectors`, and `sep`, `header` and `names` of CSV files. The driver
            reads the tables `items` and `users`, and sends them to the workers. `split` is
            `ByTime`, `LastFraction`, `LeaveOneOut` or the name of a column. A `Count` must have
            the user among its keys, and a rate its `base`.

    Returns:
        The header, see `keras_din.data.finish_shards`.

    Raises:
        FileExistsError: If the folder has shards of another spec, of other options or of another
            number. They are not changed.
        ValueError: If an option is not supported, a column does not exist, or see
            `keras_din.data.prepare_impressions`.

    Example:

    ```python
    spark = SparkSession.builder.getOrCreate()
    log = spark.read.parquet("logs")
    columns = {"user": "user", "time": "time", "label": "click", "target": ["item"]}
    kd.data.spark.prepare_impressions(log, "data", shards=64, **columns)
    ```
    """
    return _prepare("impressions", log, folder, shards, line, options)


def prepare_interactions(
    log: "DataFrame",
    folder: str | os.PathLike,
    *,
    shards: int,
    line: str | None = None,
    **options: Any,
) -> dict:
    """Prepares a log of behaviors without labels in shards with Spark.

    All shards together are bit for bit what `keras_din.data.prepare_interactions` returns for the
    log, with the same negatives. It works as `prepare_impressions` does. Before the values, Spark
    counts the items; all items with their features must fit in the memory of the driver and of each
    worker. The log is read several times and must have the same rows each time.

    Args:
        log: The log, a `pyspark.sql.DataFrame`.
        folder: Same as in `prepare_impressions`.
        shards: The number of shards.
        line: Same as in `prepare_impressions`. The negatives of a user follow the order of the
            user's rows.
        **options: The other arguments of `keras_din.data.prepare_interactions`, except `vectors`,
            and `sep`, `header` and `names` of CSV files. `split` is `LeaveOneOut`, `ByTime`,
            `LastFraction` or the name of a column. A `Count` must have the user among its keys.

    Returns:
        The header, see `keras_din.data.finish_shards`.

    Raises:
        FileExistsError: Same as in `prepare_impressions`.
        ValueError: If an option is not supported, a column does not exist, or see
            `keras_din.data.prepare_interactions`.

    Example:

    ```python
    spark = SparkSession.builder.getOrCreate()
    log = spark.read.parquet("clicks")
    columns = {"user": "user", "time": "time", "target": ["item", "category"], "negatives": 4}
    kd.data.spark.prepare_interactions(log, "data", shards=64, line="line", **columns)
    ```
    """
    return _prepare("interactions", log, folder, shards, line, options)


def _prepare(kind: str, log: "DataFrame", folder, shards: int, line: str | None, options) -> dict:
    folder = local_path("folder", folder).absolute()  # The same for all workers.
    shards = positive_integer("shards", shards)
    for name, remedy in _REFUSED.items():
        if options.get(name) is not None:
            raise ValueError(
                f"Data of Spark must be prepared without `{name}`. {remedy} "
                f"Received: {name}={options[name]!r}."
            )
    check_options(options)
    arguments, own, of_tables, tables_aside = read_tables(
        arguments_of(kind, options), log.columns, options.get("split")
    )
    opened = columns_of(arguments)
    names = list(dict.fromkeys([*own, *([line] if line is not None else [])]))
    _check_columns(log, names, arguments.user, line)
    rows = log.select(*map(_column, names), _shard(arguments.user, shards).alias(_SHARD))

    empty = rows.drop(_SHARD).limit(0).toArrow()
    times, counts = _counted_values(rows, opened.time)
    by_time = pd.Series(counts.to_numpy(), pd.Index(times))
    types = _find_types(rows, empty, opened) | of_tables
    facts = log_facts(arguments, types, by_time[by_time.index.notna()])

    def count_all_times(known, part_of_log) -> pd.Series:
        found = _by_shard(rows, _Times(line, known, part_of_log), "time long, rows long")
        table = found.groupBy("time").sum("rows").toArrow()
        return pd.Series(table[1].to_numpy(), table[0].to_numpy()).sort_index()

    def count_all_values(known, part_of_log) -> dict:
        found = _by_shard(rows, _Values(line, known, part_of_log), _COUNTS)
        keys = ["name", "in_bags", "text", "whole", "number"]
        return values_of(found.groupBy(*keys).sum("rows").toArrow())

    def count_all_items(known, part_of_log) -> tuple:
        names = columns_of_items(known)
        task = _Items(line, known, part_of_log, names)
        found = _by_shard(rows, task, task.schema(rows)).toArrow()
        time, trained = (found[name].to_numpy() for name in task.numbers)
        return indexed_by_line(found.select(names), None), time, trained

    plan = learn_plan(facts, shards, count_all_times, count_all_values, count_all_items)
    _check_folder(folder, plan)
    _by_shard(rows, _Write(line, str(folder), plan), "index int").collect()
    for index in range(shards):
        path = shard_path(folder, index, shards)
        if not path.exists():  # Spark has no group without rows.
            write_shard(indexed_by_line(empty, line), path, index, plan)
    checks = arguments.max_bad, arguments.allow_empty_parts
    return write_header(
        folder, *checks, found=types, reasons=opened.columns.reasons, tables_aside=tables_aside
    )


class _Times:
    """Counts the times of the rows of a shard."""

    def __init__(self, line: str | None, known: Arguments, part_of_log: PartOfLog):
        self.line, self.known, self.part_of_log = line, known, part_of_log

    def __call__(self, index: int, table: pa.Table) -> pa.Table:
        frame = indexed_by_line(table, self.line)
        times = count_times(frame, self.known, self.part_of_log)
        return pa.table(
            {
                "time": pa.array(times.index.to_numpy(np.int64)),
                "rows": pa.array(times.to_numpy(np.int64)),
            }
        )


class _Values(_Times):
    """Counts the training values of the rows of a shard."""

    def __call__(self, index: int, table: pa.Table) -> pa.Table:
        frame = indexed_by_line(table, self.line)
        counts = count_rows(frame, self.known, self.part_of_log)
        tables = [to_rows(name, counted) for name, counted in counts.values.items()]
        return pa.concat_tables(tables) if tables else to_rows("", _NOTHING).slice(0, 0)


class _Items:
    """Finds the first behavior with each item in the rows of a shard.

    Args:
        names: The columns that are returned, and then `numbers`: its time, and the behaviors of
            the item in the training part.
    """

    def __init__(
        self,
        line: str | None,
        known: InteractionArguments,
        part_of_log: PartOfLog,
        names: list,
    ):
        self.line, self.known, self.part_of_log = line, known, part_of_log
        self.names = names
        self.numbers = [unused_name(name, names) for name in ("first_time", "rows_in_training")]

    def schema(self, rows: "DataFrame"):
        """The schema of the result."""
        schema = rows.select(*map(_column, self.names)).schema
        for name in self.numbers:
            schema.add(name, "long")
        return schema

    def __call__(self, index: int, table: pa.Table) -> pa.Table:
        frame = indexed_by_line(table, self.line)
        found = count_items(frame, self.known, self.part_of_log)
        place = pa.array(frame.index.get_indexer(pd.Index(found.line)), pa.int64())
        first = table.select(self.names).take(place)
        for name, values in zip(self.numbers, (found.time, found.trained), strict=True):
            first = first.append_column(name, pa.array(values, pa.int64()))
        return first


class _Write:
    """Writes a shard."""

    def __init__(self, line: str | None, folder: str, plan: ShardPlan):
        self.line, self.folder, self.plan = line, folder, plan

    def __call__(self, index: int, table: pa.Table) -> pa.Table:
        path = shard_path(self.folder, index, self.plan.shards)
        write_shard(indexed_by_line(table, self.line), path, index, self.plan)
        return pa.table({"index": pa.array([index], pa.int32())})


_NOTHING = Counted(pd.Series([], dtype=object), np.zeros(0, np.int64))


def _counted_values(rows: "DataFrame", name: str) -> tuple:
    """The distinct values of a column and how many rows have each: `(Series, Arrow array)`."""
    table = rows.groupBy(_column(name).alias("value")).count().toArrow()
    return from_arrow(table["value"]), table["count"].combine_chunks()


def _by_shard(rows: "DataFrame", task, schema: str) -> "DataFrame":
    """Calls `task(index, table)` with all rows of each shard, in their order."""

    def of_shard(table: pa.Table) -> pa.Table:
        index = table[_SHARD][0].as_py()
        return task(index, sort_rows(table.drop([_SHARD]), task.line))

    return rows.groupBy(_SHARD).applyInArrow(of_shard, schema)


def sort_rows(table: pa.Table, line: str | None) -> pa.Table:
    """Sorts rows, whose order Spark does not keep."""
    if line is not None:
        return table.sort_by(line)
    texts = [[json.dumps(value, default=str) for value in each.to_pylist()] for each in table]
    order = sorted(range(len(table)), key=lambda row: [text[row] for text in texts])
    return table.take(pa.array(order, pa.int64()))


def to_rows(name: str, counted: Counted) -> pa.Table:
    """Counts as rows, in a column for each type of values."""
    values = counted.values
    columns: dict[str, pa.Array] = {
        "text": pa.nulls(len(values), pa.string()),
        "whole": pa.nulls(len(values), pa.int64()),
        "number": pa.nulls(len(values), pa.float64()),
    }
    if values.dtype.kind in "iub":
        columns["whole"] = pa.array(values.to_numpy(np.int64))
    elif values.dtype.kind == "f":
        columns["number"] = pa.array(values.to_numpy(np.float64))
    else:
        columns["text"] = pa.array(values.map(str), pa.string())
    of_name = {"name": pa.array([name] * len(values), pa.string())}
    of_name["in_bags"] = pa.array([counted.in_bags] * len(values), pa.bool_())
    return pa.table(of_name | columns | {"rows": pa.array(counted.counts, pa.int64())})


def values_of(table: pa.Table) -> dict:
    """The counts of rows that `to_rows` made: name of a column -> `Counted`."""
    frame = table.to_pandas(integer_object_nulls=True)
    found: dict[str, Counted] = {}
    for name, rows in frame.groupby("name", sort=False):
        pieces = []
        for kind, dtype in (("text", object), ("whole", np.int64), ("number", np.float64)):
            some = rows[rows[kind].notna()]
            if len(some):
                values = pd.Series(some[kind].to_numpy(dtype))
                counts = some["sum(rows)"].to_numpy(np.int64)
                pieces.append(Counted(values, counts, bool(rows["in_bags"].any())))
        found[str(name)] = add_counted(pieces)
    return found


def _find_types(rows: "DataFrame", empty: pa.Table, opened) -> dict:
    """Name of a column -> its facts, see `keras_din.data.reading.column_types`.

    They depend on the values only in columns of text and of floats without a declared type.
    """
    from pyspark.sql import functions as F

    declared = opened.columns.reading["kinds"]
    separators = opened.columns.separators
    found: dict[str, dict] = {}
    kinds = dict(rows.dtypes)
    for name in opened.columns.to_read:
        if name not in kinds:  # A table has it.
            continue
        if kinds[name] == "string" and separators.get(name) is None:
            if declared.get(name) == "categorical" or name in opened.columns.reading["text"]:
                found[name] = from_series(pd.Series(["text"]), "categorical")[1]
                continue
            values, counts = _counted_values(rows, name)
            found[name] = from_series(values, declared.get(name), counts)[1]
            continue
        found[name] = from_series(from_arrow(empty[name]), declared.get(name))[1]
        if kinds[name] in ("float", "double") and name not in declared:
            column = _column(name)
            gap = column.isNull() | F.isnan(column)
            row = rows.agg(
                F.max(gap).alias("gaps"),
                F.max(~gap & (column != F.floor(column))).alias("broken"),
                F.max(F.when(~gap, column)).alias("example"),
            ).first()
            if row["gaps"] and not row["broken"] and row["example"] is not None:
                found[name] |= {"unclear": True, "example": row["example"]}
    return found


def _check_columns(log: "DataFrame", names: list, user: str, line: str | None) -> None:
    kinds = dict(log.dtypes)
    if lacking := [name for name in names if name not in kinds]:
        raise ValueError(
            f"Columns {lacking} must be in the log. Received columns of the log: {log.columns}."
        )
    if len(set(log.columns)) < len(log.columns):
        raise ValueError(f"The log must have each column once. Received: {log.columns}.")
    whole = ("tinyint", "smallint", "int", "bigint")
    for name, allowed in ((user, ("string", *whole)), (line, whole)):
        if name is not None and kinds[name] not in allowed:
            what = "users must hold strings or integers" if name == user else "lines must be whole"
            raise ValueError(
                f"The column of {what}; cast it with Spark. Received: {name!r} of {kinds[name]}."
            )


def _check_folder(folder: pathlib.Path, plan: ShardPlan) -> None:
    """Raises a `FileExistsError` if a folder has shards of another plan."""
    file = folder / HEADER
    others = {shards for _, shards in find_shards(folder).values()} - {plan.shards}
    old = json.loads(file.read_text(encoding="utf-8"))["hash"] if file.is_file() else plan.hash
    if others or old != plan.hash:
        what = f"shards of {others.pop()}" if others else "shards of another spec or other options"
        raise FileExistsError(
            f"`folder` must be new, or have some of the same shards. Received: {folder} with "
            f"{what}. Write to another folder."
        )
    folder.mkdir(parents=True, exist_ok=True)


def _shard(user: str, shards: int) -> "Column":
    """The shard of each row, the same as `shards_of_users`."""
    from pyspark.sql import functions as F

    text = _column(user).cast("string")
    number = F.crc32(text.cast("binary")) % shards
    return F.when(text.isNull() | (text == ""), F.lit(0)).otherwise(number).cast("int")


def _column(name: str) -> "Column":
    from pyspark.sql import functions as F

    return F.col("`" + name.replace("`", "``") + "`")
