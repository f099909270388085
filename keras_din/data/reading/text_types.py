"""Detects whether columns of text hold integers, numbers or text, from all of their values."""

import decimal
import re
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

# The missing values of `pandas.read_csv`, and the null of Hive and MySQL. They are missing in
# columns of numbers, dates and booleans. In text only `NULLS_IN_TEXT` are missing.
NULLS = ["", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN"]
NULLS += ["<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null", "\\N"]
# The missing values of text: an empty field, and the null of Hive and MySQL.
NULLS_IN_TEXT = ["", "\\N"]
# Words for a missing value in a column of numbers, in lower case. In text they are values.
_TOKENS = {"", "-", "--", "---", "\N{EN DASH}", "\N{EM DASH}", "?", "??", ".", "..", "*", "_"}
_TOKENS |= {"n.a.", "n.a", "nil", "none", "null", "(null)", "[null]", "<null>", "nan", "na", "<na>"}
_TOKENS |= {"n/a", "#n/a", "nat", "missing", "unknown", "undefined", "void", "#div/0!", "#value!"}
_TOKENS |= {"#ref!", "#num!"}
TRUE, FALSE = ["true", "True", "TRUE"], ["false", "False", "FALSE"]
_MAX_OTHER_WORDS = 0.1  # The largest share of other words among the cells of a column of numbers.

INTEGER = r"^(?:0|-?[1-9][0-9]*)$"  # Standard notation: not 007, +7 or -0.
_DIGITS = r"^[+-]?[0-9]+$"
_NUMBER = r"^[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[iI][nN][fF](?:inity)?)$"
_WHOLE = r"^[+-]?[0-9]+\.0$"  # pandas writes integers with missing values this way, as floats.
_MONEY = "(?:[$%\N{EURO SIGN}\N{POUND SIGN}\N{YEN SIGN}]|USD|EUR|GBP)?"
_GROUPS = r"[0-9]{1,3}(?:[., '][0-9]{3})+(?:[.,][0-9]+)?"
# Notations of numbers that are not parsed: 12,5, $13.64, 1,234.50.
_OTHER_NOTATION = rf"^[+-]?{_MONEY} ?[+-]?(?:[0-9]+(?:[.,][0-9]+)?|{_GROUPS}) ?{_MONEY}$"
_LEADING_ZERO = r"^[+-]?0[0-9]"


class TextType(NamedTuple):
    """The detected type of a column of text.

    `kind` is `"integers"`, `"numbers"`, `"text"`, `"booleans"` or `"nothing"` (no value). `reason`
    explains it, and `example` is the decisive value. `missing` maps each token that stands for a
    missing number to how often it occurs. `refused` is a token that may be a number, so the user
    must decide. `whole` is whether all numbers are whole and written as pandas writes integers
    with missing values. `looks_like_numbers` is whether text may be numbers in another notation.
    """

    kind: str
    reason: str
    example: str | None = None
    missing: dict | None = None
    refused: str | None = None
    whole: bool = False
    looks_like_numbers: bool = False


def type_of_text(column: pa.ChunkedArray, as_numbers: bool = False, rows=None) -> TextType:
    """Detects the type of a column of text.

    Args:
        column: The values of the column, without missing ones.
        as_numbers: Whether the column is declared as numbers. Then their notation does not matter,
            and any word without a digit is a missing value.
        rows: If `column` has each value once, how often each occurs, an array of Arrow.

    Returns:
        A `TextType`. Integers are whole numbers of 64 bits, all in standard notation. Numbers are
        decimal numbers that a float reproduces as written. Among numbers, known words for a
        missing value (`-`, `?`, `NA`) and a few others without a digit are missing.
    """
    found = _type_of_text(column, as_numbers, rows)
    if found.kind != "text":
        return found
    if as_numbers:
        place = pc.index(pc.match_substring_regex(column, "[0-9]"), True).as_py()
        if place < 0:
            return found
        return found._replace(example=column[place].as_py(), refused=column[place].as_py())
    if (example := _first_other_notation(column)) is not None:
        reason = f"text, which looks like numbers written as {example}; write them as 1234.5"
        return found._replace(reason=reason, example=example, looks_like_numbers=True)
    return found


def _first_other_notation(column) -> str | None:
    """The first value in a notation of numbers that is not parsed, or `None`."""
    some = column.slice(0, 1000)
    other = pc.match_substring_regex(pc.utf8_trim_whitespace(some), _OTHER_NOTATION)
    numbers = some.filter(other)
    if len(numbers) < (1 - _MAX_OTHER_WORDS) * len(some):
        return None
    return _first_not_matching(_NUMBER, pc.utf8_trim_whitespace(numbers))


def _type_of_text(column: pa.ChunkedArray, as_numbers: bool, rows) -> TextType:
    if not len(column):
        return TextType("nothing", "no value")
    text = pc.utf8_trim_whitespace(column)
    if pc.all(pc.is_in(text, pa.array(TRUE + FALSE))).as_py():
        return TextType("booleans", "true or false", text[0].as_py())
    is_number = pc.match_substring_regex(text, _NUMBER)
    if not pc.any(is_number).as_py():
        return TextType("text", "text", column[0].as_py())
    numbers, tokens = text, {}
    if not pc.all(is_number).as_py():
        other = pc.invert(is_number)
        tokens = count_values(column.filter(other), None if rows is None else rows.filter(other))
        numbers = text.filter(is_number)
    others = [token for token in tokens if not is_missing_token(token)]
    refused = next(filter(_has_digit, others), None)
    not_digits = _first_not_matching(_DIGITS, numbers)
    if as_numbers:
        kind = (
            "integers" if not_digits is None and _first_beyond_int64(numbers) is None else "numbers"
        )
        return TextType(kind, "numbers", numbers[0].as_py(), tokens, refused)
    if not_digits is None:
        if others:
            return TextType("text", "text among whole numbers", others[0])
        return _type_of_whole_numbers(numbers, tokens)
    share = sum(tokens[token] for token in others)
    share /= share + (len(numbers) if rows is None else pc.sum(rows.filter(is_number)).as_py())
    if share > _MAX_OTHER_WORDS:
        return TextType("text", f"text in {share:.0%} of the cells", others[0])
    if (inexact := first_inexact_float(numbers)) is not None:
        return TextType("text", "a number that a float does not reproduce as written", inexact)
    whole = not tokens and _first_not_matching(_WHOLE, numbers) is None
    whole = whole and pc.max(pc.utf8_length(numbers)).as_py() <= 20
    return TextType("numbers", "decimal numbers", not_digits, tokens, refused, whole)


def _type_of_whole_numbers(numbers, tokens: dict) -> TextType:
    """The type of a column of whole numbers and of known words for a missing value."""
    if (example := _first_not_matching(INTEGER, numbers)) is not None:
        return TextType("text", "whole numbers in an unusual notation", example)
    if (example := _first_beyond_int64(numbers)) is not None:
        return TextType("text", "whole numbers of more than 64 bits", example)
    return TextType("integers", "whole numbers", numbers[0].as_py(), tokens)


def _first_not_matching(pattern: str, text) -> str | None:
    """The first value that a pattern does not match, or `None`."""
    place = pc.index(pc.match_substring_regex(text, pattern), False).as_py()
    return None if place < 0 else text[place].as_py()


def first_inexact_float(numbers) -> str | None:
    """The first decimal number, as text, that a float does not reproduce, or `None`.

    A float must reproduce all digits of the text, in any notation: `3.50` and `1e3` are the floats
    3.5 and 1000. A float does not reproduce `007`.
    """
    zeros = pc.index(pc.match_substring_regex(numbers, _LEADING_ZERO), True).as_py()
    if zeros >= 0:
        return numbers[zeros].as_py()
    # Two different numbers of up to 15 digits never have the same float.
    rest = numbers.filter(pc.greater(pc.utf8_length(numbers), 15))
    if len(rest):  # Most are equal to the text of their float.
        rest = rest.filter(pc.not_equal(_to_floats(rest).cast(rest.type), rest))
    if len(rest):
        mantissa = pc.replace_substring_regex(rest, r"[eE].*$|[^0-9]", "")
        rest = rest.filter(pc.greater(pc.utf8_length(pc.utf8_ltrim(mantissa, "0")), 15))
    for text in rest.to_pylist():
        number, exact = float(text), decimal.Decimal(text)
        if exact != decimal.Decimal(repr(number)):
            of_float = decimal.Context(prec=len(exact.as_tuple().digits))
            if exact != of_float.create_decimal(decimal.Decimal(number)):
                return text
    return None


def is_missing_token(token: str) -> bool:
    """Whether a word in a column of numbers is a known token for a missing value."""
    return token.strip().lower() in _TOKENS


def is_missing_among_numbers(token: str) -> bool:
    """Whether a word in a column that is declared as numbers stands for a missing value."""
    return is_missing_token(token) or not _has_digit(token)


def _has_digit(text: str) -> bool:
    return re.search("[0-9]", text) is not None


def _first_beyond_int64(digits) -> str | None:
    """The first whole number that does not fit into 64 bits, or `None`."""
    rest = digits.filter(pc.greater(pc.utf8_length(digits), 18)).to_pylist()
    return next((text for text in rest if not -(2**63) <= int(text) < 2**63), None)


def _to_floats(numbers):
    return pc.replace_substring_regex(numbers, r"^\+", "").cast(pa.float64())


def count_values(column: pa.ChunkedArray, rows=None) -> dict:
    """Value -> how often it occurs in a column.

    `rows` is how often each value occurs, an array of Arrow, if `column` has each value once.
    """
    if rows is not None:
        return dict(zip(column.to_pylist(), rows.to_pylist(), strict=True))
    pairs = column.value_counts()
    return dict(
        zip(pairs.field("values").to_pylist(), pairs.field("counts").to_pylist(), strict=True)
    )


def convert(column: pa.ChunkedArray, found: TextType) -> pa.ChunkedArray:
    """Converts a column of text to its detected type, with its tokens as missing values.

    A column with a token that may be a number stays unchanged.
    """
    if found.kind == "nothing":
        return pa.chunked_array([pa.nulls(len(column))])
    if found.refused is not None:
        return column
    if found.missing:
        nothing = pc.is_in(column, pa.array(list(found.missing), column.type))
        column = pc.if_else(nothing, pa.scalar(None, column.type), column)
    if found.kind == "text":
        return column
    text = pc.utf8_trim_whitespace(column)
    if found.kind == "booleans":
        yes = pc.is_in(text, pa.array(TRUE))
        return pc.if_else(pc.is_valid(column), yes, pa.scalar(None, pa.bool_()))
    if found.kind == "numbers":
        return _to_floats(text)
    return pc.replace_substring_regex(text, r"^\+|\.0$", "").cast(pa.int64())
