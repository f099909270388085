"""Columns of text: whether they hold integers, numbers or text, decided on the whole column."""

import decimal
import re
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# What `pandas.read_csv` takes for a missing value, and what Hive and MySQL write for one.
NULLS = ["", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN"]
NULLS += ["<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null", "\\N"]
# What stands for a missing value beside numbers, in small letters. In text they are values.
_TOKENS = {"", "-", "--", "---", "\N{EN DASH}", "\N{EM DASH}", "?", "??", ".", "..", "*", "_"}
_TOKENS |= {"n.a.", "n.a", "nil", "none", "null", "(null)", "[null]", "<null>", "nan", "na", "<na>"}
_TOKENS |= {"n/a", "#n/a", "nat", "missing", "unknown", "undefined", "void", "#div/0!", "#value!"}
_TOKENS |= {"#ref!", "#num!"}
_TRUE, _FALSE = ["true", "True", "TRUE"], ["false", "False", "FALSE"]
_MOST_OTHERS = 0.1  # Of the cells of a column of numbers: the share that may be other words.

_INTEGER = r"^(?:0|-?[1-9][0-9]*)$"  # As integers are written: not 007, +7 or -0.
_DIGITS = r"^[+-]?[0-9]+$"
_NUMBER = r"^[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[iI][nN][fF](?:inity)?)$"
_WHOLE = r"^[+-]?[0-9]+\.0$"  # As pandas writes integers with gaps, which it holds as floats.
_LEADING_ZERO = r"^[+-]?0[0-9]"


class TextType(NamedTuple):
    """What the text of a column is.

    `kind` is `"integers"`, `"numbers"`, `"text"`, `"booleans"` or `"nothing"`; `reason` says why,
    `example` is the value that decided; `missing` are the tokens beside numbers that stand for a
    missing value; `refused` is a token that may be a number, which nobody but the user can tell;
    `whole` says whether all numbers are whole and written as pandas writes integers with gaps.
    """

    kind: str
    reason: str
    example: str | None = None
    missing: tuple = ()
    refused: str | None = None
    whole: bool = False


def type_of_text(values: pa.Array, counts: np.ndarray, as_numbers: bool = False) -> TextType:
    """What the text of a column is.

    Args:
        values: The values of the column that differ, without those that are missing.
        counts: How often each occurs.
        as_numbers: Whether the column is known to hold numbers: then no digit counts but those
            of the number, and any word without a digit is a missing value.

    Returns:
        A `TextType`. Integers are whole numbers that 64 bits hold, each written as usual. Numbers
        are such that a float gives them back as they are written. Words beside numbers that are
        known to stand for nothing (`-`, `?`, `NA`), and a few others without a digit, are missing.
    """
    if not len(values):
        return TextType("nothing", "no value")
    text = pc.utf8_trim_whitespace(values)
    if pc.all(pc.is_in(text, pa.array(_TRUE + _FALSE))).as_py():
        return TextType("booleans", "true or false", text[0].as_py())
    is_number = np.asarray(pc.match_substring_regex(text, _NUMBER), bool)
    tokens = values.filter(pa.array(~is_number)).to_pylist() if not is_number.all() else []
    if not is_number.any():
        return TextType("text", "text", values[0].as_py())
    numbers = text.filter(pa.array(is_number))
    digits = np.asarray(pc.match_substring_regex(numbers, _DIGITS), bool)
    others = [token for token in tokens if not stands_for_nothing(token)]
    if as_numbers:
        refused = next(filter(_has_digit, others), None)
        kind = "integers" if digits.all() and _fit(numbers) else "numbers"
        return TextType(kind, "numbers", numbers[0].as_py(), tuple(tokens), refused)
    if digits.all():
        if others:
            return TextType("text", "text among whole numbers", others[0])
        return _of_digits(values, numbers, tokens)
    return _of_numbers(values, counts, is_number, numbers, tokens, others)


def _of_digits(values, numbers, tokens) -> TextType:
    """Of whole numbers and of tokens that are known."""
    usual = np.asarray(pc.match_substring_regex(numbers, _INTEGER), bool)
    if not usual.all():
        example = numbers[int(usual.argmin())].as_py()
        return TextType("text", "whole numbers that are not written as usual", example)
    if not _fit(numbers):
        longest = max(numbers.to_pylist(), key=len)
        return TextType("text", "whole numbers that 64 bits do not hold", longest)
    return TextType("integers", "whole numbers", numbers[0].as_py(), tuple(tokens))


def _of_numbers(values, counts, is_number, numbers, tokens, others) -> TextType:
    """Of numbers, some with a decimal point, and of any tokens."""
    if others:
        count = dict(zip(values.to_pylist(), counts.tolist(), strict=True))
        share = sum(count[token] for token in others)
        share /= share + counts[is_number].sum()
        if share > _MOST_OTHERS:
            return TextType("text", f"text in {share:.0%} of the cells", others[0])
    if (strange := not_reproduced(numbers)) is not None:
        return TextType("text", "a number that a float does not give back as written", strange)
    points = np.asarray(pc.match_substring_regex(numbers, _DIGITS), bool)
    example = numbers[int(points.argmin())].as_py()
    whole = not tokens and pc.all(pc.match_substring_regex(numbers, _WHOLE)).as_py()
    whole = whole and pc.max(pc.utf8_length(numbers)).as_py() <= 20
    refused = next(filter(_has_digit, others), None)
    return TextType("numbers", "decimal numbers", example, tuple(tokens), refused, whole)


def not_reproduced(numbers: pa.Array) -> str | None:
    """The first of decimal numbers, as text, that a float does not give back, or `None`.

    A float gives back as many digits as the text has, whatever the form: `3.50` and `1e3` are
    the floats 3.5 and 1000. `007` is none.
    """
    zeros = np.asarray(pc.match_substring_regex(numbers, _LEADING_ZERO), bool)
    if zeros.any():
        return numbers[int(zeros.argmax())].as_py()
    # Of up to 15 digits each number is the only one that its float stands for.
    mantissa = pc.replace_substring_regex(numbers, r"[eE].*$|[^0-9]", "")
    long = np.asarray(pc.greater(pc.utf8_length(pc.utf8_ltrim(mantissa, "0")), 15), bool)
    for text in numbers.filter(pa.array(long)).to_pylist():
        number, exact = float(text), decimal.Decimal(text)
        if exact != decimal.Decimal(repr(number)):
            of_float = decimal.Context(prec=len(exact.as_tuple().digits))
            if exact != of_float.create_decimal(decimal.Decimal(number)):
                return text
    return None


def stands_for_nothing(token: str) -> bool:
    """Whether a word beside numbers is known to stand for a missing value."""
    return token.strip().lower() in _TOKENS


def _has_digit(text: str) -> bool:
    return re.search("[0-9]", text) is not None


def _fit(digits: pa.Array) -> bool:
    """Whether 64 bits hold whole numbers."""
    long = np.asarray(pc.greater(pc.utf8_length(digits), 18), bool)
    rest = map(int, digits.filter(pa.array(long)).to_pylist())
    return all(-(2**63) <= number < 2**63 for number in rest)


def counted(column: pa.ChunkedArray):
    """`(values, counts)` of a column: the values that differ, and how often each occurs."""
    pairs = column.value_counts()
    return pairs.field("values"), pairs.field("counts").to_numpy(zero_copy_only=False)


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
        yes = pc.is_in(text, pa.array(_TRUE))
        return pc.if_else(pc.is_valid(column), yes, pa.scalar(None, pa.bool_()))
    plain = pc.replace_substring_regex(text, r"^\+", "")
    if found.kind == "numbers":
        return plain.cast(pa.float64())
    return pc.replace_substring_regex(plain, r"\.0$", "").cast(pa.int64())
