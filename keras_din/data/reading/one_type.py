"""The type of a column of several files, whose types must agree or are widened."""

import functools

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from keras_din.data.reading.arrow_types import basic_type, is_bytes, is_text, widest_type

_IN_FILES = "convert it in the files"
_AS_IDS = "name it in `categorical` (`--categorical`) if it holds ids"
_AS_AMOUNTS = "name it in `numeric` (`--numeric`) if it holds amounts"


def check_types(name: str, types: dict, declared: str | None, is_named: bool) -> None:
    """Raises a `ValueError` unless the types of a column in several files can become one type.

    Args:
        name: Name of the column.
        types: Name of the file -> type of the column.
        declared: The declared type, see `keras_din.data.reading.column_types.from_csv`.
        is_named: Whether the user named the column in `categorical`.
    """
    plain = {file: _plain(kind) for file, kind in types.items()}
    if _common_type(plain.values()) is None and not _targets(plain.values(), declared, is_named):
        raise _error(name, plain)


def to_one_type(name: str, pieces: list, declared: str | None, is_named: bool) -> pa.ChunkedArray:
    """Concatenates the pieces of a column.

    Integers of several widths become the widest, and so do texts, decimals and times. A column
    without a value has any type. Integers and floats become floats if the column is declared as
    numbers, and integers if it is declared as categorical and the floats are whole. Integers and
    text become text if the user named the column in `categorical`.

    Args:
        name: Name of the column.
        pieces: `(file, column)`, in order.
        declared: See `check_types`.
        is_named: See `check_types`.

    Raises:
        ValueError: If the types cannot become one. It names two files and a remedy.
    """
    types = {file: column.type for file, column in pieces if not pa.types.is_null(column.type)}
    common = _common_type(types.values())
    targets = [common] if common is not None else _targets(types.values(), declared, is_named)
    for target in targets:
        try:
            columns = [_cast(column, target, declared) for _, column in pieces]
        except pa.ArrowInvalid:
            continue
        return pa.chunked_array([chunk for column in columns for chunk in column.chunks], target)
    raise _error(name, types)


def _plain(kind: pa.DataType) -> pa.DataType:
    """The type of a column that is read: basic, with text instead of bytes."""
    kind = basic_type(kind)
    return pa.large_string() if is_bytes(kind) else kind


def _common_type(kinds) -> pa.DataType | None:
    kinds = list(kinds) or [pa.null()]
    return functools.reduce(lambda a, b: a if a is None else widest_type(a, b), kinds)


def _targets(kinds, declared: str | None, is_named: bool) -> list:
    """The types to which a column of these types may be cast, the preferred one first."""
    kinds = {kind for kind in kinds if not pa.types.is_null(kind)}
    if all(pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in kinds):
        return {
            "numeric": [pa.float64()],
            "number": [pa.int64(), pa.float64()],
            "categorical": [pa.int64()],
        }.get(declared or "", [])
    as_text = is_named or declared == "text"
    if as_text and all(pa.types.is_integer(kind) or is_text(kind) for kind in kinds):
        return [pa.large_string()]
    return []


def _cast(column: pa.ChunkedArray, target: pa.DataType, declared) -> pa.ChunkedArray:
    """Casts a column; raises `ArrowInvalid` if the target does not have all its values."""
    if pa.types.is_floating(column.type) and column.type != target:
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
        if declared != "numeric":  # Floats above this limit may have lost digits.
            limit = 2 / np.finfo(column.type.to_pandas_dtype()).eps
            if (pc.max(pc.abs(column)).as_py() or 0) >= limit:
                raise pa.ArrowInvalid("large floats")
    return column.cast(target)


def _error(name: str, types: dict) -> ValueError:
    (one, a), (other, b) = _first_conflict(types)
    if pa.types.is_floating(a) or pa.types.is_floating(b):
        remedy = f"{_AS_AMOUNTS}, {_AS_IDS}, or {_IN_FILES}"
    elif is_text(a) or is_text(b):
        remedy = f"If it is a feature of ids, {_AS_IDS[: -len(' if it holds ids')]}: then all its "
        remedy += f"values are text. Otherwise {_IN_FILES}"
    else:
        remedy = _IN_FILES
    return ValueError(
        f"Column {name!r} must have one type in all files. Received: {a} in {one} and {b} in "
        f"{other}. {remedy[0].upper()}{remedy[1:]}."
    )


def _first_conflict(types: dict):
    """Two files, with their types, between which there is no common type."""
    items = list(types.items())
    for i, other in enumerate(items):
        for one in items[:i]:
            if widest_type(one[1], other[1]) is None:
                return one, other
    return items[0], items[-1]
