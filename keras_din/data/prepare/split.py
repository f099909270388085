"""The ways to split: by time, by user, the last fraction, or each user's last rows."""

import dataclasses
import datetime
import math

import numpy as np
import pandas as pd

from keras_din.checks import fraction, positive_integer
from keras_din.data.reading.calendar_numbers import calendar_formats, count_digits
from keras_din.data.reading.times import to_microseconds

__all__ = ["ByTime", "ByUser", "LastFraction", "LeaveOneOut"]

PARTS = ("train", "valid", "test")
TRAIN, VALID, TEST, LEFT_OUT = 0, 1, 2, -1


@dataclasses.dataclass(frozen=True)
class LeaveOneOut:
    """Uses each user's last rows as the test, and the rows before them as validation.

    The DIN paper uses `LeaveOneOut(valid=0)`.

    Args:
        valid: Rows per user for validation.
        test: Rows per user for the test.

    Example:

    ```python
    split = kd.data.LeaveOneOut(valid=0)  # The `split` of `prepare_interactions`, for example.
    ```
    """

    valid: int = 1
    test: int = 1

    def __post_init__(self):
        positive_integer("valid", self.valid, minimum=0)
        positive_integer("test", self.test, minimum=0)

    @property
    def parts(self) -> tuple:
        """The parts that must have rows."""
        return _parts(self.valid, self.test)

    def __call__(self, user, position, count, time):
        """The part of each row, int8 `(rows,)`; see `assign_parts`."""
        left = count - position
        return np.select(
            [left <= self.test, left <= self.test + self.valid], [TEST, VALID], TRAIN
        ).astype(np.int8)


@dataclasses.dataclass(frozen=True)
class ByUser:
    """Splits by whole users, drawn at random. A fraction above 0 is at least one user.

    Args:
        valid: Fraction of the users for validation.
        test: Fraction of the users for the test.
        seed: Seed of the draw.

    Example:

    ```python
    split = kd.data.ByUser(valid=0, test=0.2, seed=1)
    ```
    """

    valid: float = 0.1
    test: float = 0.1
    seed: int = 0

    def __post_init__(self):
        fraction("valid + test", fraction("valid", self.valid) + fraction("test", self.test))
        positive_integer("seed", self.seed, minimum=0)

    @property
    def parts(self) -> tuple:
        """The parts that must have rows."""
        return _parts(self.valid, self.test)

    def __call__(self, user, position, count, time):
        """The part of each row, int8 `(rows,)`; see `assign_parts`."""
        users = int(user.max(initial=-1)) + 1
        test, held_out = _held_out_counts(self.valid, self.test, users)
        place = np.random.default_rng(self.seed).permutation(users)
        part = np.select([place < test, place < held_out], [TEST, VALID], TRAIN)
        return part.astype(np.int8)[user]


@dataclasses.dataclass(frozen=True)
class ByTime:
    """Splits at moments: rows before them are the training, rows after them the test.

    Args:
        valid_from: First moment of validation: an ISO 8601 string, a `datetime` or a number.
            `None` means no validation.
        test_from: First moment of the test. `None` means no test.
        end: First moment that is left out, or `None`.
        time_unit: Unit of numbers, same as in `prepare_impressions`. For a log with an `order` it
            is `"order"`.
        time_format: Format of strings and of numbers such as 20220408, same as in
            `prepare_impressions`. ISO 8601 strings are always accepted.

    Raises:
        ValueError: If one of them is not a time, or they are not in this order.

    Example:

    ```python
    split = kd.data.ByTime(valid_from="2022-05-04", test_from="2022-05-05")
    ```
    """

    valid_from: object = None
    test_from: object = None
    end: object = None
    time_unit: str = "auto"
    time_format: str | None = None

    def __post_init__(self):
        bounds = self._bounds()
        if bounds != sorted(bounds):
            raise ValueError(
                "`valid_from`, `test_from` and `end` must be in this order. "
                f"Received: {self.valid_from!r}, {self.test_from!r}, {self.end!r}."
            )

    def _bounds(self) -> list:
        """The three moments in microseconds. `None` is the same moment as the next one."""
        bounds: list[int] = []
        later = int(np.iinfo(np.int64).max)
        for word in ("end", "test_from", "valid_from"):
            value = getattr(self, word)
            if value is not None:
                later = self._moment(word, value)
            bounds.insert(0, later)
        return bounds

    def _moment(self, word: str, value) -> int:
        """One of them in microseconds."""
        self._refuse_digits(word, value)
        if self.time_format is not None or not isinstance(value, str):
            moment = pd.Series([value])
            times, known, _ = to_microseconds(word, moment, self.time_unit, self.time_format)
        if isinstance(value, str) and (self.time_format is None or not known[0]):
            moment = pd.to_datetime(pd.Series([value]), errors="coerce", utc=True, format="ISO8601")
            times, known, _ = to_microseconds(word, moment)
        if not known[0]:
            with_format = "" if self.time_format is None else f", {self.time_format!r}"
            raise ValueError(
                f"`{word}` must be a time. Received: {word}={value!r}{with_format}. A time is a "
                "date, an ISO 8601 string, a number since 1970, or text in `time_format`."
            )
        return int(times[0])

    def _refuse_digits(self, word: str, value) -> None:
        """Raises a `ValueError` if a number looks like a date, such as 20220401."""
        if self.time_format is not None or self.time_unit != "auto":
            return
        if not isinstance(value, (int, np.integer)) or isinstance(value, bool):
            return
        if formats := calendar_formats(np.array([value], np.int64)):
            moment = datetime.datetime.strptime(
                str(value).zfill(count_digits(formats[0]) or 0), formats[0]
            )
            iso = moment.isoformat(" ").removesuffix(" 00:00:00")
            raise ValueError(
                f"`{word}` must be a time. Received: {word}={value}, which looks like a date: "
                f"write {iso} (in Python {iso!r}). If it counts since 1970, name the `time_unit` "
                "(`--time-unit`). If the log contains such numbers, name its `time_format` "
                f"(`--time-format`), {' or '.join(map(repr, formats))}."
            )

    @property
    def parts(self) -> tuple:
        """The parts that must have rows."""
        return _parts(self.valid_from is not None, self.test_from is not None)

    def __call__(self, user, position, count, time):
        """The part of each row, int8 `(rows,)`; see `assign_parts`."""
        valid, test, end = self._bounds()
        return np.select(
            [time < valid, time < test, time < end], [TRAIN, VALID, TEST], LEFT_OUT
        ).astype(np.int8)


@dataclasses.dataclass(frozen=True)
class LastFraction:
    """Uses the last rows of all users by time: a `ByTime` with unknown moments.

    Rows of equal time are in the same part, the later one. A fraction above 0 is at least one row.

    Args:
        valid: Fraction of the rows for validation.
        test: Fraction of the rows for the test, which are the last rows.

    Example:

    ```python
    split = kd.data.LastFraction(valid=0, test=0.2)
    ```
    """

    valid: float = 0.1
    test: float = 0.1

    def __post_init__(self):
        fraction("valid + test", fraction("valid", self.valid) + fraction("test", self.test))

    @property
    def parts(self) -> tuple:
        """The parts that must have rows."""
        return _parts(self.valid, self.test)

    def __call__(self, user, position, count, time):
        """The part of each row, int8 `(rows,)`; see `assign_parts`."""
        in_order = np.sort(time)
        test, held_out = _held_out_counts(self.valid, self.test, len(time))
        part = np.zeros(len(time), np.int8)
        if self.valid:
            part[time >= in_order[-held_out]] = VALID
        if self.test:
            part[time >= in_order[-test]] = TEST
        return part

    def by_time(self, times, counts, time_unit: str = "us") -> ByTime:
        """Returns the `ByTime` with the moments of this split, for a log that is in shards.

        Args:
            times: The distinct times of the rows, integers `(times,)`.
            counts: How many rows have each time, positive integers `(times,)`. With requests, count
                each request once, at its earliest time.
            time_unit: The unit of `times`, or `"order"`.

        Example:

        ```python
        split = kd.data.LastFraction(valid=0, test=0.25).by_time([10, 20, 30], [2, 1, 1])
        split.test_from  # 30
        ```
        """
        order = np.argsort(times)
        in_order, before = np.asarray(times)[order], np.cumsum(np.asarray(counts)[order])
        total = int(before[-1])
        test, held_out = _held_out_counts(self.valid, self.test, total)

        def moment(rows):  # The time of the row that has `rows - 1` rows after it.
            return int(in_order[np.searchsorted(before, total - rows, side="right")])

        return ByTime(
            valid_from=moment(held_out) if self.valid else None,
            test_from=moment(test) if self.test else None,
            time_unit=time_unit,
        )


def _parts(valid, test) -> tuple:
    return (TRAIN, *([VALID] if valid else []), *([TEST] if test else []))


def _held_out_counts(valid: float, test: float, total: int):
    """The number of rows or users in the test, and in both parts. Each part has at least one."""
    in_test, in_both = _count(test, total), _count(test + valid, total)
    return in_test, min(max(in_both, in_test + 1), total) if valid else in_both


def _count(share: float, total: int) -> int:
    """`share * total`, rounded up. As floats, 0.1 + 0.2 exceeds 0.3, but must be 3 of 10."""
    return math.ceil(share * total - 1e-6)


def positions(user: np.ndarray):
    """For rows sorted by user: the position within the user's rows, and their number.

    Returns:
        `(position, count)`, int64 `(rows,)` each.
    """
    counts = np.bincount(user)
    starts = np.cumsum(counts) - counts
    return np.arange(len(user)) - starts[user], counts[user]
