"""Which part a row belongs to: training, validation or test."""

import dataclasses
import datetime
import math

import numpy as np
import pandas as pd

from keras_din.checks import fraction, positive_integer
from keras_din.data.reading.calendar_numbers import calendar_formats, digits_of
from keras_din.data.reading.times import ORDER, span, to_microseconds

TRAIN, VALID, TEST, LEFT_OUT = 0, 1, 2, -1
_NAMES = ("train", "valid", "test")
_ALIKE = dict.fromkeys(["train", "training"], "train")
_ALIKE |= dict.fromkeys(["valid", "val", "validation", "validate", "dev", "eval"], "valid")
_ALIKE |= dict.fromkeys(["test", "testing"], "test")


@dataclasses.dataclass(frozen=True)
class LeaveOneOut:
    """Each user's last rows are the test, those before them validation.

    The DIN paper's protocol is `LeaveOneOut(valid=0)`.

    Args:
        valid: Rows of each user for validation.
        test: Rows of each user for the test.
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
        """The part of each row, int8 `(rows,)`; see `part_of`."""
        left = count - position
        return np.select(
            [left <= self.test, left <= self.test + self.valid], [TEST, VALID], TRAIN
        ).astype(np.int8)


@dataclasses.dataclass(frozen=True)
class ByUser:
    """Whole users, drawn at random; a fraction above 0 is one user at least.

    Args:
        valid: Fraction of the users for validation.
        test: Fraction of the users for the test.
        seed: Seed of the draw.
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
        """The part of each row, int8 `(rows,)`; see `part_of`."""
        users = int(user.max(initial=-1)) + 1
        test, held_out = _numbers(self.valid, self.test, users)
        place = np.random.default_rng(self.seed).permutation(users)
        part = np.select([place < test, place < held_out], [TEST, VALID], TRAIN)
        return part.astype(np.int8)[user]


@dataclasses.dataclass(frozen=True)
class ByTime:
    """Everyone's past is the training, everyone's future the test.

    Args:
        valid_from: First moment of validation: an ISO 8601 string, a `datetime` or a number. Or
            `None`: no validation.
        test_from: First moment of the test, or `None`: no test.
        end: First moment that is left out, or `None`.
        time_unit: Unit of numbers, as of a log; that of a log with an `order` is `"order"`.
        time_format: Format of strings and of numbers such as 20220408, as of a log. Strings may
            be ISO 8601 beside it.

    Raises:
        ValueError: When one of them is no time, or they are not in this order.
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
        """The three moments in microseconds; what is `None` begins where the next one does."""
        bounds, later = [], np.iinfo(np.int64).max
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
                "date, ISO 8601, a number since 1970, or of `time_format`."
            )
        return int(times[0])

    def _refuse_digits(self, word: str, value) -> None:
        """Raises a `ValueError` where a number is the digits of a date, such as 20220401."""
        if self.time_format is not None or self.time_unit != "auto":
            return
        if not isinstance(value, (int, np.integer)) or isinstance(value, bool):
            return
        if formats := calendar_formats(np.array([value], np.int64)):
            moment = datetime.datetime.strptime(str(value).zfill(digits_of(formats[0])), formats[0])
            iso = moment.isoformat(" ").removesuffix(" 00:00:00")
            raise ValueError(
                f"`{word}` must be a time. Received: {word}={value}, which looks like a date: "
                f"write {iso} (in Python {iso!r}). If it counts since 1970, name the `time_unit` "
                "(`--time-unit`); if the log writes such numbers, its `time_format` "
                f"(`--time-format`), {' or '.join(map(repr, formats))}."
            )

    @property
    def parts(self) -> tuple:
        """The parts that must have rows."""
        return _parts(self.valid_from is not None, self.test_from is not None)

    def __call__(self, user, position, count, time):
        """The part of each row, int8 `(rows,)`; see `part_of`."""
        valid, test, end = self._bounds()
        return np.select(
            [time < valid, time < test, time < end], [TRAIN, VALID, TEST], LEFT_OUT
        ).astype(np.int8)


def with_unit(split, unit: str):
    """A split whose moments are numbers of the log's order, where the log has one."""
    if unit == ORDER and isinstance(split, ByTime) and split.time_unit == "auto":
        return dataclasses.replace(split, time_unit=ORDER)
    return split


@dataclasses.dataclass(frozen=True)
class LastFraction:
    """The last rows of all users together, by time: `ByTime` where the moments are not known.

    Rows of one time are in one part, the later one. A fraction above 0 is one row at least.

    Args:
        valid: Fraction of the rows for validation.
        test: Fraction of the rows for the test, the last.
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
        """The part of each row, int8 `(rows,)`; see `part_of`."""
        in_order = np.sort(time)
        test, held_out = _numbers(self.valid, self.test, len(time))
        part = np.zeros(len(time), np.int8)
        if self.valid:
            part[time >= in_order[-held_out]] = VALID
        if self.test:
            part[time >= in_order[-test]] = TEST
        return part


def _parts(valid, test) -> tuple:
    return (TRAIN, *([VALID] if valid else []), *([TEST] if test else []))


def check_parts(
    split, part: np.ndarray, time: np.ndarray, allow_empty: bool = False, unit: str = "us"
) -> None:
    """Raises a `ValueError` where a part that the split names has no rows.

    Args:
        split: As `part_of` takes it. `split.parts` are the parts that must have rows; a function
            or the name of a column has none.
        part: Of each row `(rows,)`, as `part_of` gives it.
        time: Microseconds `(rows,)`.
        allow_empty: Whether a part of validation or test may be empty.
        unit: `"order"` where `time` are no times, for the error.
    """
    empty = [_NAMES[i] for i in getattr(split, "parts", ()) if not (part == i).any()]
    if empty and not allow_empty:
        raise ValueError(
            f"Each part that `split` names must have rows, unless `allow_empty_parts` (on the "
            "command line `--allow-empty-parts`). Received: "
            f"none for {empty} from {split!r}; {_times(time, unit)}."
        )


def _times(time: np.ndarray, unit: str) -> str:
    if not len(time):
        return "no rows at all"
    first, last = span(time, unit).values()
    return f"the rows are {'in the order' if unit == ORDER else 'from'} {first} to {last}"


def _numbers(valid: float, test: float, of: int):
    """How many are in the test, and how many in both; each part that is wanted has one."""
    in_test, in_both = _number(test, of), _number(test + valid, of)
    return in_test, min(max(in_both, in_test + 1), of) if valid else in_both


def _number(share: float, of: int) -> int:
    """A fraction of a number, rounded up; 0.1 + 0.2 is more than 0.3, but 3 in 10."""
    return math.ceil(share * of - 1e-6)


def positions(user: np.ndarray):
    """Of rows sorted by user: the position within the user's rows, and their number.

    Returns:
        `(position, count)`, int64 `(rows,)` each.
    """
    counts = np.bincount(user)
    starts = np.cumsum(counts) - counts
    return np.arange(len(user)) - starts[user], counts[user]


def part_of_column(name: str, values) -> np.ndarray:
    """The part of each row from a column of `"train"`, `"valid"`, `"test"`; others are left out.

    Raises:
        ValueError: When no row is in a part, or one is another word for a part.
    """
    code, distinct = pd.factorize(pd.Series(values), use_na_sentinel=False)
    distinct = np.array([str(value) for value in distinct], object)
    for value in distinct:
        meant = _ALIKE.get(value.strip().lower(), value)
        if meant != value:
            raise ValueError(
                f"Column {name!r} must hold 'train', 'valid' or 'test'; rows of another value are "
                f"in no part. Received: {value!r}, which looks like {meant!r}."
            )
    part = np.select(
        [distinct == word for word in ("train", "valid", "test")], [TRAIN, VALID, TEST], LEFT_OUT
    ).astype(np.int8)[code]
    if (part == LEFT_OUT).all():
        raise ValueError(
            f"Column {name!r} must hold 'train', 'valid' or 'test' in some rows. "
            f"Received: {sorted(set(distinct))[:8]}."
        )
    return part


def check_training(split, part: np.ndarray, learned: list) -> None:
    """Raises a `ValueError` where columns are to be learned and there are no rows for training."""
    if learned and not (part == TRAIN).any():
        raise ValueError(
            f"`split` must leave rows for training, from which the features {learned} are learned. "
            f"Received: none from {split!r}. Rows of validation and test alone need features that "
            "are known, such as those of `data.spec` of the training's data."
        )


def part_of(split, user: np.ndarray, time: np.ndarray, unit: str = "us") -> np.ndarray:
    """The part of each row: 0 training, 1 validation, 2 test, -1 left out.

    Args:
        split: `LeaveOneOut`, `ByUser`, `ByTime`, `LastFraction`, or any function of `(user,
            position, count, time)` that gives the part of each row: users' numbers, position
            among the user's rows in order of time, the number of the user's rows, and
            microseconds.
        user: Sorted numbers of users `(rows,)`.
        time: Microseconds `(rows,)`.
        unit: `"order"` where `time` are no times, for errors.

    Returns:
        int8 `(rows,)`.

    Raises:
        ValueError: When the split gives something else, or no training rows.
    """
    if not callable(split) or isinstance(split, type):
        raise ValueError(
            "`split` must be LeaveOneOut(), ByUser(), ByTime(), LastFraction() or a function. "
            f"Received: split={split!r}."
        )
    part = np.asarray(split(user, *positions(user), time))
    if part.shape != user.shape or not np.isin(part, (TRAIN, VALID, TEST, LEFT_OUT)).all():
        raise ValueError(
            f"`split` must give 0, 1, 2 or -1 for each of {len(user)} rows. "
            f"Received: shape {part.shape}, values {pd.Series(part.ravel()).unique()[:8].tolist()}."
        )
    if not (part == TRAIN).any():
        raise ValueError(
            f"`split` must leave rows for training. Received: none from {split!r}; "
            f"{_times(time, unit)}."
        )
    return part.astype(np.int8)
