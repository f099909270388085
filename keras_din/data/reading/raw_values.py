"""Converts the raw values of a column to one of three types: strings, 64-bit integers or floats."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from keras_din.data.reading.columns import (
    duration_remedy,
    is_missing,
    is_text_categories,
    to_plain_series,
    whole_as_integers,
)

LARGEST_FLOAT = float(np.finfo(np.float32).max)  # Larger numbers count as missing.


class RawValues(NamedTuple):
    """The values of a column in one type.

    Attributes:
        array: `(rows,)`. Strings may be a pandas array, also of categories. A missing string is
            "".
        missing: Whether a row has no value, bool `(rows,)`.
        kind: `"string"`, `"int64"` or `"float"`.
    """

    array: Any
    missing: np.ndarray
    kind: str


def raw_values(name: str, values, whole_are_integers: bool = True) -> RawValues:
    """Converts a column to the one type that all of its values have.

    Integers of more than 64 bits become strings.

    Args:
        name: Name of the column, for errors.
        values: `(rows,)`.
        whole_are_integers: Whether floats that are all whole numbers, with some missing, count
            as integers, because pandas stores integers with missing values as floats.

    Raises:
        ValueError: If the values have another type.
    """
    if isinstance(values, pd.Series) and is_text_categories(values.dtype):
        missing = is_missing(values)
        return RawValues(_without_gaps(values, missing), missing, "string")
    values = to_plain_series(values)
    missing = is_missing(values)
    # The columns of `read_table` have a definite type, so nothing is inferred for them. Histories
    # in rows, values of several columns together and integers of more than 64 bits are objects.
    if not pd.api.types.is_numeric_dtype(values.dtype):
        if isinstance(values.dtype, pd.StringDtype):
            # Not as objects, because Arrow looks up its own strings much faster.
            return RawValues(
                (values.mask(missing, "") if missing.any() else values).array, missing, "string"
            )
        found = pd.api.types.infer_dtype(values[~missing])
        if found in ("string", "empty"):
            return RawValues(np.where(missing, "", values.to_numpy(object)), missing, "string")
        if found == "mixed-integer" or (found == "integer" and not _fits_int64(values[~missing])):
            return RawValues(_to_decimal_text(values, missing), missing, "string")
        if found not in ("integer", "boolean", "floating", "mixed-integer-float"):
            raise ValueError(
                f"Column {name!r} must hold strings, integers, booleans or floats. "
                f"Received: {found}.{duration_remedy(name, found)}"
            )
        kind = {"integer": "Int64", "boolean": "boolean"}.get(found, "Float64")
        values = values.where(~missing, None).astype(kind)
    if values.dtype.kind == "u" and not _fits_int64(values[~missing]):
        return RawValues(_to_decimal_text(values, missing), missing, "string")
    if values.dtype.kind in "iub":
        return RawValues(values.to_numpy(np.int64, na_value=0), missing, "int64")
    array = values.to_numpy(np.float64, na_value=np.nan)
    is_nan = np.isnan(array)
    if whole_are_integers and is_nan.any() and whole_as_integers(values).dtype == "Int64":
        return RawValues(np.where(is_nan, 0, array).astype(np.int64), is_nan, "int64")
    return RawValues(array, ~(np.abs(array) <= LARGEST_FLOAT), "float")


def _without_gaps(values: pd.Series, missing: np.ndarray) -> pd.Categorical:
    """Categories of text with "" for missing values."""
    if not missing.any():
        return values.array
    categories, codes = values.cat.categories, values.cat.codes.to_numpy()
    empty = np.flatnonzero(categories == "")
    place = int(empty[0]) if len(empty) else len(categories)
    if not len(empty):
        categories = categories.append(pd.Index([""]))
    return pd.Categorical.from_codes(np.where(missing, place, codes), categories)


def _to_decimal_text(values, missing):
    array = np.full(len(values), "", object)
    array[~missing] = [str(value) for value in values[~missing]]
    return array


def _fits_int64(values) -> bool:
    return not len(values) or (values.min() >= -(2**63) and values.max() < 2**63)
