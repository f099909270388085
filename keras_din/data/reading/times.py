"""Times in whatever form a log has them, as int64 microseconds since 1970 (UTC)."""

import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from keras_din.checks import one_of
from keras_din.data.reading.calendar_numbers import calendar_formats, digits_of
from keras_din.data.reading.columns import is_missing, to_plain_series

UNITS = {"s": 1_000_000, "ms": 1_000, "us": 1, "ns": 0.001}
ORDER = "order"  # The unit of whole numbers that say which row is earlier, and not when it was.
_BELOW = {"s": 1e11, "ms": 1e14, "us": 1e17, "ns": np.inf}  # Each holds 1973 to 5138.
_LIMIT = 2.0**63 / 1.001
_EARLY = 86_400 * UNITS["s"]  # 1970-01-02: 0 and -1 of any unit and time zone are not later.
_LATE = 3_653 * _EARLY  # 1980-01-02.
PLACEHOLDER = "stands for no time: it is decades before the others"
_DAYS = ("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y.%m.%d", "%Y/%m/%d")
_DAYS += ("%d %b %Y", "%b %d, %Y", "%d-%b-%Y", "%d/%b/%Y", "%Y%m%d", "%d/%m/%y", "%m/%d/%y")
_CLOCKS = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p", "%H%M%S")
_CLOCKS += (" %H:%M:%S %z", ":%H:%M:%S %z")
_COMMON = [day + clock for day in _DAYS for clock in _CLOCKS]  # For remedies.
_COMMON += ["%a %b %d %H:%M:%S %z %Y", "%a, %d %b %Y %H:%M:%S %z", "%Y-%m-%d %H:%M:%S %Z"]
_MANY = 10  # So many times that are all multiples of something are so by no chance.
_UTC = r"\s+(?:UTC|GMT)\s*$"  # As BigQuery writes it.
_ZONE = r"(?:[zZ]|[+-]\d\d(?::?\d\d)?)\s*$"


def to_microseconds(name: str, values, unit: str = "auto", time_format: str | None = None):
    """Times as microseconds.

    Args:
        name: Name of the column, for errors.
        values: Dates, ISO 8601 strings (UTC where they name no zone) or numbers since 1970, which
            may be strings too.
        unit: Unit of numbers: `"s"`, `"ms"`, `"us"`, `"ns"`, or `"auto"`, by their magnitude:
            below 1e11 are seconds, then milliseconds below 1e14, microseconds below 1e17. Or
            `"order"`: whole numbers that are no times, which stay as they are.
        time_format: The format of strings, and of numbers such as 20220408, as of
            `datetime.strptime`: `"%Y%m%d"`. Times are UTC where it names no zone.

    Returns:
        `(microseconds, known, unit)`: int64 `(rows,)`; bool `(rows,)`, `False` where a value is
        no time; the unit that was found, `"date"` for dates and strings.

    Raises:
        ValueError: When the values are something else, numbers of different units are mixed,
            numbers look like calendar moments or have lost their last digits and neither `unit`
            nor `time_format` is given,
            64 bits can hold none of them, or their type is too narrow to tell them apart.
    """
    one_of("time_unit", unit, ("auto", *UNITS, ORDER))
    check_time_format(time_format, unit)
    values = to_plain_series(values).reset_index(drop=True)
    if unit == ORDER:
        return *_from_order(name, values), ORDER
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return *_from_dates(values), "date"
    is_text = pd.api.types.is_object_dtype(values.dtype) or pd.api.types.is_string_dtype(
        values.dtype
    )
    if time_format is not None and (is_text or values.dtype.kind in "iuf"):
        return *_from_dates(_by_format(name, values, time_format)), "date"
    if is_text:
        known = values[~is_missing(values)]
        if not _mostly_numbers(known):
            return *_from_dates(_from_strings(values)), "date"
        values = pd.to_numeric(values, errors="coerce")
        if values.dtype.kind == "f" and known.astype(str).str.fullmatch(r"\d{20}").all():
            raise _looks_like_a_date(name, known.iloc[0], ["%Y%m%d%H%M%S%f"])
    if values.dtype.kind not in "iuf":
        raise ValueError(
            f"Column {name!r} must hold times: dates, ISO 8601 strings or numbers. "
            f"Received: {values.dtype}."
        )
    return _from_numbers(name, values, unit)


def placeholders(name, times, known, unit: str, told: bool, lines) -> np.ndarray:
    """Where a time such as 0 or -1 stands for none: at or before 1970-01-02, the median after 1980.

    Args:
        name: Name of the column, for what is printed.
        times: Microseconds `(rows,)`, as `to_microseconds` gives them.
        known: Where they are known, as `to_microseconds` gives it.
        unit: The unit that it found.
        told: Whether the unit or the format was given: then such times are printed, and stay.
        lines: The line of each, `(rows,)`.

    Returns:
        Bool `(rows,)`.
    """
    none = np.zeros(len(times), bool)
    if unit == ORDER or not known.any() or np.median(times[known]) < _LATE:
        return none
    early = known & (times <= _EARLY)
    if not early.any() or not told:
        return early
    print(
        f"Column {name!r}: {early.sum():,} times are at or before 1970-01-02 and most are after "
        f"1980; the first is in line {lines[int(early.argmax())]}. They are taken as they are, "
        "since `time_unit` or `time_format` is given.",
        flush=True,
    )
    return none


def remedy_of_placeholders(unit: str) -> str:
    """What to do about `placeholders`, a sentence."""
    how = "`time_unit`" if unit != "date" else "`time_format`"
    option = "--time-unit" if unit != "date" else "--time-format"
    example = f"{how[:-1]}={unit!r}`" if unit != "date" else how
    return (
        "Give these rows their time. If they are right, name the form of the times, "
        f"{example} (on the command line `{option}`): then they stay."
    )


def time_or_order(time, order, unit: str, time_format: str | None):
    """The column that orders a log, and its unit: that of times, or `"order"`.

    Raises:
        ValueError: When both or none are named, or an order has a unit or a format.
    """
    if (time is None) == (order is None):
        raise ValueError(
            "Either `time` or `order` must name a column: `order` is of whole numbers that say "
            "which row is earlier, in a log without times. "
            f"Received: time={time!r}, order={order!r}."
        )
    if order is None:
        return time, unit
    if unit not in ("auto", ORDER) or time_format is not None:
        raise ValueError(
            "`order` must be without `time_unit` and `time_format`, which are of times. "
            f"Received: time_unit={unit!r}, time_format={time_format!r}."
        )
    return order, ORDER


def _from_order(name: str, values: pd.Series):
    """Whole numbers as int64, and which are such."""
    if values.dtype.kind not in "iuf":
        values = pd.to_numeric(values.astype(object), errors="coerce")
    floats = values.to_numpy(np.float64, na_value=np.nan)
    known = (floats == np.floor(floats)) & (np.abs(floats) < _LIMIT)
    _refuse_narrow(name, values[known], 1)
    if values.dtype.kind in "iu":
        return values.where(known, 0).to_numpy(np.int64), known
    return np.where(known, floats, 0).astype(np.int64), known


def check_time_format(time_format, unit: str = "auto") -> None:
    """Raises a `ValueError` unless this is `None` or a format, and not beside a unit."""
    if time_format is None:
        return
    try:
        known = isinstance(time_format, str) and "%" in time_format
        # What is unknown to `strptime` is an error of another text than what does not fit.
        if known:
            datetime.datetime.strptime("", time_format)
    except ValueError as error:
        known = "does not match" in str(error)
    if not known:
        raise ValueError(
            "`time_format` must be a format of `datetime.strptime`, such as '%Y%m%d' for 20220408. "
            f"Received: time_format={time_format!r}."
        )
    if unit != "auto":
        raise ValueError(
            "`time_format` must be without `time_unit`, which is of numbers since 1970. "
            f"Received: time_format={time_format!r}, time_unit={unit!r}."
        )


def _by_format(name: str, values: pd.Series, time_format: str) -> pd.Series:
    digits = digits_of(time_format)
    if values.dtype.kind in "iuf":
        _refuse_narrow(name, values, 1e6)
        text = pd.Series(pd.NA, values.index, dtype="string[pyarrow]")
        whole = values.notna() & (values % 1 == 0).fillna(False) & (values.abs() < 2.0**63)
        text[whole] = values[whole].astype("Int64").astype("string[pyarrow]")
    else:
        text = values.astype("string[pyarrow]").str.strip()
    if digits is not None:
        # A number has lost the zeros before it; as a float it has some behind a point.
        text = text.str.replace(r"\.0+$", "", regex=True)
        is_number = text.str.fullmatch(rf"\d{{1,{digits}}}").fillna(False)
        text = text.where(is_number).str.zfill(digits)
    return _parsed(text, time_format)


def remedy(wrong: pd.Series, time_format: str | None) -> str:
    """What to write where values are no times, as a sentence; `wrong` are such values."""
    if time_format is not None:
        return (
            f"They must be of `time_format={time_format!r}`, or be made so; it is a format of "
            "`datetime.strptime`."
        )
    text = wrong.astype(str).str.strip()
    some = text.iloc[:: max(1, len(text) // 100)]
    fit = {each: len(some) - _parsed(some, each).isna().sum() for each in _COMMON}
    fit = {each: count for each, count in fit.items() if count}
    best = [each for each, count in fit.items() if count == max(fit.values())]
    if not best:
        return (
            "Times are dates, ISO 8601 strings, numbers since 1970, or of the form that "
            "`time_format` names (on the command line `--time-format`)."
        )
    return (
        f"Name their form, `time_format=` {' or '.join(map(repr, best[:3]))} (on the command line "
        "`--time-format`)."
    )


def _parsed(text: pd.Series, time_format: str) -> pd.Series:
    return pd.to_datetime(text, format=time_format, errors="coerce", utc=True)


def _mostly_numbers(values: pd.Series) -> bool:
    # A thousand of them or a little more tell: to try a million strings takes a second.
    some = values.iloc[:: max(1, len(values) // 1000)]
    return 2 * pd.to_numeric(some, errors="coerce").notna().sum() > len(some)


def _from_strings(values: pd.Series) -> pd.Series:
    def parsed(text):
        return pd.to_datetime(text, errors="coerce", utc=True, format="ISO8601")

    text = values.astype("string[pyarrow]").str.replace(_UTC, "Z", regex=True)
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


def _refuse_narrow(name: str, numbers: pd.Series, microseconds: float) -> None:
    """Raises a `ValueError` where floats of this type, in this unit, are too few to tell apart."""
    if numbers.dtype.kind != "f":
        return
    array = numbers.to_numpy(np.dtype(f"f{numbers.dtype.itemsize}"), na_value=np.nan)
    largest = np.abs(array[np.isfinite(array)]).max(initial=0)
    apart = float(np.spacing(largest))
    if largest > 2 / np.finfo(array.dtype).eps and apart * microseconds > 1:
        raise ValueError(
            f"Column {name!r} must hold times of a type that tells them apart: int64, or float64 "
            f"below 2**53. Received: {numbers.dtype}, in which {largest:.0f} and the next "
            f"larger number are {apart:.0f} apart. Read the column anew as int64 or text: what "
            f"{numbers.dtype} has lost can't be brought back."
        )


def _whole(numbers: pd.Series) -> np.ndarray:
    """Those that are whole and known, int64."""
    if numbers.dtype.kind == "f":
        floats = numbers.to_numpy(np.float64, na_value=np.nan)
        whole = np.isfinite(floats) & (floats == np.floor(floats)) & (np.abs(floats) < 2.0**63)
        return floats[whole].astype(np.int64)
    numbers = numbers.dropna()
    return numbers[numbers < 2**63 - 1].to_numpy(np.int64)


def _refuse_rounded(name: str, whole: np.ndarray, unit: str) -> None:
    """Raises a `ValueError` where times since 1973 are all multiples of something odd.

    So they are where a float32 held them (128 seconds), or a spreadsheet that writes 1.65E+09.
    """
    some = np.unique(whole[:: max(1, len(whole) // 1000)])
    second = 1e6 / UNITS[unit]
    if len(some) < _MANY or np.abs(some).min() < 1e8 * second:
        return
    apart = int(np.gcd.reduce(np.diff(some)))
    step = np.gcd(apart, int(some[0]))
    # Whole minutes apart they are of a coarse clock, whatever the first one is.
    if step >= 100 * second and apart % int(60 * second):
        raise ValueError(
            f"Column {name!r} must hold times with all their digits. Received: {some[0]}, "
            f"{some[1]}, {some[2]}, all of them multiples of {step}, as where a float32 held them "
            "or a spreadsheet wrote 1.65E+09. Read the column anew from its source; if it is "
            "right so, name its `time_unit` (on the command line `--time-unit`)."
        )


def _looks_like_a_date(name: str, value, formats: list) -> ValueError:
    return ValueError(
        f"Column {name!r} must hold times. Received: {value}, which looks like a date written as "
        f"a number and no time since 1970: name its format, `time_format=` "
        f"{' or '.join(map(repr, formats))} (on the command line `--time-format`). If it counts "
        "since 1970, name its `time_unit` (`--time-unit`)."
    )


def _from_numbers(name: str, numbers: pd.Series, unit: str):
    if unit == "auto":
        whole = _whole(numbers)
        whole = whole[np.abs(whole) > 1]  # 0 and -1 stand for no time as a rule.
        if formats := calendar_formats(whole):
            raise _looks_like_a_date(name, whole[0], formats)
    floats = numbers.to_numpy(np.float64, na_value=np.nan)
    known = np.isfinite(floats)
    size = np.abs(np.where(known, floats, 0.0))
    if unit == "auto":
        unit = _unit(name, floats[known], size[known])
        if len(whole) == np.count_nonzero(size[known] > 1):
            _refuse_rounded(name, whole, unit)
    factor = UNITS[unit]
    fits = size * max(factor, 1) < _LIMIT
    if known.any() and not (known & fits).any():
        raise ValueError(
            f"Column {name!r} must hold times in {unit!r} that 64 bits of microseconds can hold. "
            f"Received: {floats[known.argmax()]:.0f}."
        )
    known &= fits
    _refuse_narrow(name, numbers[known], factor)
    if numbers.dtype.kind in "iu":
        whole = numbers.where(known, 0).to_numpy(np.int64)
        times = whole * factor if unit != "ns" else whole // 1000
    else:
        times = np.rint(np.where(known, floats, 0.0) * factor).astype(np.int64)
    return times, known, unit


def _unit(name: str, values, sizes) -> str:
    # By the largest and the smallest; 0, 1 and -1 belong to every unit.
    sizes = np.where(sizes <= 1, np.nan, sizes)
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


def span(times: np.ndarray, unit: str) -> dict:
    """What a report says of the first and the last time, or of an order."""
    low, high = int(times.min()), int(times.max())
    if unit == ORDER:
        return {"order_from": low, "order_to": high}
    low, high = (str(np.datetime64(moment, "us")) for moment in (low, high))
    return {"time_from": low, "time_to": high}
