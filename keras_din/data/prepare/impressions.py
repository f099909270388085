"""Logs of what was shown: clicked or not."""

import dataclasses

import numpy as np
import pandas as pd

from keras_din.data.encoding.features import (
    Features,
    behavior_features,
    checked_features,
    coerce_item_ids,
    concat_series,
    count_parts,
    csv_hints,
    feature_name,
    features_to_type,
)
from keras_din.data.prepare.joins import column_names, index_of, read_log
from keras_din.data.prepare.label_columns import label_columns
from keras_din.data.prepare.leaks import check_no_feedback, warn_of_leaks
from keras_din.data.prepare.prepared_data import PreparedData, cut_into_parts
from keras_din.data.prepare.split import (
    TRAIN,
    LastFraction,
    check_parts,
    check_training,
    part_of,
    part_of_column,
    with_unit,
)
from keras_din.data.reading.bad_rows import MAX_BAD, check_aside
from keras_din.data.reading.bag_cells import checked_separators
from keras_din.data.reading.column_types import kinds_of
from keras_din.data.reading.columns import is_missing
from keras_din.data.reading.labels import check_both_classes
from keras_din.data.reading.source import as_source, other_tables
from keras_din.data.reading.table import clean_events
from keras_din.data.reading.times import placeholders, time_or_order, to_microseconds
from keras_din.data.store.bags import concat_bags
from keras_din.data.store.behavior_log import BehaviorLog
from keras_din.data.store.order import requests as requests_of
from keras_din.data.store.samples import Samples


def prepare_impressions(
    source,
    *,
    user: str,
    time: str | None = None,
    order: str | None = None,
    label,
    target,
    context=(),
    side_features=(),
    of=None,
    sequences: dict | None = None,
    prior_history: dict | None = None,
    request: str | None = None,
    items=None,
    users=None,
    split=None,
    max_length: int = 100,
    dim=16,
    min_count: int = 1,
    bags=(),
    numeric=(),
    categorical=(),
    time_unit: str = "auto",
    time_format: str | None = None,
    allow_empty_parts: bool = False,
    sep: str | None = None,
    header: bool | None = None,
    names=None,
    label_map: dict | None = None,
    duplicates: str | None = None,
    max_bad: float = MAX_BAD,
    strict: bool = False,
) -> PreparedData:
    """A log of impressions, clicked or not, as a data set.

    The history of an impression are the user's clicks strictly before its time, whatever part
    they are in: what is known when the impression is scored. Clicks at the very time of the
    impression may be its consequence and do not count.

    Args:
        source: The log, one impression a row, in any order: a `DataFrame` of pandas, Polars or
            another library, a table of Arrow, or the path of a CSV, Parquet, Arrow or ORC file,
            compressed or not.
        user: Column of users.
        time: Column of times: dates, ISO 8601 strings or numbers since 1970.
        order: In place of `time`, in a log without times: column of whole numbers that say which
            row is earlier. `report` has its `order_from` and `order_to`, and no dates.
        label: Column of 0 and 1, the click. Of several labels a list of columns, or a dict of
            label -> column; a `keras_din.Label` in place of a name also names the output of the
            model. A row must have all of them.
        target: Columns of the candidate, the item first. Strings and integers become a
            `Categorical` with the vocabulary of the training part, lists of them a `Bag`, floats
            a `Numeric`. `report["columns"]` says which, and why; `numeric`, `categorical` and
            `bags` say otherwise. A `Categorical`, `Bag` or `Numeric` in place of a name is taken
            as it is.
        context: Columns of the user and the request, likewise.
        side_features: Columns of the log that only behaviors have, likewise.
        of: Columns of `target` that behaviors have too. Defaults to all.
        sequences: Name of a sequence -> column of 0 and 1 that tells which rows are its
            behaviors. Defaults to `{"hist": label}`, with the first label.
        prior_history: Name of a sequence -> table of behaviors from before the log, with the
            columns of the user, of `of` and `side_features`, and of the time; without times they
            stand before everything, in their order.
        request: Column of requests: impressions shown together. They share context and
            history, and the earliest of their times counts for all.
        items: Table with one row an item, for columns that the log lacks.
        users: Table with one row a user, for columns that the log lacks.
        split: `LastFraction()` (the default), `LeaveOneOut()`, `ByUser()`, `ByTime()` or a
            function; see `keras_din.data.prepare.split`. Or the name of a column of the log that
            holds `"train"`, `"valid"` or `"test"`; clicks of other rows are in histories only.
            Without rows for training, all features must be known, as those of a
            `PreparedData.spec`.
        max_length: The most behaviors that a model reads.
        dim: Width of the embeddings, or column -> width.
        min_count: How often a value must occur in training to have a row of its own.
        bags: Columns of text that hold several values: name -> separator, or names alone, whose
            separator is `|`. They become a `Bag`, as columns of lists do without being named.
            A `Bag` in place of a name is taken as it is; its text is separated alike.
        numeric: Columns of amounts, which become a `Numeric` also where they hold whole numbers.
        categorical: Columns of ids or categories, which become a `Categorical` also where they
            hold whole numbers as floats, or in a CSV file any numbers, as they are written.
        time_unit: Unit of times that are numbers: `"s"`, `"ms"`, `"us"`, `"ns"` or `"auto"`.
            With `"auto"`, and without `time_format`, times such as 0 and -1 among those of today
            stand for no time, and their rows are kept aside.
        time_format: Format of times, see `datetime.strptime`, where they are neither ISO 8601
            nor since 1970: `"%Y%m%d"` for 20220408.
        allow_empty_parts: Whether a part that `split` names may be without rows.
        sep: The separator of CSV files, here and in the other tables. By default a tab where the
            name of a file has `.tsv`, else a comma.
        header: Whether the log, a CSV file, has a header line. By default it has one unless
            `names` is given.
        names: Names of the columns of the log, a CSV file, in their order.
        label_map: Other values of the labels -> 0 or 1, as `{-1: 0}` or `{"no": 0, "yes": 1}`; a
            key `None` is a missing label.
        duplicates: What becomes of rows that repeat another in every column named here:
            `"keep"` (an equal impression is another impression) or `"drop"`. By default they are
            kept and counted; with `request`, which tells them apart, they are dropped.
        max_bad: The largest share of rows that may be kept aside for one reason.
        strict: Whether the first bad row is an error.

    Returns:
        A `PreparedData`. Its `report` counts what was read; rows that are bad (no user, item,
        time or label; a label other than 0 and 1; a line with a wrong number of fields) are in
        `bad_rows`, each with its line and reason, and so are duplicates that are dropped.

    Raises:
        ValueError: When a column is nowhere, nothing good is left, too many rows are bad for one
            reason, labels in training are all alike, a part that `split` names has no
            rows, or `strict` and a row is bad.
    """
    time, time_unit = time_or_order(time, order, time_unit, time_format)
    target, context = checked_features("target", target), checked_features("context", context)
    side_features, of = (
        checked_features("side_features", side_features),
        behavior_features(of, target),
    )
    of_label = label_columns(label)
    first, *_ = of_label.values()
    sequences = {"hist": first} if sequences is None else dict(sequences)
    prior_history = dict(prior_history or {})
    if set(prior_history) - set(sequences):
        raise ValueError(
            f"`prior_history` must name sequences: {list(sequences)}. "
            f"Received: {list(prior_history)}."
        )
    source = as_source(source, sep, header, names)
    items, users, prior_history = other_tables((items, users, prior_history), sep)
    item = feature_name(target[0])
    columns = [feature_name(feature) for feature in [*target, *context, *side_features]]
    labels = list(dict.fromkeys([*of_label.values(), *sequences.values()]))
    single = [user, time, *labels, *([request] if request else [])]
    feedback = dict.fromkeys(sequences.values(), "what the user did with it")
    feedback |= dict.fromkeys(of_label.values(), "the label")
    groups = [
        [feature_name(feature) for feature in group] for group in (target, context, side_features)
    ]
    check_no_feedback(feedback, *groups, sequences)
    separators = checked_separators(bags, [*target, *context, *side_features], single)
    ids = [user, request] if request else [user]
    written, reasons = csv_hints(
        [*target, *context, *side_features], item, ids, numeric, categorical
    )
    written["numbers" if time_format is None else "text"].add(time)
    written["numbers"].update(labels)
    needed = [user, time, *labels, *columns]
    needed += [word for word in (request, split) if isinstance(word, str)]
    tables = {"items": (item, items), "users": (user, users)}
    frame, bad, of_tables = read_log(source, needed, tables, separators, max_bad, **written)
    frame[item] = coerce_item_ids(target[0], frame[item])
    names = features_to_type([*target, *context, *side_features])
    kinds = kinds_of(names, written["found"], written["kinds"])
    required = [item, *([request] if request else [])]
    events = clean_events(
        frame,
        bad,
        user,
        time,
        labels=labels,
        required=required,
        time_unit=time_unit,
        time_format=time_format,
        label_map=label_map,
        duplicates="keep" if duplicates is None and request is None else duplicates,
        max_bad=max_bad,
        strict=strict,
    )
    del frame
    at = events.time
    order = np.arange(len(at))
    requests = None
    if request:
        order, requests, at = _requests(events, request)
    rows, number, at = events.frame.iloc[order], events.user[order], at[order]
    clicks = {name: events.labels[column][order] == 1 for name, column in sequences.items()}
    split = LastFraction() if split is None else with_unit(split, time_unit)
    if isinstance(split, str):
        part = part_of_column(split, rows[split])
    elif requests is None:
        part = part_of(split, number, at, time_unit)
    else:  # A request is in one part, as a whole.
        _, first, which = np.unique(requests, return_index=True, return_inverse=True)
        kept = np.sort(first)
        part = part_of(split, number[kept], at[kept], time_unit)[
            np.searchsorted(kept, first)[which]
        ]
    check_parts(split, part, at, allow_empty_parts, time_unit)
    learned = [
        feature for feature in [*target, *context, *side_features] if isinstance(feature, str)
    ]
    check_training(split, part, learned)

    for column in of_label.values():
        check_both_classes(events.labels[column][order][part == TRAIN], f"column {column!r}")

    before, unknown, aside = {}, {}, {}
    behavior_columns = [feature_name(feature) for feature in [*of, *side_features]]
    for name, table in prior_history.items():
        needed = [user, *behavior_columns]
        # A column is of one type, that of the log.
        options = {**written, "kinds": written["kinds"] | kinds, "found": {}}
        frame, bad, _ = read_log(
            table,
            [*needed, *([time] if time in column_names(table) else [])],
            tables,
            separators,
            max_bad,
            **options,
        )
        kinds_of(set(behavior_columns) & set(names), options["found"], options["kinds"])
        before[name], unknown[name], rows_aside = _earlier(
            frame, user, time, item, events.users, at, (time_unit, time_format)
        )
        aside[name] = len(bad) + rows_aside
        reason = "the row is bad, or has no item or time"
        counts = {reason: {"rows": aside[name]}}
        check_aside(f"`prior_history` of {name!r}", counts, len(bad) + len(frame), max_bad)

    def training_values(name):
        of_earlier = [table[name] for table, *_ in before.values() if name in behavior_columns]
        return concat_series([rows[name].iloc[np.flatnonzero(part == 0)], *of_earlier])

    features = Features(
        [*target, *context, *side_features],
        training_values,
        dim,
        min_count,
        separators,
        written,
        reasons,
    )
    spec = features.spec(target, context, dict.fromkeys(sequences, of), side_features, max_length)
    spec = dataclasses.replace(spec, labels=tuple(of_label))
    encoded = {name: features.column(name, rows[name]) for name in dict.fromkeys(columns)}
    behaviors = {}
    for name, clicked in clicks.items():
        held = {column: encoded[column][clicked] for column in behavior_columns}
        # A behavior happened when it was recorded, whatever the time of its request.
        who, when = number[clicked], events.time[order][clicked]
        if name in before:
            table, table_user, table_time = before[name]
            held = {
                column: concat_bags([features.column(column, table[column]), values])
                for column, values in held.items()
            }
            who = np.concatenate([table_user, who])
            when = np.concatenate([table_time, when])
        behaviors[name] = BehaviorLog.from_events(who, held, when, users=len(events.users))
    samples = Samples(
        columns={
            feature_name(feature): encoded[feature_name(feature)] for feature in [*context, *target]
        },
        history={name: log.before(number, at) for name, log in behaviors.items()},
        labels={each.name: events.labels[column][order] for each, column in of_label.items()},
        group=number,
        request=requests,
        time=at,
        line=rows.index.to_numpy(),
    )
    parts = cut_into_parts(samples, part)
    report = {
        "kind": "impressions",
        **events.report,
        **of_tables,
        "rows_in_histories_only": int((part < 0).sum()),
        "columns": features.types,
        "values_missing": features.missing,
        **features.of_bags,
        "behaviors": {name: len(log) for name, log in behaviors.items()},
        "earlier_of_unknown_users": unknown,
        "earlier_aside": aside,
        "features_that_tell_the_label": warn_of_leaks(parts, spec),
        "parts": count_parts(parts, spec),
    }
    return PreparedData(spec, behaviors, parts, report, events.bad, events.users)


def _requests(events, request: str):
    """The order in which rows of one request stand together, its numbers, and each row's time."""
    code, _ = pd.factorize(events.frame[request])
    number, at = requests_of(events.user, code, events.time)
    order = np.lexsort((number, at, events.user))
    return order, number[order], at


def _earlier(frame, user, time, item, users, times, how):
    """Behaviors from before the log; `how` is their unit of time and their format.

    Returns:
        `((frame, user, time), unknown, aside)`: those that are good and whose user is in the log;
        how many have another user, and how many no item, or a time that is none.
    """
    number = index_of(users.rename(user), frame[user], "prior_history")
    good = ~is_missing(frame[item]) if item in frame else np.ones(len(frame), bool)
    when = np.full(len(frame), times.min() - 1)
    if time in frame:
        when, is_time, unit = to_microseconds(time, frame[time], *how)
        told = how != ("auto", None)
        good &= is_time & ~placeholders(time, when, is_time, unit, told, frame.index)
    kept = good & (number >= 0)
    counts = int((good & (number < 0)).sum()), int((~good).sum())
    return (frame[kept], number[kept], when[kept]), *counts
