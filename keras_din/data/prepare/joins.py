"""Joins a log with tables of its items and users."""

import numpy as np
import pandas as pd

from keras_din.data.prepare.source_by_part import PART
from keras_din.data.reading.bad_share import MAX_BAD, check_bad_share, check_max_bad
from keras_din.data.reading.columns import is_text_categories, to_plain_index
from keras_din.data.reading.csv_file import CsvFile, csv_hint, csv_names
from keras_din.data.reading.file_lines import get_file_lines
from keras_din.data.reading.source import SEVERAL, ArrowSource, Table, as_source
from keras_din.data.reading.table import read_table


def column_names(source) -> list:
    """Returns the column names of a table. `source` is an argument of `as_source`."""
    source = as_source(source)
    if isinstance(source, pd.DataFrame):
        return list(source.columns)
    if isinstance(source, Table):
        return list(source.frame.columns)
    return csv_names(source) if isinstance(source, CsvFile) else list(source.names)


def _hint(source, lacking: list) -> str:
    """The likely reason why a log lacks columns, if it is in files of text."""
    if isinstance(source, (ArrowSource, *SEVERAL)):
        return source.hint(lacking)
    return csv_hint(source, lacking) if isinstance(source, CsvFile) else ""


def read_log(
    source,
    needed,
    tables: dict,
    bags=None,
    max_bad: float = MAX_BAD,
    *,
    is_part: bool = False,
    text=(),
    numbers=(),
    kinds=None,
    named=(),
    weights=None,
    vectors=None,
    found=None,
):
    """Reads a log. Columns that it lacks are read from tables with one row per key.

    Args:
        source: The log, same as in `read_table`.
        needed: Names of all columns to read.
        tables: Name of the table -> `(key column, source or None)`.
        bags: Same as in `read_table`, for the log and the tables.
        max_bad: The largest share of the rows of a table that may be kept aside.
        is_part: Whether the source is a part of a log, for whose keys a table may have no rows.
        text: Same as in `read_table`.
        numbers: Same as in `read_table`.
        kinds: Same as in `read_table`.
        named: Same as in `read_table`.
        weights: Same as in `read_table`.
        vectors: Same as in `read_table`.
        found: Same as in `read_table`. For a key column it has the facts of the log.

    Returns:
        `(frame, bad, report)`. `frame` has all needed columns, and `bad` the bad rows of the log.
        `report` has an entry such as `items_table` for each table that was used: its number of
        `rows`, of `rows_aside`, and of rows of the log without a row in the table,
        `rows_not_found`. With several files it also has `files`, the `rows` of each and the
        `lines_before` it, and `columns_of_folders`, the types of the columns that folders give.

    Raises:
        ValueError: If a column is missing everywhere, or a table has duplicate keys or too many
            bad rows.
    """
    source, names_in_log = as_source(source), column_names(source)
    tables = {name: (key, as_source(of)) for name, (key, of) in tables.items() if of is not None}
    needed = list(dict.fromkeys(needed))
    to_join = columns_of_tables(source, names_in_log, needed, tables)
    keys = {key for key, _ in tables.values()}
    own = [name for name in names_in_log if name in needed or name in keys]
    found = {} if found is None else found
    options = {"bags": bags, "text": text, "numbers": numbers}
    options |= {"kinds": kinds, "named": named, "weights": weights, "vectors": vectors}
    options["found"] = found
    frame, bad = read_table(source, own, **options)
    lines = get_file_lines(frame)
    report: dict = {} if lines is None else {"files": lines.report()}
    if isinstance(source, SEVERAL):
        of_folders = [name for name in source.names_of_folders if name in own and name != PART]
        types = {name: found[name]["reason"] for name in of_folders}
        report |= {"columns_of_folders": types} if types else {}
    for name, columns in to_join.items():
        key, table = tables[name]
        frame, report[f"{name}_table"] = _join(
            frame, key, table, columns, name, is_part, max_bad=max_bad, **options
        )
    return frame, bad, report


def columns_of_tables(source, names_in_log: list, needed: list, tables: dict) -> dict:
    """Returns name of the table -> columns to read from it. The first table with a column is used.

    Args:
        source: The log, for the hint of an error, or `None`.
        names_in_log: The columns of the log.
        needed: Names of all columns to read.
        tables: Name of the table -> `(key column, source)`.

    Raises:
        ValueError: If neither the log nor a table has a column.
    """
    found, lacking = {}, [name for name in needed if name not in names_in_log]
    for name, (key, table) in tables.items():
        held = column_names(table) if lacking else []
        if columns := [column for column in lacking if column in held and column != key]:
            found[name] = columns
        lacking = [column for column in lacking if column not in columns]
    if lacking:
        raise ValueError(
            f"Columns {lacking} must be in the log"
            f"{''.join(f', or in `{name}`' for name in tables)}. "
            f"Received columns of the log: {names_in_log}."
            f"{_hint(source, lacking)}"
        )
    return found


def _join(
    frame: pd.DataFrame, key: str, source, columns: list, name: str, is_part: bool, **options
):
    table, aside = read_keyed(source, key, columns, name, **options)
    row = index_of(table.index, frame[key], name, is_part)
    added = {
        column: take_or_missing(_stored_once(table[column]), row).set_axis(frame.index)
        for column in columns
    }
    report = {
        "rows": len(table),
        "rows_aside": aside,
        "rows_not_found": int((row < 0).sum()),
    }
    return frame.assign(**added), report


def _stored_once(values: pd.Series) -> pd.Series:
    """Text as categories, since many rows of a log have the same."""
    return values.astype("category") if isinstance(values.dtype, pd.StringDtype) else values


def read_keyed(source, key: str, columns: list, name: str, max_bad: float = MAX_BAD, **options):
    """Reads a table with a key.

    Args:
        source: The table.
        key: Name of the key column.
        columns: Names of the other columns.
        name: Name of the table, for errors.
        max_bad: The largest share of rows that may be kept aside.
        **options: Options of `read_table`.

    Returns:
        `(table, rows_aside)`: the table with the key as its index, and the number of rows that
        are bad or have no key.

    Raises:
        ValueError: If a key has two rows, or too many rows are kept aside.
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
    is_duplicate = table.index.duplicated()
    if is_duplicate.any():
        raise ValueError(
            f"`{name}` must have one row for each {key!r}. "
            f"Received: {table.index[is_duplicate.argmax()]!r} twice."
        )
    return table, aside


def index_of(keys: pd.Index, values, name: str, is_part: bool = False) -> np.ndarray:
    """Returns the index of each value in `keys`, or -1.

    Raises a `ValueError` if all are -1, unless the values are a part of those of a log.
    """
    name_of_keys = keys.name
    if is_text_categories(values.dtype):  # Each of them is looked up once.
        distinct, codes = values.cat.categories, values.cat.codes.to_numpy()
        keys, distinct = align_key_types(keys, distinct)
        values, index = distinct, np.append(keys.get_indexer(distinct), -1)[codes]
    else:
        keys, values = align_key_types(keys, pd.Index(values))
        index = keys.get_indexer(values)
    if len(index) and not is_part and not (index >= 0).any():
        raise ValueError(
            f"`{name}` must have rows for the values of {name_of_keys!r} in the log. Received: "
            f"values of type {keys.dtype} there and {values.dtype} in the log, none in common."
        )
    return index


def align_key_types(*keys: pd.Index) -> list:
    """Converts integer keys to text if other keys are text, and categories to their values.

    Keys such as `007` are read as text from one CSV file, and `7` as integers from another one.
    """
    keys = tuple(map(to_plain_index, keys))
    kinds = [pd.api.types.infer_dtype(each, skipna=True) for each in keys]
    if "string" not in kinds:
        return list(keys)
    return [
        each.astype(str) if kind == "integer" else each
        for each, kind in zip(keys, kinds, strict=True)
    ]


def take_or_missing(values: pd.Series, index: np.ndarray) -> pd.Series:
    """Returns the values at positions. At -1 the value is missing."""
    if pd.api.types.is_integer_dtype(values.dtype):
        values = values.astype("Int64")  # Floats would round large ids.
    return pd.Series(values.array.take(index, allow_fill=True))
