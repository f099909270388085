"""Makes a `Day` of a further log of behaviors without impressions."""

import dataclasses

import numpy as np

from keras_din.data.encoding.features import count_parts
from keras_din.data.prepare.appended_log import AppendedLog
from keras_din.data.prepare.catalog import look_up_negatives, make_catalog
from keras_din.data.prepare.day import Day
from keras_din.data.prepare.interaction_samples import (
    count_candidates,
    draw_negatives,
    make_samples,
)
from keras_din.data.prepare.item_catalog import ItemCatalog
from keras_din.data.prepare.log_columns import column_features, read_features
from keras_din.data.prepare.met_items import MetItems, hash_pairs, hash_users
from keras_din.data.prepare.recent_behaviors import first_times
from keras_din.data.prepare.split import positions
from keras_din.data.prepare.value_counts import count_values
from keras_din.data.prepare.value_types import check_value_types
from keras_din.features import NUM_RESERVED


def interactions_day(log: AppendedLog) -> tuple:
    """Returns the `Day` of a log of behaviors, and the data before it with the grown spec.

    Each behavior of a user is a positive, except their first one in all logs.
    """
    data, events, columns, log_format = log.data, log.events, log.columns, log.log_format
    item_columns, of_context = map(read_features, (columns.target, columns.context))
    row_columns = list(dict.fromkeys([*of_context, *column_features(columns.side_features)]))
    is_late = log.find_late(events, events.time)
    of_log = make_catalog(
        events.frame, events.time, columns, log.items, log_format.max_bad, may_differ=True
    )
    columns.kinds()  # Refuses text with digits among numbers in the table of items too.
    check_value_types(
        data.spec,
        lambda name: of_log.features.get(name, events.frame.get(name)),
        columns.separators,
    )
    position, _ = positions(events.user)
    shown = np.flatnonzero((position > 0) | _has_earlier(log))

    # The vocabularies grow by the values of the log, and then by those of the negatives.
    catalog, place = data.catalog.with_log(of_log, data.spec, log.last_time)
    key, listed = catalog.key[place[of_log.code]], catalog.key[place[of_log.is_listed]]
    if log_format.given_negatives is None and log.eviction.max_age is not None:
        catalog = catalog.kept(catalog.last_seen >= log.last_time - log.eviction.max_age)
    seen = _seen(log, catalog, key, listed, item_columns)
    vocabularies, of_vocabularies = log.grown_vocabularies(seen)
    if log_format.given_negatives is None:
        catalog = catalog.without(_evicted_items(data.spec, vocabularies, log))
    code = catalog.positions(key)
    negatives, met_items = _negatives(log, catalog, key, shown, position)
    candidates = np.concatenate([code[shown, None], negatives], axis=1)
    drawn = candidates[:, 1:].ravel()
    vocabularies, of_vocabularies = _with_drawn(
        log, catalog, drawn, item_columns, vocabularies, of_vocabularies
    )
    spec, of_vectors = log.grown_spec(vocabularies)

    # Encode.
    counted, past = count_candidates(
        columns.counts, events, code, catalog.values, shown, candidates, data.all_past
    )
    features = log.features(spec)
    used, codes = np.unique(np.concatenate([code, candidates.ravel()]), return_inverse=True)
    code, candidates = codes[: len(code)], codes[len(code) :].reshape(candidates.shape)
    of_item = {
        name: features.column(name, catalog.values[name].iloc[used]) for name in item_columns
    }
    of_row = {name: features.column(name, events.frame[name]) for name in row_columns}

    # Point.
    (sequence,) = spec.sequences
    held = {
        name: of_item[name][code] if name in of_item else of_row[name]
        for name in column_features(sequence.features)
    }
    known = data.updated(spec, vocabularies)
    behaviors, is_own = log.with_recent(
        known, sequence, events, events.time, (events.user, held, events.time)
    )
    samples = make_samples(
        events,
        shown,
        candidates,
        {name: of_row[name] for name in of_context},
        of_item,
        {name: features.column(name, values) for name, values in counted.items()},
        behaviors,
        np.flatnonzero(is_own)[shown],
        sequence.name,
        log_format.ties,
    )
    report = {
        "kind": "behaviors",
        **events.report,
        **log.of_tables,
        **of_log.report,
        "rows_late": int(is_late.sum()),
        "rows_in_histories_only": len(events.time) - len(shown),
        "items": len(catalog),
        "vocabularies": of_vocabularies,
        "values_missing": features.missing,
        **features.of_bags,
        **of_vectors,
        "behaviors": {sequence.name: len(events.time)},
        "parts": count_parts({"train": samples}, spec),
    }
    day = Day(
        log.number,
        {sequence.name: behaviors},
        {sequence.name: is_own},
        samples,
        events.users.rename(log_format.user),
        report,
        events.bad,
        past,
    )
    return day, dataclasses.replace(known, catalog=catalog, met_items=met_items)


def _has_earlier(log: AppendedLog) -> np.ndarray:
    """Which rows have a behavior of their user in the data before, not later: bool `(rows,)`."""
    events, (sequence,) = log.events, log.data.spec.sequences
    earliest = np.full(len(events.users), np.iinfo(np.int64).max)
    np.minimum.at(earliest, events.user, events.time)
    first = first_times(log.data.day_behaviors(sequence.name), events.users, earliest)
    return first[events.user] <= events.time


def _seen(log: AppendedLog, catalog: ItemCatalog, key, listed, item_columns: list) -> dict:
    """Returns the result of `count_values` for behaviors. Listed items have 0 more rows."""
    data, columns, frame = log.data, log.columns, log.events.frame
    code, listed = catalog.positions(key), catalog.positions(listed)

    def values_of(name):
        return catalog.values[name].iloc[code] if name in catalog.values else frame[name]

    seen = count_values(data.spec, data.vocabularies, values_of, columns.separators)
    of_listed = count_values(
        data.spec,
        data.vocabularies,
        lambda name: catalog.values[name].iloc[listed],
        columns.separators,
        item_columns,
    )
    for name, values in of_listed.items():
        seen[name] = seen[name].add(values * 0, fill_value=0).astype(np.int64)
    return seen


def _evicted_items(spec, vocabularies: dict, log: AppendedLog) -> list:
    """The items that the log evicted from their vocabulary. No negatives are drawn from them."""
    table = spec.target[0].table
    if table is None or table.name not in vocabularies:
        return []
    rows = np.flatnonzero(vocabularies[table.name].evicted == log.number)
    before = log.data.vocabularies[table.name].values.entries
    return [before[row] for row in rows - NUM_RESERVED]


def _negatives(log: AppendedLog, catalog: ItemCatalog, key, shown, position) -> tuple:
    """Draws the negatives of each sample.

    Args:
        log: The log.
        catalog: The items that can be drawn.
        key: uint64 `(rows,)`, the hash of the item of each row.
        shown: int64 `(samples,)`, the row of each sample.
        position: int64 `(rows,)`, the position of each row among those of its user.

    Returns:
        `(negatives, met_items)`: positions in the catalog `(samples, negatives)`, and the
        `MetItems` with those of the log, or `None` if a column has the negatives.
    """
    events, log_format = log.events, log.log_format
    if log_format.given_negatives is not None:
        name = log_format.given_negatives
        return look_up_negatives(events.frame[name].iloc[shown], catalog.items, name), None
    users = hash_users(events.users)
    before: MetItems = log.data.known_met_items
    met_items = before.with_log(log.number, hash_pairs(users[events.user], key))
    negatives = draw_negatives(
        events,
        shown,
        position,
        lambda user, item: met_items.contains(hash_pairs(users[user], catalog.key[item])),
        catalog.key,
        catalog.count,
        log_format,
        log.number,
    )
    return negatives, met_items


def _with_drawn(log: AppendedLog, catalog, drawn, item_columns, vocabularies, report) -> tuple:
    """Returns the states of vocabularies, and their report, after the values of negatives."""
    seen = count_values(
        log.data.spec,
        vocabularies,
        lambda name: catalog.values[name].iloc[drawn],
        log.columns.separators,
        item_columns,
    )
    vocabularies, report = dict(vocabularies), dict(report)
    for name, values in seen.items():
        vocabularies[name], more = vocabularies[name].append(
            values,
            log.last_time,
            log.number,
            log.log_format.min_count,
            log.eviction,
            only_drawn=True,
        )
        admitted = report[name]["admitted"] + more["admitted"]
        report[name] = more | {"admitted": admitted, "evicted": report[name]["evicted"]}
    return vocabularies, report
