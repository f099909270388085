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


class Catalog(NamedTuple):
    """All items, with their features.

    Attributes:
        items: The distinct items.
        code: Index in `items` of each behavior's item, `(behaviors,)`.
        features: Name of each feature of the target -> raw values `(items,)`.
        report: Counts for the table of items, if there is one.
    """

    items: pd.Index
    code: np.ndarray
    features: dict
    report: dict


def item_columns_in_log(columns: LogColumns, items) -> list:
    """Returns the names of item features that are read from the log, because `items` lacks them."""
    in_table = [] if items is None else column_names(items)
    names = read_features(columns.target[1:])
    return [name for name in names if name not in in_table]


def make_catalog(rows, time, columns: LogColumns, items, max_bad: float) -> Catalog:
    """Builds the catalog from a log and the table of items.

    A feature of an item is read from the table, or else from the first behavior with the item.

    Args:
        rows: The behaviors.
        time: Microseconds `(rows,)`.
        columns: The columns of the log.
        items: A table with one row per item, or `None`.
        max_bad: The largest share of rows of the table that may be kept aside.

    Returns:
        A `Catalog`.
    """
    item, from_log = columns.item, item_columns_in_log(columns, items)
    from_table = [n for n in read_features(columns.target[1:]) if n not in from_log]
    code, catalog = pd.factorize(rows[item])
    catalog = to_plain_index(catalog)
    features: dict = {}
    report: dict = {}
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
        missed = int((index_of(table.index, rows[item], "items") < 0).sum())
        report["items_table"] = {"rows": len(table), "rows_aside": aside, "rows_not_found": missed}
        catalog, keys = align_key_types(catalog, table.index)
        catalog = catalog.union(keys, sort=False)
        row = keys.get_indexer(catalog)
        features |= {name: take_or_missing(table[name], row) for name in from_table}
    if from_log:
        first, latest_first = np.full(len(catalog), -1), np.argsort(time, kind="stable")[::-1]
        first[code[latest_first]] = latest_first  # NumPy keeps the last of several assignments.
        features |= {name: take_or_missing(rows[name], first) for name in from_log}
    features[item] = pd.Series(catalog)
    return Catalog(catalog, code, features, report)


def look_up_negatives(values: pd.Series, catalog: pd.Index, name: str) -> np.ndarray:
    """Returns the indices in the catalog of a column of negatives, `(rows, 1)`."""
    codes, distinct = pd.factorize(values, use_na_sentinel=False)
    catalog, given = align_key_types(catalog, pd.Index(distinct))
    index = catalog.get_indexer(given)[codes]
    if (index < 0).any():
        row = int((index < 0).argmax())
        raise ValueError(
            f"Column {name!r} must hold an item of the catalog in every row with a history. "
            f"Received: {values.iloc[row]!r} in {describe_row(values, row, 'row')}."
        )
    return index[:, None]
