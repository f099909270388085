"""Times in whatever form a log has them, as int64 microseconds since 1970 (UTC)."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from keras_din.checks import one_of
from keras_din.data.columns import missing, ordinary

UNITS = {"s": 1_000_000, "ms": 1_000, "us": 1, "ns": 0.001}
_BELOW = {"s": 1e11, "ms": 1e14, "us": 1e17, "ns": np.inf}  # Each holds 1973 to 5138.
_LIMIT = 2.0**63 / 1.001
_ZONE = r"(?:[zZ]|[+-]\d\d(?::?\d\d)?)\s*$"


def to_microseconds(name: str, values, unit: str = "auto"):
    """Times as microseconds.

    Args:
        name: Name of the column, for errors.
        values: Dates, ISO 8601 strings (UTC where they name no zone) or numbers since 1970, which
            may be strings too.
        unit: Unit of numbers: `"s"`, `"ms"`, `"us"`, `"ns"`, or `"auto"`, by their magnitude:
            below 1e11 are seconds, then milliseconds below 1e14, microseconds below 1e17.

    Returns:
        `(microseconds, known, unit)`: int64 `(rows,)`; bool `(rows,)`, `False` where a value is
        no time; the unit that was found, `"date"` for dates and strings.

    Raises:
        ValueError: When the values are something else, numbers of different units are mixed, or
            64 bits can hold none of them.
    """
    one_of("time_unit", unit, ("auto", *UNITS))
    values = ordinary(values).reset_index(drop=True)
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return *_from_dates(values), "date"
    if pd.api.types.is_object_dtype(values.dtype) or pd.api.types.is_string_dtype(values.dtype):
        if not _mostly_numbers(values[~missing(values)]):
            return *_from_dates(_from_strings(values)), "date"
        values = pd.to_numeric(values, errors="coerce")
    if values.dtype.kind not in "iuf":
        raise ValueError(
            f"Column {name!r} must hold times: dates, ISO 8601 strings or numbers. "
            f"Received: {values.dtype}."
        )
    return _from_numbers(name, values, unit)


def _mostly_numbers(values: pd.Series) -> bool:
    # A thousand of them or a little more tell: to try a million strings takes a second.
    some = values.iloc[:: max(1, len(values) // 1000)]
    return 2 * pd.to_numeric(some, errors="coerce").notna().sum() > len(some)


def _from_strings(values: pd.Series) -> pd.Series:
    def parsed(text):
        return pd.to_datetime(text, errors="coerce", utc=True, format="ISO8601")

    text = values.astype("string[pyarrow]")
    zoned = pc.fill_null(pc.match_substring_regex(pa.array(text), _ZONE), False)
    zoned = np.asarray(zoned, bool)
    if zoned.all() or not zoned.any():
        return parsed(text)
    # Apart: to a string without a zone pandas 2 gives that of the string before it.
    return pd.concat([parsed(text[zoned]), parsed(text[~zoned])]).sort_index()


def _from_dates(dates: pd.Series):
    if dates.dt.tz is not None:
        dates = dates.dt.tz_convert("UTC").dt.tz_localize(None)
    known = dates.notna().to_numpy()
    times = dates.to_numpy().astype("datetime64[us]").astype(np.int64)
    return np.where(known, times, 0), known


def _from_numbers(name: str, numbers: pd.Series, unit: str):
    floats = numbers.to_numpy(np.float64, na_value=np.nan)
    known = np.isfinite(floats)
    size = np.abs(np.where(known, floats, 0.0))
    if unit == "auto":
        unit = _unit(name, floats[known], size[known])
    factor = UNITS[unit]
    fits = size * max(factor, 1) < _LIMIT
    if known.any() and not (known & fits).any():
        raise ValueError(
            f"Column {name!r} must hold times in {unit!r} that 64 bits of microseconds can hold. "
            f"Received: {floats[known.argmax()]:.0f}."
        )
    known &= fits
    if numbers.dtype.kind in "iu":
        whole = numbers.where(known, 0).to_numpy(np.int64)
        times = whole * factor if unit != "ns" else whole // 1000
    else:
        times = np.rint(np.where(known, floats, 0.0) * factor).astype(np.int64)
    return times, known, unit


def _unit(name: str, values, sizes) -> str:
    # By the largest and the smallest; 0 belongs to every unit.
    sizes = np.where(sizes == 0, np.nan, sizes)
    if not sizes.size or np.isnan(sizes).all():
        return "s"
    of = lambda size: next(unit for unit, limit in _BELOW.items() if size < limit)  # noqa: E731
    low, high = np.nanargmin(sizes), np.nanargmax(sizes)
    first, last = of(sizes[low]), of(sizes[high])
    if first != last:
        raise ValueError(
            f"Column {name!r} must hold times of one unit. Received: {values[low]:.0f}, which "
            f"looks like {first!r}, and {values[high]:.0f}, which looks like {last!r}. "
            "If all are of one unit, say so with `time_unit`."
        )
    return first
