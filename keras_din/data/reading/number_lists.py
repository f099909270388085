"""Cells with lists of numbers, or text with numbers, as one array. Clean cells need no loop."""

from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

_AT_ONCE = 2**12  # One list that Arrow cannot convert leaves at most so many cells unread.
_NUMBER = r"^-?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_ERRORS = (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, UnicodeEncodeError)


class ListsRead(NamedTuple):
    """The values of cells. Those of row `i` are `values[start[i] : start[i] + lengths[i]]`.

    Attributes:
        lengths: int64 `(rows,)`; 0 for a missing cell and for empty text.
        start: int64 `(rows,)`.
        values: The values of all rows.
        is_read: Where a cell was read, bool `(rows,)`. Any other must be converted by itself.
    """

    lengths: np.ndarray
    start: np.ndarray
    values: np.ndarray
    is_read: np.ndarray


def number_lists(cells: np.ndarray, separator: str | None) -> ListsRead:
    """Reads lists of numbers, and text with numbers.

    Args:
        cells: Lists, tuples, arrays, text or missing values, objects `(rows,)`.
        separator: The separator of text, or `None` if a text has one number.

    Returns:
        `ListsRead`. `values` are float64, NaN for what is not a finite number in standard notation.
    """
    return _read(cells, separator, _to_numbers)


def known_lists(cells: np.ndarray, separator: str | None) -> ListsRead:
    """Finds which values in cells exist.

    Args:
        cells: Lists, tuples, arrays, text or missing values, objects `(rows,)`.
        separator: The separator of text, or `None` if a text has one value.

    Returns:
        `ListsRead`. `values` are bool, `False` for a missing value and for empty text.
    """
    return _read(cells, separator, _to_known)


def _read(cells: np.ndarray, separator: str | None, convert) -> ListsRead:
    rows = len(cells)
    lengths, start = np.zeros(rows, np.int64), np.zeros(rows, np.int64)
    kinds = np.fromiter(map(_kind, cells), np.int8, rows)
    is_read = kinds == _NOTHING
    parts, total = [np.zeros(0, convert(None).dtype)], 0
    for kind in (_TEXT, _LIST):
        of_kind = np.flatnonzero(kinds == kind)
        for place in range(0, len(of_kind), _AT_ONCE):
            part = of_kind[place : place + _AT_ONCE]
            try:
                lists = _to_arrow(cells[part].tolist(), kind, separator)
                values = convert(lists.flatten())
            except _ERRORS:
                continue
            if values is None:
                continue
            sizes = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
            lengths[part], is_read[part] = sizes, True
            start[part] = total + np.cumsum(sizes) - sizes
            parts.append(values)
            total += len(values)
    return ListsRead(lengths, start, np.concatenate(parts), is_read)


_NOTHING, _TEXT, _LIST, _OTHER = range(4)


def _kind(cell) -> int:
    if cell is None or isinstance(cell, str):
        return _TEXT if cell else _NOTHING
    if isinstance(cell, (list, tuple)) or (isinstance(cell, np.ndarray) and cell.ndim):
        return _LIST
    return _NOTHING if cell is pd.NA or cell is pd.NaT or cell != cell else _OTHER


def _to_arrow(cells: list, kind: int, separator: str | None):
    """Returns cells of one kind as an Arrow array of lists."""
    if kind == _LIST:
        return pa.array(cells, from_pandas=True)
    text = pa.array(cells, pa.large_string())
    if separator is None:
        return pa.LargeListArray.from_arrays(pa.array(range(len(cells) + 1), pa.int64()), text)
    return pc.split_pattern(text, separator)


def _to_numbers(flat) -> np.ndarray | None:
    """Converts the values of Arrow lists to float64; `None` if they have another type."""
    if flat is None:
        return np.zeros(0)
    if _is_text(flat):
        is_number = pc.match_substring_regex(flat, _NUMBER)
        flat = pc.if_else(is_number, flat, pa.scalar(None, flat.type))
    elif not (pa.types.is_integer(flat.type) or pa.types.is_floating(flat.type)):
        return np.full(len(flat), np.nan) if pa.types.is_null(flat.type) else None
    numbers = flat.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return np.where(np.isfinite(numbers), numbers, np.nan)


def _to_known(flat) -> np.ndarray:
    """Returns which values of Arrow lists exist."""
    if flat is None:
        return np.zeros(0, bool)
    known = pc.is_valid(flat)
    if _is_text(flat):
        known = pc.and_(known, pc.fill_null(pc.not_equal(flat, ""), False))
    return known.to_numpy(zero_copy_only=False)


def _is_text(flat) -> bool:
    return pa.types.is_string(flat.type) or pa.types.is_large_string(flat.type)
