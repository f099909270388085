"""Prepares a log in shards on one machine, in memory that does not grow with the log."""

import dataclasses
import os
import shutil
from typing import Any

import numpy as np
import pandas as pd

from keras_din.atomic_write import atomic_folder
from keras_din.checks import positive_integer
from keras_din.data.prepare.day import save_bad_rows
from keras_din.data.prepare.items_of_log import columns_of_items
from keras_din.data.prepare.source_by_part import as_source_by_part
from keras_din.data.reading.bad_rows import bad_lines, concat_bad_rows
from keras_din.data.reading.columns import from_arrow
from keras_din.data.reading.file_lines import with_files
from keras_din.data.reading.table import declared_types
from keras_din.data.reading.typed_pieces import TypedPieces
from keras_din.data.sharded.count_rows import (
    add_counts,
    add_times,
    count_items,
    count_rows,
    count_times,
)
from keras_din.data.sharded.finish_shards import HEADER, write_header
from keras_din.data.sharded.learn_plan import learn_plan, log_facts
from keras_din.data.sharded.log_kinds import Arguments, arguments_of, columns_of
from keras_din.data.sharded.prepare_shard import BAD_ROWS, write_shard
from keras_din.data.sharded.rows_of_shards import RowsOfShards
from keras_din.data.sharded.shard_names import shard_path
from keras_din.data.sharded.shard_plan import check_options

__all__ = ["prepare_shards"]

_ROWS = ".rows"


def prepare_shards(
    source: Any,
    folder: str | os.PathLike,
    shards: int,
    *,
    kind: str = "impressions",
    overwrite: bool = False,
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
        **options: The other arguments of `prepare_impressions` or `prepare_interactions`, except
            `prior_history`, `items`, `users` and `vectors`. `split` is `ByTime`, `LastFraction`,
            `LeaveOneOut` or the name of a column. A `Count` is not supported.

    Returns:
        The header, see `finish_shards`.

    Raises:
        FileExistsError: If the folder is not empty, and `overwrite` is not set or it has no shards.
        ValueError: See `prepare_impressions`; or if an option is not supported.

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
    shards = positive_integer("shards", shards)
    check_options(options)
    arguments = arguments_of(kind, options)
    with atomic_folder(folder, HEADER, overwrite) as partial:
        rows_folder = partial / _ROWS
        rows_folder.mkdir()
        rows = RowsOfShards(rows_folder, shards, arguments.user)
        facts, bad, files = _route(source, arguments, rows)
        plan = learn_plan(
            facts,
            shards,
            lambda *known: add_times([count_times(rows.read(i), *known) for i in range(shards)]),
            lambda *known: add_counts([count_rows(rows.read(i), *known) for i in range(shards)]),
            lambda *known: _count_all_items(rows, shards, *known),
        )
        for index in range(shards):
            write_shard(rows.read(index), shard_path(partial, index, shards), index, plan, files)
        shutil.rmtree(rows_folder)
        save_bad_rows(with_files(bad, files), partial / BAD_ROWS)
        checks = arguments.max_bad, arguments.allow_empty_parts
        return write_header(partial, *checks, _count_bad_rows(bad), files)


def _count_all_items(rows: RowsOfShards, shards: int, arguments, part_of_log) -> tuple:
    """Adds the results of `count_items`, with the rows of the first behaviors."""
    names = columns_of_items(arguments)
    counts, tables = [], []
    for index in range(shards):
        frame = rows.read(index)
        counts.append(count_items(frame, arguments, part_of_log))
        tables.append(frame.loc[counts[-1].line, names])
    time = np.concatenate([each.time for each in counts])
    return pd.concat(tables), time, np.concatenate([each.trained for each in counts])


def _route(source, arguments: Arguments, rows: RowsOfShards) -> tuple:
    """Reads the log in pieces and writes each row to the file of its shard.

    Returns:
        `(facts, bad, files)`: the `LogFacts`, the bad rows that are in no shard, and the lines of
        several files, or `None`.
    """
    opened, given = columns_of(arguments), arguments
    reading = opened.columns.reading
    source, split = as_source_by_part(source, given.split, given.sep, given.header, given.names)
    needed = [*opened.needed, *([split] if isinstance(split, str) else [])]
    declared = declared_types(
        reading["text"], reading["kinds"], reading["numbers"], opened.columns.separators
    )
    pieces = TypedPieces(source, list(dict.fromkeys(needed)), declared, reading["named"])
    times, bad = [], bad_lines([])
    for piece in pieces:
        rows.add(piece.table, piece.lines)
        times.append(from_arrow(piece.table[opened.time]).value_counts(sort=False))
        bad = concat_bad_rows(bad, piece.bad)
    facts = log_facts(dataclasses.replace(arguments, split=split), pieces.facts, add_times(times))
    return facts, bad, pieces.files


def _count_bad_rows(bad: pd.DataFrame) -> dict:
    """The number of rows that are bad for each reason, with the first line."""
    return {
        kind: {"rows": len(rows), "first_line": int(rows["line"].iloc[0])}
        for kind, rows in bad.groupby(bad["reason"].map(lambda reason: reason.kind))
    }
