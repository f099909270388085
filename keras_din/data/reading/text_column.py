"""A column of text that stores each of its values once, and its pieces."""

from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from keras_din.data.reading.column_types import from_csv, from_series
from keras_din.data.reading.columns import check_written_ids, from_arrow

_AT_ONCE = 1 << 22


class TextColumn(NamedTuple):
    """A column of text.

    Attributes:
        codes: The place in `values` of each row's value, int32 `(rows,)`, -1 if it has none.
        values: Each value once, in the order in which they occur, as text of Arrow.
        are_fields: Whether they are fields of CSV files.
    """

    codes: np.ndarray
    values: pa.Array
    are_fields: bool


class TextPieces:
    """Collects pieces of a column of text. A value that is in several pieces is stored once.

    The values of new pieces are looked up only when they are as many as all before. So the time is
    proportional to the number of values in all pieces.
    """

    def __init__(self):
        self._values = pa.array([], pa.large_string())
        self._codes: list[np.ndarray] = []
        # The values of the last pieces, whose codes are places in these.
        self._new: list[pa.Array] = []

    def add(self, column: pa.ChunkedArray) -> int:
        """Adds a piece, which can be cast to text, and returns its number."""
        encoded = column.cast(pa.large_string()).combine_chunks().dictionary_encode()
        codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        self._codes.append(codes.astype(np.int32, copy=False))
        self._new.append(encoded.dictionary)
        if sum(map(len, self._new)) >= len(self._values):
            self._merge()
        return len(self._codes) - 1

    def values(self) -> pa.Array:
        """Each value once."""
        self._merge()
        return self._values

    def rows(self, number: int) -> int:
        """How many rows a piece has."""
        return len(self._codes[number])

    def finish(self, order: list, are_fields: bool) -> TextColumn:
        """Returns the column of the pieces with these numbers, in this order."""
        self._merge()
        codes, values = np.concatenate([self._codes[number] for number in order]), self._values
        self._codes = []
        if order != sorted(order):
            codes, values = _in_order(codes, values)
        return TextColumn(codes, values, are_fields)

    def _merge(self) -> None:
        if not self._new:
            return
        new = pa.chunked_array(self._new, pa.large_string())
        places = pc.index_in(new, self._values)
        unknown = new.filter(pc.is_null(places)).unique()
        of_unknown = pc.add(pc.index_in(new, unknown), pa.scalar(len(self._values), pa.int32()))
        places = pc.coalesce(places, of_unknown).to_numpy()
        start = 0
        for i, values in enumerate(self._new, len(self._codes) - len(self._new)):
            end = start + len(values)
            self._codes[i] = np.append(places[start:end], np.int32(-1))[self._codes[i]]
            start = end
        self._values = pa.concat_arrays([self._values, unknown])
        self._new = []


def _in_order(codes: np.ndarray, values: pa.Array) -> tuple:
    """The codes and values with the values in the order in which they occur."""
    rows = np.flatnonzero(codes >= 0)[::-1]
    first = np.zeros(len(values), np.int64)
    first[codes[rows]] = rows  # Of several assignments the last one stays.
    order = np.argsort(first)
    rank = np.full(len(values) + 1, -1, np.int32)
    rank[order] = np.arange(len(values))
    return rank[codes], values.take(pa.array(order))


def convert_text(name: str, column: TextColumn, declared: str | None):
    """Converts a column to its detected type, in the same way as `from_csv` and `from_series`.

    Args:
        name: Name of the column, for errors.
        column: The column.
        declared: See `from_csv`.

    Returns:
        `(values, facts)`. Text is a `Series` of categories, which are sorted.
    """
    codes, values, are_fields = column
    rows = _count(codes, len(values))
    nulls = len(codes) - int(rows.sum())
    if nulls:  # Codes of -1 are the place of the last value.
        values = pa.concat_arrays([values, pa.nulls(1, values.type)])
        rows = np.append(rows, nulls)
    distinct, counts = pa.chunked_array([values]), pa.array(rows)
    if are_fields:
        if declared in ("categorical", "text"):
            check_written_ids(name, distinct)
        found, facts = from_csv(distinct, declared, counts)
    else:
        found, facts = from_series(from_arrow(distinct), declared, counts)
    if not _is_text(found):
        return pd.Series(found.array.take(codes)), facts
    known = np.flatnonzero(found.notna().to_numpy(bool))
    order = np.asarray(found.iloc[known].argsort())
    rank = np.full(len(values) + 1, -1, np.int32)
    rank[known[order]] = np.arange(len(known))
    categories = pd.Index(found.iloc[known[order]])
    return pd.Series(pd.Categorical.from_codes(rank[codes], categories)), facts


def _is_text(values: pd.Series) -> bool:
    first = values.first_valid_index()
    return first is not None and isinstance(values.loc[first], str)


def _count(codes: np.ndarray, size: int) -> np.ndarray:
    """How many rows have each code, int64 `(size,)`. In parts, since NumPy copies the codes."""
    rows = np.zeros(size, np.int64)
    for start in range(0, len(codes), _AT_ONCE):
        part = codes[start : start + _AT_ONCE]
        rows += np.bincount(part[part >= 0], minlength=size)
    return rows
