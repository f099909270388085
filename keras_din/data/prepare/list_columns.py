"""Columns of lists, and of text with a separator, as lengths and one array of all values."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from keras_din.data.reading.columns import is_missing

_WORDS = {
    "string": "strings",
    "int64": "integers",
    "int32": "integer indices",
    "float32": "numbers",
}


def is_real(values, feature) -> np.ndarray:
    """Which raw values of a feature are not padding: bool `(values,)`."""
    values = pd.Series(values)
    is_padding = (values == feature.padding_value).fillna(False).to_numpy(bool)
    return ~is_missing(values) & ~is_padding


def list_column(name: str, column, feature):
    """Splits a list column into lengths `(rows,)` and an Arrow array of all its values.

    Args:
        name: Name of the column, for errors.
        column: The column, a `Series` or an Arrow array.
        feature: The feature of the lists, or its name.
    """
    try:
        lists = column if isinstance(column, pa.Array) else pa.array(column, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise ValueError(
            f"Column {name!r} must hold {_lists_of(feature)}. "
            f"Received: {_first_other(column) or error}."
        ) from None
    if lists.null_count == len(lists):  # A column of nulls may have any type.
        return np.zeros(len(lists), np.int64), pa.nulls(0)
    if isinstance(lists, pa.ChunkedArray):
        lists = lists.combine_chunks()
    if not (pa.types.is_list(lists.type) or pa.types.is_large_list(lists.type)):
        raise ValueError(
            f"Column {name!r} must hold {_lists_of(feature)}. "
            f"Received: values of type {lists.type}, {_first_other(column)}.{_remedy(lists.type)}"
        )
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    return lengths, lists.flatten()


def _lists_of(feature) -> str:
    """Describes the content of a list column of a feature, for errors."""
    return "lists" if isinstance(feature, str) else f"lists of {_WORDS[feature.raw_dtype]}"


def _first_other(column) -> str:
    """Describes the first cell that is not a list, for errors."""
    cells = column.to_pylist() if isinstance(column, pa.Array) else column
    for row, cell in enumerate(cells):
        if isinstance(cell, (list, tuple, np.ndarray)) or pd.isna(cell):
            continue
        return f"{cell!r} in row {row}"
    return ""


def _remedy(kind: pa.DataType) -> str:
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return ""
    return (
        " If a character separates the behaviors of a history, name it in `separator` (on the "
        "command line `--history-separator`)."
    )
