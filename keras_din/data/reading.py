"""The doorstep: tables from anywhere, and bad rows kept aside, each with its line and reason."""

import os
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from keras_din.data.times import to_microseconds


class Events(NamedTuple):
    """A log that is clean and sorted by user and time.

    `frame` holds the rows, indexed by the line or row that each stood in; `user` the users'
    numbers from 0 `(rows,)` int64; `users` the users' values by number; `time` microseconds
    `(rows,)` int64; `labels` name -> `(rows,)` float32; `report` the counts; `bad` the rows kept
    aside, with columns `line` and `reason` before their own.
    """

    frame: pd.DataFrame
    user: np.ndarray
    users: pd.Index
    time: np.ndarray
    labels: dict
    report: dict
    bad: pd.DataFrame


def read_table(source, columns):
    """Reads columns of a table.

    Args:
        source: A `DataFrame`, or the path of a `.parquet` file or of a CSV file, which may be
            compressed (`.csv.gz`) or separated by tabs (`.tsv`).
        columns: Names of the columns needed, each once or more.

    Returns:
        `(frame, bad)`. The index of `frame`, named `line`, is the line of a CSV file, whose
        header is line 1, or else the row counted from 0. `bad` has the columns `line` and
        `reason`: lines of a CSV file with another number of fields than its header. Empty lines
        are skipped.

    Raises:
        ValueError: When a column is missing or holds lists.
    """
    columns = list(dict.fromkeys(columns))
    bad = pd.DataFrame({"line": np.zeros(0, np.int64), "reason": np.zeros(0, object)})
    if isinstance(source, pd.DataFrame):
        _check_columns("the frame", source.columns, columns)
        frame = source[columns].set_axis(pd.RangeIndex(len(source), name="line"))
    elif not isinstance(source, (str, os.PathLike)):
        raise ValueError(
            "`source` must be a DataFrame or the path of a CSV or Parquet file. "
            f"Received: {type(source).__name__}."
        )
    elif os.fspath(source).endswith(".parquet"):
        with pyarrow.parquet.ParquetFile(source) as file:
            _check_columns(os.fspath(source), file.schema_arrow.names, columns)
            frame = _to_pandas(file.read(columns))
    else:
        frame, bad = _read_csv(os.fspath(source), columns)
    for name in columns:
        values = frame[name]
        first = values.dropna().iloc[:1].tolist() if values.dtype == object else []
        if first and isinstance(first[0], (list, tuple, dict, set, np.ndarray)):
            raise ValueError(
                f"Column {name!r} must hold one value a row. "
                f"Received: {type(first[0]).__name__} {first[0]!r}."
            )
    return frame, bad


def _check_columns(owner: str, there, needed) -> None:
    missing = [name for name in needed if name not in set(there)]
    if missing:
        raise ValueError(
            f"Columns {missing} must be in {owner}. Received columns: {list(there)}."
        )


def _to_pandas(table: pa.Table) -> pd.DataFrame:
    # Integers with missing values stay integers: as floats, large ids would fall together.
    frame = table.to_pandas(date_as_object=False, ignore_metadata=True)
    for name, column in zip(table.column_names, table.columns, strict=True):
        if column.null_count and pa.types.is_integer(column.type):
            frame[name] = column.to_pandas(types_mapper={column.type: pd.Int64Dtype()}.get)
    return frame.rename_axis("line")


def _read_csv(path: str, columns: list):
    delimiter = "\t" if ".tsv" in os.path.basename(path) else ","
    parse = {"delimiter": delimiter, "newlines_in_values": False, "ignore_empty_lines": False}
    lines, reasons, empty = [], [], []

    def aside(row):
        if row.text.strip():
            lines.append(row.number)
            text = row.text if len(row.text) <= 80 else row.text[:77] + "..."
            reasons.append(f"{row.actual_columns} fields, not {row.expected_columns}: {text}")
        else:
            empty.append(row.number)
        return "skip"

    options = pyarrow.csv.ReadOptions(use_threads=False)  # Threads would not know the lines.
    with pyarrow.csv.open_csv(path, options, pyarrow.csv.ParseOptions(
        **parse, invalid_row_handler=lambda row: "skip"
    )) as file:
        names = file.schema.names
    _check_columns(path, names, columns)
    table = pyarrow.csv.read_csv(
        path,
        options,
        pyarrow.csv.ParseOptions(**parse, invalid_row_handler=aside),
        pyarrow.csv.ConvertOptions(include_columns=columns),
    )
    frame = _to_pandas(table)
    if len(names) == 1:  # An empty line is a missing value then, and stays.
        empty = []
    skipped = np.array(lines + empty, np.int64)
    all_lines = np.arange(2, 2 + len(frame) + len(skipped))
    frame.index = pd.Index(np.setdiff1d(all_lines, skipped, assume_unique=True), name="line")
    return frame, pd.DataFrame({"line": lines, "reason": np.array(reasons, object)})


def missing(values: pd.Series) -> np.ndarray:
    """Where a column has no value: null, or an empty string. Bool `(rows,)`."""
    nothing = values.isna().to_numpy(bool)
    if pd.api.types.is_numeric_dtype(values.dtype):
        return nothing
    return nothing | (values == "").fillna(False).to_numpy(bool)


def clean_events(
    frame: pd.DataFrame,
    bad: pd.DataFrame,
    user: str,
    time: str,
    *,
    labels=(),
    required=(),
    time_unit: str = "auto",
    keep_duplicates: bool = False,
    strict: bool = False,
) -> Events:
    """Checks a log row by row and sorts what is good.

    Kept aside are rows without a user, a time or a required value, with a time that is none, with
    a label other than 0 and 1, and the second and later of rows that agree in every column of
    `frame`. The rest is sorted by user and time; rows of one user and time keep their order.

    Args:
        frame: As `read_table` gives it.
        bad: As `read_table` gives it: what is aside already.
        user: Column of users.
        time: Column of times, as `to_microseconds` takes them.
        labels: Columns of 0 and 1.
        required: Columns that must have a value.
        time_unit: Unit of times that are numbers.
        keep_duplicates: Whether rows may repeat.
        strict: Whether the first bad row is an error.

    Returns:
        `Events`. `report` has `rows`, `rows_kept`, `rows_aside` (reason -> `rows` and the
        `first_line`), `rows_out_of_order`, `time_unit`, `time_from`, `time_to` and `users`.

    Raises:
        ValueError: When nothing is left, or `strict` and a row is bad.
    """
    reasons, code = [None], np.zeros(len(frame), np.int16)

    def set_aside(wrong, reason):
        wrong = wrong & (code == 0)
        if wrong.any():
            code[wrong] = len(reasons)
            reasons.append(reason)

    for name in dict.fromkeys([user, time, *labels, *required]):
        set_aside(missing(frame[name]), f"{name!r} is missing")
    times, known, unit = to_microseconds(time, frame[time], time_unit)
    set_aside(~known, f"{time!r} is not a time")
    numbers = {}
    for name in labels:
        numbers[name] = pd.to_numeric(frame[name], errors="coerce").to_numpy(
            np.float32, na_value=np.nan
        )
        set_aside(~np.isin(numbers[name], (0, 1)), f"{name!r} is neither 0 nor 1")

    good = np.flatnonzero(code == 0)
    number, _ = pd.factorize(frame[user].iloc[good])
    out_of_order = _falls(number, times[good])
    order = np.lexsort((times[good], number))
    rows, number = good[order], number[order]
    if not keep_duplicates and len(rows):
        repeated = _repeated(frame, rows, number, times[rows])
        wrong = np.zeros(len(frame), bool)
        wrong[rows[repeated]] = True
        set_aside(wrong, "the row is a duplicate")
        rows, number = rows[~repeated], number[~repeated]

    aside = frame[code > 0].reset_index()
    aside.insert(1, "reason", np.array(reasons, object)[code[code > 0]])
    bad = pd.concat([bad, aside], ignore_index=True) if len(bad) else aside
    bad = bad.sort_values("line", kind="stable", ignore_index=True)
    if strict and len(bad):
        line, reason = bad.loc[0, ["line", "reason"]]
        raise ValueError(f"Every row must be good when `strict`. Received in line {line}: {reason}.")
    counts = {
        # The fields of a wrong line are in its reason; counted are all such lines together.
        reason: {"rows": len(part), "first_line": int(part["line"].iloc[0])}
        for reason, part in bad.groupby(
            bad["reason"].str.replace(r"^\d+ fields, .*", "wrong number of fields", regex=True)
        )
    }
    if not len(rows):
        raise ValueError(
            f"The log must hold at least one good row. Received: {len(bad)} rows, kept aside "
            f"for these reasons: {counts}."
        )
    users = pd.Index(frame[user].iloc[rows[np.diff(number, prepend=-1) > 0]])
    report = {
        "rows": len(frame) + int(bad["reason"].str.contains(r"^\d+ fields, ").sum()),
        "rows_kept": len(rows),
        "rows_aside": counts,
        "rows_out_of_order": out_of_order,
        "time_unit": unit,
        "time_from": str(np.datetime64(int(times[rows].min()), "us")),
        "time_to": str(np.datetime64(int(times[rows].max()), "us")),
        "users": len(users),
    }
    return Events(
        frame.iloc[rows],
        number.astype(np.int64),
        users,
        times[rows],
        {name: values[rows] for name, values in numbers.items()},
        report,
        bad,
    )


def _falls(user, time) -> int:
    """How many rows are earlier than the row of the same user before them."""
    order = np.argsort(user, kind="stable")
    user, time = user[order], time[order]
    return int(((np.diff(time) < 0) & (np.diff(user) == 0)).sum())


def _repeated(frame, rows, user, time) -> np.ndarray:
    """Where a row repeats an earlier one. Such rows share user and time, and these are few."""
    same = (np.diff(user) == 0) & (np.diff(time) == 0)
    near = np.flatnonzero(np.append(same, False) | np.append(False, same))
    repeated = np.zeros(len(rows), bool)
    repeated[near] = frame.iloc[rows[near]].duplicated().to_numpy()
    return repeated
