"""Converts a raw log to samples for scoring, each with the user's history at its time."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from keras_din.count_text import count_text
from keras_din.data.prepare.build_behavior_log import concat_behaviors
from keras_din.data.prepare.counts import counted_columns, sort_by_keys
from keras_din.data.prepare.joins import align_key_types, read_log
from keras_din.data.prepare.label_columns import label_map_by_column
from keras_din.data.prepare.log_columns import (
    LogColumns,
    column_features,
    log_columns,
    with_weights,
)
from keras_din.data.prepare.recent_behaviors import own_behaviors
from keras_din.data.reading.bad_share import MAX_BAD, check_bad_share, check_max_bad
from keras_din.data.reading.bag_cells import SEPARATOR
from keras_din.data.reading.columns import is_missing
from keras_din.data.reading.file_lines import describe_row, place
from keras_din.data.reading.labels import format_value, label_map_of, label_remedy, to_labels
from keras_din.data.reading.source import as_source, as_sources
from keras_din.data.reading.times import PLACEHOLDER, find_placeholders, to_microseconds
from keras_din.data.store.bags import Bags, row_ids
from keras_din.data.store.behavior_log import BehaviorLog
from keras_din.data.store.order import number_requests
from keras_din.data.store.samples import Samples
from keras_din.features import FeatureSpec, Vector


class ScoredLog(NamedTuple):
    """The result of `log_to_samples`.

    Attributes:
        behaviors: Sequence name -> `BehaviorLog` of the log's users, with their behaviors in the
            prepared data and in the log.
        samples: `Samples` with one row per good row of the log, in the order of the log. `line`
            is the position in the log.
        report: Counts: `rows`, `rows_aside` (reason -> rows), `users`, `users_without_data`,
            `behaviors` (sequence -> new behaviors of the log), `behaviors_in_data` (sequence ->
            behaviors of the log that the prepared data already contains), `values_missing`.
    """

    behaviors: dict
    samples: Samples
    report: dict


def log_to_samples(
    source,
    spec: FeatureSpec,
    data=None,
    *,
    user: str,
    time: str,
    sequences: dict | None = None,
    request: str | None = None,
    items=None,
    users=None,
    bags=(),
    time_unit: str = "auto",
    time_format: str | None = None,
    sep: str | None = None,
    header: bool | None = None,
    names=None,
    label_map: dict | None = None,
    max_bad: float = MAX_BAD,
) -> ScoredLog:
    """Converts rows of a raw log to samples. A history has the behaviors strictly before the row.

    Args:
        source: The log, same as in `prepare_impressions`. It has a column for each feature of
            context and target. Features that only behaviors have need values in rows that are
            behaviors.
        spec: The features of the model.
        data: The `PreparedData` with earlier behaviors, or `None`. `Count` features count its
            rows, and not those of the log: append a log to the data to count its rows too.
        user: Column of users, with the same values as in the log of `data`.
        time: Column of times.
        sequences: Name of a sequence -> column of 0 and 1; the rows with 1 are its behaviors.
            Other sequences have only the behaviors of `data`.
        request: Column of requests: impressions that were shown together. The time of a request
            is the earliest of its times.
        items: Table with one row per item, for columns that the log lacks.
        users: Table with one row per user, for columns that the log lacks.
        bags: Separators of columns of text with several values, same as in `prepare_impressions`.
            Defaults to the separators of `data`, or else `|`.
        time_unit: Unit of times that are numbers.
        time_format: Format of times that are not ISO 8601, same as in `prepare_impressions`.
        sep: Same as in `prepare_impressions`.
        header: Same as in `prepare_impressions`.
        names: Same as in `prepare_impressions`.
        label_map: Other values of the columns in `sequences` -> 0 or 1, such as `{-1: 0}`, or
            sequence -> such a dict.
        max_bad: The largest share of the log's lines that may be bad, and of the rows of another
            table that may be kept aside.

    Returns:
        A `ScoredLog`. Bad lines, and rows without a user, a time or an item, are not scored. They
        are counted by reason. A behavior that `data` already contains (the same user, time and
        values) is counted once.

    Raises:
        ValueError: If a column is missing, no row is good, too many lines are bad, a column of
            `sequences` has other values than 0 and 1, or `data` has no raw values of users or no
            times of behaviors.
    """
    # Columns.
    max_bad, sequences = check_max_bad(max_bad), dict(sequences or {})
    ids = [user, request] if request else [user]
    columns = _columns(spec, data, sequences, ids, time, time_format, bags)
    label_map = label_map_by_column(label_map, sequences)
    source = as_source(source, sep, header, names)
    items, users = as_sources((items, users), sep)

    # Clean.
    needed = list(dict.fromkeys([*ids, time, *sequences.values(), *columns.to_read]))
    tables = {"items": (columns.item, items), "users": (user, users)}
    frame, bad, _ = read_log(source, needed, tables, columns.separators, max_bad, **columns.reading)
    rows = len(frame) + len(bad)
    frame, at, reasons = _good_rows(
        frame, bad, user, columns.item, time, time_unit, time_format, max_bad
    )
    user_number, values = pd.factorize(frame[user])
    numbers = _numbers_in_data(data, pd.Index(values, name=user))

    shown_at = at
    if request:
        _, shown_at = number_requests(user_number, pd.factorize(frame[request])[0], at)

    # Encode.
    queries = sort_by_keys(columns.counts, frame.__getitem__, shown_at)
    pieces = [] if data is None else data.all_past
    frame = frame.assign(**counted_columns(columns.counts, pieces, queries))
    features = columns.fit(None, 16, 1)
    encoded = {name: features.column(name, frame[name]) for name in columns.names}

    # Point.
    logs, new, duplicates = {}, {}, {}
    for sequence in spec.sequences:
        name = sequence.name
        is_behavior = _is_behavior(name, sequences, frame, label_map)
        parts = [] if data is None else [_behaviors_of_data(data, name, numbers)]
        if is_behavior.any():
            held = {n: encoded[n][is_behavior] for n in column_features(sequence.features)}
            parts.append((user_number[is_behavior], held, at[is_behavior]))
        logs[name], duplicates[name] = _log(sequence, parts, len(values))
        new[name] = int(is_behavior.sum()) - duplicates[name]
    samples = Samples(
        columns={n: encoded[n] for n in column_features([*spec.context, *spec.target])},
        history={name: log.before(user_number, shown_at) for name, log in logs.items()},
        labels={label.name: np.zeros(len(frame), np.float32) for label in spec.labels},
        group=user_number,
        time=shown_at,
        line=frame.index.to_numpy(),
    )
    report = {
        "rows": rows,
        "rows_aside": reasons,
        "users": len(values),
        "users_without_data": int((np.max(numbers, axis=0) < 0).sum()),
        "behaviors": new,
        "behaviors_in_data": duplicates,
        "values_missing": features.missing,
    }
    return ScoredLog(logs, samples, report)


def _columns(
    spec: FeatureSpec, data, sequences: dict, ids: list, time: str, time_format, bags
) -> LogColumns:
    """Returns the columns of the log: of context, target and the sequences that it has."""
    of_model = {sequence.name: sequence for sequence in spec.sequences}
    if set(sequences) - set(of_model):
        raise ValueError(
            f"`sequences` must name sequences of the model: {list(of_model)}. "
            f"Received: {list(sequences)}."
        )
    of_samples = [f for f in spec.features.values() if f in (*spec.context, *spec.target)]
    of_behaviors = [f for name in sequences for f in of_model[name].features]
    features = [*of_samples, *(f for f in of_behaviors if f not in of_samples)]
    features = [feature for feature in features if feature.has_column]
    columns = log_columns(
        spec.target,
        [feature for feature in features if feature not in spec.target],
        (),
        None,
        ids=ids,
        time=time,
        time_format=time_format,
        numbers=sequences.values(),
        bags=_separators(bags, data, features),
    )
    if columns.counts and (data is None or not data.past):
        raise ValueError(
            "`data` must be the prepared data of the log before, with the rows that "
            f"{columns.counts[0]!r} counts. Received: {data!r}. Without it, score rows that "
            "contain their histories and a column of this name."
        )
    return columns


def _separators(bags, data, features: list) -> dict:
    """Returns name of the column -> separator, from `bags` or else from `data`."""
    bags = [bags] if isinstance(bags, str) else bags
    bags = dict(bags) if isinstance(bags, dict) else dict.fromkeys(bags, SEPARATOR)
    of_data = {} if data is None else data.report.get("separators", {})
    return {f.name: of_data[f.name] for f in features if f.name in of_data} | bags


def _good_rows(
    frame, bad, user: str, item: str, time: str, time_unit: str, time_format, max_bad: float
) -> tuple:
    """Returns `(frame, times, reasons)`: the good rows, and reason -> number of other rows."""
    if len(bad):
        at_first = place(frame, bad["line"].iloc[0])
        facts = {"rows": len(bad)} | {f"first_{word}": value for word, value in at_first.items()}
        first = bad["reason"].iloc[0]
        reason = f"the line is not a row ({first})"
        remedies = {reason: first.remedy}
        check_bad_share("the log", {reason: facts}, len(frame) + len(bad), max_bad, remedies)
    reasons = {"the line is not a row": len(bad)} if len(bad) else {}
    at, is_time, unit = to_microseconds(time, frame[time], time_unit, time_format)
    early = find_placeholders(time, at, is_time, unit, time_unit, time_format, frame)
    good = np.ones(len(frame), bool)
    for name, wrong in [
        (f"{user!r} is missing", is_missing(frame[user])),
        (f"{item!r} is missing", is_missing(frame[item])),
        (f"{time!r} is missing or not a time", ~is_time),
        (f"{time!r} {PLACEHOLDER}", early),
    ]:
        if count := int((good & wrong).sum()):
            reasons[name] = count
        good &= ~np.asarray(wrong)
    if not good.any():
        raise ValueError(
            "The log must hold at least one row that can be scored. "
            f"Received: {count_text(len(frame) + len(bad), 'row')}, not scored for these "
            f"reasons: {reasons}."
        )
    return frame[good], at[good], reasons


def _numbers_in_data(data, values: pd.Index) -> list:
    """Returns the number of each user of the log, or -1: in the base data, and in each day."""
    if data is None:
        return [np.full(len(values), -1)]
    if data.user_values is None:
        raise ValueError(
            "`data` must contain the raw values of its users. Received: data of an older version, "
            "or of a loader that numbers users. Prepare it again, or score with the behaviors of "
            "the log only."
        )
    found = []
    for of_day in (data.user_values, *(day.users for day in data.days)):
        users, wanted = align_key_types(of_day, values)
        found.append(users.get_indexer(wanted))
    return found


def _is_behavior(name: str, sequences: dict, frame: pd.DataFrame, label_map) -> np.ndarray:
    """Returns which rows are behaviors of a sequence. A missing value of its column means 0."""
    if name not in sequences:
        return np.zeros(len(frame), bool)
    column, of_several = sequences[name], len(set(sequences.values())) > 1
    values, _, wrong = to_labels(column, frame[column], label_map_of(column, label_map))
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            f"Column {column!r} must be 0, 1 or missing. Received: "
            f"{format_value(frame[column].iloc[row])} in {describe_row(frame, row)}. "
            f"{label_remedy(frame[column][wrong], column if of_several else None)} A row with an "
            "empty value is scored too, but is no behavior of later rows."
        )
    return values == 1


def _behaviors_of_data(data, name: str, numbers: list) -> tuple:
    """Returns `(user, columns, time)` of the behaviors in `data` of the log's users."""
    if data.behaviors[name].time is None or data.report.get("time_unit") == "order":
        raise ValueError(
            "`data` must hold the times of its behaviors. "
            f"Received: a sequence {name!r} without times. Score rows that contain their histories."
        )
    days = data.day_behaviors(name)
    return concat_behaviors([own_behaviors(d, n) for d, n in zip(days, numbers, strict=True)])


def _log(sequence, parts: list, users: int) -> tuple:
    """Returns the log of all behaviors without duplicates, and the number of duplicates.

    A duplicate is a behavior of the second part that is also in the first part.
    """
    if not parts:
        empty = {f.name: _empty_column(f) for f in with_weights(sequence.features) if f.has_column}
        return BehaviorLog.from_events(np.zeros(0, int), empty, np.zeros(0, int), users), 0
    user, held, at = concat_behaviors(parts)
    if len(parts) == 1:
        return BehaviorLog.from_events(user, held, at, users), 0
    key = pd.DataFrame({"user": user, "time": at})
    for name, values in held.items():
        key[name] = row_ids(values)
    index = pd.MultiIndex.from_frame(key)
    first = len(parts[0][0])
    is_duplicate = np.append(np.zeros(first, bool), index[first:].isin(index[:first]))
    kept = np.flatnonzero(~is_duplicate)
    held = {name: values[kept] for name, values in held.items()}
    return BehaviorLog.from_events(user[kept], held, at[kept], users), int(is_duplicate.sum())


def _empty_column(feature):
    """Returns a column without rows."""
    if isinstance(feature, Vector):
        return np.zeros((0, feature.size), feature.storage)
    if feature.axes:
        return Bags(np.zeros(0, int), np.zeros(1, int), np.zeros(0, feature.input_dtype))
    return np.zeros(0, feature.input_dtype)
