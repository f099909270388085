"""Logs of what was shown: clicked or not."""

import dataclasses

import numpy as np
import pandas as pd

from keras_din.data.encoding.features import concat_series, count_parts
from keras_din.data.prepare.clean_log import clean_log
from keras_din.data.prepare.label_columns import label_columns
from keras_din.data.prepare.leaks import check_no_feedback, warn_of_leaks
from keras_din.data.prepare.log_columns import feature_names, log_columns
from keras_din.data.prepare.pointers import log_of
from keras_din.data.prepare.prepared_data import PreparedData, cut_into_parts
from keras_din.data.prepare.prior_history import check_prior_history, read_prior_history
from keras_din.data.prepare.split import TRAIN, LastFraction
from keras_din.data.prepare.split_rows import check_parts, check_training, split_rows
from keras_din.data.reading.bad_rows import MAX_BAD
from keras_din.data.reading.labels import check_both_classes
from keras_din.data.reading.source import as_source, as_sources
from keras_din.data.reading.times import time_or_order
from keras_din.data.store.order import number_requests
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
    # Columns.
    time, time_unit = time_or_order(time, order, time_unit, time_format)
    of_label = label_columns(label)
    sequences = {"hist": next(iter(of_label.values()))} if sequences is None else dict(sequences)
    prior_history = check_prior_history(prior_history, sequences)
    source = as_source(source, sep, header, names)
    items, users, prior_history = as_sources((items, users, prior_history), sep)
    flags = list(dict.fromkeys([*of_label.values(), *sequences.values()]))
    columns = log_columns(
        target,
        context,
        side_features,
        of,
        ids=[user, request] if request else [user],
        time=time,
        time_format=time_format,
        numbers=flags,
        bags=bags,
        numeric=numeric,
        categorical=categorical,
    )
    _check_feedback(columns, of_label, sequences)

    # Clean.
    needed = [user, time, *flags, *columns.names]
    needed += [name for name in (request, split) if isinstance(name, str)]
    tables = {"items": (columns.item, items), "users": (user, users)}
    events, of_tables = clean_log(
        source,
        columns,
        needed,
        tables,
        max_bad,
        user=user,
        time=time,
        labels=flags,
        required=[columns.item, *([request] if request else [])],
        time_unit=time_unit,
        time_format=time_format,
        label_map=label_map,
        duplicates="keep" if duplicates is None and request is None else duplicates,
        strict=strict,
    )
    events, requests, shown_at = _by_request(events, request)

    # Split.
    split = LastFraction() if split is None else split
    part = split_rows(split, events, shown_at, time_unit, requests)
    check_parts(split, part, shown_at, allow_empty_parts, time_unit)
    check_training(split, part, columns.learned)
    for column in of_label.values():
        check_both_classes(events.labels[column][part == TRAIN], f"column {column!r}")

    # Encode.
    earlier = read_prior_history(
        prior_history,
        columns,
        tables,
        events.users.rename(user),
        events.time.min(),
        time=time,
        time_unit=time_unit,
        time_format=time_format,
        max_bad=max_bad,
    )
    features = columns.fit(_training_values(events, part, columns, earlier), dim, min_count)
    spec = columns.spec(features, sequences, max_length)
    spec = dataclasses.replace(spec, labels=tuple(of_label))
    encoded = {name: features.column(name, events.frame[name]) for name in columns.names}

    # Point.
    behaviors = {
        name: _log(
            events, events.labels[column] == 1, encoded, features, earlier.get(name), columns
        )
        for name, column in sequences.items()
    }
    samples = Samples(
        columns={name: encoded[name] for name in columns.of_samples},
        history={name: log.before(events.user, shown_at) for name, log in behaviors.items()},
        labels={each.name: events.labels[column] for each, column in of_label.items()},
        group=events.user,
        request=requests,
        time=shown_at,
        line=events.frame.index.to_numpy(),
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
        "earlier_of_unknown_users": {name: of.unknown_users for name, of in earlier.items()},
        "earlier_aside": {name: of.aside for name, of in earlier.items()},
        "features_that_tell_the_label": warn_of_leaks(parts, spec),
        "parts": count_parts(parts, spec),
    }
    return PreparedData(spec, behaviors, parts, report, events.bad, events.users)


def _check_feedback(columns, of_label: dict, sequences: dict) -> None:
    """Refuses features that are labels or flags of behaviors."""
    feedback = dict.fromkeys(sequences.values(), "what the user did with it")
    feedback |= dict.fromkeys(of_label.values(), "the label")
    check_no_feedback(
        feedback,
        feature_names(columns.target),
        feature_names(columns.context),
        feature_names(columns.side_features),
        sequences,
    )


def _by_request(events, request: str | None) -> tuple:
    """Puts rows of one request together.

    Returns:
        `(events, requests, time)`: the events in this order; the number of the request of each
        row, `None` without requests; the earliest time of its request.
    """
    if request is None:
        return events, None, events.time
    code, _ = pd.factorize(events.frame[request])
    number, at = number_requests(events.user, code, events.time)
    order = np.lexsort((number, at, events.user))
    ordered = events._replace(
        frame=events.frame.iloc[order],
        user=events.user[order],
        time=events.time[order],
        labels={name: values[order] for name, values in events.labels.items()},
    )
    return ordered, number[order], at[order]


def _training_values(events, part, columns, earlier: dict):
    """The function from the name of a feature to the values that training reads of it."""
    rows = np.flatnonzero(part == TRAIN)

    def values(name):
        tables = earlier.values() if name in columns.of_behaviors else ()
        own = events.frame[name].iloc[rows]
        return concat_series([own, *(table.frame[name] for table in tables)])

    return values


def _log(events, did, encoded, features, before, columns):
    """The `BehaviorLog` of the rows that are behaviors, with those `before` the log."""
    held = {name: encoded[name][did] for name in columns.of_behaviors}
    # A behavior happened when it was recorded, whatever the time of its request.
    places = [(events.user[did], held, events.time[did])]
    if before is not None:
        held = {name: features.column(name, before.frame[name]) for name in columns.of_behaviors}
        places.insert(0, (before.user, held, before.time))
    return log_of(places, len(events.users))
