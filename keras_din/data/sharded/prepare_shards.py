"""Prepares a log in shards on one machine, in memory that does not grow with the log."""

import dataclasses
import os
import shutil
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd

from keras_din.atomic_write import atomic_folder
from keras_din.checks import one_of
from keras_din.data.prepare.day import save_bad_rows
from keras_din.data.prepare.items_of_log import columns_of_items
from keras_din.data.prepare.joins import column_names
from keras_din.data.prepare.source_by_part import as_source_by_part
from keras_din.data.reading.bad_rows import bad_lines, concat_bad_rows
from keras_din.data.reading.columns import from_arrow
from keras_din.data.reading.file_lines import with_files
from keras_din.data.reading.table import declared_types
from keras_din.data.reading.typed_pieces import TypedPieces
from keras_din.data.sharded.count_rows import (
    add_times,
    count_items,
    count_rows,
    count_times,
)
from keras_din.data.sharded.finish_shards import HEADER, write_header
from keras_din.data.sharded.learn_plan import learn_plan, log_facts
from keras_din.data.sharded.log_kinds import Arguments, arguments_of, columns_of
from keras_din.data.sharded.prepare_shard import BAD_ROWS, write_shard
from keras_din.data.sharded.rows_in_duckdb import MEMORY_LIMIT, RowsInDuckDB, opener_of_duckdb
from keras_din.data.sharded.rows_of_shards import RowsOfShards
from keras_din.data.sharded.shard_names import number_of_shards, shard_path
from keras_din.data.sharded.shard_plan import check_options
from keras_din.data.sharded.whole_tables import read_tables

__all__ = ["prepare_shards"]

_ROWS = ".rows"


def prepare_shards(
    source: Any,
    folder: str | os.PathLike,
    shards: int,
    *,
    kind: str = "impressions",
    overwrite: bool = False,
    engine: str = "pandas",
    memory_limit: str | None = None,
    **options: Any,
) -> dict:
    """Prepares a log of impressions or behaviors in shards, each with all rows of its users.

    All shards together are what `prepare_impressions` or `prepare_interactions` returns for the
    log: the same spec, and the same rows, histories, parts and negatives. A shard has the users of
    whom `crc32(user) % shards` is its number. The log is read twice, in pieces: a file, or a part
    of a Parquet file. In memory are the rows of a piece and of one shard, the distinct values of a
    column, and the distinct times; of a log of behaviors also the items with their features.

    Args:
        source: The log, see `prepare_impressions`. Several files need less memory than one.
        folder: The folder to write, with `shard-00000-of-00064` and so on, and `sharded.json`.
        shards: The number of shards, at least 16 per worker that reads them.
        kind: `"impressions"`, or `"interactions"` for a log of behaviors without labels.
        overwrite: Whether an existing folder of shards may be replaced.
        engine: What groups the rows of the log by shard, on disk. `"pandas"` writes a file per
            piece and shard, and adds counts in memory. `"duckdb"` writes the rows to one file and
            adds counts within `memory_limit`, for many files and shards. It requires
            `pip install 'keras_din[duckdb]'`. Both give the same shards.
        memory_limit: The most memory that DuckDB uses, beside that of a piece and a shard, such as
            `"500MB"`. By default `"1GB"`. What exceeds it is in temporary files beside the folder.
        **options: The other arguments of `prepare_impressions` or `prepare_interactions`, except
            `prior_history` and `vectors`. The tables `items` and `users` are read once, and are in
            memory. `split` is `ByTime`, `LastFraction`, `LeaveOneOut` or the name of a column. A
            `Count` must have the user among its keys, and a rate its `base`.

    Returns:
        The header, see `finish_shards`.

    Raises:
        FileExistsError: If the folder is not empty, and `overwrite` is not set or it has no shards.
        ImportError: If DuckDB is not installed.
        ValueError: See `prepare_impressions`; or if an option is not supported, or the memory
            limit is too small.

    Example:

    ```python
    import pandas as pd

    log = pd.DataFrame(
        {
            "user": ["ann", "bob"] * 10,
            "time": range(20),
            "item": list("abcde") * 4,
            "click": [1, 0, 0, 1, 1] * 4,
        }
    )
    columns = {"user": "user", "time": "time", "label": "click", "target": ["item"]}
    header = kd.data.prepare_shards(log, "shards", 2, **columns, dim=4)
    data = kd.data.load_shards("shards", index=0, count=1)
    ```
    """
    shards = number_of_shards(shards)
    check_options(options)
    arguments = arguments_of(kind, options)
    open_rows = _engine(engine, memory_limit)
    with atomic_folder(folder, HEADER, overwrite) as partial:
        rows_folder = partial / _ROWS
        rows_folder.mkdir()
        with open_rows(rows_folder, shards, arguments.user) as rows:
            facts, bad, files, of_log = _route(source, arguments, rows)
            frames = lambda: map(rows.read, range(shards))  # noqa: E731
            plan = learn_plan(
                facts,
                shards,
                lambda *known: rows.add_times(count_times(each, *known) for each in frames()),
                lambda *known: rows.add_values(count_rows(each, *known) for each in frames()),
                lambda *known: _count_all_items(frames(), *known),
            )
            for index, each in enumerate(frames()):
                write_shard(each, shard_path(partial, index, shards), index, plan, files)
        shutil.rmtree(rows_folder)
        save_bad_rows(with_files(bad, files), partial / BAD_ROWS)
        checks = arguments.max_bad, arguments.allow_empty_parts
        return write_header(partial, *checks, _count_bad_rows(bad), files, *of_log)


def _engine(engine: str, memory_limit: str | None) -> Callable:
    """Returns the function that opens an engine: `RowsOfShards` or `RowsInDuckDB`."""
    one_of("engine", engine, ("pandas", "duckdb"))
    if engine == "duckdb":
        return opener_of_duckdb(MEMORY_LIMIT if memory_limit is None else memory_limit)
    if memory_limit is not None:
        raise ValueError(
            '`memory_limit` (`--memory-limit`) must be given with `engine="duckdb"` '
            f"(`--engine duckdb`). Received: memory_limit={memory_limit!r}, engine={engine!r}."
        )
    return RowsOfShards


def _count_all_items(frames: Iterable, arguments, part_of_log) -> tuple:
    """Adds the results of `count_items`, with the rows of the first behaviors."""
    names = columns_of_items(arguments)
    counts, tables = [], []
    for frame in frames:
        counts.append(count_items(frame, arguments, part_of_log))
        tables.append(frame.loc[counts[-1].line, names])
    time = np.concatenate([each.time for each in counts])
    return pd.concat(tables), time, np.concatenate([each.trained for each in counts])


def _route(source, arguments: Arguments, rows: RowsOfShards | RowsInDuckDB) -> tuple:
    """Reads the log in pieces and writes each row to the file of its shard.

    Returns:
        `(facts, bad, files, of_log)`: the `LogFacts`, the bad rows that are in no
        shard, the lines of several files, or `None`, and the last
        arguments of `merge_reports`.
    """
    given = arguments
    source, split = as_source_by_part(source, given.split, given.sep, given.header, given.names)
    of_tables = read_tables(given, column_names(source), split, source)
    opened = columns_of(of_tables.arguments)
    reading = opened.columns.reading
    declared = declared_types(
        reading["text"], reading["kinds"], reading["numbers"], opened.columns.separators
    )
    pieces = TypedPieces(source, of_tables.own, declared, reading["named"])
    times, bad = [], bad_lines([])
    for piece in pieces:
        rows.add(piece.table, piece.lines)
        times.append(from_arrow(piece.table[opened.time]).value_counts(sort=False))
        bad = concat_bad_rows(bad, piece.bad)
    given = dataclasses.replace(of_tables.arguments, split=split)
    columns = pieces.facts | of_tables.facts
    facts = log_facts(given, columns, add_times(times))
    return facts, bad, pieces.files, (columns, opened.columns.reasons, of_tables.aside)


def _count_bad_rows(bad: pd.DataFrame) -> dict:
    """The number of rows that are bad for each reason, with the first line."""
    return {
        kind: {"rows": len(rows), "first_line": int(rows["line"].iloc[0])}
        for kind, rows in bad.groupby(bad["reason"].map(lambda reason: reason.kind))
    }
