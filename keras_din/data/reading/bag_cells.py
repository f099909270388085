"""Cells with several raw values: lists, or text that a separator splits."""

import numpy as np
import pandas as pd

from keras_din.data.reading.columns import check_exact_ids
from keras_din.features import Feature

SEPARATOR = "|"


def checked_separators(bags, features: list, single: list) -> dict:
    """Which columns may hold several values a cell.

    Args:
        bags: Column -> separator of its text, or names of columns whose text `|` separates.
        features: Names of columns, or features; the first is the item.
        single: Names of columns that hold one value, such as users and times. The item does too.

    Returns:
        Name of each such column -> the separator of its text, or `None`: only lists are bags.

    Raises:
        ValueError: When `bags` names another column, a separator is no text, or the item a `Bag`.
    """
    if has_several_values(features[0]):
        raise ValueError(
            "The first of `target` must be the item, which has one value. "
            f"Received: {features[0]!r}."
        )
    bags = [bags] if isinstance(bags, str) else bags
    bags = dict(bags) if isinstance(bags, dict) else dict.fromkeys(bags, SEPARATOR)
    found = {}
    for feature in features[1:]:
        if has_several_values(feature):
            found[feature.name] = bags.get(feature.name, SEPARATOR)
        elif isinstance(feature, str) and feature not in (features[0], *single):
            found.setdefault(feature, bags.get(feature))
    for name, separator in bags.items():
        if name not in found:
            raise ValueError(
                "`bags` must name features that may have several values, of columns "
                f"{list(found)}. Received: {name!r}."
            )
        if not isinstance(separator, str) or not separator:
            raise ValueError(
                f"The separator of {name!r} in `bags` must be text. Received: {separator!r}."
            )
    return found


def has_several_values(feature) -> bool:
    """Whether a feature has several values per cell; the name of a column tells nothing."""
    return isinstance(feature, Feature) and bool(feature.axes)


def bag_cells(values: pd.Series, separator: str | None):
    """Lists as tuples, which pandas can compare and count; text stays text.

    Missing values and empty strings within a list are left out.

    Args:
        values: Lists, tuples or arrays of strings or integers, and, with a separator, text.
        separator: The separator of text in a column that was named as one of bags, or `None`.

    Returns:
        `(cells, wrong)`: the column, and bool `(rows,)`, `True` where a cell is something else.

    Raises:
        ValueError: When a list holds whole numbers as floats, which may be ids or amounts, and
            the column was not named.
    """
    cells, wrong = values.to_numpy(object, copy=True), np.zeros(len(values), bool)
    known = {}  # Equal lists become one tuple.
    for row, cell in enumerate(cells):
        if separator is not None and isinstance(cell, str):
            continue
        if separator is not None and isinstance(cell, (int, np.integer)):
            cells[row] = str(cell)
        elif isinstance(cell, (list, tuple)) or (isinstance(cell, np.ndarray) and cell.ndim):
            floats = [value for value in cell if _is_whole_float(value)]
            if floats and separator is None:
                raise ValueError(
                    f"Lists of column {values.name!r} must hold strings or integers; whole numbers "
                    "as floats count as ids where the column is named in `bags` (`--bags`). "
                    f"Received: {list(cell)} in line {values.index[row]}."
                )
            if floats:
                check_exact_ids(values.name, np.array(floats))
            bag = _bag(cell, known)
            wrong[row] = bag is None
            cells[row] = cell if bag is None else bag
        else:
            wrong[row] = not pd.isna(cell)
    return pd.Series(cells, values.index, dtype=object), wrong


def _is_whole_float(value) -> bool:
    return isinstance(value, (float, np.floating)) and float(value).is_integer()


def _bag(cell, known: dict):
    """The values of a list as a tuple, or `None` where one is no string or integer."""
    key = tuple(cell.tolist() if isinstance(cell, np.ndarray) else cell)
    try:
        return known[key]
    except TypeError:  # A list or a dict in it.
        return None
    except KeyError:
        pass
    bag = []
    for value in key:
        if isinstance(value, float) and value.is_integer():  # Integers beside missing ones.
            value = int(value)
        if isinstance(value, (str, int, np.integer)):
            bag += [value] if value != "" else []
        elif not pd.isna(value):
            return None
    return known.setdefault(key, tuple(bag))


def holds_bags(values: pd.Series) -> bool:
    """Whether a column that `bag_cells` gave holds lists."""
    there = values.notna().to_numpy()
    # By position: an item's row may stand in the index many times.
    return values.dtype == object and there.any() and isinstance(values.iloc[there.argmax()], tuple)
