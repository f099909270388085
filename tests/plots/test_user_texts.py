"""Titles of users: their width, their fonts, and characters without a font."""

import matplotlib
import pytest

from keras_din.plots.user_texts import _characters, user_texts


def test_texts_are_cut_by_their_width():
    texts, style = user_texts(["a  b\n c", "x" * 40, "x" * 41, "", 5, "$1 and $2"])
    assert texts == ["a b c", "x" * 40, "x" * 39 + "…", "", "5", "$1 and $2"]
    assert style == {"parse_math": False, "fontfamily": matplotlib.rcParams["font.family"]}
    assert user_texts(["abc def"], 5)[0] == ["abc…"]


def test_characters_without_a_font_are_boxes_with_a_warning(monkeypatch):
    known = frozenset("candidate: □…")
    monkeypatch.setattr("keras_din.plots.user_texts._characters", lambda family: known)
    with pytest.warns(
        UserWarning, match="has 2 of the characters, such as '杯茶': .* Noto Sans CJK"
    ):
        texts, _ = user_texts(["茶" * 3 + "杯", "tea"[2:], "茶" * 21])
    assert texts == ["□□□□", "a", "□" * 19 + "…"]


def test_fonts_with_the_characters_are_added(monkeypatch):
    fonts = {"sans-serif": "ab ", "SimHei": "茶", "Noto Sans CJK SC": "b"}
    monkeypatch.setattr(
        "keras_din.plots.user_texts._characters", lambda family: frozenset(fonts.get(family, ""))
    )
    texts, style = user_texts(["a 茶"])
    assert texts == ["a 茶"]
    assert style["fontfamily"] == ["sans-serif", "SimHei"]


def test_characters_of_installed_fonts():
    assert {"a", "Ж", "…", "□"} <= _characters("sans-serif")
    assert not _characters("No Such Font")
