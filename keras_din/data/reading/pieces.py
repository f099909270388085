"""Reads a table of several files, one after another."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from keras_din.data.reading.arrow_types import is_bytes, widest_type
from keras_din.data.reading.column_pieces import ColumnPieces
from keras_din.data.reading.columns import check_columns
from keras_din.data.reading.csv_file import CsvFile, csv_hint, csv_names, read_csv
from keras_din.data.reading.file_lines import FileLines
from keras_din.data.reading.one_type import check_types, to_one_type
from keras_din.data.reading.text_types import NULLS
from keras_din.data.reading.utf8 import split_off_bad_text


class PiecesRead(NamedTuple):
    """The result of `Pieces.read_rows`.

    Attributes:
        columns: Name of each column -> its good rows, as `ColumnPieces` returns them; columns of
            Arrow if not `only_utf8`.
        lines: The position of each through all files, int64 `(rows,)`, or `None` if all rows are
            there and positions are row numbers.
        bad_lines: `(position, Reason)` of the lines that are no rows.
        bad: The rows with text that is not UTF-8, or `None`.
        files: The lines of the files, or `None` if the pieces are one table.
    """

    columns: dict
    lines: np.ndarray | None
    bad_lines: list
    bad: pd.DataFrame | None
    files: FileLines | None


class Piece(NamedTuple):
    """One file of a table.

    Attributes:
        source: A `CsvFile` or an `ArrowSource`.
        folders: The columns that it gets from its folders -> their text, see `partition_of`.
    """

    source: Any
    folders: dict = {}  # noqa: RUF012

    @property
    def name(self) -> str:
        """The path."""
        return self.source.path if isinstance(self.source, CsvFile) else self.source.what


class Pieces:
    """A table of several files of one format, which are read one after another.

    A column that folders give is read as a column of a CSV file, unless the file itself has it.

    Args:
        what: Its description for errors.
        pieces: The files, all of them CSV files or none.
        open_csv: A function from a `CsvFile` to one whose content is not compressed.
    """

    def __init__(self, what: str, pieces: list, open_csv: Callable = lambda file: file):
        self.what, self.pieces, self._open_csv = what, pieces, open_csv
        self.is_csv = isinstance(pieces[0].source, CsvFile)
        self.is_json = not self.is_csv and pieces[0].source.json_lines is not None
        self._names: list[list] = []

    def map_sources(self, function: Callable) -> "Pieces":
        """The same table with the results of a function in place of its sources."""
        pieces = [piece._replace(source=function(piece.source)) for piece in self.pieces]
        return Pieces(self.what, pieces, self._open_csv)

    @property
    def names(self) -> list:
        """The columns that at least one file has, then those of folders."""
        of_files = [*self._names_of_files(), *(piece.folders for piece in self.pieces)]
        return list(dict.fromkeys(name for names in of_files for name in names))

    @property
    def names_of_folders(self) -> list:
        """The columns that at least one file gets from its folders."""
        of_files = zip(self.pieces, self._names_of_files(), strict=True)
        columns = (name for piece, own in of_files for name in piece.folders if name not in own)
        return list(dict.fromkeys(columns))

    def hint(self, lacking: list) -> str:
        """The likely reason why the table lacks columns, or an empty string."""
        first = self.pieces[0].source
        return csv_hint(first, lacking) if self.is_csv else first.hint(lacking)

    def read(self, columns) -> pa.Table:
        """Reads all rows of files that are not CSV files."""
        return pa.table(self.read_rows(columns, {}, only_utf8=False).columns)

    def read_rows(self, columns, declared: dict, named=(), only_utf8: bool = True) -> PiecesRead:
        """Reads columns.

        Args:
            columns: Names of the columns.
            declared: Column -> its declared type, see `column_types.from_csv`.
            named: The columns that the user named in `categorical`.
            only_utf8: Whether rows with text that is not UTF-8 are bad. Otherwise they are kept
                and text may be bytes.

        Raises:
            ValueError: If a file lacks a column, or a column has different types. It names two
                files.
        """
        columns = list(columns)
        self._check_columns(columns)
        if not self.is_csv:
            self._check_types(columns, declared, named)
            as_text = self._of_files(columns) if only_utf8 else columns
            read = read_arrow(self.pieces, columns, only_utf8, as_text)
            return concat_pieces(read, columns, declared, named, int(self.is_json), only_utf8)
        # Only times and columns without a declared type may be dates.
        text = {name for name in columns if declared.get(name, "number") != "number"}
        while True:
            try:
                read = self._csv_pieces(columns, text, only_utf8)
                return concat_pieces(read, columns, declared, named, 1, only_utf8)
            except DatesAndTextError as error:
                text.add(error.column)

    @property
    def counts_lines(self) -> bool:
        """Whether rows are counted as lines of text, from 1."""
        return self.is_csv or self.is_json

    def raw_pieces(self, columns: list, text) -> Iterator["RowsOfFile"]:
        """Yields the rows of each file, or of parts of it, with the types that they have there.

        Args:
            columns: Names of the columns.
            text: The columns of CSV files that stay text even if all their values are dates.

        Raises:
            DatesAndTextError: If a column is dates in one CSV file and text in another.
        """
        self._check_columns(columns)
        if self.is_csv:
            return self._csv_pieces(columns, text, True)
        return read_arrow(self.pieces, columns, True, self._of_files(columns))

    def _names_of_files(self) -> list:
        """The columns of each file itself."""
        if not self._names:
            if self.is_csv:
                self._check_separators()
            of_source = csv_names if self.is_csv else lambda source: source.names
            self._names = [of_source(piece.source) for piece in self.pieces]
        return self._names

    def _check_separators(self) -> None:
        one = self.pieces[0].source
        for other in (piece.source for piece in self.pieces):
            if other.delimiter != one.delimiter:
                raise ValueError(
                    "All files of a table must have one separator; pass it as `sep` (`--sep`). "
                    f"Received: {one.delimiter!r} for {one.path} and {other.delimiter!r} for "
                    f"{other.path}, by their names."
                )

    def _check_columns(self, columns: list) -> None:
        """Raises a `ValueError` unless each file has each column once."""
        of_files = self._names_of_files()
        check_columns(self.what, self.names, columns, self.hint)
        for piece, names in zip(self.pieces, of_files, strict=True):
            lacking = [name for name in columns if name not in names and name not in piece.folders]
            if lacking and not self.is_json:  # An object may lack a field.
                one = next(
                    each.name
                    for each, own in zip(self.pieces, of_files, strict=True)
                    if lacking[0] in own or lacking[0] in each.folders
                )
                why = csv_hint(piece.source, lacking) if self.is_csv else ""
                raise ValueError(
                    f"Columns {lacking} must be in every file. Received: {one} with {lacking[0]!r},"
                    f" and {piece.name} with the columns {names}.{why}"
                )
            check_columns(piece.name, names, [name for name in columns if name in names])

    def _check_types(self, columns: list, declared: dict, named) -> None:
        if self.is_json:  # These types are known after reading.
            return
        for name in columns:
            types = {
                piece.name: piece.source.schema.field(name).type
                if name in piece.source.names
                else pa.large_string()
                for piece in self.pieces
            }
            check_types(name, types, declared.get(name), name in named)

    def _of_files(self, columns: list) -> set:
        """The columns that at least one file itself has."""
        return {name for names in self._names_of_files() for name in names}.intersection(columns)

    def _csv_pieces(self, columns: list, text, only_utf8: bool):
        """Reads CSV files; the columns of `text` stay text even if all their values are dates."""
        kinds: dict[str, pa.DataType] = {}
        for piece, names in zip(self.pieces, self._names_of_files(), strict=True):
            file, own = self._open_csv(piece.source), _own_columns(columns, names)
            table, lines, bad_lines = read_csv(file, own, [name for name in own if name in text])
            bad = None
            if only_utf8:
                table, lines, bad = split_off_bad_text(table, lines)
            table = _with_folders(table, piece.folders, columns)
            for name in columns:
                kind = table[name].type
                if is_bytes(kind) and _has_only_nulls(table[name]):
                    continue
                common = widest_type(kinds.get(name, kind), kind)
                if common is None:
                    raise DatesAndTextError(name)
                kinds[name] = common
            yield RowsOfFile(piece.name, table, lines, bad_lines, bad)


class DatesAndTextError(Exception):
    """A column is dates in one CSV file and not in another. All must be read as text."""

    def __init__(self, column: str):
        super().__init__(column)
        self.column = column


class RowsOfFile(NamedTuple):
    """Some rows of a file. `lines` and `bad_lines` are lines in the file."""

    file: str
    table: pa.Table
    lines: np.ndarray | range
    bad_lines: list
    bad: pd.DataFrame | None

    @property
    def rows(self) -> int:
        """How many rows the file has, good and bad."""
        return len(self.lines) + len(self.bad_lines) + (0 if self.bad is None else len(self.bad))

    def lines_from(self, first: int) -> int:
        """How many lines there are from the first to that of the last row."""
        last: list = [self.lines[-1:], [line for line, _ in self.bad_lines[-1:]]]
        last += [] if self.bad is None else [self.bad["line"][-1:]]
        return max((int(line) + 1 - first for lines in last for line in lines), default=0)


def read_arrow(pieces: Iterable, columns: list, only_utf8: bool, as_text):
    """Reads columns of `Piece`s that are not CSV files, for `concat_pieces`.

    Args:
        pieces: The `Piece`s.
        columns: Names of the columns.
        only_utf8: See `Pieces.read_rows`.
        as_text: The columns that are text, instead of fields of a CSV file, if a folder has them.
    """
    for piece in pieces:
        own = _own_columns(columns, piece.source.names)
        for table, lines, bad_lines in _batches(piece.source, own):
            bad = None
            if only_utf8:
                table, lines, bad = split_off_bad_text(table, lines)
                table = _bytes_to_text(table)
            table = _with_folders(table, piece.folders, columns, as_text)
            yield RowsOfFile(piece.name, table, lines, bad_lines, bad)


def _batches(source, columns: list):
    """Yields `(table, lines, bad lines)`; lines from 0 are a range."""
    batches = getattr(source, "batches", None)
    if batches is None:
        table, lines, bad_lines = source.read_lines(columns)
        yield table, range(len(table)) if lines is None else lines, bad_lines
        return
    start = 0
    for table in batches(columns):
        yield table, range(start, start + len(table)), []
        start += len(table)


def _own_columns(columns: list, names: list) -> list:
    """The columns that a file itself has; if it has none, its first one, to count the rows."""
    return [name for name in columns if name in names] or names[:1]


def _with_folders(table: pa.Table, folders: dict, columns: list, as_text=()) -> pa.Table:
    """Adds the columns of folders, as the fields of a CSV file or `as_text`, and sorts columns."""
    for name, value in folders.items():
        if name in columns and name not in table.column_names:
            kind = pa.large_string() if name in as_text else pa.binary()
            table = table.append_column(name, pa.repeat(pa.scalar(value, kind), len(table)))
    for name in columns:
        if name not in table.column_names:  # A field that no object of this file has.
            table = table.append_column(name, pa.nulls(len(table)))
    return table.select(columns)


def _bytes_to_text(table: pa.Table) -> pa.Table:
    """Casts binary columns, which are valid UTF-8, to text."""
    for i, field in enumerate(table.schema):
        if is_bytes(field.type):
            table = table.set_column(i, field.name, table.column(i).cast(pa.large_string()))
    return table


def _has_only_nulls(column: pa.ChunkedArray) -> bool:
    """Whether all fields of a column of a CSV file are words for a missing value."""
    nulls = pa.array([word.encode() for word in NULLS])
    return all(
        pc.all(pc.is_in(column.slice(start, 1000), nulls)).as_py()
        for start in range(0, len(column), 1000)
    )


def concat_pieces(
    read: Iterable, columns: list, declared: dict, named, first: int, is_compact: bool
) -> PiecesRead:
    """Concatenates what was read of each file.

    Args:
        read: What `read_arrow` yields.
        columns: See `Pieces.read_rows`, and also `declared` and `named`.
        declared: See `columns`.
        named: See `columns`.
        first: The number of the first line of a file.
        is_compact: Whether text is stored once, see `ColumnPieces`.
    """
    files: list[str] = []
    rows: list[int] = []
    before = [0]  # The lines before each file, and before the next one.
    lines, bad_lines, bad = [], [], []
    make = ColumnPieces if is_compact else _PlainPieces
    parts = {name: make(name, declared.get(name), name in named) for name in columns}
    for each in read:
        if not files or each.file != files[-1]:
            files.append(each.file)
            rows.append(0)
            before.append(before[-1])
        start = before[-2]
        rows[-1] += each.rows
        lines.append((each.lines, start))
        bad_lines += [(line + start, reason) for line, reason in each.bad_lines]
        if each.bad is not None:
            bad.append(each.bad.assign(line=each.bad["line"] + start))
        before[-1] = max(before[-1], start + each.lines_from(first))
        for name in columns:
            parts[name].add(each.file, each.table[name])
    are_row_numbers = first == 0 and all(isinstance(each, range) for each, _ in lines)
    return PiecesRead(
        {name: parts.pop(name).finish() for name in columns},
        None if are_row_numbers else np.concatenate([np.asarray(e) + s for e, s in lines]),
        bad_lines,
        pd.concat(bad, ignore_index=True) if bad else None,
        FileLines(files, rows, before[:-1], first),
    )


class _PlainPieces:
    """Collects the pieces of a column as they are. Same arguments as `ColumnPieces`."""

    def __init__(self, *words):
        (self._name, *self._words), self._pieces = words, []

    def add(self, file: str, column: pa.ChunkedArray) -> None:
        self._pieces.append((file, column))

    def finish(self) -> pa.ChunkedArray:
        return to_one_type(self._name, self._pieces, *self._words)
