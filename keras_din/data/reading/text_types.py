"""Columns of text: whether they hold integers, numbers or text, decided on the whole column."""

import decimal
import re
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

# What `pandas.read_csv` takes for a missing value, and what Hive and MySQL write for one. They are
# missing beside numbers, dates and true or false; in text they are values but for `NO_VALUE`.
NULLS = ["", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN"]
NULLS += ["<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null", "\\N"]
NO_VALUE = ["", "\\N"]  # What is missing in text: an empty field, and what Hive and MySQL write.
# What stands for a missing value beside numbers, in small letters. In text they are values.
_TOKENS = {"", "-", "--", "---", "\N{EN DASH}", "\N{EM DASH}", "?", "??", ".", "..", "*", "_"}
_TOKENS |= {"n.a.", "n.a", "nil", "none", "null", "(null)", "[null]", "<null>", "nan", "na", "<na>"}
_TOKENS |= {"n/a", "#n/a", "nat", "missing", "unknown", "undefined", "void", "#div/0!", "#value!"}
_TOKENS |= {"#ref!", "#num!"}
TRUE, FALSE = ["true", "True", "TRUE"], ["false", "False", "FALSE"]
_MOST_OTHERS = 0.1  # Of the cells of a column of numbers: the share that may be other words.

INTEGER = r"^(?:0|-?[1-9][0-9]*)$"  # As integers are written: not 007, +7 or -0.
_DIGITS = r"^[+-]?[0-9]+$"
_NUMBER = r"^[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[iI][nN][fF](?:inity)?)$"
_WHOLE = r"^[+-]?[0-9]+\.0$"  # As pandas writes integers with gaps, which it holds as floats.
_MONEY = "(?:[$%\N{EURO SIGN}\N{POUND SIGN}\N{YEN SIGN}]|USD|EUR|GBP)?"
_GROUPS = r"[0-9]{1,3}(?:[., '][0-9]{3})+(?:[.,][0-9]+)?"
# As numbers are written too, but not read: 12,5, $13.64, 1,234.50.
_OTHER_FORM = rf"^[+-]?{_MONEY} ?[+-]?(?:[0-9]+(?:[.,][0-9]+)?|{_GROUPS}) ?{_MONEY}$"
_LEADING_ZERO = r"^[+-]?0[0-9]"


class TextType(NamedTuple):
    """What the text of a column is.

    `kind` is `"integers"`, `"numbers"`, `"text"`, `"booleans"` or `"nothing"`; `reason` says why,
    `example` is the value that decided; `missing` are the tokens beside numbers that stand for a
    missing value, and how often; `refused` is a token that may be a number, which only the user
    can tell; `whole` says whether all numbers are whole and written as pandas writes integers with
    gaps; `looks_like_numbers` says whether text may be numbers in a form that is not read.
    """

    kind: str
    reason: str
    example: str | None = None
    missing: dict | None = None
    refused: str | None = None
    whole: bool = False
    looks_like_numbers: bool = False


def type_of_text(column: pa.ChunkedArray, as_numbers: bool = False) -> TextType:
    """What the text of a column is.

    Args:
        column: The values of the column, without those that are missing.
        as_numbers: Whether the column is known to hold numbers: then it does not matter how they
            are written, and any word without a digit is a missing value.

    Returns:
        A `TextType`. Integers are whole numbers that 64 bits hold, each written as usual. Numbers
        are such that a float gives them back as they are written. Words beside numbers that are
        known to stand for nothing (`-`, `?`, `NA`), and a few others without a digit, are missing.
    """
    found = _type_of_text(column, as_numbers)
    if found.kind != "text":
        return found
    if as_numbers:
        place = pc.index(pc.match_substring_regex(column, "[0-9]"), True).as_py()
        if place < 0:
            return found
        return found._replace(example=column[place].as_py(), refused=column[place].as_py())
    if (example := _other_form(column)) is not None:
        reason = f"text, which looks like numbers written as {example}: they are read as 1234.5"
        return found._replace(reason=reason, example=example, looks_like_numbers=True)
    return found


def _other_form(column) -> str | None:
    """The first of numbers that are written as no number is read, or `None`."""
    some = column.slice(0, 1000)
    other = pc.match_substring_regex(pc.utf8_trim_whitespace(some), _OTHER_FORM)
    numbers = some.filter(other)
    if len(numbers) < (1 - _MOST_OTHERS) * len(some):
        return None
    return _first_that_is_no(_NUMBER, pc.utf8_trim_whitespace(numbers))


def _type_of_text(column: pa.ChunkedArray, as_numbers: bool) -> TextType:
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
        numbers, tokens = text.filter(is_number), counted(column.filter(pc.invert(is_number)))
    others = [token for token in tokens if not stands_for_nothing(token)]
    refused = next(filter(_has_digit, others), None)
    not_digits = _first_that_is_no(_DIGITS, numbers)
    if as_numbers:
        kind = "integers" if not_digits is None and _too_long(numbers) is None else "numbers"
        return TextType(kind, "numbers", numbers[0].as_py(), tokens, refused)
    if not_digits is None:
        if others:
            return TextType("text", "text among whole numbers", others[0])
        return _of_digits(numbers, tokens)
    share = sum(tokens[token] for token in others)
    share /= share + len(numbers)
    if share > _MOST_OTHERS:
        return TextType("text", f"text in {share:.0%} of the cells", others[0])
    if (strange := not_reproduced(numbers)) is not None:
        return TextType("text", "a number that a float does not give back as written", strange)
    whole = not tokens and _first_that_is_no(_WHOLE, numbers) is None
    whole = whole and pc.max(pc.utf8_length(numbers)).as_py() <= 20
    return TextType("numbers", "decimal numbers", not_digits, tokens, refused, whole)


def _of_digits(numbers, tokens: dict) -> TextType:
    """Of whole numbers and of tokens that are known."""
    if (example := _first_that_is_no(INTEGER, numbers)) is not None:
        return TextType("text", "whole numbers that are not written as usual", example)
    if (example := _too_long(numbers)) is not None:
        return TextType("text", "whole numbers that 64 bits do not hold", example)
    return TextType("integers", "whole numbers", numbers[0].as_py(), tokens)


def _first_that_is_no(pattern: str, text) -> str | None:
    """The first that a pattern does not match, or `None`."""
    place = pc.index(pc.match_substring_regex(text, pattern), False).as_py()
    return None if place < 0 else text[place].as_py()


def not_reproduced(numbers) -> str | None:
    """The first of decimal numbers, as text, that a float does not give back, or `None`.

    A float gives back as many digits as the text has, whatever the form: `3.50` and `1e3` are
    the floats 3.5 and 1000. `007` is none.
    """
    zeros = pc.index(pc.match_substring_regex(numbers, _LEADING_ZERO), True).as_py()
    if zeros >= 0:
        return numbers[zeros].as_py()
    # Of up to 15 digits each number is the only one that its float stands for.
    rest = numbers.filter(pc.greater(pc.utf8_length(numbers), 15))
    if len(rest):  # Most are as the float itself is written.
        rest = rest.filter(pc.not_equal(_floats(rest).cast(rest.type), rest))
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


def stands_for_nothing(token: str) -> bool:
    """Whether a word beside numbers is known to stand for a missing value."""
    return token.strip().lower() in _TOKENS


def is_missing_word(token: str) -> bool:
    """Whether a word in a column that is known to hold numbers stands for a missing value."""
    return stands_for_nothing(token) or not _has_digit(token)


def _has_digit(text: str) -> bool:
    return re.search("[0-9]", text) is not None


def _too_long(digits) -> str | None:
    """The first of whole numbers that 64 bits do not hold, or `None`."""
    rest = digits.filter(pc.greater(pc.utf8_length(digits), 18)).to_pylist()
    return next((text for text in rest if not -(2**63) <= int(text) < 2**63), None)


def _floats(numbers):
    return pc.replace_substring_regex(numbers, r"^\+", "").cast(pa.float64())


def counted(column: pa.ChunkedArray) -> dict:
    """The values of a column and how often each occurs."""
    pairs = column.value_counts()
    return dict(
        zip(pairs.field("values").to_pylist(), pairs.field("counts").to_pylist(), strict=True)
    )


def convert(column: pa.ChunkedArray, found: TextType) -> pa.ChunkedArray:
    """A column of text as what it was found to be; its tokens are missing.

    A column with a token that may be a number stays as it is.
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
        return _floats(text)
    return pc.replace_substring_regex(text, r"^\+|\.0$", "").cast(pa.int64())
