"""A raw log to be scored: each row with the history that its user had at that moment."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from keras_din.data.prepare.build_behavior_log import concat_behaviors
from keras_din.data.prepare.joins import align_key_types, read_log
from keras_din.data.prepare.log_columns import log_columns
from keras_din.data.reading.bad_share import MAX_BAD, check_bad_share, check_max_bad
from keras_din.data.reading.bag_cells import SEPARATOR
from keras_din.data.reading.columns import is_missing
from keras_din.data.reading.labels import format_value, label_remedy, to_labels
from keras_din.data.reading.source import as_source, as_sources
from keras_din.data.reading.times import PLACEHOLDER, find_placeholders, to_microseconds
from keras_din.data.store.bags import Bags
from keras_din.data.store.behavior_log import BehaviorLog
from keras_din.data.store.order import number_requests, ranges
from keras_din.data.store.samples import Samples
from keras_din.features import FeatureSpec


class ScoredLog(NamedTuple):
    """What `log_to_samples` makes of a log.

    Attributes:
        behaviors: Sequence name -> `BehaviorLog` of the log's users: what the prepared data
            holds of them, and the behaviors of the log.
        samples: `Samples`, a row of each good row of the log, in its order; `line` is its place.
        report: Counts: `rows`, `rows_aside` (reason -> rows), `users`, `users_without_data`,
            `behaviors` (sequence -> those of the log that are new), `behaviors_in_data`
            (sequence -> those that the data holds already), `values_missing`.
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
    """Rows of a raw log as samples, with histories of what happened strictly before each.

    Args:
        source: The log, as `prepare_impressions` takes it: a column for each feature of context
            and target, and in rows that are behaviors for those that only behaviors have.
        spec: The features of the model.
        data: The `PreparedData` whose behaviors stand before those of the log, or `None`.
        user: Column of users, as the log of `data` had them.
        time: Column of times.
        sequences: Name of a sequence -> column of 0 and 1 that selects the rows of the log that are
            its behaviors. A sequence that is not named has those of `data` alone.
        request: Column of impressions shown together: the earliest of their times counts for all.
        items: Table with one row per item, for columns that the log lacks.
        users: Table with one row per user, likewise.
        bags: Separators of columns of text with several values, as in `prepare_impressions`. By
            default those of `data`, if it has them, else `|`.
        time_unit: Unit of times that are numbers.
        time_format: Format of times that are no ISO 8601, as in `prepare_impressions`.
        sep: Separator of CSV files, here and in the other tables, as in `prepare_impressions`.
        header: Whether the log, a CSV file, has a header line, likewise.
        names: Names of the columns of the log, a CSV file, likewise.
        label_map: Other values of those columns -> 0 or 1, likewise.
        max_bad: The largest share of the log's lines that may be no rows, and of the rows of
            another table that may be kept aside.

    Returns:
        `ScoredLog`. Rows without a user, a time or an item, and lines that are no rows, are not
        scored; each reason is counted. A behavior that `data` holds already (the same user, time
        and values) counts once.

    Raises:
        ValueError: When a column is nowhere, no row is good, too many lines are no rows, a
            behavior is neither 0 nor 1, or `data` does not know its users or when they did what.
    """
    # Columns.
    max_bad, sequences = check_max_bad(max_bad), dict(sequences or {})
    of_model = {sequence.name: sequence for sequence in spec.sequences}
    if set(sequences) - set(of_model):
        raise ValueError(
            f"`sequences` must name sequences of the model: {list(of_model)}. "
            f"Received: {list(sequences)}."
        )
    read_by_name = {name: of_model[name] for name in sequences}
    of_log = [f for f in spec.features.values() if f in (*spec.context, *spec.target)]
    of_log += [f for each in read_by_name.values() for f in each.features if f not in of_log]
    ids = [user, request] if request else [user]
    columns = log_columns(
        spec.target,
        [feature for feature in of_log if feature not in spec.target],
        (),
        None,
        ids=ids,
        time=time,
        time_format=time_format,
        numbers=sequences.values(),
        bags=_separators(bags, data, of_log),
    )
    source = as_source(source, sep, header, names)
    items, users = as_sources((items, users), sep)

    # Clean.
    needed = list(dict.fromkeys([*ids, time, *sequences.values(), *columns.names]))
    tables = {"items": (columns.item, items), "users": (user, users)}
    frame, bad, _ = read_log(source, needed, tables, columns.separators, max_bad, **columns.reading)
    rows = len(frame) + len(bad)
    frame, at, reasons = _good_rows(
        frame, bad, user, columns.item, time, time_unit, time_format, max_bad
    )
    who, values = pd.factorize(frame[user])
    number = _numbers(data, pd.Index(values, name=user))

    # Encode.
    features = columns.fit(lambda name: frame[name], 16, 1)
    encoded = {f.name: features.column(f.name, frame[f.name]) for f in of_log}

    # Point.
    logs, new, twice = {}, {}, {}
    for name, sequence in of_model.items():
        did = np.zeros(len(frame), bool)
        if name in sequences:
            did = _flags(sequences[name], frame, label_map)
        places = [_of_data(data, name, number)] if data is not None else []
        if did.any():
            held = {feature.name: encoded[feature.name][did] for feature in sequence.features}
            places.append((who[did], held, at[did]))
        logs[name], twice[name] = _log(sequence, places, len(values))
        new[name] = int(did.sum()) - twice[name]
    when = number_requests(who, pd.factorize(frame[request])[0], at)[1] if request else at
    samples = Samples(
        columns={feature.name: encoded[feature.name] for feature in (*spec.context, *spec.target)},
        history={name: log.before(who, when) for name, log in logs.items()},
        labels={label.name: np.zeros(len(frame), np.float32) for label in spec.labels},
        group=who,
        time=when,
        line=frame.index.to_numpy(),
    )
    report = {
        "rows": rows,
        "rows_aside": reasons,
        "users": len(values),
        "users_without_data": int((number < 0).sum()),
        "behaviors": new,
        "behaviors_in_data": twice,
        "values_missing": features.missing,
    }
    return ScoredLog(logs, samples, report)


def _separators(bags, data, features: list) -> dict:
    """Name of the column of text with several values -> its separator: given, or that of `data`."""
    bags = [bags] if isinstance(bags, str) else bags
    bags = dict(bags) if isinstance(bags, dict) else dict.fromkeys(bags, SEPARATOR)
    of_data = {} if data is None else data.report.get("separators", {})
    return {f.name: of_data[f.name] for f in features if f.name in of_data} | bags


def _good_rows(
    frame, bad, user: str, item: str, time: str, time_unit: str, time_format, max_bad: float
) -> tuple:
    """`(frame, times, reasons)`: the rows that can be scored, and reason -> how many others."""
    if len(bad):
        facts = {"rows": len(bad), "first_line": int(bad["line"].iloc[0])}
        first = bad["reason"].iloc[0]
        reason = f"the line is no row ({first})"
        remedies = {reason: first.remedy}
        check_bad_share("the log", {reason: facts}, len(frame) + len(bad), max_bad, remedies)
    reasons = {"the line is no row": len(bad)} if len(bad) else {}
    at, is_time, unit = to_microseconds(time, frame[time], time_unit, time_format)
    early = find_placeholders(time, at, is_time, unit, time_unit, time_format, frame.index)
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
            f"Received: {len(frame) + len(bad)} rows, not scored for these reasons: {reasons}."
        )
    return frame[good], at[good], reasons


def _numbers(data, values: pd.Index) -> np.ndarray:
    """The number in `data` of each user of the log, -1 of one that it does not know."""
    if data is None:
        return np.full(len(values), -1)
    users = data.user_values
    if users is None:
        raise ValueError(
            "`data` must know which user of the log each of its users is. Received: data that "
            "an older version prepared, or whose loader numbers users. Prepare it again, or score "
            "with the behaviors of the log alone."
        )
    users, values = align_key_types(users, values)
    return users.get_indexer(values)


def _flags(column: str, frame: pd.DataFrame, label_map) -> np.ndarray:
    """Which rows are behaviors, by a column of 0 and 1; nothing there is no behavior."""
    values, _, wrong = to_labels(column, frame[column], label_map)
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            f"Column {column!r} must be 0, 1 or nothing. Received: "
            f"{format_value(frame[column].iloc[row])} in line {frame.index[row]}. "
            f"{label_remedy(frame[column][wrong])}"
        )
    return values == 1


def _of_data(data, name: str, number: np.ndarray) -> tuple:
    """`(user, columns, time)` of the behaviors that `data` holds of the log's users."""
    log = data.behaviors[name]
    if log.time is None or data.report.get("time_unit") == "order":
        raise ValueError(
            "`data` must hold the times of its behaviors. "
            f"Received: a sequence {name!r} without times. Score rows that hold their histories."
        )
    users = np.flatnonzero(number >= 0)
    start, end = log.offsets[number[users]], log.offsets[number[users] + 1]
    size = end - start
    place = ranges(start, size)
    columns = {column: values[place] for column, values in log.columns.items()}
    return np.repeat(users, size), columns, np.asarray(log.time)[place]


def _log(sequence, parts: list, users: int) -> tuple:
    """The log of all behaviors, those that two parts hold once, and how many these are."""
    if not parts:
        empty = {feature.name: _nothing(feature) for feature in sequence.features}
        return BehaviorLog.from_events(np.zeros(0, int), empty, np.zeros(0, int), users), 0
    who, held, at = concat_behaviors(parts)
    if len(parts) == 1:
        return BehaviorLog.from_events(who, held, at, users), 0
    key = pd.DataFrame({"user": who, "time": at})
    for name, values in held.items():
        key[name] = values.bag_ids() if isinstance(values, Bags) else values
    index = pd.MultiIndex.from_frame(key)
    first = len(parts[0][0])
    twice = np.append(np.zeros(first, bool), index[first:].isin(index[:first]))
    kept = np.flatnonzero(~twice)
    held = {name: values[kept] for name, values in held.items()}
    return BehaviorLog.from_events(who[kept], held, at[kept], users), int(twice.sum())


def _nothing(feature):
    """A column without a row."""
    if feature.axes:
        return Bags(np.zeros(0, int), np.zeros(1, int), np.zeros(0, np.int32))
    return np.zeros(0, feature.input_dtype)
