"""Reads tables whose rows contain histories, and separates good rows from bad rows."""

from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from keras_din.count_text import count_text
from keras_din.data.prepare.joins import column_names
from keras_din.data.prepare.source_by_part import check_parts_of_source
from keras_din.data.prepare.split import LEFT_OUT, PARTS, TRAIN
from keras_din.data.prepare.split_rows import (
    parts_of_column,
    split_in_any_order,
    use_order_unit,
)
from keras_din.data.reading.column_types import kinds_of
from keras_din.data.reading.columns import check_columns, from_arrow, to_plain_series
from keras_din.data.reading.file_lines import get_file_lines
from keras_din.data.reading.iterated_tables import IteratedTables
from keras_din.data.reading.labels import NO_RULES
from keras_din.data.reading.row_checks import RowChecks
from keras_din.data.reading.source import SEVERAL, ArrowSource, as_source, is_csv, read_lines
from keras_din.data.reading.table import read_table
from keras_din.data.reading.times import ORDER, time_range


def sources_by_part(source, split, options) -> dict:
    """Returns name of the part -> table, read by `as_source` with the options of CSV files."""
    if isinstance(source, dict):
        check_parts_of_source(source, split)
    else:
        source = {"train": source}
    return {part: as_source(table, *options) for part, table in source.items()}


class RowsRead(NamedTuple):
    """The result of `read_rows`.

    Attributes:
        frame: The good rows, indexed by line or row.
        part: The part of each, see `assign_parts`.
        time: The time of each in microseconds, or its position in the order; `None` without a
            column of these.
        bad: The rows that are kept aside.
        counts: Their counts for the report.
    """

    frame: pd.DataFrame
    part: np.ndarray
    time: np.ndarray | None
    bad: pd.DataFrame
    counts: dict


def read_rows(
    source: dict,
    columns,
    lists,
    split,
    names: list,
    separators,
    reading,
    checks: dict,
    group: str | None = None,
    allow_empty: bool = False,
) -> RowsRead:
    """Reads all tables and concatenates their good rows.

    Args:
        source: Name of the part -> table.
        columns: Names of the columns without histories.
        lists: Names of the columns with histories.
        split: Column with the part of each row, a split such as `LastFraction()`, or `None`.
        names: Names of features whose type is detected, see `kinds_of`.
        separators: The result of `check_separators`.
        reading: Options of `read_table`.
        checks: Checks of rows: the `required` columns, the `labels` and their `label_map`,
            `max_bad` and `strict`; optionally the `rules` of labels, the column of `weight`, and as
            `time` the column, unit and format of times.
        group: Column of the users by which a split divides rows. By default each row is a user.
        allow_empty: Whether a part that the split names may have no rows.
    """
    frames, parts, aside, times, unit = [], [], [], [], ORDER
    counts: dict = {"rows": 0, "rows_kept": 0, "rows_aside": {}}
    counts |= {"labels_filled": {}, "labels_missing": {}}
    for name in [name for name in PARTS if name in source]:
        frame, bad = _read_one(source[name], columns, lists, separators, reading)
        if not len(frame) + len(bad) and len(source) > 1:
            raise ValueError(f"The table of each part must have rows. Received: none of {name!r}.")
        kinds = kinds_of(names, reading["found"], reading["kinds"])
        # A column has the same type in all tables, that of the first table.
        reading = {**reading, "kinds": reading["kinds"] | kinds, "found": {}}
        table = name if len(source) > 1 else None
        frame, bad, reasons, (filled, lacking), (at, unit) = _good(frame, bad, table, **checks)
        times.append(at)
        counts["rows"] += len(frame) + len(bad)
        counts["rows_aside"] |= reasons
        for label, of_label in filled.items():
            before = counts["labels_filled"].get(label, {"rows": 0})
            rows = before["rows"] + of_label["rows"]
            counts["labels_filled"][label] = of_label | {"rows": rows}
        for label, rows in lacking.items():
            counts["labels_missing"][label] = counts["labels_missing"].get(label, 0) + rows
        if (files := get_file_lines(frame)) is not None:
            counts.setdefault("files", []).extend(files.report())
        frames.append(frame)
        parts.append(np.full(len(frame), PARTS.index(name)))
        aside.append(bad)
    frame, part, time = pd.concat(frames), np.concatenate(parts), np.concatenate(times)
    if split is not None:
        users = np.arange(len(frame)) if group is None else pd.factorize(frame[group])[0]
        part = _parts(split, frame, users, time, unit, allow_empty)
        counts["rows_in_no_part"] = int((part == LEFT_OUT).sum())
        kept = part != LEFT_OUT
        frame, part, time = frame[kept], part[kept], time[kept]
    counts["rows_kept"] = len(frame)
    if checks.get("time") is not None:
        counts |= {"time_unit": unit, **time_range(time, unit)}
    if not (part == TRAIN).any():
        raise ValueError(
            "There must be rows of the part 'train' to learn from. "
            f"Received: {count_text(len(frame), 'row')}, none of them of 'train'."
        )
    bad = pd.concat(aside, ignore_index=True)
    return RowsRead(frame, part, None if checks.get("time") is None else time, bad, counts)


def _parts(
    split, frame: pd.DataFrame, user: np.ndarray, time: np.ndarray, unit: str, allow_empty: bool
):
    """The part of each row, see `assign_parts`. Rows without a time are in their order."""
    if isinstance(split, str):
        return parts_of_column(split, frame[split])
    return split_in_any_order(use_order_unit(split, unit), user, time, unit, allow_empty)


def _good(
    frame,
    bad,
    name: str | None,
    required,
    labels,
    label_map,
    max_bad,
    strict,
    time=None,
    weight=None,
    rules=NO_RULES,
):
    """Returns the good rows of a table, its bad rows, the counts of each reason, and of labels.

    The counts of labels are those that were filled, and those that are missing. Last are
    `(times, unit)`, without a column of times the row numbers, which are an order. With one table
    per part, reasons contain the name of the part.
    """
    checks = RowChecks(frame, label_map, rules)
    found = checks.check_values([*required, *([] if time is None else time[:1])], labels)
    times, unit = (np.arange(len(frame)), ORDER) if time is None else checks.check_times(*time)
    if weight is not None:
        checks.check_weights(weight)
    checks.check_labels(found)
    bad, counts = checks.finish(bad, strict)
    what = "the table" if name is None else f"the table of {name!r}"
    checks.check(what, bad, counts, max_bad)
    if name is not None:
        bad["reason"] += f", in {what}"
        counts = {f"{reason}, in {what}": count for reason, count in counts.items()}
    times = times[checks.good], unit
    of_labels = checks.labels_filled, checks.labels_missing
    return frame[checks.good].copy(), bad, counts, of_labels, times


def _read_one(source, columns: list, lists: list, separators, reading):
    """Reads one table with `read_table`. Columns of histories are not converted."""
    check_columns("the rows", column_names(source), [*columns, *lists])
    if is_csv(source):
        text = {*reading["text"], *lists}
        options = reading | {"text": text}
        frame, bad = read_table(source, [*columns, *lists], separators, **options)
        return _plain(frame), bad
    if isinstance(source, IteratedTables):
        source = source.kept([*columns, *lists])
    frame, bad = read_table(source, columns, separators, **reading)
    frame = _plain(frame)
    rows = frame.index.to_numpy()
    table = None
    if isinstance(source, (ArrowSource, *SEVERAL)):
        table, lines = read_lines(source, lists)
        rows = rows if lines is None else pd.Index(lines).get_indexer(rows)
    for name in lists:
        if table is None:
            cells = to_plain_series(source[name]).to_numpy(object)[rows]
            frame[name] = pd.Series(cells, frame.index, dtype=object)
        elif _is_list_or_text(table[name].type):
            frame[name] = pd.arrays.ArrowExtensionArray(table[name].take(rows))
        else:
            cells = from_arrow(table[name]).to_numpy(object)[rows]
            frame[name] = pd.Series(cells, frame.index, dtype=object)
    return frame, bad


def _is_list_or_text(kind: pa.DataType) -> bool:
    """Whether the cells of an Arrow type are lists, or text that is split later."""
    tests = (pa.types.is_list, pa.types.is_large_list, pa.types.is_string, pa.types.is_large_string)
    return any(test(kind) for test in tests)


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Returns a frame with text instead of categories of text."""
    frame = frame.copy(deep=False)
    for name in frame:
        frame[name] = to_plain_series(frame[name])
    return frame
