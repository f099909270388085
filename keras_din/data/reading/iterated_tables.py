"""Reads a table in pieces that an iterable yields: DataFrames, or tables and batches of Arrow."""

import itertools
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import pyarrow as pa

from keras_din.data.reading.arrow_types import to_basic_types
from keras_din.data.reading.columns import check_columns, whole_to_text
from keras_din.data.reading.list_cells import split_off_lists
from keras_din.data.reading.pieces import Piece, PiecesRead, RowsOfFile, concat_pieces, read_arrow


class FrameSource:
    """A pandas `DataFrame` whose columns are read as those of an Arrow table.

    Args:
        what: Its description for errors.
        frame: The frame.
    """

    def __init__(self, what: str, frame: pd.DataFrame):
        self.what, self.names, self._frame = what, list(frame.columns), frame

    def read(self, columns) -> pa.Table:
        """Reads columns."""
        return to_basic_types(pa.table({name: self._column(name) for name in columns}))

    def read_lines(self, columns: list) -> tuple:
        """Reads columns, see `ArrowSource.read_lines`. Rows of `split_off_lists` are bad."""
        frame, lines, bad = split_off_lists(self._frame, columns)
        if bad is None:
            return self.read(columns), None, []
        table = FrameSource(self.what, frame).read(columns)
        return table, lines, list(zip(bad["line"], bad["reason"], strict=True))

    def _column(self, name: str):
        values = self._frame[name]
        try:
            return pa.array(values, from_pandas=True)
        except UnicodeEncodeError:  # Rows with such text are bad.
            return pa.array([_encode(value) for value in values], pa.binary())
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
            # Integers among text, and those of more than 64 bits, are text.
            return pa.array([self._text(name, value) for value in values], pa.large_string())

    def _text(self, name: str, value) -> str | None:
        value = whole_to_text(value)
        if isinstance(value, (str, float, np.floating)):
            return None if value != value else str(value)
        if value is None or value is pd.NA:
            return None
        raise ValueError(
            f"Column {name!r} must hold values of one type. Received: {type(value).__name__} "
            f"{value!r} among values of another type in {self.what}."
        )


def _encode(value):
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value


class IteratedTables:
    """A table in pieces that an iterable yields, which are read one after another.

    All have the columns of the first. It has the methods of `Pieces`.

    Args:
        what: Its description for errors.
        tables: The iterable. An iterator can be read once, a list as often as needed.
        open_table: A function from the name of a piece, such as `table 1`, and the piece to its
            source.
        started: The first piece and the iterator of the others, if they are taken already.
        is_one: Whether the pieces are one table, whose rows are counted through all.
    """

    is_csv = False
    counts_lines = False
    names_of_folders = ()

    def __init__(
        self, what: str, tables, open_table: Callable, started: tuple | None = None, is_one=False
    ):
        self.what, self._tables, self._open = what, tables, open_table
        self._started, self.is_one = started, is_one
        first = next(iter(tables)) if started is None else started[0]
        self.names = list(open_table("table 1", first).names)

    def hint(self, lacking: list) -> str:
        """An empty string: there is no likely reason why columns are missing."""
        return ""

    def kept(self, columns) -> "IteratedTables":
        """The same with columns in memory, which can be read several times."""
        columns = list(dict.fromkeys(columns))
        tables = [piece.source.read(columns) for piece in self._pieces(columns)]
        return IteratedTables(self.what, tables, self._open, is_one=self.is_one)

    def read(self, columns) -> pa.Table:
        """Reads all rows."""
        return pa.table(self.read_rows(columns, {}, only_utf8=False).columns)

    def read_rows(self, columns, declared: dict, named=(), only_utf8: bool = True) -> PiecesRead:
        """Reads columns, see `Pieces.read_rows`. An iterator can be read once."""
        columns = list(columns)
        check_columns(self.what, self.names, columns)
        pieces = read_arrow(self._pieces(columns), columns, only_utf8, columns)
        read = concat_pieces(pieces, columns, declared, named, 0, only_utf8)
        return read._replace(files=None) if self.is_one else read

    def raw_pieces(self, columns: list, text) -> Iterator[RowsOfFile]:
        """Yields the rows of each table, see `Pieces.raw_pieces`."""
        return read_arrow(self._pieces(columns), columns, True, columns)

    def _pieces(self, columns: list):
        """Yields the pieces, all of which have the columns."""
        if self._started is not None:
            first, others = self._started
            tables, self._started = itertools.chain([first], others), None
            del first, others
        elif iter(self._tables) is self._tables:
            raise ValueError(
                "An iterator of tables can be read once. Received: "
                f"{self.what} a second time. Pass a new one, or a list of tables."
            )
        else:
            tables = iter(self._tables)
        for number, table in enumerate(tables, 1):
            source = self._open(f"table {number}", table)
            check_columns(source.what, source.names, columns)
            yield Piece(source)
