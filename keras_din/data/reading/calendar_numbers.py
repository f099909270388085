"""Moments that are written as one number, such as 20220408: no number of seconds."""

import re

import numpy as np

# By the number of digits; of each format whether all values must fit it to be taken for one.
_FORMATS = {
    4: {"%Y": True},
    6: {"%Y%m": True, "%y%m%d": True},
    7: {"%Y%j": False},
    8: {"%Y%m%d": False, "%y%m%d%H": False, "%d%m%Y": False, "%m%d%Y": False},
    10: {"%Y%m%d%H": False, "%y%m%d%H%M": True},
    12: {"%Y%m%d%H%M": False, "%y%m%d%H%M%S": False},
    14: {"%Y%m%d%H%M%S": False},
    17: {"%Y%m%d%H%M%S%f": False},
}
_WIDTH = {"Y": 4, "y": 2, "m": 2, "d": 2, "H": 2, "M": 2, "S": 2, "j": 3, "f": 3}
_RANGE = {"Y": (1900, 2100), "y": (0, 99), "m": (1, 12), "j": (1, 366), "f": (0, 999)}
_RANGE |= {"d": (1, 31), "H": (0, 23), "M": (0, 59), "S": (0, 59)}
_DAYS = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])


def calendar_formats(numbers: np.ndarray) -> list:
    """The formats of `datetime.strptime` by which numbers look like calendar moments.

    More than half of the numbers must be such moments by a format, between 1900 and 2100. All of
    them must be where moments are dense among numbers: years, months, six digits, and ten digits
    that begin with a year of two digits, which seconds since 1970 often are. The latter must also
    lie 100 apart, for of seconds so far apart some are none. Zeros and negative numbers do not
    count.

    Args:
        numbers: int64 `(rows,)`.

    Returns:
        A list of formats, empty where they look like something else.
    """
    numbers = numbers[numbers > 0]
    if not len(numbers):
        return []
    found = []
    # A first digit 0 of a year, a day or a month of two digits is lost in a number.
    some = numbers[:: max(1, len(numbers) // 10_000)]
    digits = len(str(int(np.median(some))))
    for width in dict.fromkeys([digits, digits + 1 if digits in (7, 9, 11) else digits]):
        for text, all_of_them in _FORMATS.get(width, {}).items():
            if width > digits and text.startswith("%Y"):
                continue
            fits = _fits(some, text)
            enough = len(fits) - 1 if all_of_them else len(fits) / 2
            if fits.sum() > enough and (not all_of_them or _fits(numbers, text).all()):
                found.append(text)
    if found == ["%y%m%d%H%M"] and digits == 10 and np.ptp(numbers) < 100:
        return []
    return found


def digits_of(text: str) -> int | None:
    """How many digits a moment has by a format, or `None` where it is not of a fixed number."""
    if not re.fullmatch("(%[YymdHMSj])+", text):
        return None
    return sum(_WIDTH[letter] for letter in text.replace("%", ""))


def _fits(numbers: np.ndarray, text: str) -> np.ndarray:
    rest, fields = numbers, {}
    letters = text.replace("%", "")
    for letter in reversed(letters):
        rest, fields[letter] = np.divmod(rest, 10 ** _WIDTH[letter])
    good = rest == 0
    for letter, values in fields.items():
        low, high = _RANGE[letter]
        good &= (values >= low) & (values <= high)
    if "d" in fields:
        year = fields["Y"] if "Y" in fields else 2000 + fields["y"]
        leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
        month = np.clip(fields["m"], 0, 12)
        good &= fields["d"] <= _DAYS[month] + (leap & (month == 2))
    return good
