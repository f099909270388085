"""Times in all formats are converted to microseconds since 1970."""

import datetime
import decimal
import re

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from keras_din.data.reading.times import time_remedy, times_have_zones, to_microseconds

SECOND = 1_000_000
MOMENT = 1_600_000_000  # 2020-09-13 12:26:40 UTC.
DAY = 1_599_955_200  # 2020-09-13.


def times(values, unit="auto"):
    """Returns the times, with `None` for invalid ones, and the unit."""
    microseconds, known, unit = to_microseconds("when", values, unit)
    assert (microseconds.dtype, known.dtype) == (np.int64, bool)
    return [int(t) if k else None for t, k in zip(microseconds, known, strict=True)], unit


@pytest.mark.parametrize(
    "value, expected",
    [
        ("2020-09-13", DAY),
        ("2020-09-13 12:26:40", MOMENT),
        ("2020-09-13T12:26:40", MOMENT),
        ("2020-09-13T12:26:40Z", MOMENT),
        ("2020-09-13T12:26:40.000Z", MOMENT),
        ("2020-09-13 14:26:40+02:00", MOMENT),
        ("2020-09-13T07:26:40-0500", MOMENT),
        ("2020-09-13T14:26:40+02", MOMENT),
        ("20200913T122640", MOMENT),
        ("1969-12-31T23:59:59", -1),
        (datetime.date(2020, 9, 13), DAY),
        (datetime.datetime(2020, 9, 13, 12, 26, 40), MOMENT),
        (datetime.datetime(2020, 9, 13, 12, 26, 40, tzinfo=datetime.timezone.utc), MOMENT),
        (np.datetime64("2020-09-13T12:26:40"), MOMENT),
        (pd.Timestamp("2020-09-13 21:26:40", tz="Asia/Tokyo"), MOMENT),
    ],
)
def test_dates(value, expected):
    assert times([value, None, value]) == ([expected * SECOND, None, expected * SECOND], "date")
    of_objects = pd.Series([value, None], dtype=object)
    assert times(of_objects) == ([expected * SECOND, None], "date")


@pytest.mark.parametrize("text", ["soon", "13/09/2020", "2020-13-01", "2020-09-13T25:00", "-"])
def test_invalid_dates_are_unknown(text):
    assert times(["2020-09-13", text, ""]) == ([DAY * SECOND, None, None], "date")


def test_fractions_of_a_second():
    text = "2020-09-13T12:26:40.123456"
    assert times([text])[0] == times([pd.Timestamp(text)])[0] == [MOMENT * SECOND + 123456]
    assert times([text + "789"])[0] == [MOMENT * SECOND + 123456]


def test_strings_with_and_without_a_zone_do_not_mix():
    # pandas 2 would use the zone of the previous string.
    text = ["2020-09-13 14:26:40+02:00", "2020-09-13 12:26:40.5", None, "2020-09-13", "later"]
    expected = [MOMENT * SECOND, MOMENT * SECOND + 500_000, None, DAY * SECOND, None]
    assert times(text) == (expected, "date")
    assert times(pd.Series(text, index=[3, 3, 1, 0, 3])) == (expected, "date")


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Tokyo"])
@pytest.mark.parametrize("form", ["numpy", "arrow"])
def test_columns_of_dates(unit, zone, form):
    array = pa.array([MOMENT * SECOND, None, -SECOND], pa.timestamp("us"))
    array = array.cast(pa.timestamp(unit)).view(pa.timestamp(unit, zone))
    options = {"types_mapper": pd.ArrowDtype} if form == "arrow" else {}
    values = array.to_pandas(**options)
    assert times(values) == ([MOMENT * SECOND, None, -SECOND], "date")


def test_nanoseconds_are_rounded_down():
    values = np.array([1001, 999, 0, -1, -1000, -1001], "datetime64[ns]")
    assert times(values)[0] == [1, 0, 0, -1, -1, -2]


@pytest.mark.parametrize("unit, factor", [("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)])
@pytest.mark.parametrize(
    "form",
    [
        lambda t: np.array(t),
        lambda t: [*t, None],
        lambda t: pd.Series([*t, None], dtype="Int64"),
        lambda t: pd.Series([*t, None], dtype=pd.ArrowDtype(pa.int64())),
        lambda t: pd.Series([*t, None], dtype=object),
        lambda t: [str(v) for v in t],
        lambda t: pd.Series([*map(str, t), None], dtype="string"),
        lambda t: pd.Series([*map(str, t), None], dtype=pd.ArrowDtype(pa.string())),
        lambda t: pd.Series([*map(str, t), ""], dtype="category"),
        lambda t: pd.Series([*t, None], dtype="category"),
        lambda t: [decimal.Decimal(v) for v in t],
        lambda t: np.array(t, np.uint64),
        lambda t: np.array(t, float),
    ],
)
def test_numbers_of_every_unit_and_form(unit, factor, form):
    expected = [MOMENT * SECOND, 0, (MOMENT + 1) * SECOND]
    values = form([MOMENT * factor, 0, (MOMENT + 1) * factor])
    expected += [None] * (len(values) - 3)
    assert times(values) == (expected, unit)
    assert times(values, unit) == (expected, unit)


def test_small_types_do_not_overflow():
    assert times(np.array([4_000_000_000], np.uint32)) == ([4 * 10**15], "s")
    assert times(np.array([100, -100], np.int8)) == ([10**8, -(10**8)], "s")


def test_invalid_numbers_are_unknown():
    assert times([1.5, np.nan, np.inf, -np.inf]) == ([1_500_000, None, None, None], "s")
    assert times(["1600000000", "soon", "", None, " 1600000001 ", "1.6e9"]) == (
        [MOMENT * SECOND, None, None, None, (MOMENT + 1) * SECOND, MOMENT * SECOND],
        "s",
    )
    assert times(["", "", "", "1600000000"])[0] == [None, None, None, MOMENT * SECOND]
    assert times([MOMENT, "2020-09-13", MOMENT])[0] == [MOMENT * SECOND, None, MOMENT * SECOND]
    assert times([MOMENT, "2020-09-13", "2020-09-13"])[0] == [None, DAY * SECOND, DAY * SECOND]


def test_unit_depends_on_the_whole_column():
    # Only the first thousand values look like numbers.
    values = ["20200913"] * 1000 + ["2020-09-13"] * 9000
    assert times(values) == ([DAY * SECOND] * 10_000, "date")


def test_negative_numbers():
    assert times([-5, 0, 5]) == ([-5 * SECOND, 0, 5 * SECOND], "s")
    assert times([-1, MOMENT * 1000], "ms") == ([-1000, MOMENT * SECOND], "ms")
    assert times([-1, 1001, 1999], "ns") == ([-1, 1, 1], "ns")


@pytest.mark.parametrize("values", [[], [None, None], [np.nan], ["", None]])
def test_no_valid_time(values):
    assert times(values)[0] == [None] * len(values)


@pytest.mark.parametrize(
    "below, unit, above",
    [(10**11, "s", "ms"), (10**14, "ms", "us"), (10**17, "us", "ns")],
)
def test_units_by_magnitude(below, unit, above):
    for sign in (1, -1):
        assert times([sign * (below - below // 1000)])[1] == unit
        assert times([sign * below])[1] == above


@pytest.mark.parametrize(
    "values, message",
    [
        (
            [MOMENT, 0, MOMENT * 1000],
            r"Column 'when' must hold times of one unit\. Received: 1600000000, which looks like "
            r"'s', and 1600000000000, which looks like 'ms'\. .* name it with `time_unit`\.",
        ),
        ([-5, MOMENT * 1000], "Received: -5, which looks like 's', and 16"),
        ([str(MOMENT), str(MOMENT * 10**9)], "and 1600000000000000000, which looks like 'ns'"),
        ([True, False], r"'when' must hold times: dates, ISO 8601 strings or numbers.*: bool"),
        (pd.Series([True, None], dtype="boolean"), r"must hold times: .* Received: boolean"),
        (pd.to_timedelta([1], unit="s"), r"must hold times: .* Received: timedelta64"),
        (pd.period_range("2020-01", "2020-02", freq="M"), r"must hold times: .* period\[M\]"),
        ([1j], r"must hold times: .* Received: complex128"),
    ],
)
def test_invalid_times_raise(values, message):
    with pytest.raises(ValueError, match=message):
        times(values)


@pytest.mark.parametrize("values, unit", [([1e18, 1e19], "s"), ([2**64 - 1], "ns"), ([1e16], "ms")])
def test_times_beyond_64_bits(values, unit):
    message = f"'when' must hold times in '{unit}' that fit into 64 bits of microseconds. Rec"
    values = np.array(values, np.uint64 if unit == "ns" else float)
    with pytest.raises(ValueError, match=message.replace(".", r"\.")):
        times(values, unit)
    # With other times in range, one beyond 64 bits is a bad row.
    assert times(np.append(values, values.dtype.type(5000)), unit)[0][-1] is not None
    assert times(np.append(values, values.dtype.type(5000)), unit)[0][:-1] == [None] * len(values)


def test_units():
    with pytest.raises(
        ValueError, match="`time_unit` must be one of 'auto', 's', 'ms', 'us', 'ns'"
    ):
        times([1], "min")


@hypothesis.given(
    st.lists(st.datetimes(datetime.datetime(1800, 1, 1), datetime.datetime(2200, 1, 1))),
    st.sampled_from(["isoformat", "str", "objects", "column"]),
)
@hypothesis.settings(max_examples=60, deadline=None)
def test_dates_match_the_standard_library(moments, form):
    since = datetime.datetime(1970, 1, 1)
    expected = [(moment - since) // datetime.timedelta(microseconds=1) for moment in moments]
    values = {
        "isoformat": [moment.isoformat() for moment in moments],
        "str": [str(moment) for moment in moments],
        "objects": pd.Series(moments, dtype=object),
        "column": pd.Series(moments, dtype="datetime64[us]"),
    }[form]
    assert times(values)[0] == expected


CALENDAR = [
    (20220408, "%Y%m%d", "2022-04-08"),
    (2022040813, "%Y%m%d%H", "2022-04-08 13:00"),
    (202204081305, "%Y%m%d%H%M", "2022-04-08 13:05"),
    (20220408130501, "%Y%m%d%H%M%S", "2022-04-08 13:05:01"),
    (20220408130501250, "%Y%m%d%H%M%S%f", "2022-04-08 13:05:01.25"),
    (22040813, "%y%m%d%H", "2022-04-08 13:00"),
    (4040813, "%y%m%d%H", "2004-04-08 13:00"),
    (404081305, "%y%m%d%H%M", "2004-04-08 13:05"),
    (220408130501, "%y%m%d%H%M%S", "2022-04-08 13:05:01"),
    (220408, "%y%m%d", "2022-04-08"),
    (202204, "%Y%m", "2022-04-01"),
    (2022098, "%Y%j", "2022-04-08"),
    (2022, "%Y", "2022-01-01"),
    (30042022, "%d%m%Y", "2022-04-30"),
    (4302022, "%m%d%Y", "2022-04-30"),
]


@pytest.mark.parametrize("number, time_format, date", CALENDAR)
def test_calendar_numbers(number, time_format, date):
    expected = np.datetime64(date, "us").astype(int)
    forms = [
        [number],
        np.array([number, number]),
        [str(number)],
        pd.Series([number, None], dtype="Int64"),
    ]
    if number < 2**53:
        forms += [[float(number)], [number, np.nan], [f"{number}.0", ""], pa.array([number])]
    for values in forms:
        microseconds, known, unit = to_microseconds("when", values, time_format=time_format)
        assert (microseconds[0], known[0], unit) == (expected, True, "date")
        message = f"'when' must hold times. Received: {number}, which looks like a date.*time_form"
        with pytest.raises(ValueError, match=f"{message}.*{time_format}.*name its `time_unit`"):
            to_microseconds("when", values)
    if number < 1e13:
        assert times([number], "s") == ([number * SECOND], "s")


def test_two_digits_of_a_year_and_minutes():
    numbers = [2204081305, 2204090001, 2204292359]
    with pytest.raises(ValueError, match=r"2204081305, which looks like a date.*'%y%m%d%H%M'"):
        times(numbers)
    # Seconds since 1970, some of which look like such numbers, but not all.
    assert times(1_612_010_000 + np.arange(200))[1] == "s"
    assert times([1_612_010_000])[1] == "s"


def test_calendar_numbers_among_other_values():
    numbers = [20220408, 20220409, 20220431, 0, 20220410]
    with pytest.raises(ValueError, match="20220408, which looks like a date"):
        times(numbers)
    microseconds, known, _ = to_microseconds("when", numbers, time_format="%Y%m%d")
    assert known.tolist() == [True, True, False, False, True]
    text = ["20220408130501123456"]
    with pytest.raises(ValueError, match=r"20220408130501123456, which looks.*%S%f"):
        times(text)
    microseconds, _, _ = to_microseconds("when", text, time_format="%Y%m%d%H%M%S%f")
    assert microseconds == np.datetime64("2022-04-08T13:05:01.123456").astype(int)


@pytest.mark.parametrize(
    "numbers",
    [[1, 2, 3], [0], [], [86400, 90000], [1_649_423_101] * 3, range(20_000_000, 20_010_000, 7),
     [1_649_423_101_000], [1_649_423_101_000_000], [-20220408]],
)  # fmt: skip
def test_other_numbers_are_not_dates(numbers):
    assert times(np.array(numbers, np.int64))[1] in ("s", "ms", "us")


@pytest.mark.parametrize(
    "text, time_format, date",
    [
        ("08/04/2022 13:05", "%d/%m/%Y %H:%M", "2022-04-08 13:05"),
        ("Apr 8, 2022", "%b %d, %Y", "2022-04-08"),
        ("08/Apr/2022:13:05:01 +0200", "%d/%b/%Y:%H:%M:%S %z", "2022-04-08 11:05:01"),
        ("040408", "%y%m%d", "2004-04-08"),
    ],
)
def test_text_of_a_format(text, time_format, date):
    expected = int(np.datetime64(date, "us").astype(int))
    microseconds, known, unit = to_microseconds("when", [text, "", "x"], time_format=time_format)
    assert (microseconds[0], known.tolist(), unit) == (expected, [True, False, False], "date")


def test_time_format():
    for wrong in ("YYYYMMDD", "%Q", "%", 8):
        with pytest.raises(ValueError, match=r"`time_format` must be a format of `datetime.strp"):
            to_microseconds("when", [1], time_format=wrong)
    with pytest.raises(ValueError, match="`time_format` must be given without `time_unit`"):
        to_microseconds("when", [1], "s", "%Y")
    # Columns of dates are accepted. Numbers with another count of digits are invalid.
    assert to_microseconds("when", pd.to_datetime(["2022"]), time_format="%d")[1].all()
    assert not to_microseconds("when", [2022048, 0.5, -1], time_format="%Y%m%d")[1].any()


def test_text_with_a_utc_suffix():
    for text in ("2020-09-13 12:26:40 UTC", "2020-09-13 12:26:40 GMT"):
        assert times([text, "2020-09-13"]) == ([MOMENT * SECOND, DAY * SECOND], "date")


@pytest.mark.parametrize(
    "values, unit",
    [
        (np.array([MOMENT], np.float32), "s"),
        (np.array([MOMENT * 1000], np.float32), "ms"),
        (np.array([MOMENT * SECOND], np.float32), "us"),
        (np.array([60_000], np.float16), "s"),
        (pd.Series([MOMENT, None], dtype="Float32"), "s"),
        (pa.array(np.array([MOMENT], np.float32)), "s"),
        (np.array([2**53 + 2.0]), "us"),
    ],
)
def test_coarse_floats_raise(values, unit):
    kind = values.type if isinstance(values, pa.Array) else values.dtype
    kind = {"float": "float32"}.get(str(kind), kind)
    for how in (unit, "auto"):
        message = f"'when' must hold times of a type that keeps.*Received: {kind}, in which"
        with pytest.raises(ValueError, match=message):
            times(values, how)


def test_exact_narrow_floats():
    assert times(np.array([0, 2.5, 2**24], np.float32))[0] == [0, 2_500_000, 2**24 * SECOND]
    assert times(np.array([MOMENT * 10**9], float))[1] == "ns"
    with pytest.raises(ValueError, match="float32, in which 20220408 and the next"):
        to_microseconds("when", np.array([20220408], np.float32), time_format="%Y%m%d")


@pytest.mark.parametrize(
    "text, expected",
    [
        (["08/04/2022 13:05"], "`time_format=` '%d/%m/%Y %H:%M' or '%m/%d/%Y %H:%M' (on the"),
        (["08/04/2022 13:05", "30/04/2022 13:05"], "`time_format=` '%d/%m/%Y %H:%M' (on the"),
        (["Apr 8, 2022"], "`time_format=` '%b %d, %Y' (on the command line `--time-format`)."),
        (["08/Apr/2022:13:05:01 +0200"], "'%d/%b/%Y:%H:%M:%S %z' (on"),
        (["8.4.2022 1:05"], "'%d.%m.%Y %H:%M' (on"),
        (["soon"], "Times are dates, ISO 8601 strings, numbers since 1970, or text in the format"),
    ],
)
def test_remedy_names_the_format(text, expected):
    hint = time_remedy(pd.Series(text), None)
    assert expected in hint
    if "Name their format" in hint:
        time_format = re.search("'(.*?)'", hint)[1]
        assert to_microseconds("when", text, time_format=time_format)[1].all()
    assert "Convert them to `time_format='%Y'`" in time_remedy(pd.Series(text), "%Y")


STARTS = 1_649_423_101 + np.random.default_rng(0).integers(0, 10**6, 50)


@pytest.mark.parametrize(
    "values, step",
    [
        (STARTS.astype(np.float32).astype(np.float64), 128),
        (STARTS.astype(np.float32).astype(np.int64), 128),
        ((STARTS * 1000).astype(np.float32).astype(np.float64), 131072),
        ([f"{value:.5E}" for value in STARTS], 10_000),
        ([f"{value:.5E}" for value in STARTS * 1000] + [""], 10_000_000),
    ],
)
def test_rounded_times_raise(values, step):
    message = (
        rf"'when' must hold times with all their digits.*all of them multiples of {step}\. This"
    )
    with pytest.raises(ValueError, match=message):
        times(values)
    assert len(times(values, "ms" if step > 10_000 else "s")[0]) == len(values)


@pytest.mark.parametrize("step", [1, 60, 300, 3600, 86400, 7 * 86400])
def test_whole_minutes_hours_and_days(step):
    assert times(STARTS // step * step)[1] == "s"
    assert times(STARTS // step * step * 1000.0)[1] == "ms"
    assert times((np.arange(50) + 1) * 1000)[1] == "s"  # Too small for milliseconds.
    assert times([1_649_423_104] * 50)[1] == "s"
    assert times(STARTS + 0.5)[1] == "s"


def test_times_of_a_regular_log_are_not_rounded():
    """Every hundredth time, of which a sample consists, is a multiple of 100 seconds."""
    assert times(1_700_000_000 + np.arange(100_000))[1] == "s"


@pytest.mark.parametrize("apart", [60, 3600, 86_400])
def test_times_of_a_coarse_clock_are_not_rounded(apart):
    """The first divisor may also be one that no clock has: 1.7e9 and 3600 have the divisor 400."""
    assert times(1_700_000_000 + apart * np.arange(20))[1] == "s"


@pytest.mark.parametrize(
    "values, expected",
    [
        ([1, 2], ()),
        (["1", "2.5", None], ()),
        ([None, None], ()),
        (["2026-11-20 08:00", None], (False,)),
        (["2026-11-20 08:00+01", "2026-11-20T08:00:00Z", "2026-11-20 08:00:00 UTC"], (True,)),
        (["2026-11-20 08:00+01:00", "2026-11-20"], (False, True)),
        (pd.to_datetime(["2026-11-20"]), (False,)),
        (pd.to_datetime(["2026-11-20"], utc=True), (True,)),
    ],
)
def test_whether_times_have_zones(values, expected):
    assert times_have_zones(pd.Series(values)) == expected
