"""Splits: exact boundaries, comparisons with slow loops, and errors."""

import datetime
import re

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest

from keras_din.data.prepare.split import (
    ByTime,
    ByUser,
    LastFraction,
    LeaveOneOut,
    positions,
)
from keras_din.data.prepare.split_rows import assign_parts, check_parts, parts_of_column

TRAIN, VALID, TEST, LEFT_OUT = 0, 1, 2, -1
SECOND = 1_000_000


def parts(split, user, time=None) -> list:
    user = np.array(user, np.int64)
    time = np.arange(len(user)) if time is None else np.array(time, np.int64)
    part = assign_parts(split, user, time)
    assert part.dtype == np.int8
    return part.tolist()


def test_positions():
    position, count = positions(np.array([0, 0, 0, 1, 3, 3]))
    assert position.tolist() == [0, 1, 2, 0, 0, 1]
    assert count.tolist() == [3, 3, 3, 1, 2, 2]


# Users with 1, 2, 3 and 4 rows.
@pytest.mark.parametrize(
    "split, expected",
    [
        (LeaveOneOut(), [2, 1, 2, 0, 1, 2, 0, 0, 1, 2]),
        (LeaveOneOut(valid=0), [2, 0, 2, 0, 0, 2, 0, 0, 0, 2]),
        (LeaveOneOut(test=0), [1, 0, 1, 0, 0, 1, 0, 0, 0, 1]),
        (LeaveOneOut(valid=1, test=2), [2, 2, 2, 1, 2, 2, 0, 1, 2, 2]),
        (LeaveOneOut(valid=0, test=0), [0] * 10),
    ],
)
def test_leave_one_out(split, expected):
    assert parts(split, [0, 1, 1, 2, 2, 2, 3, 3, 3, 3]) == expected


@hypothesis.given(
    st.lists(st.integers(1, 4), min_size=1, max_size=8), st.integers(0, 2), st.integers(0, 2)
)
@hypothesis.settings(max_examples=60, deadline=None)
def test_leave_one_out_matches_a_slow_loop(counts, valid, test):
    expected = []
    for count in counts:
        expected += ([TRAIN] * count + [VALID] * valid + [TEST] * test)[-count:]
    user = np.repeat(np.arange(len(counts)), counts)
    if TRAIN in expected:
        assert parts(LeaveOneOut(valid, test), user) == expected
    else:
        with pytest.raises(ValueError, match="`split` must leave rows for training"):
            parts(LeaveOneOut(valid, test), user)


def users_of(split, users) -> list:
    """Returns the numbers of users in training, validation and test. Each user has two rows."""
    part = np.array(parts(split, np.repeat(np.arange(users), 2))).reshape(users, 2)
    assert (part[:, 0] == part[:, 1]).all()
    return np.bincount(part[:, 0], minlength=3).tolist()


@pytest.mark.parametrize(
    "valid, test, users, expected",
    [
        (0.1, 0.1, 100, [80, 10, 10]),
        (0.1, 0.2, 10, [7, 1, 2]),  # As floats, 0.1 + 0.2 exceeds 0.3.
        (0.2, 0.1, 10, [7, 2, 1]),
        (0, 0, 10, [10, 0, 0]),
        (0.5, 0, 10, [5, 5, 0]),
        (0.1, 0.1, 3, [1, 1, 1]),
        (0, 0.1, 3, [2, 0, 1]),
    ],
)
def test_fractions_of_users(valid, test, users, expected):
    assert users_of(ByUser(valid, test, seed=3), users) == expected


def test_users_are_drawn_by_the_seed():
    user = np.arange(1000)
    assert parts(ByUser(seed=1), user) == parts(ByUser(seed=1), user)
    assert parts(ByUser(seed=1), user) != parts(ByUser(seed=2), user)
    # Users are drawn at random: each tenth of them has a tenth of the test.
    tenths = (np.array(parts(ByUser(), user)) == TEST).reshape(10, 100).sum(axis=1)
    assert tenths.min() > 0
    assert tenths.max() < 30


def test_by_time_is_exact_at_its_boundaries():
    time = [9 * SECOND, 10 * SECOND - 1, 10 * SECOND, 20 * SECOND - 1, 20 * SECOND, 30 * SECOND]
    user = [0] * 6
    assert parts(ByTime(10, 20, 30), user, time) == [0, 0, 1, 1, 2, -1]
    assert parts(ByTime(10, 20), user, time) == [0, 0, 1, 1, 2, 2]
    assert parts(ByTime(test_from=20), user, time) == [0, 0, 0, 0, 2, 2]
    assert parts(ByTime(valid_from=20), user, time) == [0, 0, 0, 0, 1, 1]
    assert parts(ByTime(10, end=20), user, time) == [0, 0, 1, 1, -1, -1]
    assert parts(ByTime(20, 20), user, time) == [0, 0, 0, 0, 2, 2]
    assert parts(ByTime(), user, time) == [0] * 6


@pytest.mark.parametrize(
    "moment",
    [
        "2020-09-13T12:26:40Z",
        "2020-09-13 14:26:40+02:00",
        datetime.datetime(2020, 9, 13, 12, 26, 40),
        datetime.datetime(2020, 9, 13, 12, 26, 40, tzinfo=datetime.timezone.utc),
        pd.Timestamp("2020-09-13 21:26:40", tz="Asia/Tokyo"),
        np.datetime64("2020-09-13T12:26:40"),
        1_600_000_000,
        1_600_000_000_000,
        1.6e9,
    ],
)
def test_moments(moment):
    time = np.array([-1, 0]) + 1_600_000_000 * SECOND
    assert parts(ByTime(test_from=moment), [0, 0], time) == [0, 2]


def test_dates_begin_at_midnight_and_a_year_is_not_a_number():
    midnight = 1_577_836_800 * SECOND
    for moment in ("2020-01-01", datetime.date(2020, 1, 1), "2020"):
        assert parts(ByTime(test_from=moment), [0, 0], [midnight - 1, midnight]) == [0, 2]


def test_the_unit_of_moments():
    assert parts(ByTime(10, 20, time_unit="ms"), [0] * 3, [9999, 10_000, 20_000]) == [0, 1, 2]


def test_last_fraction():
    assert parts(LastFraction(0.2, 0.1), [0] * 10) == [0] * 7 + [1] * 2 + [2]
    assert parts(LastFraction(0.1, 0.2), [0] * 10) == [0] * 7 + [1] + [2] * 2
    assert parts(LastFraction(0.3, 0), [0] * 10) == [0] * 7 + [1] * 3
    assert parts(LastFraction(0, 0.01), [0] * 10) == [0] * 9 + [2]
    assert parts(LastFraction(0, 0), [0] * 10) == [0] * 10
    # By time of all users. Rows of equal time are all in the later part.
    user, time = [0, 0, 0, 1, 1, 1, 1, 1, 1, 1], [5, 8, 9, 1, 2, 3, 4, 8, 8, 9]
    assert parts(LastFraction(0.2, 0.1), user, time) == [0, 1, 2, 0, 0, 0, 0, 1, 1, 2]


def test_function_as_a_split():
    def by_hand(user, position, count, time):
        assert user.tolist() == [0, 0, 0, 2]
        assert position.tolist() == [0, 1, 2, 0]
        assert count.tolist() == [3, 3, 3, 1]
        assert time.tolist() == [5, 6, 7, 8]
        return [0, 1.0, 2, -1]

    assert parts(by_hand, [0, 0, 0, 2], [5, 6, 7, 8]) == [0, 1, 2, -1]
    assert parts(lambda *_: pd.Series([0, 1], index=[9, 9]), [0, 0]) == [0, 1]


@pytest.mark.parametrize(
    "result, message",
    [
        ([0, 3], r"give 0, 1, 2 or -1 for each of 2 rows\. .* shape \(2,\), values \[0, 3\]\."),
        ([0], r"for each of 2 rows\. Received: shape \(1,\)"),
        ([[0], [0]], r"Received: shape \(2, 1\)"),
        (None, r"Received: shape \(\), values \[None\]"),
        ([0, np.nan], r"values \[0\.0, nan\]"),
        ([0, 0.5], r"values \[0\.0, 0\.5\]"),
        (["train", "test"], r"values \['train', 'test'\]"),
        (
            np.array([0, "test"], object),
            r"for each of 2 rows\. Received: shape \(2,\), values \[0,",
        ),
        ([1, 2], r"`split` must leave rows for training\. Received: none from <function"),
    ],
)
def test_wrong_results_of_a_function(result, message):
    with pytest.raises(ValueError, match=message):
        parts(lambda *_: result, [0, 0])


@pytest.mark.parametrize("split", [LeaveOneOut, "leave_one_out", None, 3])
def test_invalid_split_raises(split):
    message = (
        r"must be LeaveOneOut\(\), ByUser\(\), ByTime\(\), .* or a function\. Received: split="
    )
    with pytest.raises(ValueError, match=message):
        parts(split, [0, 0])


@pytest.mark.parametrize(
    "build, message",
    [
        (lambda: LeaveOneOut(valid=-1), "`valid` must be a non-negative integer.*valid=-1"),
        (lambda: LeaveOneOut(test=0.5), "`test` must be a non-negative integer.*test=0.5"),
        (lambda: ByUser(valid=-0.1), r"`valid` must be a number in \[0, 1\).*valid=-0\.1"),
        (lambda: ByUser(test=True), r"`test` must be a number in \[0, 1\)"),
        (lambda: ByUser(0.5, 0.5), r"`valid \+ test` must be a number in \[0, 1\).*=1\.0"),
        (lambda: ByUser(seed=-1), "`seed` must be a non-negative integer"),
        (lambda: LastFraction(test=1), r"`test` must be a number in \[0, 1\)"),
        (lambda: LastFraction(0.5, 0.5), r"`valid \+ test` must be a number in \[0, 1\)"),
        (
            lambda: ByTime("2020-01-02", "2020-01-01"),
            "`valid_from`, `test_from` and `end` must be in this order. "
            "Received: '2020-01-02', '2020-01-01', None",
        ),
        (lambda: ByTime(20, end=10), "must be in this order. Received: 20, None, 10"),
        (lambda: ByTime(test_from="soon"), "`test_from` must be a time.*test_from='soon'"),
        (lambda: ByTime(end=float("nan")), "`end` must be a time. Received: end=nan"),
        (lambda: ByTime(pd.NaT), "`valid_from` must be a time. Received: valid_from=NaT"),
        (
            lambda: ByTime(20220401),
            r"Received: valid_from=20220401, .* date: write 2022-04-01 \(in Python '2022-04-01'\)",
        ),
        (lambda: ByTime(test_from=2022040113), r"write 2022-04-01 13:00:00 .*'%Y%m%d%H'"),
        (lambda: ByTime([1]), r"`valid_from` must be a time\. Received: valid_from=\[1\]"),
        (lambda: ByTime(True), "'valid_from' must hold times"),
        (lambda: ByTime(1, time_unit="h"), "`time_unit` must be one of"),
    ],
)
def test_invalid_arguments_raise(build, message):
    with pytest.raises(ValueError, match=message):
        build()


@pytest.mark.parametrize(
    "values",
    [
        ["train", "valid", "test", "later", None],
        pd.Series(["train", "valid", "test", "later", np.nan], index=[1] * 5),
        pd.Series(["train", "valid", "test", None, None], dtype="category"),
        pd.Series(["train", "valid", "test", None, None], dtype="string"),
    ],
)
def test_parts_of_column(values):
    part = parts_of_column("part", values)
    assert part.dtype == np.int8
    assert part.tolist() == [TRAIN, VALID, TEST, LEFT_OUT, LEFT_OUT]


def test_each_distinct_value_is_converted_once():
    class Word(str):
        converted = 0

        def __str__(self):
            Word.converted += 1
            return super().__str__()

    words = pd.Series([Word("train"), Word("test")] * 50, dtype=object)
    assert parts_of_column("part", words).tolist() == [TRAIN, TEST] * 50
    assert Word.converted == 2


@pytest.mark.parametrize("values", [["x", None, "Tests"], [0, 1, 2], pd.Series(["x", np.nan, "y"])])
def test_column_without_parts_raises(values):
    with pytest.raises(ValueError, match=r"Column 'part' must hold 'train', 'valid' or 'test'"):
        parts_of_column("part", values)


def test_splits_of_equal_arguments_are_equal():
    assert LeaveOneOut() == LeaveOneOut(1, 1) != LeaveOneOut(2)
    assert repr(ByTime("2020")) == "ByTime(valid_from='2020', test_from=None, end=None, " + (
        "time_unit='auto', time_format=None)"
    )


def test_moments_with_a_format():
    expected = ByTime("2022-04-08 13:00", "2022-04-09")
    for moments in ((2022040813, 2022040900), ("2022040813", "2022-04-09")):
        split = ByTime(*moments, time_format="%Y%m%d%H")
        assert split._bounds() == expected._bounds()
    with pytest.raises(ValueError, match=r"`valid_from` must.*20220408, which.*'%Y%m%d'"):
        ByTime(20220408)
    message = "`end` must be a time. Received: end='soon', '%Y%m%d'. A time is a date, an ISO"
    with pytest.raises(ValueError, match=message):
        ByTime(end="soon", time_format="%Y%m%d")


@pytest.mark.parametrize(
    "split, empty",
    [
        (ByTime("2020-01-03", "2030"), ["test"]),
        (ByTime("2030", "2031"), ["valid", "test"]),
        (ByTime("2020-01-03", "2020-01-03"), ["valid"]),
        (ByTime("2020-01-03", end="2020-01-03"), ["valid"]),
        (ByTime(test_from="2030"), ["test"]),
        (LeaveOneOut(valid=1, test=4), ["train"]),
        (ByTime("2000"), ["train"]),
        (ByTime("2030"), ["valid"]),
        (ByTime(), []),
        (ByTime(test_from="2020-01-03"), []),
        (LeaveOneOut(valid=0), []),
        (lambda user, position, count, time: position * 0, []),
        ("column", []),
    ],
)
def test_empty_parts_raise(split, empty):
    user = np.zeros(4, np.int64)
    time = np.arange("2020-01-01", "2020-01-05", dtype="datetime64[D]").astype("M8[us]")
    time = time.astype(np.int64)
    if empty == ["train"]:
        message = r"rows for training.*the rows are from 2020-01-01T00:00:00.000000 to 2020-01-04"
        with pytest.raises(ValueError, match=message):
            assign_parts(split, user, time)
        return
    part = np.zeros(4, np.int8) if split == "column" else assign_parts(split, user, time)
    check_parts(split, part, time, allow_empty=True)
    if not empty:
        return check_parts(split, part, time)
    message = f"`--allow-empty-parts`). Received: none for {empty} from ByTime"
    with pytest.raises(ValueError, match=re.escape(message) + ".*rows are from 2020-01-01T"):
        check_parts(split, part, time)


def test_rows_of_equal_time_can_leave_a_part_empty():
    time = np.array([0, 1, 1, 1])
    split = LastFraction(0.25, 0.25)
    part = assign_parts(split, np.zeros(4, np.int64), time)
    with pytest.raises(ValueError, match=r"none for \['valid'\] from LastFraction"):
        check_parts(split, part, time)


@pytest.mark.parametrize("word", ["val", "Validation", "dev", "TEST", "training", " train"])
def test_synonyms_of_parts_raise(word):
    with pytest.raises(ValueError, match=f"in no part. Received: '{word}', which looks like"):
        parts_of_column("part", ["train", word, "other"])
