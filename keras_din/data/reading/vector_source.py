"""Reads precomputed vectors with their keys from tables, NumPy arrays and dicts."""

import os
import pathlib
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from keras_din.count_text import count_text
from keras_din.data.reading.columns import is_missing
from keras_din.data.reading.labels import format_value
from keras_din.data.reading.source import as_source, check_lines, is_csv


class KeyedVectors(NamedTuple):
    """Vectors with their keys.

    Attributes:
        keys: `(rows,)`, distinct.
        values: Numbers `(rows, size)`, which may be memory-mapped.
        without_vector: Number of rows that have a key and no vector. They are left out.
    """

    keys: pd.Series
    values: np.ndarray
    without_vector: int


def read_vectors(name: str, source: Any, key: str, size: int | None = None) -> KeyedVectors:
    """Reads vectors.

    Args:
        name: Name of the vectors, for errors, and of their column in a table.
        source: A table with one row per key: a `DataFrame` or a Parquet, Arrow, ORC or JSON lines
            file, see `as_source`. It has the column `key` and a column of lists or arrays, `name`
            or the only other column. Or a tuple `(keys, vectors)`, each an array, a list or the
            path of an `.npy` file. Or a dict, key -> vector. Or an array or an `.npy` file alone,
            in which row `i` is the vector of the key `i`. A result of this function is returned
            unchanged.
        key: Name of the column of keys in a table.
        size: Number of values of a vector. By default that of the first one.

    Raises:
        ValueError: If the source is something else, a column is missing, a key is missing or has
            two rows, a vector has another size or a missing value, or a line of JSON is bad.
    """
    what = f"The vectors of {name!r}"
    if isinstance(source, KeyedVectors):
        _checked_array(what, source.values, size)
        return source
    keys: Any
    if isinstance(source, dict):
        keys, values = list(source), list(source.values())
    elif isinstance(source, tuple) and len(source) == 2:
        keys, values = (_load(each) for each in source)
    elif (array := _load(source)) is not source or isinstance(source, np.ndarray):
        keys, values = np.arange(len(array)), array
    else:
        keys, values = _columns(what, as_source(source), key, name)
    keys = pd.Series(keys, dtype=object if isinstance(keys, list) else None)
    keys = keys.reset_index(drop=True)
    if len(keys) != len(values):
        raise ValueError(
            f"{what} must have one row per key. Received: "
            f"{count_text(len(keys), 'key')} and {count_text(len(values), 'row')}."
        )
    if (missing := is_missing(keys)).any():
        raise ValueError(
            f"{what} must have a key in every row. Received: no key in row {missing.argmax()}."
        )
    if (again := keys.duplicated()).any():
        raise ValueError(
            f"{what} must have one row per key. "
            f"Received: {format_value(keys[again.argmax()])} twice, again in row {again.argmax()}."
        )
    if isinstance(values, np.ndarray) and values.dtype != object:
        return KeyedVectors(keys, _checked_array(what, values, size), 0)
    return _from_lists(what, keys, values, size)


def _load(source):
    """Loads an `.npy` file, memory-mapped. Anything else is returned unchanged."""
    is_file = isinstance(source, (str, os.PathLike)) and pathlib.Path(source).suffix == ".npy"
    return np.load(source, mmap_mode="r", allow_pickle=False) if is_file else source


def _columns(what: str, source, key: str, name: str) -> tuple:
    """Returns the columns of keys and of vectors of a table."""
    if is_csv(source):
        raise ValueError(
            f"{what} must be in a Parquet, Arrow, ORC, JSON lines or NumPy file, or in a "
            f"DataFrame. Received: a CSV file, {source.path}."
        )
    names = list(source.columns) if isinstance(source, pd.DataFrame) else source.names
    others = [each for each in names if each != key]
    column = name if name in others or len(others) != 1 else others[0]
    if key not in names or column not in names:
        raise ValueError(
            f"{what} must be a table with the column of keys {key!r} and the column of vectors "
            f"{name!r}. Received: the columns {names}."
        )
    if isinstance(source, pd.DataFrame):
        return source[key], source[column].tolist()
    check_lines(source, [key, column])
    table = source.read([key, column])
    return table[key].to_pandas(), table[column]


def _checked_array(what: str, values: np.ndarray, size: int | None) -> np.ndarray:
    width = values.shape[1] if values.ndim == 2 else None
    if width is None or values.dtype.kind not in "fiu" or width != (size or width):
        raise ValueError(
            f"{what} must be numbers of the shape (rows, {size or 'size'}). "
            f"Received: {values.dtype} of the shape {values.shape}."
        )
    return values


def _from_lists(what: str, keys: pd.Series, values, size: int | None) -> KeyedVectors:
    """Converts lists, as Python objects or an Arrow column, to an array."""
    try:
        column = values if isinstance(values, pa.ChunkedArray) else pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise ValueError(f"{what} must be lists of numbers. Received: {error}.") from None
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    kind = column.type
    if pa.types.is_null(kind):  # No row has a vector.
        return KeyedVectors(keys[:0], np.zeros((0, size or 0), np.float32), len(keys))
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    if not is_list or not (
        pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type)
    ):
        raise ValueError(f"{what} must be lists of numbers. Received: the type {kind}.")
    absent = column.is_null().to_numpy(zero_copy_only=False)
    keys, column = keys[~absent].reset_index(drop=True), column.drop_null()
    sizes = pc.list_value_length(column).to_numpy(zero_copy_only=False)
    size = size or int(sizes[0] if len(sizes) else 0)
    for row in np.flatnonzero(sizes != size)[:1]:
        raise ValueError(
            f"{what} must have the size {size}. "
            f"Received: {count_text(sizes[row], 'value')} of {format_value(keys[row])}."
        )
    flat = column.flatten()
    for position in np.flatnonzero(flat.is_null().to_numpy(zero_copy_only=False))[:1]:
        raise ValueError(
            f"{what} must have a number in every place. "
            f"Received: no value of {format_value(keys[position // size])}."
        )
    array = flat.to_numpy(zero_copy_only=False).reshape(-1, max(size, 1))
    return KeyedVectors(keys, array, int(absent.sum()))
