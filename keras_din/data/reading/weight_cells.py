"""Cells with the weights of the values of a bag: lists, or text with the bag's separator."""

import functools
import re

import numpy as np
import pandas as pd

from keras_din.count_text import count_text
from keras_din.data.reading.bad_rows import Reason, concat_bad_rows, to_bad_rows
from keras_din.data.reading.number_lists import ListsRead, known_lists, number_lists
from keras_din.data.reading.raw_values import LARGEST_FLOAT

_CACHED = 2**16  # Equal pairs of cells are converted once.
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")
# Why a row is kept aside, in text that names the columns of the weights and of the bag.
_NO_WEIGHT = "{0!r} holds a value that is not a weight, a finite number from 0"
_OTHER_LENGTH = "{0!r} does not have one weight for each value of {1!r}"


def check_weight_cells(frame: pd.DataFrame, bad: pd.DataFrame, bags: dict, weights: dict) -> tuple:
    """Converts the columns of weights of a frame to tuples, and keeps bad rows aside.

    Args:
        frame: Rows with columns as they were read.
        bad: The bad rows so far.
        bags: Name of a column of bags -> separator of its text, or `None`.
        weights: Name of a column of bags -> name of the column with its weights.

    Returns:
        `(frame, bad)`.

    Raises:
        ValueError: If the frame has one of these two columns without the other.
    """
    for bag, name in weights.items():
        found = [each for each in (bag, name) if each in frame.columns]
        if len(found) == 1:
            raise ValueError(
                f"The columns {bag!r} and {name!r}, a bag and its weights, must be in the same "
                f"table. Received: a table with {found[0]!r} only."
            )
        if not found:
            continue
        cells, numbers, reasons = weight_cells(frame[bag], frame[name], bags.get(bag))
        wrong = np.array([reason is not None for reason in reasons], bool)
        if wrong.any():
            bad = concat_bad_rows(bad, to_bad_rows(frame[wrong], reasons[wrong]))
        frame = frame.assign(**{bag: cells, name: numbers})[~wrong]
    return frame, bad


def weight_cells(bags: pd.Series, weights: pd.Series, separator: str | None) -> tuple:
    """Converts the weights of bags to tuples of numbers, with one number per value of the bag.

    Missing values and empty strings in a bag are left out, with their weights. A missing cell is an
    empty list.

    Args:
        bags: Lists, or text with values, before `bag_cells`.
        weights: Lists of numbers, or text with numbers. A single number is a list of one.
        separator: The separator of both texts, or `None` if only lists are bags.

    Returns:
        `(bags, weights, reasons)`: the bags, in text without empty values; tuples of floats; and a
        `Reason` for each row whose weights are not valid, else `None`, `(rows,)`.
    """
    cells, given = bags.to_numpy(object, copy=True), weights.to_numpy(object)
    found = np.empty(len(bags), object)
    reasons = np.full(len(bags), None, object)
    is_clean = _read_clean(cells, given, separator, found)
    plain = functools.partial(_convert, names=(weights.name, bags.name), separator=separator)
    convert = functools.lru_cache(_CACHED)(plain)
    is_changed = False
    for row in np.flatnonzero(~is_clean):
        pair = _key(cells[row]), _key(given[row])
        try:
            text, found[row], reasons[row] = convert(*pair)
        except TypeError:  # A list contains a list or a dict.
            text, found[row], reasons[row] = plain(*pair)
        if text is not None:
            cells[row], is_changed = text, True
    bags = pd.Series(cells, bags.index, dtype=object, name=bags.name) if is_changed else bags
    return bags, pd.Series(found, weights.index, dtype=object, name=weights.name), reasons


def _read_clean(cells, given, separator: str | None, found) -> np.ndarray:
    """Converts the weights of rows in which all is as it must be, without a loop over values.

    Args:
        cells: The bags.
        given: Their weights.
        separator: See `weight_cells`.
        found: Receives a tuple for each such row.

    Returns:
        Which rows were converted, bool `(rows,)`.
    """
    bags, weights = known_lists(cells, separator), number_lists(given, separator)
    is_clean = bags.is_read & weights.is_read & (bags.lengths == weights.lengths)
    is_clean &= _all_of_row(bags, bags.values)
    is_clean &= _all_of_row(weights, (weights.values >= 0) & (weights.values <= LARGEST_FLOAT))
    values, start, end = weights.values.tolist(), weights.start, weights.start + weights.lengths
    rows = np.flatnonzero(is_clean)
    for row, first, last in zip(rows, start[rows].tolist(), end[rows].tolist(), strict=True):
        found[row] = tuple(values[first:last])
    return is_clean


def _all_of_row(lists: ListsRead, is_good: np.ndarray) -> np.ndarray:
    """Where all values of a row are good, bool `(rows,)`."""
    bad = np.concatenate([[0], np.cumsum(~is_good)])
    return bad[lists.start + lists.lengths] == bad[lists.start]


def _key(cell):
    """Returns a cell as text, a tuple, a number or `None`."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, (list, tuple)):
        return tuple(cell)
    if isinstance(cell, np.ndarray) and cell.ndim:
        return tuple(cell.tolist())
    if isinstance(cell, bytes):
        return cell.decode("utf-8", "replace")
    return None if not isinstance(cell, dict) and pd.isna(cell) else cell


def _convert(bag, weights, names: tuple, separator: str | None) -> tuple:
    """Returns `(text, weights, reason)` of a row; `text` is a bag without its empty values."""
    values, numbers = _split(bag, separator), _split(weights, separator)
    if len(values) != len(numbers):
        kind = _OTHER_LENGTH.format(*names)
        text = f"{kind}: {count_text(len(numbers), 'weight')} of {count_text(len(values), 'value')}"
        return None, (), Reason(kind, text)
    real = [not _is_nothing(value) for value in values]
    found = []
    for number in (number for number, is_real in zip(numbers, real, strict=True) if is_real):
        weight = _to_weight(number)
        if weight is None:
            kind = _NO_WEIGHT.format(*names)
            return None, (), Reason(kind, f"{kind}: {number!r}")
        found.append(weight)
    if isinstance(bag, str) and not all(real) and separator is not None:
        return separator.join(value for value in values if value), tuple(found), None
    return None, tuple(found), None


def _split(cell, separator: str | None) -> tuple:
    if cell is None or cell == "":
        return ()
    if isinstance(cell, str) and separator is not None:
        return tuple(cell.split(separator))
    return cell if isinstance(cell, tuple) else (cell,)


def _is_nothing(value) -> bool:
    return value is None or value is pd.NA or value == "" or value != value


def _to_weight(value) -> float | None:
    """Converts a number, or text with one, to a weight; `None` if it is not finite or negative."""
    if isinstance(value, str):
        value = value if _NUMBER.fullmatch(value) else np.nan
    elif not isinstance(value, (int, float, np.number)) or isinstance(value, bool):
        return None
    weight = float(value)
    return weight if 0 <= weight <= LARGEST_FLOAT else None


def to_weights(values: pd.Series) -> np.ndarray:
    """Converts numbers, or text with numbers, to weights, float32 `(rows,)`, NaN for no weight."""
    if values.dtype.kind not in "iuf":
        values = values.map(lambda value: np.nan if (w := _to_weight(value)) is None else w)
    with np.errstate(over="ignore"):
        weights = values.to_numpy(np.float32)
    return np.where((weights >= 0) & (weights < np.inf), weights, np.float32(np.nan))
