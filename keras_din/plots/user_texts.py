"""`user_texts`: titles and values of users as texts that a plot can draw."""

import functools
import unicodedata
import warnings
from collections.abc import Iterable

__all__ = ["user_texts"]

# Fonts with characters that the default font of Matplotlib does not have.
_FONTS = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans SC",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Microsoft YaHei",
    "SimHei",
    "PingFang SC",
    "Hiragino Sans GB",
    "Arial Unicode MS",
    "Yu Gothic",
    "Malgun Gothic",
    "Noto Sans",
    "Noto Emoji",
)
_MISSING = "\u25a1"


def user_texts(texts: Iterable, most: int = 40) -> tuple[list[str], dict]:
    """Returns texts on one line each, cut to a width, and the arguments to draw them with.

    A `$` starts no formula. Installed fonts are added that have the characters which the default
    font lacks, such as Chinese ones. Characters that no font has are drawn as boxes, with one
    warning.

    Args:
        texts: The texts.
        most: The width in characters. A Chinese character counts twice.

    Returns:
        `(texts, arguments of a Matplotlib text)`.
    """
    from matplotlib import rcParams

    lines = [_cut(" ".join(str(text).split()), most) for text in texts]
    families, missing = list(rcParams["font.family"]), set("".join(lines))
    for family in (*rcParams["font.family"], *_FONTS):
        if not missing:
            break
        found = missing & _characters(family)
        if found and family not in families:
            families.append(family)
        missing -= found
    if missing:
        few = "".join(sorted(missing)[:5])
        warnings.warn(
            f"No font that Matplotlib finds has {len(missing)} of the characters, such as {few!r}: "
            "they are drawn as boxes. Install a font such as Noto Sans CJK, or set "
            '`matplotlib.rcParams["font.family"]`.',
            stacklevel=3,
        )
        boxes = str.maketrans(dict.fromkeys(missing, _MISSING))
        lines = [line.translate(boxes) for line in lines]
    return lines, {"parse_math": False, "fontfamily": families}


def _cut(text: str, most: int) -> str:
    width, cut = 0, 0  # `cut` is the place of the last character before an ellipsis.
    for place, character in enumerate(text):
        width += 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if width < most:
            cut = place + 1
        if width > most:
            return f"{text[:cut].rstrip()}\u2026"
    return text


@functools.cache
def _characters(family: str) -> frozenset:
    """Returns the characters of an installed font, none of a font that is not installed."""
    from matplotlib import font_manager

    try:
        font = font_manager.FontProperties(family=[family])
        path = font_manager.findfont(font, fallback_to_default=False)
    except ValueError:
        return frozenset()
    return frozenset(map(chr, font_manager.get_font(path).get_charmap()))
