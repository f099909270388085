"""Dates that are written as one number, such as 20220408."""

import re

import numpy as np

# Number of digits -> format -> whether all values (not only most) must match it.
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
    """Finds the formats of `datetime.strptime` by which numbers look like dates.

    More than half of the numbers must be dates between 1900 and 2100 in such a format. All of them
    must match a format that many ordinary numbers match: years, months, six digits, and ten digits
    that begin with a two-digit year. Seconds since 1970 often match the latter, so the numbers must
    also span at least 100: among seconds that far apart, some do not match. Zeros and negative
    numbers are ignored.

    Args:
        numbers: int64 `(rows,)`.

    Returns:
        A list of formats, empty if the numbers look like something else.
    """
    numbers = numbers[numbers > 0]
    if not len(numbers):
        return []
    found = []
    # A number does not keep the leading 0 of a two-digit year, month or day.
    sample = numbers[:: max(1, len(numbers) // 10_000)]
    digits = len(str(int(np.median(sample))))
    for width in dict.fromkeys([digits, digits + 1 if digits in (7, 9, 11) else digits]):
        for text, must_all_match in _FORMATS.get(width, {}).items():
            if width > digits and text.startswith("%Y"):
                continue
            fits = _matches_format(sample, text)
            enough = len(fits) - 1 if must_all_match else len(fits) / 2
            if fits.sum() > enough and (not must_all_match or _matches_format(numbers, text).all()):
                found.append(text)
    if found == ["%y%m%d%H%M"] and digits == 10 and np.ptp(numbers) < 100:
        return []
    return found


def count_digits(text: str) -> int | None:
    """How many digits a date has in a format, or `None` if the number of digits varies."""
    if not re.fullmatch("(%[YymdHMSj])+", text):
        return None
    return sum(_WIDTH[letter] for letter in text.replace("%", ""))


def _matches_format(numbers: np.ndarray, text: str) -> np.ndarray:
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
