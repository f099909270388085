"""Reads a table piece by piece, with the types that its columns have in the whole table."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from keras_din.data.reading.arrow_types import is_bytes, is_text, widest_type
from keras_din.data.reading.bad_rows import bad_lines, concat_bad_rows
from keras_din.data.reading.column_types import from_csv, from_series
from keras_din.data.reading.columns import check_exact_ids, check_written_ids, from_arrow
from keras_din.data.reading.csv_file import CsvFile
from keras_din.data.reading.file_lines import FileLines
from keras_din.data.reading.iterated_tables import FrameSource, IteratedTables
from keras_din.data.reading.one_type import check_types, to_one_type
from keras_din.data.reading.pieces import DatesAndTextError, Piece, Pieces
from keras_din.data.reading.source import ArrowSource, as_source, unpacked


class TypedPiece(NamedTuple):
    """Some rows of a table.

    Attributes:
        table: The good rows, with the types of the whole table.
        lines: The position of each, int64 `(rows,)`, same as in `read_table`.
        bad: The bad rows, with the columns `line` and `reason` in front.
    """

    table: pa.Table
    lines: np.ndarray
    bad: pd.DataFrame


class TypedPieces:
    """A table that is read in pieces, twice: for the types of its columns, and for its rows.

    A piece is a file, or a part of a Parquet file. Of each column of text, the distinct values are
    in memory.

    Args:
        source: The table, see `as_source`. An iterator, which can be read once, is an error.
        columns: Names of the columns.
        declared: Name of a column -> its declared type, see `from_csv`.
        named: The columns that the user named in `categorical`.

    `facts` is name of a column -> the facts of `from_csv` and `from_series`. `files` is the
    `FileLines` of several files after the pieces were read, or `None` if the table is one.
    """

    def __init__(self, source, columns: list, declared: dict, named=()):
        source = as_source(source)
        self._are_several = isinstance(source, Pieces) or (
            isinstance(source, IteratedTables) and not source.is_one
        )
        self._source, self._columns = _in_pieces(source), list(columns)
        self._text = {name for name in columns if declared.get(name, "number") != "number"}
        while True:
            types = {name: _ColumnType(name, declared.get(name), name in named) for name in columns}
            try:
                for read in self._source.raw_pieces(self._columns, self._text):
                    for name in columns:
                        types[name].add(read.file, read.table[name])
                break
            except DatesAndTextError as error:
                self._text.add(error.column)
        self._types = types
        self.files: FileLines | None = None
        self.facts: dict[str, dict] = {}
        for name, each in types.items():
            self.facts[name] = each.finish()

    def __iter__(self) -> Iterator[TypedPiece]:
        files: list[str] = []
        rows: list[int] = []
        starts: list[int] = []
        before, end = 0, 0
        first = 1 if self._source.counts_lines else 0
        for read in self._source.raw_pieces(self._columns, self._text):
            if not files or read.file != files[-1]:
                before = end
                files.append(read.file)
                rows.append(0)
                starts.append(before)
            rows[-1] += read.rows
            end = max(end, before + read.lines_from(first))
            table = pa.table(
                {name: self._types[name].convert(read.table[name]) for name in self._columns}
            )
            bad = bad_lines([(line + before, reason) for line, reason in read.bad_lines])
            if read.bad is not None:
                bad = concat_bad_rows(bad, read.bad.assign(line=read.bad["line"] + before))
            yield TypedPiece(table, np.asarray(read.lines, np.int64) + before, bad)
        if self._are_several:
            self.files = FileLines(files, rows, starts, first)


def _in_pieces(source) -> Pieces | IteratedTables:
    if isinstance(source, CsvFile):
        return Pieces(source.path, [Piece(source)], unpacked)
    if isinstance(source, pd.DataFrame):
        return IteratedTables("the frame", [source], FrameSource, is_one=True)
    if isinstance(source, ArrowSource):
        return Pieces(source.what, [Piece(source)])
    if isinstance(source, (Pieces, IteratedTables)):
        return source
    raise ValueError(
        f"A table that is read in pieces must be a DataFrame or files. Received: {source!r}."
    )


class _ColumnType:
    """Finds the type of a column, and converts its pieces to it."""

    def __init__(self, name: str, declared: str | None, is_named: bool):
        self._name, self._declared, self._is_named = name, declared, is_named
        self._kinds: dict[str, pa.DataType] = {}
        self._example: float | None = None
        self._distinct = pa.array([], pa.large_string())
        self._counts = np.zeros(0, np.int64)
        self._nulls = 0
        self._is_whole = True  # Whether all numbers of pieces of floats are whole.
        self._values: pd.Series | None = None
        self._target: pa.DataType | None = None

    def add(self, file: str, column: pa.ChunkedArray) -> None:
        """Adds a piece of the first reading."""
        kind = column.type
        before = self._kinds.get(file, kind)
        self._kinds[file] = widest_type(before, kind) or kind
        self._nulls += column.null_count
        if is_text(kind) or is_bytes(kind):
            self._count(column.cast(pa.large_string()))
        elif pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_null(kind):
            return
        elif pa.types.is_floating(kind):
            known = pc.drop_null(column)
            known = known.filter(pc.is_finite(known))
            self._example = known[0].as_py() if len(known) else self._example
            self._is_whole &= bool(pc.all(pc.equal(known, pc.floor(known))).as_py() in (True, None))
            has_gaps = column.null_count or pc.any(pc.is_nan(column)).as_py()
            self._nulls += int(bool(has_gaps))

    def _count(self, column: pa.ChunkedArray) -> None:
        found = column.drop_null().combine_chunks().value_counts()
        values, counts = found.field("values"), found.field("counts").to_numpy()
        place = pc.index_in(values, self._distinct)
        known = pc.is_valid(place).to_numpy(zero_copy_only=False)
        np.add.at(self._counts, place.drop_null().to_numpy(), counts[known])
        self._distinct = pa.concat_arrays([self._distinct, values.filter(pa.array(~known))])
        self._counts = np.append(self._counts, counts[~known])

    def finish(self) -> dict:
        """Decides the type and returns the facts of the column."""
        kinds = self._kinds.values()
        has_dates = any(pa.types.is_temporal(kind) for kind in kinds)
        are_fields = any(is_bytes(kind) for kind in kinds) and not has_dates
        if are_fields or any(is_text(kind) for kind in kinds):
            if not are_fields:
                known = {f: kind for f, kind in self._kinds.items() if not pa.types.is_null(kind)}
                check_types(self._name, known, self._declared, self._is_named)
            return self._finish_text(are_fields)
        empty = [(file, _empty(kind)) for file, kind in self._kinds.items()]
        self._target = to_one_type(self._name, empty, self._declared, self._is_named).type
        values = from_arrow(_empty(self._target))
        _, facts = from_series(values, self._declared)
        if pa.types.is_floating(self._target) and self._is_whole and self._nulls:
            facts |= {"unclear": True, "example": self._example}
        return facts

    def _finish_text(self, are_fields: bool) -> dict:
        distinct, counts = self._distinct, self._counts
        if self._nulls:
            distinct = pa.concat_arrays([distinct, pa.nulls(1, distinct.type)])
            counts = np.append(counts, self._nulls)
        column, rows = pa.chunked_array([distinct]), pa.array(counts)
        if are_fields:
            if self._declared in ("categorical", "text"):
                check_written_ids(self._name, column)
            self._values, facts = from_csv(column, self._declared, rows)
        else:
            self._values, facts = from_series(from_arrow(column), self._declared, rows)
        return facts

    def convert(self, column: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
        """Converts a piece of the second reading."""
        if self._values is None:
            assert self._target is not None, "`finish` was called"
            if is_bytes(column.type):  # Words for missing values beside dates.
                return pa.chunked_array([pa.nulls(len(column), self._target)])
            if not pa.types.is_null(column.type) and self._declared not in ("numeric", "number"):
                check_exact_ids(self._name, from_arrow(column))
            return to_one_type(
                self._name, [("", column), ("", _empty(self._target))], self._declared, True
            )
        text = column.cast(pa.large_string())
        place = pc.index_in(text, self._distinct).fill_null(-1).combine_chunks()
        values = self._values.array.take(place.to_numpy(), allow_fill=True)
        return pa.array(values, from_pandas=True)


def _empty(kind: pa.DataType) -> pa.ChunkedArray:
    return pa.chunked_array([], kind)
