"""Converts times in any common form to int64 microseconds since 1970 (UTC)."""

import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from keras_din.checks import one_of
from keras_din.data.reading.calendar_numbers import calendar_formats, count_digits
from keras_din.data.reading.columns import duration_remedy, is_missing, to_plain_series
from keras_din.data.reading.file_lines import describe_row

UNITS = {"s": 1_000_000, "ms": 1_000, "us": 1, "ns": 0.001}
ORDER = "order"  # The unit of whole numbers that order the rows but are not times.
_UPPER_BOUNDS = {"s": 1e11, "ms": 1e14, "us": 1e17, "ns": np.inf}  # Each covers 1973 to 5138.
_LIMIT = 2.0**63 / 1.001
_EARLIEST = 86_400 * UNITS["s"]  # 1970-01-02: 0 and -1 are not later in any unit and time zone.
_YEAR_1980 = 3_653 * _EARLIEST  # 1980-01-02.
PLACEHOLDER = "is a placeholder for a missing time: it is decades before the others"
_DAYS = ["%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y.%m.%d", "%Y/%m/%d"]
_DAYS += ["%d %b %Y", "%b %d, %Y", "%d-%b-%Y", "%d/%b/%Y", "%Y%m%d", "%d/%m/%y", "%m/%d/%y"]
_CLOCKS = ["", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p", "%H%M%S"]
_CLOCKS += [" %H:%M:%S %z", ":%H:%M:%S %z"]
_COMMON_FORMATS = [day + clock for day in _DAYS for clock in _CLOCKS]  # For remedies.
_COMMON_FORMATS += ["%a %b %d %H:%M:%S %z %Y", "%a, %d %b %Y %H:%M:%S %z", "%Y-%m-%d %H:%M:%S %Z"]
_MIN_TIMES = 10  # With this many times, it is not chance if all are multiples of one number.
_UTC = r"\s+(?:UTC|GMT)\s*$"  # The notation of BigQuery.
_ZONE = r"(?:[zZ]|\d[Tt ]\d.*[+-]\d\d(?::?\d\d)?)\s*$"  # The day of a date is no zone.


def to_microseconds(
    name: str,
    values,
    unit: str = "auto",
    time_format: str | None = None,
    are_numbers: bool | None = None,
):
    """Converts times to microseconds.

    Args:
        name: Name of the column, for errors.
        values: Dates, ISO 8601 strings (UTC if they have no zone) or numbers since 1970, as
            numbers or strings.
        unit: Unit of numbers: `"s"`, `"ms"`, `"us"`, `"ns"`, or `"auto"` to infer it from their
            magnitude: seconds below 1e11, milliseconds below 1e14, microseconds below 1e17.
            `"order"` is for whole numbers that are not times; they stay unchanged.
        time_format: The format of strings and of numbers such as 20220408, see
            `datetime.strptime`: `"%Y%m%d"`. Times are UTC if the format has no zone.
        are_numbers: Whether text is numbers. By default, the majority of the values decides.

    Returns:
        `(microseconds, known, unit)`: int64 `(rows,)`; bool `(rows,)`, `False` where a value is
        not a time; the detected unit, `"date"` for dates and strings.

    Raises:
        ValueError: If the values are something else, units are mixed, none of the numbers fits
            into 64 bits, their type is too narrow to distinguish them, or, without `unit` and
            `time_format`, numbers look like dates or have lost their last digits.
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
        if not (_are_mostly_numbers(known) if are_numbers is None else are_numbers):
            return *_from_dates(_from_strings(values)), "date"
        values = pd.to_numeric(values, errors="coerce")
        if values.dtype.kind == "f" and known.astype(str).str.fullmatch(r"\d{20}").all():
            raise _calendar_error(name, known.iloc[0], ["%Y%m%d%H%M%S%f"])
    if values.dtype.kind not in "iuf":
        raise ValueError(
            f"Column {name!r} must hold times: dates, ISO 8601 strings or numbers. "
            f"Received: {values.dtype}.{duration_remedy(name, str(values.dtype))}"
        )
    return _from_numbers(name, values, unit)


def find_placeholders(
    name, times, known, unit: str, time_unit: str, time_format: str | None, frame, expected=None
) -> np.ndarray:
    """Finds times such as 0 or -1 that are placeholders for a missing time.

    These are times up to 1970-01-02 in a column whose median is after 1980.

    Args:
        name: Name of the column, for the message.
        times: Microseconds `(rows,)`, see `to_microseconds`.
        known: Where the times are known, see `to_microseconds`.
        unit: The detected unit, see `to_microseconds`.
        time_unit: The unit that the user gave, or `"auto"`.
        time_format: The format that the user gave, or `None`. If the user gave one of the two,
            such times are kept, and a message about them is printed.
        frame: The rows that the times are in, for the message.
        expected: For a part of a log, whether the whole log has placeholders. `None` for a whole
            log.

    Returns:
        Bool `(rows,)`.
    """
    if expected is not None:
        return known & (times <= _EARLIEST) & expected
    none = np.zeros(len(times), bool)
    if unit == ORDER or not known.any() or np.median(times[known]) < _YEAR_1980:
        return none
    early = known & (times <= _EARLIEST)
    if not early.any() or (time_unit == "auto" and time_format is None):
        return early
    print(
        f"Column {name!r}: {early.sum():,} times are at or before 1970-01-02 and most are after "
        f"1980; the first is in {describe_row(frame, int(early.argmax()))}. They are kept, "
        "since `time_unit` or `time_format` is given.",
        flush=True,
    )
    return none


def has_placeholders(times, counts, unit: str) -> bool:
    """Whether counted times have placeholders for missing times, see `find_placeholders`.

    Args:
        times: Distinct times that are known, microseconds `(times,)`.
        counts: How often each occurs, `(times,)`.
        unit: The unit, or `"order"`.
    """
    if unit == ORDER or not len(times) or times.min() > _EARLIEST:
        return False
    order = np.argsort(times)
    before = np.cumsum(counts[order])
    middle = [(before[-1] - 1) // 2, before[-1] // 2]
    low, high = times[order][np.searchsorted(before, middle, side="right")]
    return bool(np.mean([low, high]) >= _YEAR_1980)


def are_numbers(values, counts) -> bool:
    """Whether most of counted times are numbers or text of numbers, see `to_microseconds`.

    Args:
        values: Distinct times `(times,)`.
        counts: How often each occurs, `(times,)`.
    """
    values, counts = to_plain_series(values).reset_index(drop=True), np.asarray(counts)
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return False
    known = ~is_missing(values)
    numbers = pd.to_numeric(values, errors="coerce").notna() & known
    return bool(2 * counts[numbers].sum() > counts[known].sum())


def placeholder_remedy(unit: str) -> str:
    """A sentence that tells the user what to do about placeholders."""
    how = "`time_unit`" if unit != "date" else "`time_format`"
    option = "--time-unit" if unit != "date" else "--time-format"
    example = f"{how[:-1]}={unit!r}`" if unit != "date" else how
    return (
        "Correct the times of these rows. If they are right, declare the form of the times with "
        f"{example} (on the command line `{option}`). Then these rows are kept."
    )


def time_or_order(time, order, unit: str, time_format: str | None):
    """Returns the column that orders a log, and its unit: the unit of times, or `"order"`.

    Raises:
        ValueError: If both or neither are named, or an order has a unit or a format.
    """
    if (time is None) == (order is None):
        raise ValueError(
            "Either `time` or `order` must name a column. `order` is for a log without times: "
            "whole numbers by which its rows are ordered. "
            f"Received: time={time!r}, order={order!r}."
        )
    if order is None:
        return time, unit
    if unit not in ("auto", ORDER) or time_format is not None:
        raise ValueError(
            "`order` must be given without `time_unit` and `time_format`, which are for times. "
            f"Received: time_unit={unit!r}, time_format={time_format!r}."
        )
    return order, ORDER


def _from_order(name: str, values: pd.Series):
    """Returns whole numbers as int64, and where a value is one."""
    if values.dtype.kind not in "iuf":
        values = pd.to_numeric(values.astype(object), errors="coerce")
    floats = values.to_numpy(np.float64, na_value=np.nan)
    known = (floats == np.floor(floats)) & (np.abs(floats) < _LIMIT)
    _check_precision(name, values[known], 1)
    if values.dtype.kind in "iu":
        return values.where(known, 0).to_numpy(np.int64), known
    return np.where(known, floats, 0).astype(np.int64), known


def check_time_format(time_format, unit: str = "auto") -> None:
    """Raises a `ValueError` unless this is `None` or a format without a unit."""
    if time_format is None:
        return
    try:
        known = isinstance(time_format, str) and "%" in time_format
        # The text of the error shows whether the format is invalid or the text does not match.
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
            "`time_format` must be given without `time_unit`, which is for numbers since 1970. "
            f"Received: time_format={time_format!r}, time_unit={unit!r}."
        )


def _by_format(name: str, values: pd.Series, time_format: str) -> pd.Series:
    digits = count_digits(time_format)
    if values.dtype.kind in "iuf":
        _check_precision(name, values, 1e6)
        text = pd.Series(pd.NA, values.index, dtype="string[pyarrow]")
        whole = values.notna() & (values % 1 == 0).fillna(False) & (values.abs() < 2.0**63)
        text[whole] = values[whole].astype("Int64").astype("string[pyarrow]")
    else:
        text = values.astype("string[pyarrow]").str.strip()
    if digits is not None:
        # A number has no leading zeros. A float ends in a point and zeros.
        text = text.str.replace(r"\.0+$", "", regex=True)
        is_number = text.str.fullmatch(rf"\d{{1,{digits}}}").fillna(False)
        text = text.where(is_number).str.zfill(digits)
    return _parse(text, time_format)


def time_remedy(wrong: pd.Series, time_format: str | None) -> str:
    """A sentence that tells the user what to do about values that are not times.

    `wrong` are such values.
    """
    if time_format is not None:
        return (
            f"Convert them to `time_format={time_format!r}`, which is a format of "
            "`datetime.strptime`."
        )
    text = wrong.astype(str).str.strip()
    some = text.iloc[:: max(1, len(text) // 100)]
    fit = {each: len(some) - _parse(some, each).isna().sum() for each in _COMMON_FORMATS}
    fit = {each: count for each, count in fit.items() if count}
    best = [each for each, count in fit.items() if count == max(fit.values())]
    if not best:
        return (
            "Times are dates, ISO 8601 strings, numbers since 1970, or text in the format that "
            "`time_format` names (on the command line `--time-format`)."
        )
    return (
        f"Name their format, `time_format=` {' or '.join(map(repr, best[:3]))} (on the command "
        "line `--time-format`)."
    )


def times_have_zones(values) -> tuple[bool, ...]:
    """Whether times have a time zone.

    Args:
        values: Times as `to_microseconds` reads them without a `time_format`.

    Returns:
        `()` for numbers, which count from 1970 in UTC; for dates `(False,)` if none has a zone,
        `(True,)` if all have one, else `(False, True)`.
    """
    values = to_plain_series(values)
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return (values.dt.tz is not None,)
    values = values[~is_missing(values)]
    if values.dtype.kind in "iuf" or _are_mostly_numbers(values):
        return ()
    text = values.astype("string[pyarrow]").str.replace(_UTC, "Z", regex=True)
    return tuple(np.unique(_have_zone(text)).tolist())


def _parse(text: pd.Series, time_format: str) -> pd.Series:
    return pd.to_datetime(text, format=time_format, errors="coerce", utc=True)


def _are_mostly_numbers(values: pd.Series) -> bool:
    # About a thousand of them are enough; to parse a million strings takes a second.
    some = values.iloc[:: max(1, len(values) // 1000)]
    return 2 * pd.to_numeric(some, errors="coerce").notna().sum() > len(some)


def _from_strings(values: pd.Series) -> pd.Series:
    def parsed(text):
        return pd.to_datetime(text, errors="coerce", utc=True, format="ISO8601")

    text = values.astype("string[pyarrow]").str.replace(_UTC, "Z", regex=True)
    zoned = _have_zone(text)
    if zoned.all() or not zoned.any():
        return parsed(text)
    # Separately: pandas 2 gives a string without a zone that of the preceding string.
    return pd.concat([parsed(text[zoned]), parsed(text[~zoned])]).sort_index()


def _have_zone(text: pd.Series) -> np.ndarray:
    """Which texts end with a time zone: bool `(rows,)`."""
    zoned = pc.match_substring_regex(pa.array(text, pa.large_string()), _ZONE)
    return np.asarray(pc.fill_null(zoned, False), bool)


def _from_dates(dates: pd.Series):
    if dates.dt.tz is not None:
        dates = dates.dt.tz_convert("UTC").dt.tz_localize(None)
    known = dates.notna().to_numpy()
    times = dates.to_numpy().astype("datetime64[us]").astype(np.int64)
    return np.where(known, times, 0), known


def _check_precision(name: str, numbers: pd.Series, microseconds: float) -> None:
    """Raises a `ValueError` if floats of this type are too coarse for times in this unit."""
    if numbers.dtype.kind != "f":
        return
    size = getattr(numbers.dtype, "itemsize", 8)
    array: np.ndarray = numbers.to_numpy(np.dtype(f"f{size}"), na_value=np.nan)
    largest = np.abs(array[np.isfinite(array)]).max(initial=0)
    apart = float(np.spacing(largest))
    if largest > 2 / np.finfo(array.dtype).eps and apart * microseconds > 1:
        raise ValueError(
            f"Column {name!r} must hold times of a type that keeps all their digits: int64, or "
            f"float64 below 2**53. Received: {numbers.dtype}, in which {largest:.0f} and the next "
            f"larger number are {apart:.0f} apart. Read the column again as int64 or text. The "
            f"digits that {numbers.dtype} has lost cannot be recovered."
        )


def _whole_numbers(numbers: pd.Series) -> np.ndarray:
    """The values that are known and whole, as int64."""
    if numbers.dtype.kind == "f":
        floats = numbers.to_numpy(np.float64, na_value=np.nan)
        whole = np.isfinite(floats) & (floats == np.floor(floats)) & (np.abs(floats) < 2.0**63)
        return floats[whole].astype(np.int64)
    numbers = numbers.dropna()
    return numbers[numbers < 2**63 - 1].to_numpy(np.int64)


def _check_not_rounded(name: str, whole: np.ndarray, unit: str) -> None:
    """Raises a `ValueError` if times since 1973 are all multiples of an unusual step.

    This happens if they were stored as float32 (128 seconds), or written as 1.65E+09 by a
    spreadsheet.
    """
    second = 1e6 / UNITS[unit]
    # Most columns are fine by some of their times. Those of a regular log may be by chance
    # multiples, as every 1000th time of one row per second is.
    for every in (max(1, len(whole) // 1000), 1):
        some = np.unique(whole[::every])
        if len(some) < _MIN_TIMES or np.abs(some).min() < 1e8 * second:
            return
        apart = int(np.gcd.reduce(np.diff(some)))
        step = np.gcd(apart, int(some[0]))
        # A step of whole minutes means a coarse clock, whatever the first time is.
        if step < 100 * second or not apart % int(60 * second):
            return
    raise ValueError(
        f"Column {name!r} must hold times with all their digits. Received: {some[0]}, "
        f"{some[1]}, {some[2]}, all of them multiples of {step}. This happens if they were "
        "stored as float32, or written as 1.65E+09 by a spreadsheet. Read the column again "
        "from its source. If the times are right, name their `time_unit` (on the command line "
        "`--time-unit`)."
    )


def _calendar_error(name: str, value, formats: list) -> ValueError:
    return ValueError(
        f"Column {name!r} must hold times. Received: {value}, which looks like a date written as "
        f"a number instead of a time since 1970. Name its format, `time_format=` "
        f"{' or '.join(map(repr, formats))} (on the command line `--time-format`). If it counts "
        "since 1970, name its `time_unit` (`--time-unit`)."
    )


def _from_numbers(name: str, numbers: pd.Series, unit: str):
    if unit == "auto":
        whole = _whole_numbers(numbers)
        whole = whole[np.abs(whole) > 1]  # 0 and -1 are usually placeholders.
        if formats := calendar_formats(whole):
            raise _calendar_error(name, whole[0], formats)
    floats = numbers.to_numpy(np.float64, na_value=np.nan)
    known = np.isfinite(floats)
    size = np.abs(np.where(known, floats, 0.0))
    if unit == "auto":
        unit = _guess_unit(name, floats[known], size[known])
        if len(whole) == np.count_nonzero(size[known] > 1):
            _check_not_rounded(name, whole, unit)
    factor = UNITS[unit]
    fits = size * max(factor, 1) < _LIMIT
    if known.any() and not (known & fits).any():
        raise ValueError(
            f"Column {name!r} must hold times in {unit!r} that fit into 64 bits of microseconds. "
            f"Received: {floats[known.argmax()]:.0f}."
        )
    known &= fits
    _check_precision(name, numbers[known], factor)
    if numbers.dtype.kind in "iu":
        whole = numbers.where(known, 0).to_numpy(np.int64)
        times = whole * factor if unit != "ns" else whole // 1000
    else:
        times = np.rint(np.where(known, floats, 0.0) * factor).astype(np.int64)
    return times, known, unit


def _guess_unit(name: str, values, sizes) -> str:
    # From the largest and the smallest number. 0, 1 and -1 belong to every unit.
    sizes = np.where(sizes <= 1, np.nan, sizes)
    if not sizes.size or np.isnan(sizes).all():
        return "s"
    low, high = np.nanargmin(sizes), np.nanargmax(sizes)
    first, last = (
        next(unit for unit, limit in _UPPER_BOUNDS.items() if size < limit)
        for size in (sizes[low], sizes[high])
    )
    if first != last:
        raise ValueError(
            f"Column {name!r} must hold times of one unit. Received: {values[low]:.0f}, which "
            f"looks like {first!r}, and {values[high]:.0f}, which looks like {last!r}. "
            "If all have the same unit, name it with `time_unit`."
        )
    return first


def time_range(times: np.ndarray, unit: str) -> dict:
    """The first and the last time, or the range of an order, for a report."""
    low, high = int(times.min()), int(times.max())
    if unit == ORDER:
        return {"order_from": low, "order_to": high}
    first, last = (str(np.datetime64(moment, "us")) for moment in (low, high))
    return {"time_from": first, "time_to": last}
