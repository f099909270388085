"""Tables from anywhere, and bad rows kept aside, each with its line and reason."""

import contextlib
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from keras_din.checks import one_of
from keras_din.data.reading.bad_rows import MAX_BAD, NOT_UTF8, checked_max_bad
from keras_din.data.reading.bag_cells import bag_cells
from keras_din.data.reading.column_types import from_csv, from_series
from keras_din.data.reading.columns import (
    check_columns,
    check_exact_ids,
    check_written_ids,
    from_arrow,
    is_missing,
    whole_as_integers,
)
from keras_din.data.reading.csv_file import read_csv
from keras_din.data.reading.row_checks import RowChecks, aside_rows, join_aside
from keras_din.data.reading.source import ArrowSource, Table, as_source
from keras_din.data.reading.times import (
    ORDER,
    PLACEHOLDER,
    placeholders,
    remedy_of_placeholders,
    span,
    to_microseconds,
)
from keras_din.data.reading.times import remedy as remedy_of_times
from keras_din.data.store.order import order_of, order_of_events

_DUPLICATE = "the row is a duplicate"


class Events(NamedTuple):
    """A log that is clean and sorted by user and time.

    `frame` holds the rows, indexed by the line or row that each stood in; `user` the users'
    numbers from 0 `(rows,)` int64; `users` the users' values by number; `time` microseconds
    `(rows,)` int64; `labels` name -> `(rows,)` float32; `report` the counts; `bad` the rows kept
    aside, with columns `line` and `reason` before their own (which are `line_` and `reason_` where
    they have these names).
    """

    frame: pd.DataFrame
    user: np.ndarray
    users: pd.Index
    time: np.ndarray
    labels: dict
    report: dict
    bad: pd.DataFrame


def read_table(source, columns, bags=None, *, text=(), numbers=(), kinds=None, found=None):
    """Reads columns of a table.

    Args:
        source: A table, as `as_source` takes it. Missing in a CSV file are an empty field and
            `\\N`, and beside numbers what `pandas.read_csv` takes for missing, such as `NA`. Or a
            `Table` that was read already.
        columns: Names of the columns needed, each once or more.
        bags: Which of them may hold several values a row: what `checked_separators` gives. Lists
            become tuples, text stays as it is.
        text: Which of them are text in a CSV file, whatever it looks like.
        numbers: Which of them are times and labels, which count as numbers alone.
        kinds: Which of them are known to be `"numeric"` or `"categorical"`: name -> kind. What
            all others are is found: in a CSV file, text is a number where a float gives it back
            as it is written (not `007`), and words such as `-` among numbers are missing values.
        found: A dict that takes what was found of each column, as
            `keras_din.data.reading.column_types` gives it.

    Returns:
        `(frame, bad)`. The index of `frame`, named `line`, is the line of a CSV file, whose
        header is in line 1, or else the row counted from 0. `bad` has the columns `line` and
        `reason`, then those of `frame`: lines of a CSV file with another number of fields than
        its header or quotes that do not match, rows with text that is not UTF-8, and those with
        something else than strings or integers in a bag. Empty lines are skipped. Where integers
        stand beside strings, all are strings.

    Raises:
        ValueError: When there is no header, or a column is missing, is there twice or holds
            lists and is none of `bags`.
    """
    columns, bags, kinds = list(dict.fromkeys(columns)), bags or {}, kinds or {}
    source = as_source(source)
    found = {} if found is None else found
    declared = dict.fromkeys(text, "text") | kinds | dict.fromkeys(numbers, "number")
    declared |= {name: "text" for name, separator in bags.items() if separator is not None}

    def typed(name, values):
        if isinstance(values, pd.Series) and declared.get(name) not in ("numeric", "number"):
            check_exact_ids(name, values)
        elif not isinstance(values, pd.Series) and declared.get(name) in ("categorical", "text"):
            check_written_ids(name, values)
        convert = from_series if isinstance(values, pd.Series) else from_csv
        values, found[name] = convert(values, declared.get(name))
        return values

    if isinstance(source, Table):
        check_columns("the table", source.frame.columns, columns)
        frame = source.frame[columns].copy(deep=False)
        for name in columns:
            frame[name] = typed(name, frame[name])
        _add_lines(frame, found)
        return _checked_cells(frame, source.bad, bags)
    bad, not_utf8 = [], None
    if isinstance(source, pd.DataFrame):
        check_columns("the frame", source.columns, columns)
        series, lines = {name: typed(name, source[name]) for name in columns}, None
    elif isinstance(source, ArrowSource):
        check_columns(source.what, source.names, columns)
        table, lines = source.read(columns), None
        series = {name: typed(name, from_arrow(table[name])) for name in columns}
    else:
        # Only times may be dates, and what no one has said anything of.
        text = [name for name in columns if declared.get(name, "number") != "number"]
        table, lines, bad = read_csv(source, columns, text)
        table, lines, not_utf8 = _without_bad_text(table, lines)
        series = {name: typed(name, table[name]) for name in columns}
    frame = pd.DataFrame(
        {name: values.reset_index(drop=True) for name, values in series.items()}, copy=False
    )
    frame.index = pd.RangeIndex(len(frame)) if lines is None else pd.Index(lines)
    frame.index.name = "line"
    _add_lines(frame, found)
    bad = bad_lines(bad)
    return _checked_cells(frame, bad if not_utf8 is None else join_aside(bad, not_utf8), bags)


def _without_bad_text(table: pa.Table, lines: np.ndarray):
    """The rows of fields that are all UTF-8, their lines, and the others, as they stand, aside.

    They leave before types are found, or one would make text of a column of numbers.
    """
    reasons = np.full(len(lines), None, object)
    for name in table.column_names:
        if not pa.types.is_binary(table[name].type):
            continue
        try:
            table[name].cast(pa.string())
        except pa.ArrowInvalid:
            cells = _decoded(pd.Series(table[name].to_pylist(), dtype=object))
            wrong = cells[1] & pd.isna(reasons)
            reasons[wrong] = f"{name!r} {NOT_UTF8}"
    wrong = ~pd.isna(reasons)
    if not wrong.any():
        return table, lines, None
    rows = table.filter(pa.array(wrong)).to_pandas().set_axis(lines[wrong])
    rows = rows.apply(lambda column: _decoded(column)[0])
    return table.filter(pa.array(~wrong)), lines[~wrong], aside_rows(rows, reasons[wrong])


def _add_lines(frame: pd.DataFrame, found: dict) -> None:
    """Adds to what was found the line of the first cell of which a user must say what it is."""
    for name in frame.columns:
        add_line(found[name], frame[name], frame.index)


def add_line(facts: dict, values: pd.Series, lines) -> None:
    """The same for one column, whose values stand in `lines`."""
    if "refused" in facts:
        facts["line"] = int(lines[int((values == facts["refused"]).argmax())])
    elif "unclear" in facts:
        facts["line"] = int(lines[int(values.isna().argmax())])


def _checked_cells(frame: pd.DataFrame, bad: pd.DataFrame, bags: dict) -> Table:
    """Bytes as text and lists as tuples; aside the rows whose cells are neither.

    Integers with gaps as such, while the gaps are still there to tell them from floats; and as
    text where they stand beside text, or 1 and "1" would be two users.
    """
    for name in frame.columns:
        if frame[name].dtype.kind == "f" and frame[name].hasnans:
            frame[name] = whole_as_integers(frame[name])
        first = _first(frame[name])
        if isinstance(first, (bytes, str, int, float, np.number)):
            text = _decoded if isinstance(first, bytes) else _of_one_type
            frame[name], wrong = text(frame[name])
            if wrong.any():
                bad = join_aside(bad, aside_rows(frame[wrong], f"{name!r} {NOT_UTF8}"))
                frame = frame[~wrong].copy()
        first = _first(frame[name])
        several = isinstance(first, (list, tuple, dict, set, np.ndarray))
        if name in bags and (several or bags[name] is not None):
            frame[name], wrong = bag_cells(frame[name], bags[name])
            bad = join_aside(
                bad, aside_rows(frame[wrong], f"{name!r} holds no strings or integers")
            )
            frame = frame[~wrong].copy()
        elif several:
            raise ValueError(
                f"Column {name!r} must hold one value a row. "
                f"Received: {type(first).__name__} {first!r}."
            )
    return Table(frame, bad)


def bad_lines(bad: list) -> pd.DataFrame:
    """A list of `(line, reason)` as a frame of these columns."""
    return pd.DataFrame(
        {
            "line": np.array([line for line, _ in bad], np.int64),
            "reason": np.array([reason for _, reason in bad], object),
        }
    )


def _first(values: pd.Series):
    """The first value of a column of objects that is not missing, else `None`."""
    where = values.first_valid_index() if values.dtype == object else None
    return None if where is None else values.loc[where]


def _decoded(values: pd.Series):
    """Bytes as text, and where they are none."""
    wrong = np.zeros(len(values), bool)
    text = values.to_numpy(object, copy=True)
    for row, value in enumerate(text):
        if isinstance(value, bytes):
            try:
                text[row] = value.decode()
            except UnicodeDecodeError:
                wrong[row] = True
    return pd.Series(text, values.index), wrong


def _of_one_type(values: pd.Series):
    """Integers beside strings as strings, and where a string is one that UTF-8 can't hold."""
    kind = pd.api.types.infer_dtype(values, skipna=True)
    if kind == "string":
        with contextlib.suppress(UnicodeEncodeError):
            pa.array(values, from_pandas=True)  # In one go, which says whether one must be found.
            return values, np.zeros(len(values), bool)
    elif kind in ("mixed", "mixed-integer") and any(isinstance(value, str) for value in values):
        values = pd.Series(map(_whole_as_text, values), values.index, dtype=object)
    return values, values.map(_is_no_utf8).to_numpy(bool)


def _whole_as_text(value):
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        value = int(value)
    is_whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    return str(value) if is_whole else value


def _is_no_utf8(value) -> bool:
    return isinstance(value, str) and any("\ud800" <= letter <= "\udfff" for letter in value)


def clean_events(
    frame: pd.DataFrame,
    bad: pd.DataFrame,
    user: str,
    time: str,
    *,
    labels=(),
    required=(),
    time_unit: str = "auto",
    time_format: str | None = None,
    label_map: dict | None = None,
    duplicates: str | None = "keep",
    max_bad: float = MAX_BAD,
    strict: bool = False,
) -> Events:
    """Checks a log row by row and sorts what is good.

    Kept aside are rows without a user, a time or a required value, with a time that is none or
    stands for none (0 or -1, which is in 1970, among times since 1980), and with a label other
    than 0 and 1. The rest is sorted by user and time; rows of one user and time keep their order.

    Args:
        frame: As `read_table` gives it.
        bad: As `read_table` gives it: what is aside already.
        user: Column of users.
        time: Column of times, as `to_microseconds` takes them.
        labels: Columns of 0 and 1.
        required: Columns that must have a value.
        time_unit: Unit of times that are numbers.
        time_format: Format of times, as `to_microseconds` takes it.
        label_map: Values of the labels -> 0 or 1, see `to_labels`.
        duplicates: What becomes of the second and later of rows that agree in every column of
            `frame`: `"keep"` or `"drop"`. `None` drops them too, and counts them as bad rows.
        max_bad: The largest share of rows that may be kept aside for one reason.
        strict: Whether the first bad row is an error.

    Returns:
        `Events`. `report` has `rows`, `rows_kept`, `rows_repeated` (duplicates that are kept),
        `rows_aside` (reason -> `rows`, the `first_line` and its `first_value`),
        `rows_out_of_order`, `time_unit`, `time_from`, `time_to` (of an order `order_from` and
        `order_to`) and `users`.

    Raises:
        ValueError: When nothing is left, too many rows are bad for one reason, or `strict` and a
            row is bad.
    """
    max_bad = checked_max_bad(max_bad)
    one_of("duplicates", duplicates, (None, "keep", "drop"))
    checks = RowChecks(frame, label_map)
    found = checks.check_values([user, time, *labels, *required], labels)
    times, known, unit = to_microseconds(time, frame[time], time_unit, time_format)
    what = "a whole number, as an order is" if unit == ORDER else "a time"
    checks.set_aside(~known, f"{time!r} is not {what}", time)
    wrong = frame[time][~known & ~is_missing(frame[time])]
    if unit != ORDER and len(wrong):
        checks.remedies[f"{time!r} is not {what}"] = remedy_of_times(wrong, time_format)
    told = time_unit != "auto" or time_format is not None
    early = placeholders(time, times, known, unit, told, frame.index)
    checks.set_aside(early, f"{time!r} {PLACEHOLDER}", time)
    checks.remedies[f"{time!r} {PLACEHOLDER}"] = remedy_of_placeholders(unit)
    checks.check_labels(found)

    good = np.flatnonzero(checks.good)
    # Numbered by value: the order of the log decides nothing but ties.
    number, _ = pd.factorize(frame[user].iloc[good], sort=True)
    out_of_order = _falls(number, times[good])
    order = order_of_events(times[good], number)
    rows, number = good[order], number[order]
    repeated = _repeated(frame, rows, number, times[rows])
    if duplicates != "keep":
        wrong = np.zeros(len(frame), bool)
        wrong[rows[repeated]] = True
        checks.set_aside(wrong, _DUPLICATE)
        checks.remedies[_DUPLICATE] = (
            "Keep them with `duplicates='keep'`, or leave them out with `duplicates='drop'` (on "
            "the command line `--duplicates`)."
        )
        rows, number, repeated = rows[~repeated], number[~repeated], repeated[:0]

    total = len(bad) + len(frame)
    bad, counts = checks.finish(bad, strict)
    asked_for = (_DUPLICATE,) if duplicates == "drop" else ()
    checks.check("the log", bad, counts, max_bad, asked_for)
    users = pd.Index(frame[user].iloc[rows[np.diff(number, prepend=-1) > 0]])
    report = {
        "rows": total,
        "rows_kept": len(rows),
        "rows_repeated": int(repeated.sum()),
        "rows_aside": counts,
        "rows_out_of_order": out_of_order,
        "time_unit": unit,
        **span(times[rows], unit),
        "users": len(users),
    }
    return Events(
        frame.iloc[rows],
        number.astype(np.int64),
        users,
        times[rows],
        {name: column[rows].astype(np.float32) for name, (column, *_) in found.items()},
        report,
        bad,
    )


def _falls(user, time) -> int:
    """How many rows are earlier than the row of the same user before them."""
    order = order_of(user)
    user, time = user[order], time[order]
    return int(((np.diff(time) < 0) & (np.diff(user) == 0)).sum())


def _repeated(frame, rows, user, time) -> np.ndarray:
    """Where a row repeats an earlier one. Such rows share user and time, and these are few."""
    same = (np.diff(user) == 0) & (np.diff(time) == 0)
    near = np.flatnonzero(np.append(same, False) | np.append(False, same))
    repeated = np.zeros(len(rows), bool)
    repeated[near] = frame.iloc[rows[near]].duplicated().to_numpy()
    return repeated
