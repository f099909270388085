"""The raw values of a column in one of three types: strings, 64-bit integers or floats."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from keras_din.data.reading.columns import is_missing, to_plain_series, whole_as_integers

LARGEST_FLOAT = float(np.finfo(np.float32).max)  # Beyond it a number counts as missing.


class RawValues(NamedTuple):
    """A column in its type.

    Attributes:
        array: `(rows,)`. Strings may stay an array of pandas, with "" where one is missing.
        missing: Whether a row has no value, bool `(rows,)`.
        kind: `"string"`, `"int64"` or `"float"`.
    """

    array: Any
    missing: np.ndarray
    kind: str


def raw_values(name: str, values, whole_are_integers: bool = True) -> RawValues:
    """The values of a column in the one type that all of them have.

    Integers that 64 bits do not hold are strings.

    Args:
        name: Name of the column, for errors.
        values: `(rows,)`.
        whole_are_integers: Whether floats that are all whole numbers, with some missing, count
            as integers: pandas holds integers with gaps so.

    Raises:
        ValueError: When the values have no such type.
    """
    values = to_plain_series(values)
    nothing = is_missing(values)
    if not pd.api.types.is_numeric_dtype(values.dtype):
        if isinstance(values.dtype, pd.StringDtype):
            # Not as objects: Arrow looks its strings up much faster.
            return RawValues(
                (values.mask(nothing, "") if nothing.any() else values).array, nothing, "string"
            )
        found = pd.api.types.infer_dtype(values[~nothing])
        if found in ("string", "empty"):
            return RawValues(np.where(nothing, "", values.to_numpy(object)), nothing, "string")
        if found == "mixed-integer" or (found == "integer" and not _fits(values[~nothing])):
            return RawValues(_decimal(values, nothing), nothing, "string")
        if found not in ("integer", "boolean", "floating", "mixed-integer-float"):
            raise ValueError(
                f"Column {name!r} must hold strings, integers, booleans or floats. "
                f"Received: {found}."
            )
        kind = {"integer": "Int64", "boolean": "boolean"}.get(found, "Float64")
        values = values.where(~nothing, None).astype(kind)
    if values.dtype.kind == "u" and not _fits(values[~nothing]):
        return RawValues(_decimal(values, nothing), nothing, "string")
    if values.dtype.kind in "iub":
        return RawValues(values.to_numpy(np.int64, na_value=0), nothing, "int64")
    array = values.to_numpy(np.float64, na_value=np.nan)
    gaps = np.isnan(array)
    if whole_are_integers and gaps.any() and whole_as_integers(values).dtype == "Int64":
        return RawValues(np.where(gaps, 0, array).astype(np.int64), gaps, "int64")
    return RawValues(array, ~(np.abs(array) <= LARGEST_FLOAT), "float")


def _decimal(values, nothing):
    array = np.full(len(values), "", object)
    array[~nothing] = [str(value) for value in values[~nothing]]
    return array


def _fits(values) -> bool:
    return not len(values) or (values.min() >= -(2**63) and values.max() < 2**63)
