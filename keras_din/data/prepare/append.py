"""Appends another log, such as the next day's, to prepared data."""

import dataclasses
import re
import time as clock
from typing import Any

import pandas as pd

from keras_din.checks import one_of
from keras_din.data.prepare.append_impressions import impressions_day
from keras_din.data.prepare.append_interactions import interactions_day
from keras_din.data.prepare.appended_log import AppendedLog
from keras_din.data.prepare.catalog import columns_of_behaviors
from keras_din.data.prepare.clean_log import clean_log
from keras_din.data.prepare.deliveries import find_deliveries, without_known
from keras_din.data.prepare.joins import column_names
from keras_din.data.prepare.log_columns import columns_of_format
from keras_din.data.prepare.log_format import LogFormat
from keras_din.data.prepare.value_types import type_error
from keras_din.data.prepare.vocabulary_state import Eviction
from keras_din.data.reading.bad_share import check_max_bad
from keras_din.data.reading.labels import LabelRules, format_value
from keras_din.data.reading.raw_values import raw_values
from keras_din.data.reading.source import as_source, as_sources
from keras_din.data.reading.times import ORDER, times_have_zones

LATE = ("insert", "refuse")
_DAY = 86_400  # Seconds.
# Arguments that errors of reading name, and that only the functions that prepare data have.
_OF_PREPARE = (
    *("sep", "header", "names", "label_map", "duplicates", "time_unit", "time_format"),
    *("bags", "numeric", "categorical"),
)
# What `times_have_zones` returns.
_TIMES = {
    (): "numbers",
    (False,): "dates without a time zone",
    (True,): "dates with a time zone",
    (False, True): "dates with and without a time zone",
}


def append_log(
    data,
    source: Any,
    *,
    items: Any,
    users: Any,
    vectors: Any,
    late: str,
    eviction: Eviction,
    max_bad: float | None = None,
) -> tuple:
    """Reads another log like the one of prepared data.

    See `PreparedData.append` for the arguments.

    Returns:
        `(day, data)`: the `Day`, and the data before it with the grown vocabularies and what
        identifies the log. `day` is `None` if the log was read before.
    """
    log_format = _log_format(data)
    if max_bad is not None:
        log_format = dataclasses.replace(log_format, max_bad=check_max_bad(max_bad))
    one_of("late", late, LATE)
    items, users = as_sources((items, users), log_format.sep)
    try:
        events, of_tables, columns = _read(data, source, items, users, log_format)
        columns.kinds()  # Refuses text with digits among numbers, such as 12,5.
    except ValueError as error:
        raise _with_note(error) from error
    found = find_deliveries(events, [columns.item, *log_format.ids])
    events, entries, left_out = without_known(events, found, data.deliveries)
    if left_out:
        some = ", ".join(map(str, left_out[:3])) + (", ..." if len(left_out) > 3 else "")
        print(f"left out, since read before: {some}", flush=True)
    if not entries:
        return None, data
    _check_user_types(data, events)
    _check_times(log_format, events)
    log = AppendedLog(
        data,
        len(data.days) + 1,
        events,
        columns,
        log_format,
        of_tables,
        items,
        vectors,
        late,
        eviction,
    )
    if log_format.time_unit != ORDER:
        _print_if_future(data.last_time, log.last_time)
    day, known = (impressions_day if log_format.negatives is None else interactions_day)(log)
    return day, dataclasses.replace(
        known,
        deliveries=[*data.deliveries, *entries],
        known_last_time=max(data.last_time, log.last_time),
    )


def _with_note(error: ValueError) -> ValueError:
    """Returns an error that says which of the arguments that it names `append` does not have."""
    named = [name for name in _OF_PREPARE if re.search(rf"`{name}\b", str(error))]
    if not named:
        return error
    return ValueError(
        f"{error} {', '.join(f'`{name}`' for name in named)} "
        f"{'is an argument' if len(named) == 1 else 'are arguments'} of the function that prepared "
        "the data, and `append` reads further logs in the same way: change the log, or prepare all "
        "days again."
    )


def _print_if_future(before: int, last: int) -> None:
    """Prints a notice if a log ends in the future, which makes all later days late."""
    latest = int((clock.time() + _DAY) * 1_000_000)
    if last > latest >= before:
        print(
            f"the last time of the log is in the future, {pd.Timestamp(last, unit='us')}: rows of "
            "later logs before it are late",
            flush=True,
        )


def _log_format(data) -> LogFormat:
    if data.log_format is None:
        raise ValueError(
            "`append` requires data that `prepare_impressions` or `prepare_interactions` of this "
            "version prepared, since it reads a log in the same way. "
            f"Received: {data.report.get('kind', 'other data')!r}. Prepare the data again."
        )
    if data.user_values is None:
        raise ValueError("`append` requires data with the users' raw values. Received: none.")
    if data.log_format.negatives is not None and data.catalog is None:
        raise ValueError(
            "`append` to a log of behaviors requires all of its items, from which negatives are "
            "drawn. Received: one shard of the log. Prepare the log again with the further rows."
        )
    return data.log_format


def _read(data, source, items, users, log_format: LogFormat) -> tuple:
    """Returns `(events, report, columns)` of a log, read in the same way as the data's."""
    columns = columns_of_format(data.spec, log_format)
    if raw_values(log_format.user, pd.Series(data.user_values)).kind == "string":
        columns.reading["kinds"].pop(log_format.user)
        columns.reading["text"].add(log_format.user)
    source = as_source(source, log_format.sep, log_format.header, log_format.names)
    needed = [*log_format.ids, log_format.time, *log_format.numbers]
    tables = {"users": (log_format.user, users)}
    if log_format.negatives is None:
        needed += columns.to_read
        tables = {"items": (columns.item, items)} | tables
    else:
        needed += columns_of_behaviors(columns, items)
    _check_labels(data, source)
    _check_tables(data, source, needed, {"items": items, "users": users})
    events, report = clean_log(
        source,
        columns,
        needed,
        tables,
        log_format.max_bad,
        user=log_format.user,
        time=log_format.time,
        labels=log_format.flags,
        rules=_label_rules(data, log_format),
        weight=log_format.weight,
        required=[columns.item, *([log_format.request] if log_format.request else [])],
        time_unit=log_format.time_unit,
        time_format=log_format.time_format,
        label_map=log_format.label_map,
        duplicates=log_format.duplicates,
    )
    return events, report, columns


def _label_rules(data, log_format: LogFormat) -> LabelRules:
    """Returns the rules of the labels of the log. A log of behaviors has none."""
    columns = log_format.labels
    return LabelRules.of({e: columns[e.name] for e in data.spec.labels if e.name in columns})


def _check_labels(data, source) -> None:
    """Refuses a day without the column of one of several labels, such as one that comes later."""
    columns = data.log_format.labels.values()
    names = column_names(source)
    lacking = [column for column in columns if column not in names]
    if len(columns) > 1 and lacking:
        raise ValueError(
            f"The log must have a column for each label. Received: a log without {lacking}. If "
            "these labels of the day are not known yet, add columns of missing values, "
            f"`log.assign({', '.join(f'{name}=None' for name in lacking)})`."
        )


def _check_tables(data, source, needed: list, tables: dict) -> None:
    """Refuses a log without the tables from which the data took columns that the log lacks."""
    names = column_names(source)
    lacking = [name for name in needed if name not in names]
    absent = [
        name for name, table in tables.items() if table is None and f"{name}_table" in data.report
    ]
    if lacking and absent:
        words = " and ".join(f"`{name}` (on the command line `--{name}`)" for name in absent)
        raise ValueError(
            f"Columns {lacking} must be in the log, or in a table, as when the data was prepared: "
            f"pass {words}. Received: a log with the columns {names}, and no such table."
        )


def _check_user_types(data, events) -> None:
    """Refuses users of another type than before: `"007"` is another user than 7."""
    name = data.log_format.user
    found, expected = (
        raw_values(name, pd.Series(users)).kind for users in (events.users, data.user_values)
    )
    if found != expected:
        raise type_error(name, expected, found, events.users[0])


def _check_times(log_format: LogFormat, events) -> None:
    """Refuses times in another form than before: a time without a zone is read as UTC."""
    if log_format.time_unit == ORDER or log_format.time_format is not None:
        return
    found, expected = times_have_zones(events.frame[log_format.time]), log_format.time_zones
    if bool(found) != bool(expected) or not set(found) <= set(expected):
        raise ValueError(
            f"Column {log_format.time!r} must have times in the form that they had when the data "
            f"was prepared, {_TIMES[expected]}, since dates without a time zone are read as UTC. "
            f"Received: {_TIMES[found]}, such as "
            f"{format_value(events.frame[log_format.time].iloc[0])}. Convert the column."
        )
