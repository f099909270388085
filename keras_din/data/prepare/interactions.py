"""Prepares logs of behaviors without impressions; negatives are drawn."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from keras_din.checks import one_of, positive_integer
from keras_din.data.encoding.features import count_parts
from keras_din.data.encoding.vectors import check_vectors, prepared_vectors
from keras_din.data.prepare.build_behavior_log import build_behavior_log
from keras_din.data.prepare.catalog import columns_of_behaviors, look_up_negatives, make_catalog
from keras_din.data.prepare.clean_log import clean_log
from keras_din.data.prepare.deliveries import find_deliveries
from keras_din.data.prepare.interaction_samples import (
    count_candidates,
    draw_negatives,
    make_samples,
)
from keras_din.data.prepare.item_catalog import ItemCatalog, hash_items
from keras_din.data.prepare.log_columns import column_features, log_columns, read_features
from keras_din.data.prepare.log_format import LogFormat, times_of_log
from keras_din.data.prepare.met_items import MetItems, hash_pairs, hash_users
from keras_din.data.prepare.negatives import met_in_list
from keras_din.data.prepare.prepared_data import PreparedData, cut_into_parts
from keras_din.data.prepare.source_by_part import as_source_by_part
from keras_din.data.prepare.split import LEFT_OUT, TRAIN, LeaveOneOut, positions
from keras_din.data.prepare.split_rows import check_parts, split_rows
from keras_din.data.prepare.value_counts import prepared_vocabularies
from keras_din.data.reading.bad_share import MAX_BAD
from keras_din.data.reading.source import as_sources
from keras_din.data.reading.times import time_or_order
from keras_din.features import Feature, Position

__all__ = ["prepare_interactions"]


def prepare_interactions(
    source: Any,
    *,
    user: str,
    time: str | None = None,
    order: str | None = None,
    target: Sequence[str | Feature],
    context: Sequence[str | Feature] = (),
    side_features: Sequence[str | Feature] = (),
    of: Sequence[str] | None = None,
    items: Any = None,
    users: Any = None,
    vectors: Mapping[str, Any] | None = None,
    split: Callable | str | None = None,
    negatives: int | str = 1,
    negatives_by: str = "uniform",
    ties: str = "exclude",
    sequence: str = "hist",
    max_length: int = 100,
    dim: int | dict[str, int] = 16,
    min_count: int = 1,
    bags: Sequence[str] | dict[str, str] = (),
    numeric: Sequence[str] = (),
    categorical: Sequence[str] = (),
    time_unit: str = "auto",
    time_format: str | None = None,
    allow_empty_parts: bool = False,
    sep: str | None = None,
    header: bool | None = None,
    names: Sequence[str] | None = None,
    duplicates: str | None = None,
    max_bad: float = MAX_BAD,
    strict: bool = False,
    seed: int = 0,
) -> PreparedData:
    """Converts a log of behaviors (clicks, purchases, reviews) to a data set, as in the DIN paper.

    Each behavior except a user's first is a positive sample, whose history is what the user did
    before. Its negatives are items drawn from the catalog, and drawn again while they are in the
    user's list. A positive and its negatives are one request with one history. The negatives of a
    user depend on no other user, except for the catalog and the popularity of its items.

    Args:
        source: The log with one behavior per row, in any order, same as in `prepare_impressions`.
            Rows of one user and time keep the order of the log.
        user: Column of users.
        time: Column of times, same as in `prepare_impressions`.
        order: Column of whole numbers instead of `time`, same as in `prepare_impressions`.
        target: Columns of the candidate, the item first, same as in `prepare_impressions`. The
            others are constant features of the item; the values of its first behavior in time
            are used. A `Count` counts behaviors, also before the time of a negative. Its keys must
            be the user or features of `target` and `context`.
        context: Columns of the user and the request, same as in `prepare_impressions`.
        side_features: Columns of the log that only behaviors have, and features that are computed
            from times, same as in `prepare_impressions`.
        of: Columns of `target` that behaviors have too. Defaults to all.
        items: Table with one row per item, with its features, which replace those of the log. Its
            items are part of the catalog even if they are not in the log.
        users: Table with one row per user, for columns that are not in the log.
        vectors: Same as in `prepare_impressions`.
        split: `LeaveOneOut()` (the default), `ByUser()`, `ByTime()`, `LastFraction()`, a function
            or the name of a column, same as in `prepare_impressions`.
        negatives: Negatives per positive. Or the name of a column of the log with one negative.
        negatives_by: `"uniform"` over the catalog, or `"popularity"`: in proportion to the
            behaviors of the training part.
        ties: How to treat behaviors at the time of the sample: `"exclude"` them from its history,
            or use the `"order"` of the log. The DIN paper, whose times are whole days, uses
            `"order"`.
        sequence: Name of the sequence.
        max_length: Same as in `prepare_impressions`.
        dim: Same as in `prepare_impressions`.
        min_count: Same as in `prepare_impressions`.
        bags: Same as in `prepare_impressions`.
        numeric: Same as in `prepare_impressions`.
        categorical: Same as in `prepare_impressions`.
        time_unit: Same as in `prepare_impressions`.
        time_format: Same as in `prepare_impressions`.
        allow_empty_parts: Same as in `prepare_impressions`.
        sep: Same as in `prepare_impressions`.
        header: Same as in `prepare_impressions`.
        names: Same as in `prepare_impressions`.
        duplicates: Whether to `"keep"` (the default) or `"drop"` rows that repeat another in
            every column named here. Kept ones are counted in the report.
        max_bad: Same as in `prepare_impressions`.
        strict: Same as in `prepare_impressions`.
        seed: Seed of the negatives, a non-negative integer.

    Returns:
        A `PreparedData` whose samples have `request`. Its `report` counts what was read. Its
        `bad_rows` are the rows that lack a user, item or time or have a wrong number of fields,
        each with its line and reason, and its `file` if there are several. They include dropped
        duplicates. A user with one behavior has no sample and is counted in the report.

    Raises:
        ValueError: If a column does not exist, no good row is left, too many rows are bad for one
            reason, no negative is left for a user, a part that `split` names has no rows, or
            `strict` is set and a row is bad.

    Example:

    ```python
    import pandas as pd

    log = pd.DataFrame(
        {
            "user": np.repeat(["ann", "bob", "cem"], 4),
            "time": np.tile([1, 2, 3, 4], 3) * 3600,
            "item": list("abcdbcadcabe"),
        }
    )
    items = pd.DataFrame({"item": list("abcdefg")})
    data = kd.data.prepare_interactions(
        log, user="user", time="time", target=["item"], items=items, dim=4
    )
    ```

    Reference:
        [Zhou et al., 2018](https://arxiv.org/abs/1706.06978), Sec. 6.1.
    """
    # Columns.
    time, time_unit = time_or_order(time, order, time_unit, time_format)
    one_of("ties", ties, ("exclude", "order"))
    one_of("negatives_by", negatives_by, ("uniform", "popularity"))
    if not isinstance(negatives, str):
        negatives = positive_integer("negatives", negatives)
    seed = positive_integer("seed", seed, minimum=0)
    given = negatives if isinstance(negatives, str) else None
    duplicates = one_of("duplicates", duplicates, (None, "keep", "drop")) or "keep"
    source, split = as_source_by_part(source, split, sep, header, names)
    items, users = as_sources((items, users), sep)
    columns = log_columns(
        target,
        context,
        side_features,
        of,
        ids=[user, given] if given else [user],
        time=time,
        time_format=time_format,
        bags=bags,
        numeric=numeric,
        categorical=categorical,
    )
    check_vectors(vectors, columns.features)
    _refuse_positions(columns.target)
    columns.refuse_order(time_unit)
    item_columns, of_context = map(read_features, (columns.target, columns.context))
    row_columns = list(dict.fromkeys([*of_context, *column_features(columns.side_features)]))
    _check_counts(columns.counts, [user, *item_columns, *of_context])

    # Clean.
    needed = [user, time, *columns_of_behaviors(columns, items)]
    needed += [name for name in (given, split) if isinstance(name, str)]
    events, of_users = clean_log(
        source,
        columns,
        needed,
        {"users": (user, users)},
        max_bad,
        user=user,
        time=time,
        required=[columns.item],
        time_unit=time_unit,
        time_format=time_format,
        duplicates=duplicates,
        not_compared=[split] if isinstance(split, str) and split not in row_columns else [],
        strict=strict,
    )
    catalog = make_catalog(events.frame, events.time, columns, items, max_bad)

    # Split. A user's first behavior is not a sample, because it has no history.
    position, count = positions(events.user)
    split = LeaveOneOut() if split is None else split
    part = split_rows(split, events, events.time, time_unit)
    part = np.where(position == 0, LEFT_OUT, part)
    _check_training(split, part)
    check_parts(split, part, events.time, allow_empty_parts, time_unit)
    shown = np.flatnonzero(part != LEFT_OUT)
    unit, zones = times_of_log(
        events.frame[time], events.report["time_unit"], time_unit, time_format
    )
    log_format = LogFormat(
        user=user,
        time=time,
        time_unit=unit,
        time_format=time_format,
        time_zones=zones,
        labels={},
        sequences={sequence: None},
        request=None,
        separators=columns.separators,
        sep=sep,
        header=header,
        names=None if names is None else list(names),
        label_map={},
        duplicates=duplicates,
        max_bad=max_bad,
        min_count=min_count,
        negatives=negatives,
        negatives_by=negatives_by,
        ties=ties,
        seed=seed,
    )
    trained = np.bincount(catalog.code[part == TRAIN], minlength=len(catalog.items))
    if given:
        drawn = look_up_negatives(events.frame[given].iloc[shown], catalog.items, given)
    else:
        is_met = met_in_list(events.user, catalog.code, len(catalog.items))
        key = hash_items(catalog.features[columns.item])
        drawn = draw_negatives(events, shown, position, is_met, key, trained, log_format)
    candidates = np.concatenate([catalog.code[shown, None], drawn], axis=1)

    counted, past = count_candidates(
        columns.counts, events, catalog.code, catalog.features, shown, candidates
    )

    # Encode.
    values = _training_values(events, catalog, candidates, part, position, of_context, counted)
    features = columns.fit(values, dim, min_count)
    spec = columns.spec(features, [sequence], max_length)
    of_item = {name: features.column(name, catalog.features[name]) for name in item_columns}
    of_row = {name: features.column(name, events.frame[name]) for name in row_columns}

    # Point.
    held = {name: of_item[name][catalog.code] for name in column_features(columns.of)}
    held |= {name: of_row[name] for name in column_features(columns.side_features)}
    log = build_behavior_log([(events.user, held, events.time)], len(events.users))
    samples = make_samples(
        events,
        shown,
        candidates,
        {name: of_row[name] for name in of_context},
        of_item,
        {name: features.column(name, values) for name, values in counted.items()},
        log,
        shown,
        sequence,
        ties,
    )
    parts = cut_into_parts(samples, np.repeat(part[shown], candidates.shape[1]))
    spec, of_vectors = prepared_vectors(spec, vectors, {sequence: log}, parts.get("train"))
    report = {
        "kind": "behaviors",
        **events.report,
        **of_users,
        **catalog.report,
        "users_with_one_behavior": int((count == 1).sum()),
        "rows_in_histories_only": int((part == LEFT_OUT).sum()),
        "items": len(catalog.items),
        "columns": features.types,
        "values_missing": features.missing,
        **features.of_bags,
        **of_vectors,
        "negatives": negatives if given else f"{negatives} by {negatives_by}",
        "seed": seed,
        "behaviors": {sequence: len(log)},
        "parts": count_parts(parts, spec),
    }
    of_all = np.concatenate([catalog.code, drawn.ravel()])  # Behaviors, and then negatives.
    vocabularies = prepared_vocabularies(
        spec,
        columns,
        lambda name: catalog.features[name].iloc[of_all] if name in of_item else events.frame[name],
        lambda name: of_item[name][of_all] if name in of_item else of_row[name],
        int(events.time.max()),
    )
    of_catalog = ItemCatalog.of_prepared(catalog, spec, trained, int(events.time.max()))
    return PreparedData(
        spec,
        {sequence: log},
        parts,
        report,
        events.bad,
        events.users,
        log_format=log_format,
        vocabularies=vocabularies,
        past=past,
        deliveries=find_deliveries(events, [columns.item, *log_format.ids]).to_remember,
        catalog=of_catalog,
        met_items=None if given else _met_items(events, of_catalog.key[catalog.code]),
    )


def _met_items(events, item: np.ndarray) -> MetItems:
    """The `MetItems` of the log. `item` is uint64 `(rows,)`, the hash of the item of each row."""
    return MetItems().with_log(0, hash_pairs(hash_users(events.users)[events.user], item))


def _refuse_positions(target) -> None:
    """Raises a `ValueError` if `target` has a `Position`."""
    for feature in target:
        if isinstance(feature, Position):
            raise ValueError(
                "A log of interactions must have no Position: its negatives were not shown. Use "
                f"`prepare_impressions`. Received: {feature!r}."
            )


def _check_counts(counts: list, keys: list) -> None:
    for feature in counts:
        if feature.flag is not None:
            raise ValueError(
                f"`event` of {feature!r} must be 'row' in `prepare_interactions`, since its log "
                f"has no rows other than behaviors. Received: event={feature.event!r}."
            )
        if lacking := [key for key in feature.of if key not in keys]:
            raise ValueError(
                f"`of` of {feature!r} must name the user or features of `target` or `context`, of "
                f"{keys}, since the keys of negatives are not in the log. Received: {lacking}."
            )


def _check_training(split, part: np.ndarray) -> None:
    if not (part == TRAIN).any():
        raise ValueError(
            "The split must leave training rows with a history, which a user's first behavior "
            f"does not have. Received: none from {split!r}."
        )


def _training_values(events, catalog, candidates, part, position, of_context: list, counted: dict):
    """Returns the function from the name of a feature to its values in training.

    Training contains its candidates, and the behaviors before each user's last training row.
    """
    training = part == TRAIN
    last = np.zeros(len(events.users), np.int64)
    np.maximum.at(last, events.user[training], position[training])
    in_history = position < last[events.user]
    shown = part[part != LEFT_OUT] == TRAIN
    items = np.concatenate([candidates[shown].ravel(), catalog.code[in_history]])

    def values(name):
        if name in counted:
            return counted[name][np.repeat(shown, candidates.shape[1])]
        if name in catalog.features:
            return catalog.features[name].iloc[items]
        wanted = training if name in of_context else in_history
        return events.frame[name].iloc[np.flatnonzero(wanted)]

    return values
