"""Times in whatever form a log has them, as int64 microseconds since 1970 (UTC)."""

import numpy as np
import pandas as pd

from keras_din.checks import one_of

UNITS = {"s": 1_000_000, "ms": 1_000, "us": 1, "ns": 0.001}
_BELOW = {"s": 1e11, "ms": 1e14, "us": 1e17, "ns": np.inf}  # Each holds 1973 to 5138.
_LIMIT = 2.0**63 / 1.001


def to_microseconds(name: str, values, unit: str = "auto"):
    """Times as microseconds.

    Args:
        name: Name of the column, for errors.
        values: Dates, ISO 8601 strings (UTC where they name no zone) or numbers since 1970.
        unit: Unit of numbers: `"s"`, `"ms"`, `"us"`, `"ns"`, or `"auto"`, by their magnitude:
            below 1e11 are seconds, then milliseconds below 1e14, microseconds below 1e17.

    Returns:
        `(microseconds, known, unit)`: int64 `(rows,)`; bool `(rows,)`, `False` where a value is
        no time; the unit that was found, `"date"` for dates and strings.

    Raises:
        ValueError: When numbers of different units are mixed, or the times do not fit.
    """
    one_of("time_unit", unit, ("auto", *UNITS))
    values = pd.Series(values)
    if values.dtype == bool:
        raise ValueError(f"Column {name!r} must hold times. Received: booleans.")
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return *_from_dates(values), "date"
    if pd.api.types.is_numeric_dtype(values.dtype):
        numbers = values
    else:
        numbers = pd.to_numeric(values, errors="coerce")
        if 2 * numbers.notna().sum() <= values.notna().sum():
            dates = pd.to_datetime(values, errors="coerce", utc=True, format="ISO8601")
            return *_from_dates(dates), "date"
    return _from_numbers(name, numbers, unit)


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
    if size.max(initial=0) * factor >= _LIMIT:
        raise ValueError(
            f"Column {name!r} must hold times in {unit!r} that 64 bits of microseconds can hold. "
            f"Received: {floats[size.argmax()]:.0f}."
        )
    if pd.api.types.is_integer_dtype(numbers.dtype):
        whole = numbers.fillna(0).to_numpy(np.int64)
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
