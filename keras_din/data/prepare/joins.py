"""A log with what other tables say of its items and users."""

import numpy as np
import pandas as pd

from keras_din.data.reading.bad_share import MAX_BAD, check_bad_share, check_max_bad
from keras_din.data.reading.csv_file import CsvFile, csv_hint, csv_names
from keras_din.data.reading.source import Table, as_source
from keras_din.data.reading.table import read_table


def column_names(source) -> list:
    """The names of the columns of a table, as `as_source` takes it."""
    source = as_source(source)
    if isinstance(source, pd.DataFrame):
        return list(source.columns)
    if isinstance(source, Table):
        return list(source.frame.columns)
    return csv_names(source) if isinstance(source, CsvFile) else list(source.names)


def read_log(
    source,
    needed,
    tables: dict,
    bags=None,
    max_bad: float = MAX_BAD,
    *,
    text=(),
    numbers=(),
    kinds=None,
    found=None,
):
    """Reads a log; columns that it lacks are taken from tables with one row a key.

    Args:
        source: The log, as `read_table` takes it.
        needed: Names of all columns needed.
        tables: Name of the table -> `(key column, source or None)`.
        bags: Same as in `read_table`, of the log and the tables.
        max_bad: The largest share of the rows of a table that may be kept aside.
        text: Likewise.
        numbers: Likewise.
        kinds: Likewise.
        found: Likewise; of a key it holds what was found in the log.

    Returns:
        `(frame, bad, report)`. `frame` and `bad` are those of `read_table`, `frame` with every
        needed column; `report` has, for each table used, as `items_table` its `rows`, its
        `rows_aside` and how many rows of the log it has no row for, `rows_not_found`.

    Raises:
        ValueError: When a column is nowhere, or a table has a key twice or too many bad rows.
    """
    source, there = as_source(source), column_names(source)
    tables = {name: (key, as_source(of)) for name, (key, of) in tables.items() if of is not None}
    needed = list(dict.fromkeys(needed))
    elsewhere = _columns_of_tables(source, there, needed, tables)
    keys = {key for key, _ in tables.values()}
    own = [name for name in there if name in needed or name in keys]
    options = {"bags": bags, "text": text, "numbers": numbers, "kinds": kinds, "found": found}
    frame, bad = read_table(source, own, **options)
    report = {}
    for name, columns in elsewhere.items():
        key, table = tables[name]
        frame, report[f"{name}_table"] = _join(
            frame, key, table, columns, name, max_bad=max_bad, **options
        )
    return frame, bad, report


def _columns_of_tables(source, there: list, needed: list, tables: dict) -> dict:
    """Name of the table -> the columns that the log lacks and the first such table has."""
    found, lacking = {}, [name for name in needed if name not in there]
    for name, (key, table) in tables.items():
        held = column_names(table) if lacking else []
        if columns := [column for column in lacking if column in held and column != key]:
            found[name] = columns
        lacking = [column for column in lacking if column not in columns]
    if lacking:
        raise ValueError(
            f"Columns {lacking} must be in the log"
            f"{''.join(f', or in `{name}`' for name in tables)}. "
            f"Received columns of the log: {there}."
            f"{csv_hint(source, lacking) if isinstance(source, CsvFile) else ''}"
        )
    return found


def _join(frame: pd.DataFrame, key: str, source, columns: list, name: str, **options):
    table, aside = read_keyed(source, key, columns, name, **options)
    place = index_of(table.index, frame[key], name)
    added = {
        column: take_or_missing(table[column], place).set_axis(frame.index) for column in columns
    }
    report = {
        "rows": len(table),
        "rows_aside": aside,
        "rows_not_found": int((place < 0).sum()),
    }
    return frame.assign(**added), report


def read_keyed(source, key: str, columns: list, name: str, max_bad: float = MAX_BAD, **options):
    """A table indexed by its key, and how many of its rows were no rows or had no key.

    `options` are those of `read_table`. More rows aside than `max_bad` of all are an error.
    """
    found = {} if options.get("found") is None else options["found"]
    new: dict[str, dict] = {}
    table, bad = read_table(source, [key, *columns], **options | {"found": new})
    found |= {column: facts for column, facts in new.items() if column in columns}
    keyless = table[key].isna()
    aside = len(bad) + int(keyless.sum())
    reason = f"the row is bad, or has no {key!r}"
    total = len(table) + len(bad)
    check_bad_share(f"`{name}`", {reason: {"rows": aside}}, total, check_max_bad(max_bad))
    table = table[~keyless].set_index(key)
    twice = table.index.duplicated()
    if twice.any():
        raise ValueError(
            f"`{name}` must have one row for each {key!r}. "
            f"Received: {table.index[twice.argmax()]!r} twice."
        )
    return table, aside


def index_of(keys: pd.Index, values, name: str) -> np.ndarray:
    """Where each value stands among keys, -1 where it does not; an error when none does."""
    name_of_keys = keys.name
    keys, values = align_key_types(keys, pd.Index(values))
    place = keys.get_indexer(values)
    if len(values) and not (place >= 0).any():
        raise ValueError(
            f"`{name}` must have rows for the values of {name_of_keys!r} in the log. Received: "
            f"values of type {keys.dtype} there and {values.dtype} in the log, none in common."
        )
    return place


def align_key_types(*keys: pd.Index) -> list:
    """Keys as text where some of them are text: a CSV file with no `007` in it holds integers."""
    kinds = [pd.api.types.infer_dtype(each, skipna=True) for each in keys]
    if "string" not in kinds:
        return list(keys)
    return [
        each.astype(str) if kind == "integer" else each
        for each, kind in zip(keys, kinds, strict=True)
    ]


def take_or_missing(values: pd.Series, place: np.ndarray) -> pd.Series:
    """A column at places, without a value where the place is -1."""
    if pd.api.types.is_integer_dtype(values.dtype):
        values = values.astype("Int64")  # As floats, large ids would fall together.
    return pd.Series(values.array.take(place, allow_fill=True))
