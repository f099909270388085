"""`count_text`: "1 row", but "0 rows"; and no text prints a count without it."""

import pathlib
import re

import pytest

from keras_din.count_text import count_text

PACKAGE = pathlib.Path(__file__).parent.parent / "keras_din"
NOUNS = "behaviors clicks columns days events fields files items lines rows samples users values"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((0, "row"), "0 rows"),
        ((1, "row"), "1 row"),
        ((2000, "invalid line"), "2,000 invalid lines"),
        ((1, "history", "histories"), "1 history"),
        ((3, "history", "histories"), "3 histories"),
    ],
)
def test_a_count_has_its_noun(arguments, text):
    assert count_text(*arguments) == text


def test_no_count_has_a_fixed_plural():
    # `{n:,} rows` and `{len(x)} rows` would print "1 rows".
    noun = "|".join(NOUNS.split())
    fixed = re.compile(rf"\{{(?!_[A-Z])(?:[^{{}}]+:,|len\([^{{}}]+\))\}} (?:\w+ )?(?:{noun})\b")
    found = [
        f"{path.relative_to(PACKAGE)}:{number}: {line.strip()}"
        for folder in ("calibration", "cli", "data", "evaluation", "training")
        for path in sorted((PACKAGE / folder).rglob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if fixed.search(line)
    ]
    assert not found, "Use `count_text`."
