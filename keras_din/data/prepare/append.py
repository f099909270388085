"""Appends another log, such as the next day's, to prepared data."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd

from keras_din.checks import one_of
from keras_din.data.encoding.features import count_parts
from keras_din.data.encoding.vectors import grown_vectors
from keras_din.data.prepare.clean_log import clean_log
from keras_din.data.prepare.counts import add_counts
from keras_din.data.prepare.day import Day
from keras_din.data.prepare.deliveries import find_deliveries, without_known
from keras_din.data.prepare.joins import column_names
from keras_din.data.prepare.log_columns import column_features, log_columns
from keras_din.data.prepare.log_format import LogFormat
from keras_din.data.prepare.recent_behaviors import with_recent
from keras_din.data.prepare.requests import sort_by_request
from keras_din.data.prepare.value_counts import count_values, raw_column
from keras_din.data.prepare.vocabulary_state import Eviction
from keras_din.data.reading.bad_share import check_max_bad
from keras_din.data.reading.columns import is_missing, numbers
from keras_din.data.reading.file_lines import describe_row
from keras_din.data.reading.labels import format_value
from keras_din.data.reading.raw_values import raw_values
from keras_din.data.reading.source import as_source, as_sources
from keras_din.data.reading.times import ORDER, times_have_zones
from keras_din.data.store.samples import Samples
from keras_din.features import Vocabulary

LATE = ("insert", "refuse")
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
    """Reads another log of impressions like the one of prepared data.

    See `PreparedData.append` for the arguments.

    Returns:
        `(day, data)`: the `Day`, and the data before it with the grown vocabularies and what
        identifies the log. `day` is `None` if the log was read before.
    """
    log_format = _log_format(data)
    if max_bad is not None:
        log_format = dataclasses.replace(log_format, max_bad=check_max_bad(max_bad))
    one_of("late", late, LATE)
    number = len(data.days) + 1
    events, of_tables, columns = _read(data, source, items, users, log_format)
    columns.kinds()  # Refuses text with digits among numbers, such as 12,5.
    found = find_deliveries(events, [columns.item, *log_format.ids])
    events, entries, left_out = without_known(events, found, data.deliveries)
    if left_out:
        some = ", ".join(map(str, left_out[:3])) + (", ..." if len(left_out) > 3 else "")
        print(f"left out, since read before: {some}", flush=True)
    if not entries:
        return None, data
    _check_types(data, events, columns)
    events, requests, shown_at = sort_by_request(events, log_format.request)
    _, events, past = add_counts(columns, events, shown_at, earlier=data.all_past)
    first = np.full(len(events.users), np.iinfo(np.int64).max)
    np.minimum.at(first, events.user, shown_at)
    last_time = data.last_time
    is_late = shown_at < last_time
    if late == "refuse" and is_late.any():
        row = int(is_late.argmax())
        raise ValueError(
            f"All rows must be at or after the last time of the data, {_date(last_time)}, "
            f"with late='refuse'. Received: {int(is_late.sum()):,} earlier rows, such as "
            f"{_date(shown_at[row])} in {describe_row(events.frame, row, 'row')}. "
            "Pass late='insert' (on the command line `--late insert`) to insert them in the "
            "histories of later days."
        )

    vocabularies, of_vocabularies = {}, {}
    seen = count_values(data.spec, data.vocabularies, events.frame, columns.separators)
    for name, state in data.vocabularies.items():
        vocabularies[name], of_vocabularies[name] = state.append(
            seen[name], int(events.time.max()), number, log_format.min_count, eviction
        )
    spec = data.spec.with_values({name: state.values for name, state in vocabularies.items()})
    spec, of_vectors = grown_vectors(data.spec, spec, vectors)
    features = _log_columns(spec, log_format).fit(None, 16, 1)
    features.mark_padding(spec)
    encoded = {name: features.column(name, events.frame[name]) for name in columns.names}

    behaviors, is_own = {}, {}
    known = data.updated(spec, vocabularies)
    for sequence in spec.sequences:
        of_day = events.labels[log_format.sequences[sequence.name]] == 1
        new = (
            events.user[of_day],
            {name: encoded[name][of_day] for name in column_features(sequence.features)},
            events.time[of_day],
        )
        behaviors[sequence.name], is_own[sequence.name] = with_recent(
            known.day_behaviors(sequence.name), events.users, first, new, sequence.max_length
        )
    samples = Samples(
        columns={name: encoded[name] for name in columns.of_samples},
        history={name: log.before(events.user, shown_at) for name, log in behaviors.items()},
        labels={name: events.labels[column] for name, column in log_format.labels.items()},
        weight=events.weight,
        group=events.user,
        request=requests,
        time=shown_at,
        line=events.frame.index.to_numpy(),
    )
    report = {
        "kind": "impressions",
        **events.report,
        **of_tables,
        "rows_late": int(is_late.sum()),
        "vocabularies": of_vocabularies,
        "values_missing": features.missing,
        **features.of_bags,
        **of_vectors,
        "behaviors": {name: int(own.sum()) for name, own in is_own.items()},
        "parts": count_parts({"train": samples}, spec),
    }
    users = events.users.rename(log_format.user)
    day = Day(number, behaviors, is_own, samples, users, report, events.bad, past)
    return day, dataclasses.replace(
        known,
        deliveries=[*data.deliveries, *entries],
        known_last_time=max(last_time, int(events.time.max())),
    )


def _log_format(data) -> LogFormat:
    if data.log_format is None:
        raise ValueError(
            "`append` requires data that `prepare_impressions` of this version prepared, since it "
            f"reads a log in the same way. Received: {data.report.get('kind', 'other data')!r}. "
            "Prepare the data again."
        )
    if data.user_values is None:
        raise ValueError("`append` requires data with the users' raw values. Received: none.")
    return data.log_format


def _log_columns(spec, log_format: LogFormat):
    of = dict.fromkeys(f for sequence in spec.sequences for f in sequence.of)
    side_features = dict.fromkeys(f for each in spec.sequences for f in each.side_features)
    bags = {name: text for name, text in log_format.separators.items() if text is not None}
    return log_columns(
        spec.target,
        spec.context,
        list(side_features),
        list(of),
        ids=log_format.ids,
        time=log_format.time,
        time_format=log_format.time_format,
        numbers=log_format.numbers,
        bags=bags,
    )


def _read(data, source, items, users, log_format: LogFormat) -> tuple:
    """Returns `(events, report, columns)` of a log, read in the same way as the data's."""
    columns = _log_columns(data.spec, log_format)
    if raw_values(log_format.user, pd.Series(data.user_values)).kind == "string":
        columns.reading["kinds"].pop(log_format.user)
        columns.reading["text"].add(log_format.user)
    source = as_source(source, log_format.sep, log_format.header, log_format.names)
    items, users = as_sources((items, users), log_format.sep)
    needed = [*log_format.ids, log_format.time, *log_format.numbers, *columns.to_read]
    _check_tables(data, source, needed, {"items": items, "users": users})
    events, report = clean_log(
        source,
        columns,
        needed,
        {"items": (columns.item, items), "users": (log_format.user, users)},
        log_format.max_bad,
        user=log_format.user,
        time=log_format.time,
        labels=log_format.flags,
        weight=log_format.weight,
        required=[columns.item, *log_format.ids[1:]],
        time_unit=log_format.time_unit,
        time_format=log_format.time_format,
        label_map=log_format.label_map,
        duplicates=log_format.duplicates,
    )
    return events, report, columns


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


def _check_types(data, events, columns) -> None:
    """Refuses users and values of another type than before: `"007"` is another value than 7."""
    name = data.log_format.user
    found, expected = (
        raw_values(name, pd.Series(users)).kind for users in (events.users, data.user_values)
    )
    if found != expected:
        raise _type_error(name, expected, found, events.users[0])
    _check_times(data.log_format, events)
    for feature in data.spec.features.values():
        if not feature.has_column or feature.from_events:
            continue
        values = events.frame[feature.name]
        if feature.takes_numbers and not np.isfinite(numbers(feature.name, values)).any():
            some = values[~is_missing(values)]
            if len(some):
                raise _type_error(feature.name, "float", "string", some.iloc[0])
        if feature.table is None or not isinstance(feature.table.values, Vocabulary):
            continue
        values = raw_column(feature, values, columns.separators)
        found, expected = raw_values(feature.name, values).kind, feature.values.raw_dtype
        if len(values) and found != expected:
            raise _type_error(feature.name, expected, found, values.iloc[0])


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


def _type_error(name: str, expected: str, found: str, value) -> ValueError:
    words = {"string": "text", "int64": "integers", "float": "numbers"}
    return ValueError(
        f"Column {name!r} must have the type that it had when the data was prepared, "
        f"{words[expected]}, since '007' and 7 are different ids. Received: {words[found]}, such "
        f"as {format_value(value)}. Convert the column, or prepare all days again."
    )


def _date(time: int) -> str:
    return str(pd.Timestamp(int(time), unit="us"))
