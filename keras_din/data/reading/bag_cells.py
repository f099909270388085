"""Cells with several raw values: lists, or text with a separator."""

import numpy as np
import pandas as pd

from keras_din.data.reading.columns import check_exact_ids
from keras_din.data.reading.file_lines import describe_row
from keras_din.features import Feature

SEPARATOR = "|"


def check_separators(bags, features: list, single: list) -> dict:
    """Finds the columns that may hold several values per cell.

    Args:
        bags: Column -> separator of its text, or names of columns whose separator is `|`.
        features: Names of columns, or features. The first is the item.
        single: Names of columns with one value per cell, such as users and times. The item has
            one value too.

    Returns:
        Name of each such column -> the separator of its text, or `None` if only lists are bags.

    Raises:
        ValueError: If `bags` names another column, a separator is not text, or the item is a
            `Bag`.
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
                "`bags` must name features that may have several values. These are the columns "
                f"{list(found)}. Received: {name!r}."
            )
        if not isinstance(separator, str) or not separator:
            raise ValueError(
                f"The separator of {name!r} in `bags` must be text. Received: {separator!r}."
            )
    return found


def has_several_values(feature) -> bool:
    """Whether this is a feature with several values per cell; `False` for a column name."""
    return isinstance(feature, Feature) and bool(feature.axes)


def bag_cells(values: pd.Series, separator: str | None):
    """Converts lists to tuples, which pandas can compare and count. Text stays text.

    Missing values and empty strings within a list are left out.

    Args:
        values: Lists, tuples or arrays of strings or integers. With a separator also text.
        separator: The separator of text if `bags` names the column, else `None`.

    Returns:
        `(cells, wrong)`: the column, and bool `(rows,)`, `True` where a cell is something else.

    Raises:
        ValueError: If `bags` does not name the column and a list holds whole numbers as floats,
            which may be ids or amounts.
    """
    cells, wrong = values.to_numpy(object, copy=True), np.zeros(len(values), bool)
    cache: dict[tuple, tuple] = {}  # Equal lists become one tuple.
    for row, cell in enumerate(cells):
        if separator is not None and isinstance(cell, str):
            continue
        if separator is not None and isinstance(cell, (int, np.integer)):
            cells[row] = str(cell)
        elif isinstance(cell, (list, tuple)) or (isinstance(cell, np.ndarray) and cell.ndim):
            floats = [value for value in cell if _is_whole_float(value)]
            if floats and separator is None:
                raise ValueError(
                    f"Lists of column {values.name!r} must hold strings or integers. Whole numbers "
                    "as floats count as ids only if `bags` (`--bags`) names the column. "
                    f"Received: {list(cell)} in {describe_row(values, row)}."
                )
            if floats:
                check_exact_ids(str(values.name), np.array(floats))
            bag = _to_tuple(cell, cache)
            wrong[row] = bag is None
            cells[row] = cell if bag is None else bag
        else:
            wrong[row] = not pd.isna(cell)
    return pd.Series(cells, values.index, dtype=object), wrong


def _is_whole_float(value) -> bool:
    return isinstance(value, (float, np.floating)) and float(value).is_integer()


def _to_tuple(cell, cache: dict):
    """The values of a list as a tuple, or `None` if one is neither a string nor an integer."""
    key = tuple(cell.tolist() if isinstance(cell, np.ndarray) else cell)
    try:
        return cache[key]
    except TypeError:  # The list contains a list or a dict.
        return None
    except KeyError:
        pass
    bag = []
    for value in key:
        if isinstance(value, float) and value.is_integer():  # An integer next to a missing value.
            value = int(value)
        if isinstance(value, (str, int, np.integer)):
            bag += [value] if value != "" else []
        elif not pd.isna(value):
            return None
    return cache.setdefault(key, tuple(bag))


def is_bag_column(values: pd.Series) -> bool:
    """Whether a column that `bag_cells` returned holds tuples."""
    known = values.notna().to_numpy()
    # By position, because the index may contain an item's row many times.
    if values.dtype != object or not known.any():
        return False
    return isinstance(values.iloc[int(known.argmax())], tuple)
