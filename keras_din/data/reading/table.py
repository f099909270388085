"""Reads tables of any source and checks logs; bad rows are kept aside with line and reason."""

import contextlib
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from keras_din.checks import one_of
from keras_din.data.reading.bad_rows import (
    Reason,
    bad_lines,
    concat_bad_rows,
    not_utf8,
    to_bad_rows,
)
from keras_din.data.reading.bad_share import MAX_BAD, check_max_bad
from keras_din.data.reading.bag_cells import bag_cells
from keras_din.data.reading.column_pieces import convert_pieces
from keras_din.data.reading.column_types import from_csv, from_series
from keras_din.data.reading.columns import (
    check_columns,
    check_exact_ids,
    check_written_ids,
    from_arrow,
    is_text_categories,
    to_plain_index,
    whole_as_integers,
    whole_to_text,
)
from keras_din.data.reading.csv_file import read_csv
from keras_din.data.reading.file_lines import place, set_file_lines
from keras_din.data.reading.labels import NO_RULES, LabelRules
from keras_din.data.reading.list_cells import CONTAINERS, split_off_lists
from keras_din.data.reading.row_checks import RowChecks
from keras_din.data.reading.source import SEVERAL, ArrowSource, Table, as_source
from keras_din.data.reading.times import time_range
from keras_din.data.reading.utf8 import decode, split_off_bad_text
from keras_din.data.reading.vector_cells import check_vector_cells
from keras_din.data.reading.weight_cells import check_weight_cells
from keras_din.data.store.order import argsort_events, stable_argsort

_DUPLICATE = "the row is a duplicate"


class Events(NamedTuple):
    """A log that is clean and sorted by user and time.

    `frame` holds the rows, indexed by their line or row number in the source. `user` is int64
    `(rows,)`, the users numbered from 0. `users` are the users' raw values by number. `time` is
    int64 `(rows,)`, microseconds. `labels` is name -> float32 `(rows,)`. `weight` is float32
    `(rows,)` or `None`. `report` holds the counts. `bad` holds the rows kept aside, with the
    columns `line` and `reason` in front. Own columns with these names are renamed to `line_` and
    `reason_`.
    """

    frame: pd.DataFrame
    user: np.ndarray
    users: pd.Index
    time: np.ndarray
    labels: dict
    weight: np.ndarray | None
    report: dict
    bad: pd.DataFrame


def read_table(
    source,
    columns,
    bags=None,
    *,
    text=(),
    numbers=(),
    kinds=None,
    named=(),
    weights=None,
    vectors=None,
    found=None,
):
    """Reads columns of a table.

    Args:
        source: A table, see `as_source`, or a `Table` that was read already. In a CSV file an
            empty field and `\\N` are missing. In a column of numbers, the words that
            `pandas.read_csv` treats as missing, such as `NA`, are missing too.
        columns: Names of the required columns. Names may repeat.
        bags: The columns that may hold several values per row: the result of `check_separators`.
            Lists become tuples, text stays unchanged.
        text: The columns that are text in a CSV file, whatever their values look like.
        numbers: The columns of times and labels, which can only be numbers.
        kinds: Column -> its declared kind, `"numeric"` or `"categorical"`. The kind of all others
            is detected. In a CSV file, text is a number if a float reproduces it as written (not
            `007`), and words such as `-` among numbers are missing values.
        named: The columns that the user named in `categorical`: whole numbers in one file and text
            in another become text.
        weights: Name of a column of bags -> name of the column with the weights of its values,
            which become tuples of numbers. Columns that are not read are left out.
        vectors: Name of a column of vectors -> its `Vector`. Its cells become `VectorCell`s.
        found: A dict that receives the facts about each column, see
            `keras_din.data.reading.column_types`.

    Returns:
        `(frame, bad)`. The index of `frame`, named `line`, is the line of a CSV file, whose header
        is line 1, or of a file of JSON lines, or else the row number from 0. With several files it
        is the position through all of them, see `FileLines`, which `frame` carries, and text is
        categorical, with sorted categories. `bad` has the columns `line` and `reason`, a `Reason`,
        then those of `frame`. It holds lines of a CSV file with unbalanced quotes or a number of
        fields that differs from the header's, rows with text that is not UTF-8, and rows whose bag
        contains anything but strings or integers, whose weights are not one number from 0 for each
        value of their bag, or whose vector has another size or anything but finite numbers. It
        holds rows with a list in a column of which most values are no lists. Empty lines are
        skipped. In a column with integers and strings, all values become strings.

    Raises:
        ValueError: If there is no header, a column is missing or occurs twice, a column that is
            not in `bags` holds lists, a bag and its weights are in two tables, or the types of a
            column in two files differ.
    """
    columns, bags, kinds = list(dict.fromkeys(columns)), bags or {}, kinds or {}
    weights, vectors = weights or {}, vectors or {}
    source = as_source(source)
    found = {} if found is None else found
    declared = declared_types(text, kinds, numbers, bags)
    amounts = {*weights.values(), *vectors}

    def convert_column(name, values):
        values, found[name] = _convert(name, values, declared.get(name), name in amounts)
        return values

    if isinstance(source, Table):
        check_columns("the table", source.frame.columns, columns)
        frame = source.frame[columns].copy(deep=False)
        for name in columns:
            frame[name] = convert_column(name, frame[name])
        _add_lines(frame, found)
        return _check_cells(frame, source.bad, bags, weights, vectors)
    bad, other_bad, files = [], None, None
    if isinstance(source, pd.DataFrame):
        check_columns("the frame", source.columns, columns)
        several = {n for n, separator in bags.items() if separator is not None}
        several |= {*weights, *amounts}
        source, lines, other_bad = split_off_lists(source, columns, several)
        series = {name: convert_column(name, source[name]) for name in columns}
    elif isinstance(source, ArrowSource):
        check_columns(source.what, source.names, columns, source.hint)
        table, lines, bad = source.read_lines(columns)
        series = {name: convert_column(name, from_arrow(table[name])) for name in columns}
    elif isinstance(source, SEVERAL):
        pieces, lines, bad, other_bad, files = source.read_rows(columns, declared, named)
        series = {}
        for name in columns:
            series[name], found[name] = convert_pieces(name, pieces.pop(name), declared.get(name))
    else:
        # Only times and columns without a declared type may be dates.
        text = [name for name in columns if declared.get(name, "number") != "number"]
        table, lines, bad = read_csv(source, columns, text)
        table, lines, other_bad = split_off_bad_text(table, lines)
        series = {name: convert_column(name, table[name]) for name in columns}
    frame = _to_frame(series, lines)
    set_file_lines(frame, files)
    _add_lines(frame, found)
    bad = bad_lines(bad)
    bad = bad if other_bad is None else concat_bad_rows(bad, other_bad)
    return _check_cells(frame, bad, bags, weights, vectors)


def _convert(name: str, values, declared: str | None, are_amounts: bool) -> tuple:
    """Converts a column to its type. Returns it with its facts, see `column_types`.

    Args:
        name: Name of the column.
        values: A `Series`, or the fields of a CSV file.
        declared: Its declared type, or `None`.
        are_amounts: Whether its values are no ids, whatever the numbers look like.
    """
    if isinstance(values, pd.Series):
        if not are_amounts and declared not in ("numeric", "number"):
            check_exact_ids(name, values)
        return from_series(values, declared)
    if not are_amounts and declared in ("categorical", "text"):
        check_written_ids(name, values)
    return from_csv(values, declared)


def _to_frame(series: dict, lines) -> pd.DataFrame:
    """Moves columns from a dict to a frame, indexed by line."""
    # One after another, so that no more than one column is there twice.
    moved = {name: series.pop(name).reset_index(drop=True) for name in list(series)}
    frame = pd.DataFrame(moved, copy=False)
    frame.index = pd.RangeIndex(len(frame)) if lines is None else pd.Index(lines)
    frame.index.name = "line"
    return frame


def declared_types(text, kinds: dict, numbers, bags: dict) -> dict:
    """Returns name of a column -> its declared type, from arguments of `read_table`."""
    declared = dict.fromkeys(text, "text") | kinds | dict.fromkeys(numbers, "number")
    return declared | {name: "text" for name, separator in bags.items() if separator is not None}


def _add_lines(frame: pd.DataFrame, found: dict) -> None:
    """Adds to the facts of each column the place of the first cell whose type is ambiguous."""
    for name in frame.columns:
        add_line(found[name], frame[name], frame)


def add_line(facts: dict, values: pd.Series, frame: pd.DataFrame, row_of=None) -> None:
    """Adds to the facts of a column the line, and the file, of the first ambiguous cell.

    Args:
        facts: The facts.
        values: The values of the column.
        frame: The rows that they are in.
        row_of: The row of each value, if it is not its position.
    """
    if "refused" not in facts and "unclear" not in facts:
        return
    wrong = values == facts["refused"] if "refused" in facts else values.isna()
    row = int(wrong.argmax())
    facts |= place(frame, frame.index[row if row_of is None else row_of[row]])


def _check_cells(
    frame: pd.DataFrame, bad: pd.DataFrame, bags: dict, weights: dict, vectors: dict
) -> Table:
    """Converts bytes to text and lists to tuples, and keeps rows with other cells aside.

    Floats that are integers with missing values become integers here, while the missing values
    still distinguish them from floats. Integers in a column with text become text. Otherwise 1
    and "1" would be two users.
    """
    frame, bad = check_weight_cells(frame, bad, bags, weights)
    frame, bad = check_vector_cells(frame, bad, bags, vectors)
    converted = {*weights.values(), *vectors}
    for name in [name for name in frame.columns if name not in converted]:
        if frame[name].dtype.kind == "f" and frame[name].hasnans:
            frame[name] = whole_as_integers(frame[name])
        first = _first(frame[name])
        if isinstance(first, (bytes, str, int, float, np.number)):
            text = decode if isinstance(first, bytes) else _align_types
            frame[name], wrong = text(frame[name])
            if wrong.any():
                bad = concat_bad_rows(bad, to_bad_rows(frame[wrong], not_utf8(name)))
                frame = frame[~wrong].copy()
        first = _first(frame[name])
        several = isinstance(first, CONTAINERS)
        if is_text_categories(frame[name].dtype):  # Text of bags stays unchanged.
            continue
        if name in bags and (several or bags[name] is not None):
            frame[name], wrong = bag_cells(frame[name], bags[name])
            reason = Reason(
                f"{name!r} holds no strings or integers", "", _vector_remedy(frame[wrong], name)
            )
            bad = concat_bad_rows(bad, to_bad_rows(frame[wrong], reason))
            frame = frame[~wrong].copy()
        elif several:
            raise ValueError(
                f"Column {name!r} must hold one value per row. "
                f"Received: {type(first).__name__} {first!r}."
            )
    return Table(frame, bad)


def _vector_remedy(rows: pd.DataFrame, name: str) -> str:
    """Returns what to do if a column of bags has vectors of numbers."""
    cell = rows[name].iloc[0] if len(rows) else None
    if not isinstance(cell, (list, tuple, np.ndarray)) or not len(cell):
        return ""
    if not all(isinstance(value, (float, np.floating)) for value in cell):
        return ""
    return (
        f"If it holds vectors of numbers, pass the feature `Vector({name!r}, {len(cell)})` (on the "
        f"command line `--vector {name}={len(cell)}`)."
    )


def _first(values: pd.Series):
    """The first value of a column of objects that is not missing, else `None`."""
    where = values.first_valid_index() if values.dtype == object else None
    return None if where is None else values.loc[where]


def _align_types(values: pd.Series):
    """Converts a column of objects to the type that a file with its values has.

    Integers in a column of strings become strings. A column with anything but strings, integers
    or booleans, or with larger integers, stays one of objects.

    Returns the column and where a string cannot be encoded as UTF-8.
    """
    kind = pd.api.types.infer_dtype(values, skipna=True)
    if kind in ("mixed", "mixed-integer") and any(isinstance(value, str) for value in values):
        values = pd.Series(map(whole_to_text, values), values.index, dtype=object)
        kind = pd.api.types.infer_dtype(values, skipna=True)
    if kind in ("string", "integer", "boolean"):
        with contextlib.suppress(UnicodeEncodeError, OverflowError, pa.ArrowInvalid):
            array = pa.array(values, from_pandas=True)
            array = pa.chunked_array([array]) if isinstance(array, pa.Array) else array
            return from_arrow(array).set_axis(values.index), np.zeros(len(values), bool)
    return values, values.map(_is_not_utf8).to_numpy(bool)


def _is_not_utf8(value) -> bool:
    return isinstance(value, str) and any("\ud800" <= letter <= "\udfff" for letter in value)


def clean_events(
    frame: pd.DataFrame,
    bad: pd.DataFrame,
    user: str,
    time: str,
    *,
    labels=(),
    rules: LabelRules = NO_RULES,
    weight: str | None = None,
    required=(),
    time_unit: str = "auto",
    time_format: str | None = None,
    placeholders: bool | None = None,
    times_are_numbers: bool | None = None,
    label_map: dict | None = None,
    duplicates: str | None = "keep",
    not_compared=(),
    max_bad: float = MAX_BAD,
    strict: bool = False,
) -> Events:
    """Checks a log row by row and sorts the good rows.

    Rows are kept aside if they lack a user, a time or a required value, if their time is invalid
    or a placeholder (0 or -1, which is 1970, among times after 1980), or if a label is wrong, or
    all labels of a row are missing. The good rows are sorted by user and time. Rows with the same
    user and time keep their order.

    Args:
        frame: The frame that `read_table` returns.
        bad: The bad rows that `read_table` returns.
        user: Column of users.
        time: Column of times, see `to_microseconds`.
        labels: Columns of 0 and 1, or of the numbers of `rules`.
        rules: Which labels are numbers, and which may be missing.
        weight: Column of weights, or `None`.
        required: Columns that must have a value.
        time_unit: Unit of times that are numbers.
        time_format: Format of times, see `to_microseconds`.
        placeholders: For a part of a log, whether the whole log has placeholders for a missing
            time, see `find_placeholders`.
        times_are_numbers: For a part of a log, whether text in the times of the whole log is
            numbers, see `to_microseconds`.
        label_map: Values of the labels -> 0 or 1, see `to_labels`, or column -> such a dict.
        duplicates: Whether to `"keep"` or `"drop"` rows that repeat an earlier row in every
            column of `frame`. `None` drops them too, and counts them as bad rows.
        not_compared: Columns in which repeated rows may differ, such as the part of a row.
        max_bad: The largest share of rows that may be kept aside for one reason.
        strict: Whether the first bad row is an error.

    Returns:
        `Events`. `report` has `rows`, `rows_kept`, `rows_repeated` (duplicates that are kept),
        `rows_aside` (reason -> `rows`, the `first_line` and its `first_value`),
        `labels_filled` and `labels_missing` (see `RowChecks`),
        `rows_out_of_order`, `time_unit`, `time_from` and `time_to` (for an order, `order_from`
        and `order_to`) and `users`.

    Raises:
        ValueError: If no good row is left, too many rows are bad for one reason, or `strict` is
            set and a row is bad.
    """
    max_bad = check_max_bad(max_bad)
    one_of("duplicates", duplicates, (None, "keep", "drop"))
    checks = RowChecks(frame, label_map, rules)
    found = checks.check_values([user, time, *labels, *required], labels)
    times, unit = checks.check_times(time, time_unit, time_format, placeholders, times_are_numbers)
    weights = None if weight is None else checks.check_weights(weight)
    checks.check_labels(found)

    good = np.flatnonzero(checks.good)
    # Users are numbered by value, so the order of the log affects only ties.
    number, _ = pd.factorize(frame[user].iloc[good], sort=True)
    out_of_order = _count_out_of_order(number, times[good])
    order = argsort_events(times[good], number)
    rows, number = good[order], number[order]
    repeated = _is_repeated(frame, rows, number, times[rows], not_compared)
    if duplicates != "keep":
        wrong = np.zeros(len(frame), bool)
        wrong[rows[repeated]] = True
        checks.keep_aside(wrong, _DUPLICATE)
        checks.remedies[_DUPLICATE] = (
            "Keep them with `duplicates='keep'`, or leave them out with `duplicates='drop'` (on "
            "the command line `--duplicates`)."
        )
        rows, number, repeated = rows[~repeated], number[~repeated], repeated[:0]

    total = len(bad) + len(frame)
    bad, counts = checks.finish(bad, strict)
    unlimited = (_DUPLICATE,) if duplicates == "drop" else ()
    checks.check("the log", bad, counts, max_bad, unlimited)
    users = to_plain_index(frame[user].iloc[rows[np.diff(number, prepend=-1) > 0]])
    report = {
        "rows": total,
        "rows_kept": len(rows),
        "rows_repeated": int(repeated.sum()),
        "rows_aside": counts,
        "labels_filled": checks.labels_filled,
        "labels_missing": checks.labels_missing,
        "rows_out_of_order": out_of_order,
        "time_unit": unit,
        **time_range(times[rows], unit),
        "users": len(users),
    }
    return Events(
        frame.iloc[rows],
        number.astype(np.int64),
        users,
        times[rows],
        {name: column[rows].astype(np.float32) for name, (column, *_) in found.items()},
        None if weights is None else weights[rows],
        report,
        bad,
    )


def _count_out_of_order(user, time) -> int:
    """How many rows are earlier than the same user's preceding row."""
    order = stable_argsort(user)
    user, time = user[order], time[order]
    return int(((np.diff(time) < 0) & (np.diff(user) == 0)).sum())


def _is_repeated(frame, rows, user, time, not_compared) -> np.ndarray:
    """Where a row repeats an earlier one.

    Such rows have the same user and time, so only the few rows that do are compared.
    """
    same = (np.diff(user) == 0) & (np.diff(time) == 0)
    near = np.flatnonzero(np.append(same, False) | np.append(False, same))
    repeated = np.zeros(len(rows), bool)
    compared = [name for name in frame.columns if name not in not_compared]
    repeated[near] = frame.iloc[rows[near]].duplicated(compared).to_numpy()
    return repeated
