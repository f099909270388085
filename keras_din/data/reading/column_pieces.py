"""Collects the pieces of a column in forms that need little memory."""

from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from keras_din.data.reading.arrow_types import is_bytes, is_text
from keras_din.data.reading.column_types import from_csv, from_series
from keras_din.data.reading.columns import check_exact_ids, from_arrow
from keras_din.data.reading.one_type import check_types, to_one_type
from keras_din.data.reading.text_column import TextColumn, TextPieces, convert_text
from keras_din.data.reading.text_types import INTEGER

_LONGEST = 18  # The most characters of a number of which each fits into 64 bits.


class WholeNumbers(NamedTuple):
    """Fields of CSV files that are whole numbers in standard notation, or empty.

    Attributes:
        numbers: int64 `(rows,)`; an empty field is null.
    """

    numbers: pa.ChunkedArray


class _Piece(NamedTuple):
    """A piece of a column: its type, and the column, or its number among the pieces of text."""

    file: str
    kind: pa.DataType
    column: pa.ChunkedArray | None = None
    number: int | None = None


class ColumnPieces:
    """Collects the pieces of a column: each text once, whole numbers as such, all else as it is.

    Args:
        name: Name of the column.
        declared: The declared type, see `keras_din.data.reading.column_types.from_csv`.
        is_named: Whether the user named the column in `categorical`.
    """

    def __init__(self, name: str, declared: str | None, is_named: bool):
        self._name, self._declared, self._is_named = name, declared, is_named
        self._pieces: list[_Piece] = []
        self._text = TextPieces()

    def add(self, file: str, column: pa.ChunkedArray) -> None:
        """Adds a piece. Binary columns are fields of a CSV file."""
        kind = column.type
        if is_bytes(kind) and self._declared != "text":
            numbers = _whole_numbers(column)
            if numbers is not None:
                self._pieces.append(_Piece(file, kind, numbers))
                return
        if is_text(kind) or is_bytes(kind):
            self._pieces.append(_Piece(file, kind, number=self._text.add(column)))
        else:
            self._pieces.append(_Piece(file, kind, column))

    def finish(self) -> TextColumn | WholeNumbers | pa.ChunkedArray:
        """Returns the column. Its pieces are removed.

        Raises:
            ValueError: If the types of the pieces differ, see `to_one_type`.
        """
        pieces, self._pieces = self._pieces, []
        are_fields = any(is_bytes(piece.kind) for piece in pieces)
        if are_fields and not any(pa.types.is_temporal(piece.kind) for piece in pieces):
            return self._fields(pieces)
        if any(is_text(piece.kind) for piece in pieces):
            types = {p.file: p.kind for p in pieces if not pa.types.is_null(p.kind)}
            check_types(self._name, types, self._declared, self._is_named)
            return self._as_text(pieces, False)
        columns = [(piece.file, self._without_fields(piece)) for piece in pieces]
        return to_one_type(self._name, columns, self._declared, self._is_named)

    def _without_fields(self, piece: _Piece) -> pa.ChunkedArray:
        """The column of a piece. Fields beside dates are words for missing values."""
        if piece.number is None:
            return piece.column
        return pa.chunked_array([pa.nulls(self._text.rows(piece.number))])

    def _fields(self, pieces: list) -> TextColumn | WholeNumbers:
        has_text = any(value != "" for value in self._text.values()[:2].to_pylist())
        if has_text or all(piece.column is None for piece in pieces):
            return self._as_text(pieces, True)
        chunks: list[pa.Array] = []
        for piece in pieces:
            empty = piece.column is None
            column = pa.nulls(self._text.rows(piece.number), pa.int64()) if empty else piece.column
            chunks += [column] if empty else column.chunks
        return WholeNumbers(pa.chunked_array(chunks, pa.int64()))

    def _as_text(self, pieces: list, are_fields: bool) -> TextColumn:
        order = []
        for piece in pieces:
            number = piece.number
            if number is None:
                column = piece.column.cast(pa.large_string())
                number = self._text.add(pc.fill_null(column, "") if are_fields else column)
            order.append(number)
        return self._text.finish(order, are_fields)


def _whole_numbers(fields: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """The fields of a CSV file as integers, if their text can be told from these, or `None`."""
    for some in (fields.slice(0, 100), fields):
        text = some.cast(pa.string())
        empty = pc.equal(text, "")
        is_number = pc.and_(
            pc.match_substring_regex(text, INTEGER), pc.less_equal(pc.utf8_length(text), _LONGEST)
        )
        if not pc.all(pc.or_(is_number, empty)).as_py():
            return None
    if not pc.any(is_number).as_py():
        return None
    return pc.if_else(empty, pa.scalar(None, pa.string()), text).cast(pa.int64())


def convert_pieces(name: str, column, declared: str | None):
    """Converts what `ColumnPieces` returns to its detected type.

    Args:
        name: Name of the column, for errors.
        column: The column.
        declared: See `from_csv`.

    Returns:
        `(values, facts)`, same as `from_csv`. Text is a `Series` of sorted categories.
    """
    if isinstance(column, TextColumn):
        return convert_text(name, column, declared)
    if isinstance(column, WholeNumbers):
        # Any of the numbers tells the type and the reason.
        example = column.numbers.drop_null()[:1].cast(pa.string())
        _, facts = from_csv(example, declared)
        if nulls := column.numbers.null_count:
            facts["missing"] = {"": nulls}
        return from_arrow(column.numbers), facts
    values = from_arrow(column)
    if declared not in ("numeric", "number"):
        check_exact_ids(name, values)
    return from_series(values, declared)
