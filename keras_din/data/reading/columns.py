"""Columns of any source as plain pandas columns, with checks of names, ids and numbers."""

import contextlib

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from keras_din.data.reading.arrow_types import is_bytes, is_text

# Columns with missing values. As floats, large ids would be rounded to the same value. As objects,
# booleans would lose their type.
_WITH_GAPS = {pa.bool_(): pd.BooleanDtype(), pa.uint64(): pd.UInt64Dtype()}
_WITH_GAPS |= dict.fromkeys([pa.int8(), pa.int16(), pa.int32(), pa.int64()], pd.Int64Dtype())
_WITH_GAPS |= dict.fromkeys([pa.uint8(), pa.uint16(), pa.uint32()], pd.Int64Dtype())


_NO_NUMBERS = ("datetime", "date", "time", "period")  # Also "timedelta64[ns]" and so on.
_SCIENTIFIC = r"^\s*-?[0-9](?:[.,][0-9]+)?[eE]\+[0-9]+\s*$"


def check_columns(owner: str, present, required, hint=None) -> None:
    """Raises a `ValueError` unless a table has each required column exactly once.

    `hint` is a function from the names of missing columns to a sentence about the likely cause.
    """
    present = list(present)
    missing = [name for name in required if name not in present]
    if missing:
        why = "" if hint is None else hint(missing)
        raise ValueError(f"Columns {missing} must be in {owner}. Received columns: {present}.{why}")
    twice = [name for name in required if present.count(name) > 1]
    if twice:
        raise ValueError(f"Columns {twice} must be in {owner} once. Received columns: {present}.")


def to_plain_series(values) -> pd.Series:
    """Converts a column of Arrow types or categories to pandas' own types.

    Categories of text, as `read_table` returns them, become the text.
    """
    if not isinstance(values, pd.Series):  # A copy would lose the lines of its files.
        values = pd.Series(values)
    if isinstance(values.dtype, pd.ArrowDtype):
        column = from_arrow(values.array.__arrow_array__())
        return column.set_axis(values.index).rename(values.name)
    if is_text_categories(values.dtype):
        text = values.array.categories.array.take(values.array.codes, allow_fill=True)
        plain = pd.Series(text, values.index, name=values.name)
        plain.attrs = values.attrs
        return plain
    if isinstance(values.dtype, pd.CategoricalDtype):
        return values.astype(object)
    return values


def is_text_categories(dtype) -> bool:
    """Whether the values of a type are categories of text."""
    return (
        isinstance(dtype, pd.CategoricalDtype)
        and pd.api.types.infer_dtype(dtype.categories) == "string"
    )


def to_plain_index(values) -> pd.Index:
    """Converts values, which may be categories, to an index of pandas' own types."""
    index = pd.Index(values)
    if not isinstance(index.dtype, pd.CategoricalDtype):
        return index
    return pd.Index(to_plain_series(pd.Series(index)), name=index.name)


def from_arrow(column: pa.ChunkedArray) -> pd.Series:
    """Converts an Arrow column to a plain pandas column. Text that is not UTF-8 stays bytes."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_decimal(column.type):
        column = _from_decimals(column)
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        # Lists with missing values would become floats, which round large integers.
        if pc.list_flatten(column).null_count:
            return pd.Series(column.to_pylist(), dtype=object)
        return column.to_pandas()
    if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
        with contextlib.suppress(pa.ArrowInvalid):
            column = column.cast(pa.large_string())
    types = _WITH_GAPS.get if column.null_count else None
    return column.to_pandas(date_as_object=False, types_mapper=types)


def _from_decimals(column):
    if column.type.scale > 0:
        floats = column.cast(pa.float64())
        # Two different decimals of up to 15 digits never have the same float.
        if column.type.precision <= 15 or len(column.unique()) == len(floats.unique()):
            return floats
        return column.cast(pa.string())
    try:
        return column.cast(pa.int64())
    except pa.ArrowInvalid:  # Some are too large.
        return column.cast(pa.string())


def whole_to_text(value):
    """Converts whole numbers to text, for a column that has text too. Other values stay."""
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        value = int(value)
    is_whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    return str(value) if is_whole else value


def is_missing(values: pd.Series) -> np.ndarray:
    """Where a column is null or an empty string. Bool `(rows,)`."""
    nothing = values.isna().to_numpy(bool)
    if pd.api.types.is_numeric_dtype(values.dtype):
        return nothing
    return nothing | (values == "").fillna(False).to_numpy(bool)


def check_exact_ids(name: str, values) -> None:
    """Raises a `ValueError` if ids are floats so large that neighboring integers are equal.

    Ids in such a column have lost their last digits, so two users may have the same id.
    """
    values = pd.Series(values)
    if values.dtype.kind != "f":
        return
    array = values.to_numpy(np.dtype(f"f{values.dtype.itemsize}"), na_value=np.nan)
    array = array[np.isfinite(array)]
    limit = 2 / np.finfo(array.dtype).eps
    large = np.abs(array) >= limit
    if large.any() and (array == np.floor(array)).all():
        raise ValueError(
            f"Column {name!r} must hold ids of a type that keeps all their digits. Received: "
            f"{values.dtype}, with {array[large.argmax()]:.0f}. This type rounds whole numbers "
            f"from {limit:.0f} on. Read the column again as int64, Int64 or text. If it "
            "holds amounts, name it in `numeric`."
        )


def check_written_ids(name: str, column: pa.ChunkedArray) -> None:
    """Raises a `ValueError` if ids of a CSV file are written as 1.87E+18.

    A spreadsheet writes long numbers this way and drops their last digits.
    """
    if not (is_bytes(column.type) or is_text(column.type)):
        return
    some = column.slice(0, 1000).cast(pa.large_binary())
    some = some.filter(pc.greater(pc.binary_length(some), 0))
    rounded = pc.match_substring_regex(some, _SCIENTIFIC)
    if 2 * (pc.sum(rounded).as_py() or 0) > len(some):
        value = some.filter(rounded)[0].as_py().decode()
        raise ValueError(
            f"Column {name!r} must hold ids with all their digits. Received: {value}, which is "
            "how a spreadsheet writes long numbers. Export the column as text."
        )


def whole_as_integers(values: pd.Series) -> pd.Series:
    """Converts a column of whole floats to integers, with missing values where it has NaN.

    Returns any other column, and a column without a value, unchanged.
    """
    if values.dtype.kind != "f":
        return values
    array = values.to_numpy(np.float64, na_value=np.nan)
    gaps = np.isnan(array)
    whole = gaps | ((array == np.floor(array)) & (np.abs(array) < 2.0**63))
    return values.astype("Int64") if whole.all() and not gaps.all() else values


def numbers(name: str, values) -> np.ndarray:
    """Converts a column to float64 `(rows,)`, NaN where a value is missing or not a number.

    Raises:
        ValueError: If it holds dates or durations.
    """
    values = to_plain_series(values)
    kind = str(values.dtype)
    if values.dtype == object:
        kind = pd.api.types.infer_dtype(values, skipna=True)
    if kind.startswith(_NO_NUMBERS):
        raise ValueError(
            f"Column {name!r} must hold numbers. Received: {kind}.{duration_remedy(name, kind)}"
        )
    return pd.to_numeric(values, errors="coerce").to_numpy(np.float64, na_value=np.nan)


def duration_remedy(name: str, kind: str) -> str:
    """Returns what to do with a column of durations, or an empty string for other kinds.

    Args:
        name: Name of the column.
        kind: Its dtype, or the result of `pandas.api.types.infer_dtype`.
    """
    if not kind.startswith("timedelta"):
        return ""
    return f" Convert it to seconds: `pandas.to_timedelta(frame[{name!r}]).dt.total_seconds()`."
