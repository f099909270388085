"""Reads a table of several files, one after another."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from keras_din.data.reading.arrow_types import is_bytes, widest_type
from keras_din.data.reading.columns import check_columns
from keras_din.data.reading.csv_file import CsvFile, csv_hint, csv_names, read_csv
from keras_din.data.reading.file_lines import FileLines
from keras_din.data.reading.one_type import check_types, to_one_type
from keras_din.data.reading.text_types import NULLS
from keras_din.data.reading.utf8 import split_off_bad_text


class PiecesRead(NamedTuple):
    """The result of `Pieces.read_rows`.

    Attributes:
        table: The good rows, with the columns of CSV files as `read_csv` returns them.
        lines: The position of each through all files, int64 `(rows,)`, or `None` if all rows are
            there and positions are row numbers.
        bad_lines: `(position, reason)` of the lines that are no rows.
        bad: The rows with text that is not UTF-8, or `None`.
        files: The lines of the files.
    """

    table: pa.Table
    lines: np.ndarray | None
    bad_lines: list
    bad: pd.DataFrame | None
    files: FileLines


class _Piece(NamedTuple):
    """The columns of a file. `lines` and `bad_lines` are lines in the file."""

    file: str
    table: pa.Table
    lines: np.ndarray
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


class Pieces:
    """A table of several files of one format, which are read one after another.

    Args:
        what: Its description for errors.
        files: The files: each a `CsvFile`, or each an `ArrowSource`.
        open_csv: A function from a `CsvFile` to one whose content is not compressed.
    """

    def __init__(self, what: str, files: list, open_csv: Callable = lambda file: file):
        self.what, self.files, self._open_csv = what, files, open_csv
        self.is_csv = isinstance(files[0], CsvFile)
        self._names: dict[str, list] = {}

    def map_files(self, function: Callable) -> "Pieces":
        """The same table with the results of a function in place of its files."""
        return Pieces(self.what, [function(file) for file in self.files], self._open_csv)

    @property
    def names(self) -> list:
        """The columns that at least one file has."""
        of_files = self._names_of_files().values()
        return list(dict.fromkeys(name for names in of_files for name in names))

    def read(self, columns) -> pa.Table:
        """Reads all rows of files that are not CSV files."""
        return self.read_rows(columns, {}, only_utf8=False).table

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
        if self.is_csv:
            # Only times and columns without a declared type may be dates.
            text = {name for name in columns if declared.get(name, "number") != "number"}
            while (pieces := self._read_csv_files(columns, text, only_utf8)) is None:
                pass
        else:
            self._check_types(columns, declared, named)
            pieces = [self._read_arrow(file, columns, only_utf8) for file in self.files]
        return self._concat(pieces, columns, declared, named)

    def _names_of_files(self) -> dict:
        """File -> its columns."""
        if not self._names:
            if self.is_csv:
                self._check_separators()
                self._names = {file.path: csv_names(file) for file in self.files}
            else:
                self._names = {file.what: file.names for file in self.files}
        return self._names

    def _check_separators(self) -> None:
        one = self.files[0]
        for other in self.files:
            if other.delimiter != one.delimiter:
                raise ValueError(
                    "All files of a table must have one separator; pass it as `sep` (`--sep`). "
                    f"Received: {one.delimiter!r} for {one.path} and {other.delimiter!r} for "
                    f"{other.path}, by their names."
                )

    def _check_columns(self, columns: list) -> None:
        """Raises a `ValueError` unless each file has each column once."""
        of_files = self._names_of_files()
        hint = partial(csv_hint, self.files[0]) if self.is_csv else None
        check_columns(self.what, self.names, columns, hint)
        for file, names in zip(self.files, of_files, strict=True):
            lacking = [name for name in columns if name not in of_files[names]]
            if lacking:
                one = next(each for each in of_files if lacking[0] in of_files[each])
                why = csv_hint(file, lacking) if self.is_csv else ""
                raise ValueError(
                    f"Columns {lacking} must be in every file. Received: {one} with {lacking[0]!r},"
                    f" and {names} with the columns {of_files[names]}.{why}"
                )
            check_columns(names, of_files[names], columns)

    def _check_types(self, columns: list, declared: dict, named) -> None:
        for name in columns:
            types = {file.what: file.schema.field(name).type for file in self.files}
            check_types(name, types, declared.get(name), name in named)

    def _read_arrow(self, file, columns: list, only_utf8: bool) -> _Piece:
        table = file.read(columns)
        if not only_utf8:
            return _Piece(file.what, table, np.arange(len(table)), [], None)
        table, lines, bad = split_off_bad_text(table, np.arange(len(table)))
        return _Piece(file.what, _bytes_to_text(table), lines, [], bad)

    def _read_csv_files(self, columns: list, text: set, only_utf8: bool) -> list | None:
        """Reads CSV files; the columns of `text` stay text even if all their values are dates.

        Returns:
            The pieces; or `None` if a column is dates in one file and not in another. It is added
            to `text`, and the files must be read again.
        """
        pieces: list[_Piece] = []
        kinds: dict[str, pa.DataType] = {}
        for file in self.files:
            table, lines, bad_lines = read_csv(self._open_csv(file), columns, list(text))
            bad = None
            if only_utf8:
                table, lines, bad = split_off_bad_text(table, lines)
            for name in columns:
                kind = table[name].type
                if is_bytes(kind) and _has_only_nulls(table[name]):
                    continue
                common = widest_type(kinds.get(name, kind), kind)
                if common is None:
                    text.add(name)
                    return None
                kinds[name] = common
            pieces.append(_Piece(file.path, table, lines, bad_lines, bad))
        for i, piece in enumerate(pieces):
            for name in columns:
                if is_bytes(piece.table[name].type) and not is_bytes(kinds.get(name, pa.binary())):
                    nothing = pa.nulls(len(piece.table))
                    table = piece.table.set_column(columns.index(name), name, nothing)
                    pieces[i] = piece = piece._replace(table=table)
        return pieces

    def _concat(self, pieces: list, columns: list, declared: dict, named) -> PiecesRead:
        # The number of the first line of a file.
        first = 1 if self.is_csv else 0
        positions, bad_lines, bad, before = [], [], [], [0]
        for piece in pieces:
            positions.append(piece.lines + before[-1])
            bad_lines += [(line + before[-1], reason) for line, reason in piece.bad_lines]
            if piece.bad is not None:
                bad.append(piece.bad.assign(line=piece.bad["line"] + before[-1]))
            before.append(before[-1] + piece.lines_from(first))
        table = {
            name: to_one_type(
                name,
                [(piece.file, piece.table[name]) for piece in pieces],
                declared.get(name),
                name in named,
            )
            for name in columns
        }
        all_good = not self.is_csv and not bad
        return PiecesRead(
            pa.table(table),
            None if all_good else np.concatenate(positions),
            bad_lines,
            pd.concat(bad, ignore_index=True) if bad else None,
            FileLines(
                [piece.file for piece in pieces],
                [piece.rows for piece in pieces],
                before[:-1],
                first,
            ),
        )


def _has_only_nulls(column: pa.ChunkedArray) -> bool:
    """Whether all fields of a column of a CSV file are words for a missing value."""
    nulls = pa.array([word.encode() for word in NULLS])
    return all(
        pc.all(pc.is_in(column.slice(start, 1000), nulls)).as_py()
        for start in range(0, len(column), 1000)
    )


def _bytes_to_text(table: pa.Table) -> pa.Table:
    """Casts binary columns, which are valid UTF-8, to text."""
    for i, field in enumerate(table.schema):
        if is_bytes(field.type):
            table = table.set_column(i, field.name, table.column(i).cast(pa.large_string()))
    return table
