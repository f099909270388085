"""The catalog: all items of a log and of the table of items, with their features."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from keras_din.data.prepare.joins import (
    align_key_types,
    column_names,
    index_of,
    read_keyed,
    take_or_missing,
)
from keras_din.data.prepare.log_columns import LogColumns, read_features
from keras_din.data.reading.columns import to_plain_index
from keras_din.data.reading.file_lines import describe_row
from keras_din.data.reading.labels import format_value


class Catalog(NamedTuple):
    """All items, with their features.

    Attributes:
        items: The distinct items.
        code: Index in `items` of each behavior's item, `(behaviors,)`.
        features: Name of each feature of the target -> raw values `(items,)`.
        report: Counts for the table of items, if there is one.
        is_listed: Which items are in the table, bool `(items,)`.
        of_table: Names of the features that were read from the table.
    """

    items: pd.Index
    code: np.ndarray
    features: dict
    report: dict
    is_listed: np.ndarray
    of_table: list


def item_columns_in_log(columns: LogColumns, items) -> list:
    """Returns the names of item features that are read from the log, because `items` lacks them."""
    in_table = [] if items is None else column_names(items)
    names = read_features(columns.target[1:])
    return [name for name in names if name not in in_table]


def columns_of_behaviors(columns: LogColumns, items) -> list:
    """Returns the names of the columns of features that are read from a log of behaviors."""
    of_rows = read_features([*columns.context, *columns.side_features])
    return [columns.item, *item_columns_in_log(columns, items), *of_rows]


def make_catalog(
    rows, time, columns: LogColumns, items, max_bad: float, *, may_differ: bool = False
) -> Catalog:
    """Builds the catalog from a log and the table of items.

    A feature of an item is read from the table, or else from the first behavior with the item.

    Args:
        rows: The behaviors.
        time: Microseconds `(rows,)`.
        columns: The columns of the log.
        items: A table with one row per item, or `None`.
        max_bad: The largest share of rows of the table that may be kept aside.
        may_differ: Whether the table may lack all items of the log.

    Returns:
        A `Catalog`.
    """
    item, from_log = columns.item, item_columns_in_log(columns, items)
    from_table = [n for n in read_features(columns.target[1:]) if n not in from_log]
    code, catalog = pd.factorize(rows[item])
    catalog = to_plain_index(catalog)
    features: dict = {}
    report: dict = {}
    row = np.full(len(catalog), -1)
    if items is not None:
        table, aside = read_keyed(
            items,
            item,
            from_table,
            "items",
            bags=columns.separators,
            max_bad=max_bad,
            **columns.reading,
        )
        if not may_differ:
            index_of(table.index, rows[item], "items")
        catalog, keys = align_key_types(catalog, table.index)
        catalog = catalog.union(keys, sort=False)
        row = keys.get_indexer(catalog)
        missed = int((row[code] < 0).sum())
        report["items_table"] = {"rows": len(table), "rows_aside": aside, "rows_not_found": missed}
        features |= {name: take_or_missing(table[name], row) for name in from_table}
    if from_log:
        first, latest_first = np.full(len(catalog), -1), np.argsort(time, kind="stable")[::-1]
        first[code[latest_first]] = latest_first  # NumPy keeps the last of several assignments.
        features |= {name: take_or_missing(rows[name], first) for name in from_log}
    features[item] = pd.Series(catalog)
    return Catalog(catalog, code, features, report, row >= 0, from_table)


def look_up_negatives(values: pd.Series, catalog: pd.Index, name: str) -> np.ndarray:
    """Returns the indices in the catalog of a column of negatives, `(rows, 1)`."""
    codes, distinct = pd.factorize(values, use_na_sentinel=False)
    catalog, given = align_key_types(catalog, pd.Index(distinct))
    index = catalog.get_indexer(given)[codes]
    if (index < 0).any():
        row = int((index < 0).argmax())
        raise ValueError(
            f"Column {name!r} must hold an item of the catalog in every row with a history. "
            f"Received: {format_value(values.iloc[row])} in {describe_row(values, row, 'row')}."
        )
    return index[:, None]
