"""Prepares a log in shards on one machine, in memory that does not grow with the log."""

import dataclasses
import os
import pathlib
import shutil
from typing import Any

import pandas as pd

from keras_din.atomic_write import atomic_folder
from keras_din.checks import positive_integer
from keras_din.data.encoding.features import features_to_type
from keras_din.data.prepare.day import save_bad_rows
from keras_din.data.prepare.impression_arguments import ImpressionArguments
from keras_din.data.prepare.joins import column_names
from keras_din.data.prepare.read_impressions import (
    ImpressionColumns,
    PartOfLog,
    columns_of_impressions,
)
from keras_din.data.prepare.source_by_part import as_source_by_part
from keras_din.data.prepare.split import LastFraction
from keras_din.data.prepare.split_rows import use_order_unit
from keras_din.data.reading.bad_rows import bad_lines, concat_bad_rows
from keras_din.data.reading.column_types import kinds_of
from keras_din.data.reading.table import declared_types
from keras_din.data.reading.times import ORDER, UNITS, has_placeholders, to_microseconds
from keras_din.data.reading.typed_pieces import TypedPieces
from keras_din.data.sharded.count_rows import add_counts, add_times, count_rows, count_times
from keras_din.data.sharded.finish_shards import HEADER, write_header
from keras_din.data.sharded.fit_spec import fit_spec
from keras_din.data.sharded.prepare_shard import write_shard
from keras_din.data.sharded.rows_of_shards import RowsOfShards
from keras_din.data.sharded.shard_names import shard_path
from keras_din.data.sharded.shard_plan import check_options, make_plan
from keras_din.features import FeatureSpec

__all__ = ["prepare_shards"]

_ROWS = ".rows"
_BAD_ROWS = "bad_rows.csv"
_OF_FEATURES = ("target", "context", "side_features", "of", "max_length", "dim", "min_count")
_OF_TABLE = ("sep", "header", "names", "max_bad", "allow_empty_parts", "numeric", "categorical")


def prepare_shards(
    source: Any,
    folder: str | os.PathLike,
    shards: int,
    *,
    overwrite: bool = False,
    **options: Any,
) -> dict:
    """Prepares a log of impressions in shards, each with all rows of its users.

    All shards together are what `prepare_impressions` returns for the log: the same spec, and the
    same rows, histories and parts. A shard has the users of whom `crc32(user) % shards` is its
    number. The log is read twice, in pieces: a file, or a part of a Parquet file. In memory are the
    rows of a piece and of one shard, the distinct values of a column, and the distinct times.

    Args:
        source: The log, see `prepare_impressions`. Several files need less memory than one.
        folder: The folder to write, with `shard-00000-of-00064` and so on, and `sharded.json`.
        shards: The number of shards, at least 16 per worker that reads them.
        overwrite: Whether an existing folder of shards may be replaced.
        **options: The other arguments of `prepare_impressions`, except `prior_history`, `items`,
            `users` and `vectors`. `split` is `ByTime`, `LastFraction`, `LeaveOneOut` or the name of
            a column. A `Count` is not supported.

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
    arguments = ImpressionArguments(**options)
    with atomic_folder(folder, HEADER, overwrite) as partial:
        rows_folder = partial / _ROWS
        rows_folder.mkdir()
        log = _route(source, arguments, rows_folder, shards)
        spec, plan_options = _learn(log, arguments, shards)
        plan = make_plan(spec, shards, log.part_of_log, plan_options)
        for index in range(shards):
            write_shard(log.rows.read(index), shard_path(partial, index, shards), index, plan)
        shutil.rmtree(rows_folder)
        save_bad_rows(log.bad, partial / _BAD_ROWS)
        bad = {
            kind: {"rows": len(rows), "first_line": int(rows["line"].iloc[0])}
            for kind, rows in log.bad.groupby(log.bad["reason"].map(lambda reason: reason.kind))
        }
        return write_header(partial, arguments.max_bad, arguments.allow_empty_parts, bad)


@dataclasses.dataclass(frozen=True)
class _Log:
    """A log whose rows are in the files of shards."""

    rows: RowsOfShards
    opened: ImpressionColumns
    part_of_log: PartOfLog
    time_unit: str
    split: Any
    bad: pd.DataFrame


def _route(source, arguments: ImpressionArguments, folder: pathlib.Path, shards: int) -> _Log:
    """Reads the log in pieces and writes each row to the file of its shard."""
    opened = columns_of_impressions(arguments)
    reading = opened.columns.reading
    given = arguments
    source, split = as_source_by_part(source, given.split, given.sep, given.header, given.names)
    weights = [name for name in reading["weights"].values() if name in column_names(source)]
    needed = dict.fromkeys([*opened.needed, *weights, *([split] if isinstance(split, str) else [])])
    declared = declared_types(
        reading["text"], reading["kinds"], reading["numbers"], opened.columns.separators
    )
    pieces = TypedPieces(source, list(needed), declared, reading["named"])
    to_type = features_to_type(opened.columns.features)
    kinds = kinds_of(to_type, pieces.facts, reading["kinds"])
    kinds |= {
        name: facts["type"]
        for name, facts in pieces.facts.items()
        if name in reading["kinds"] and facts["type"] in ("numeric", "categorical")
    }
    times: list[pd.Series] = []
    bad = bad_lines([])
    with RowsOfShards(folder, shards, given.user) as rows:
        for piece in pieces:
            rows.add(piece.table, piece.lines)
            column = piece.table[opened.time].to_pandas()
            times.append(column.value_counts(sort=False))
            bad = concat_bad_rows(bad, piece.bad)
    unit, placeholders = _unit_of_times(times, opened, given)
    return _Log(rows, opened, PartOfLog(kinds, placeholders), unit, split, bad)


def _unit_of_times(times: list, opened: ImpressionColumns, given: ImpressionArguments) -> tuple:
    """Returns the unit of times in the whole log, and whether it has placeholders for times."""
    together = pd.concat([each for each in times if len(each)] or times[:1])
    counts = together.groupby(level=0).sum()
    if not len(counts):
        return opened.time_unit, False
    values = pd.Series(counts.index.array)
    at, known, unit = to_microseconds(opened.time, values, opened.time_unit, given.time_format)
    is_given = opened.time_unit != "auto" or given.time_format is not None
    placeholders = has_placeholders(at[known], counts.to_numpy()[known], unit)
    return unit if unit in (*UNITS, ORDER) else "auto", placeholders and not is_given


def _learn(log: _Log, arguments: ImpressionArguments, shards: int) -> tuple:
    """Returns the spec, and the arguments of shards except those of features."""
    unit = log.time_unit
    of_time: dict[str, Any] = {} if log.opened.time_unit == ORDER else {"time_unit": unit}
    known = dataclasses.replace(
        arguments, **of_time, max_bad=1.0, sep=None, header=None, names=None
    )
    split = LastFraction() if log.split is None else use_order_unit(log.split, unit)
    read = log.rows.read
    if isinstance(split, LastFraction):
        without = dataclasses.replace(known, split=None)
        times = add_times(
            [count_times(read(index), without, log.part_of_log) for index in range(shards)]
        )
        split = split.by_time(
            times.index.to_numpy(), times.to_numpy(), ORDER if unit == ORDER else "us"
        )
    known = dataclasses.replace(known, split=split)
    counts = [count_rows(read(index), known, log.part_of_log) for index in range(shards)]
    values = add_counts(counts)
    kinds = log.part_of_log.kinds
    of_kind: dict[str, Any] = {
        kind: [each for each in values if kinds.get(each) == kind and _is_name(each, arguments)]
        for kind in ("numeric", "categorical")
    }
    spec: FeatureSpec = fit_spec(
        values,
        label=arguments.label,
        sequences=list(log.opened.sequences),
        bags=[name for name, each in values.items() if each.in_bags],
        **of_kind,
        **{name: getattr(arguments, name) for name in _OF_FEATURES},
    )
    options = {
        field.name: getattr(known, field.name)
        for field in dataclasses.fields(known)
        if field.name not in (*_OF_FEATURES, *_OF_TABLE)
    }
    return spec, options


def _is_name(name: str, arguments: ImpressionArguments) -> bool:
    """Whether a feature is given as a name."""
    return name in (*arguments.target, *arguments.context, *arguments.side_features)
