"""Cells with a vector each: lists of numbers, or text with a separator."""

import re

import numpy as np
import pandas as pd

from keras_din.data.reading.bad_rows import Reason, concat_bad_rows, to_bad_rows
from keras_din.data.reading.labels import format_value
from keras_din.data.reading.number_lists import number_lists
from keras_din.features import LARGEST, Vector

_ROWS_AT_ONCE = 2**14
_LARGEST_FLOAT16 = 65504.0
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")


_SEPARATOR = (
    "If another separator than {0!r} is between the numbers, name it in `bags`, as in "
    "`bags={{{1!r}: ' '}}` (on the command line `--separator`)."
)


class VectorCell(bytes):
    """A vector as the bytes of its float32 numbers, which can be compared and need little memory.

    Its text, such as `[0.5, 2.0]`, is for tables of bad rows.
    """

    def __str__(self) -> str:
        # The decimal numbers with the fewest digits.
        return f"[{', '.join(map(str, np.frombuffer(self, np.float32)))}]"

    __repr__ = __str__


def check_vector_cells(
    frame: pd.DataFrame, bad: pd.DataFrame, separators: dict, vectors: dict
) -> tuple:
    """Converts the columns of vectors of a frame, and keeps bad rows aside.

    Args:
        frame: Rows with columns as they were read.
        bad: The bad rows so far.
        separators: Name of a column -> separator of its text, or `None`.
        vectors: Name of a column -> its `Vector`.

    Returns:
        `(frame, bad)`.
    """
    for name, feature in vectors.items():
        if name not in frame.columns:
            continue
        cells, reasons = vector_cells(feature, frame[name], separators.get(name))
        wrong = np.array([reason is not None for reason in reasons], bool)
        if wrong.any():
            bad = concat_bad_rows(bad, to_bad_rows(frame[wrong], reasons[wrong]))
        frame = frame.assign(**{name: cells})[~wrong]
    return frame, bad


def vector_cells(feature: Vector, values: pd.Series, separator: str | None) -> tuple:
    """Converts lists of numbers, and text, to vectors.

    Args:
        feature: The `Vector`.
        values: Lists, tuples, arrays, text, or cells that this function returned.
        separator: The separator of text, or `None`.

    Returns:
        `(cells, reasons)`: a `Series` of `VectorCell`, or `None` where the vector is missing; and
        a `Reason` for each cell that is not a vector of finite numbers, else `None`, `(rows,)`.
    """
    given = values.to_numpy(object)
    found, reasons = np.full(len(given), None, object), np.full(len(given), None, object)
    lists = number_lists(given, separator)
    fits = lists.is_read & (lists.lengths == feature.size)
    rows = np.flatnonzero(fits)
    for place in range(0, len(rows), _ROWS_AT_ONCE):
        part = rows[place : place + _ROWS_AT_ONCE]
        block = lists.values[lists.start[part, None] + np.arange(feature.size)]
        fits[part] = is_good = (np.abs(block) <= _largest(feature)).all(axis=1)  # NaN is not.
        found[part[is_good]] = _cells(block[is_good])
    is_missing = lists.is_read & (lists.lengths == 0)
    for row in np.flatnonzero(~fits & ~is_missing):
        found[row], reasons[row] = _convert(feature, values.name, given[row], separator)
    return pd.Series(found, values.index, dtype=object, name=values.name), reasons


def vector_matrix(size: int, cells: pd.Series, dtype: str, missing: float) -> np.ndarray:
    """Returns the vectors of cells, `(rows, size)`, with the number `missing` for missing ones."""
    matrix = np.full((len(cells), size), missing, dtype)
    known = cells.notna().to_numpy()
    vectors = np.frombuffer(b"".join(cells[known]), np.float32)
    matrix[known] = vectors.reshape(-1, size)
    return matrix


def _largest(feature: Vector) -> float:
    return _LARGEST_FLOAT16 if feature.storage == "float16" else LARGEST


def _cells(block: np.ndarray) -> list:
    text, size = block.astype(np.float32).tobytes(), 4 * block.shape[1]
    return [VectorCell(text[place : place + size]) for place in range(0, len(text), size)]


def _convert(feature: Vector, name, cell, separator: str | None) -> tuple:
    """Returns `(vector, reason)` of one cell; one of them is `None`."""
    if isinstance(cell, VectorCell):
        return cell, None
    kind = f"{name!r} is not a vector of {feature.size} finite numbers"
    remedy = ""
    if isinstance(cell, str) and separator is not None:
        cell = cell.split(separator)
        remedy = _SEPARATOR.format(separator, name) if len(cell) == 1 else ""
    if isinstance(cell, str) or not isinstance(cell, (list, tuple, np.ndarray)):
        return None, Reason(kind, f"{kind}: {format_value(cell)}")
    if len(cell) != feature.size:
        return None, Reason(kind, f"{kind}: {len(cell)} numbers", remedy)
    numbers = [_to_number(value) for value in cell]
    for value, number in zip(cell, numbers, strict=True):
        if number is None or not abs(number) <= _largest(feature):
            limit = "" if number is None or not np.isfinite(number) else _beyond(feature)
            shown = "an array" if isinstance(value, np.ndarray) else format_value(value)
            return None, Reason(kind, f"{kind}: {shown}{limit}")
    return _cells(np.array([numbers]))[0], None


def _beyond(feature: Vector) -> str:
    return f", which is beyond {_largest(feature):g}, the largest {feature.storage}"


def _to_number(value) -> float | None:
    """Converts a number, or text with one; `None` for anything else."""
    if isinstance(value, str):
        return float(value) if _NUMBER.fullmatch(value) else None
    if not isinstance(value, (int, float, np.number)) or isinstance(value, bool):
        return None
    return float(value)
