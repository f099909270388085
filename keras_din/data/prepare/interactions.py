"""Logs of what users did, and nothing of what they saw and left: negatives are drawn."""

import numpy as np
import pandas as pd

from keras_din.checks import one_of, positive_integer
from keras_din.data.encoding.features import (
    Features,
    behavior_features,
    checked_features,
    coerce_item_ids,
    count_parts,
    csv_hints,
    feature_name,
)
from keras_din.data.prepare.joins import (
    align_key_types,
    column_names,
    index_of,
    read_keyed,
    read_log,
    take_or_missing,
)
from keras_din.data.prepare.negatives import sample_negatives
from keras_din.data.prepare.prepared_data import PreparedData, cut_into_parts
from keras_din.data.prepare.split import (
    LEFT_OUT,
    TRAIN,
    LeaveOneOut,
    check_parts,
    part_of,
    part_of_column,
    positions,
    with_unit,
)
from keras_din.data.reading.bad_rows import MAX_BAD
from keras_din.data.reading.bag_cells import checked_separators
from keras_din.data.reading.source import as_source, other_tables
from keras_din.data.reading.table import clean_events
from keras_din.data.reading.times import time_or_order
from keras_din.data.store.behavior_log import BehaviorLog
from keras_din.data.store.samples import Samples


def prepare_interactions(
    source,
    *,
    user: str,
    time: str | None = None,
    order: str | None = None,
    target,
    context=(),
    side_features=(),
    of=None,
    items=None,
    users=None,
    split=None,
    negatives: int | str = 1,
    negatives_by: str = "uniform",
    ties: str = "exclude",
    sequence: str = "hist",
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
    duplicates: str | None = None,
    max_bad: float = MAX_BAD,
    strict: bool = False,
    seed: int = 0,
) -> PreparedData:
    """A log of behaviors (clicks, purchases, reviews) as a data set, by the DIN protocol.

    Each behavior but a user's first is a positive sample whose history is what the user did
    before. Beside it stand negatives: items drawn from the catalog, again while they are in
    the user's whole list. The positive and its negatives are one request over one history.

    Args:
        source: The log, one behavior per row, in any order (of one user and time, rows are in the
            order of the log): a `DataFrame` of pandas, Polars or another library, a table of
            Arrow, or the path of a CSV, Parquet, Arrow or ORC file, compressed or not.
        user: Column of users.
        time: Column of times: dates, ISO 8601 strings or numbers since 1970.
        order: In place of `time`, in a log without times: column of whole numbers that say which
            row is earlier. `report` has its `order_from` and `order_to`, and no dates.
        target: Columns of the candidate, the item first; the others are features of the item,
            which do not change: those of its first behavior in time stand for all.
            Strings and integers become a `Categorical` with the vocabulary of the training part,
            lists of them a `Bag`, floats a `Numeric`. `report["columns"]` says which, and why;
            `numeric`, `categorical` and `bags` say otherwise. A `Categorical`, `Bag` or `Numeric`
            in place of a name is taken as it is.
        context: Columns of the user and the request, likewise.
        side_features: Columns of the log that only behaviors have, likewise.
        of: Columns of `target` that behaviors have too. Defaults to all.
        items: Table with one row an item: its features, which count also where the log has such
            a column, and the items beside those of the log that are in the catalog.
        users: Table with one row a user, for columns that the log lacks.
        split: `LeaveOneOut()` (the default), `ByUser()`, `ByTime()`, `LastFraction()` or a
            function; see `keras_din.data.prepare.split`. Or the name of a column of the log that
            holds `"train"`, `"valid"` or `"test"`; other rows are in histories only.
        negatives: Negatives of each positive. Or the name of a column of the log that holds one.
        negatives_by: `"uniform"` over the catalog, or `"popularity"`: in proportion to the
            behaviors of the training part.
        ties: What a history does with behaviors of the same time as its sample: `"exclude"`
            them, or trust the `"order"` of the log. The DIN paper's protocol, on times that are
            whole days, is `"order"`.
        sequence: Name of the sequence.
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
        duplicates: What becomes of rows that repeat another in every column named here:
            `"keep"`, the default (who does a thing twice did it twice), counted, or `"drop"`.
        max_bad: The largest share of rows that may be kept aside for one reason.
        strict: Whether the first bad row is an error.
        seed: Seed of the negatives.

    Returns:
        A `PreparedData`, its samples with `request`. Its `report` counts what was read; rows
        that are bad (no user, item or time; a line with a wrong number of fields) are in
        `bad_rows`, each with its line and reason, and so are duplicates that are dropped. A user
        with one behavior gives no sample and is counted.

    Raises:
        ValueError: When a column is nowhere, nothing good is left, too many rows are bad for one
            reason, no negative is left for a user, a part that
            `split` names has no rows, or `strict` and a row is bad.

    Reference:
        [Zhou et al., 2018](https://arxiv.org/abs/1706.06978), Sec. 6.1.
    """
    time, time_unit = time_or_order(time, order, time_unit, time_format)
    target, context = checked_features("target", target), checked_features("context", context)
    side_features, of = (
        checked_features("side_features", side_features),
        behavior_features(of, target),
    )
    one_of("ties", ties, ("exclude", "order"))
    one_of("negatives_by", negatives_by, ("uniform", "popularity"))
    column_of_negatives = negatives if isinstance(negatives, str) else None
    if column_of_negatives is None:
        negatives = positive_integer("negatives", negatives)
    source = as_source(source, sep, header, names)
    items, users = other_tables((items, users), sep)
    item, *item_columns = [feature_name(feature) for feature in target]
    separators = checked_separators(bags, [*target, *context, *side_features], [user, time])
    other_columns = [feature_name(feature) for feature in [*context, *side_features]]
    ids = [user] if column_of_negatives is None else [user, column_of_negatives]
    written, reasons = csv_hints(
        [*target, *context, *side_features], item, ids, numeric, categorical
    )
    written["numbers" if time_format is None else "text"].add(time)
    in_table = [] if items is None else column_names(items)
    from_log = [name for name in item_columns if name not in in_table]
    needed = [user, time, item, *from_log, *other_columns]
    needed += [word for word in (column_of_negatives, split) if isinstance(word, str)]
    tables = {"users": (user, users)}
    frame, bad, joined = read_log(source, needed, tables, separators, max_bad, **written)
    frame[item] = coerce_item_ids(target[0], frame[item])
    events = clean_events(
        frame,
        bad,
        user,
        time,
        required=[item],
        time_unit=time_unit,
        time_format=time_format,
        duplicates=one_of("duplicates", duplicates, (None, "keep", "drop")) or "keep",
        max_bad=max_bad,
        strict=strict,
    )
    del frame
    rows, number, at = events.frame, events.user, events.time
    catalog, code, by_item, of_table = _catalog(
        rows,
        at,
        item,
        from_log,
        items,
        item_columns,
        {"bags": separators, "max_bad": max_bad, **written},
    )

    position, count = positions(number)
    split = LeaveOneOut() if split is None else with_unit(split, time_unit)
    if isinstance(split, str):
        part = part_of_column(split, rows[split])
    else:
        part = part_of(split, number, at, time_unit)
    part = np.where(position == 0, LEFT_OUT, part)
    if not (part == TRAIN).any():
        raise ValueError(
            "The split must leave training rows with a history: a user's first behavior has "
            f"none. Received: none from {split!r}."
        )
    check_parts(split, part, at, allow_empty_parts, time_unit)
    shown = np.flatnonzero(part != LEFT_OUT)
    if column_of_negatives:
        drawn = _given(rows[column_of_negatives].iloc[shown], catalog, column_of_negatives)
    else:
        weights = None
        if negatives_by == "popularity":
            weights = np.bincount(code[part == TRAIN], minlength=len(catalog))
        drawn = sample_negatives(
            number[shown],
            len(catalog),
            number,
            code,
            np.random.default_rng(seed),
            per_positive=negatives,
            popularity=weights,
            names=events.users.tolist(),
        )
    candidates = np.concatenate([code[shown, None], drawn], axis=1)
    each = candidates.shape[1]

    # What training sees: its candidates, and the behaviors before a user's last training row.
    last = np.zeros(len(events.users), np.int64)
    np.maximum.at(last, number[part == TRAIN], position[part == TRAIN])
    in_history = position < last[number]
    seen_items = np.concatenate([candidates[part[shown] == TRAIN].ravel(), code[in_history]])

    def training_values(name):
        if name in by_item:
            return by_item[name].iloc[seen_items]
        of_context = [feature_name(feature) for feature in context]
        wanted = (part == TRAIN) if name in of_context else in_history
        return rows[name].iloc[np.flatnonzero(wanted)]

    features = Features(
        [*target, *context, *side_features],
        training_values,
        dim,
        min_count,
        separators,
        written,
        reasons,
    )
    spec = features.spec(target, context, {sequence: of}, side_features, max_length)
    of_item = {name: features.column(name, by_item[name]) for name in [item, *item_columns]}
    of_row = {name: features.column(name, rows[name]) for name in dict.fromkeys(other_columns)}
    held = {feature_name(feature): of_item[feature_name(feature)][code] for feature in of}
    held |= {feature_name(feature): of_row[feature_name(feature)] for feature in side_features}
    log = BehaviorLog.from_events(number, held, at, users=len(events.users))
    if ties == "order":
        start, end = log.offsets[number[shown]], np.arange(len(at))[shown]
    else:
        start, end = log.before(number[shown], at[shown])
    repeat = lambda values: np.repeat(values, each)  # noqa: E731
    samples = Samples(
        columns={
            **{
                feature_name(feature): of_row[feature_name(feature)][repeat(shown)]
                for feature in context
            },
            **{name: values[candidates.ravel()] for name, values in of_item.items()},
        },
        history={sequence: (repeat(start), repeat(end))},
        labels=np.tile(np.arange(each) == 0, len(shown)),
        group=repeat(number[shown]),
        request=repeat(shown),
        time=repeat(at[shown]),
        line=repeat(rows.index.to_numpy()[shown]),
    )
    parts = cut_into_parts(samples, repeat(part[shown]))
    report = {
        "kind": "behaviors",
        **events.report,
        **joined,
        **of_table,
        "users_with_one_behavior": int((count == 1).sum()),
        "rows_in_histories_only": int((part == LEFT_OUT).sum()),
        "items": len(catalog),
        "columns": features.types,
        "values_missing": features.missing,
        **features.of_bags,
        "negatives": negatives if column_of_negatives else f"{negatives} by {negatives_by}",
        "seed": seed,
        "behaviors": {sequence: len(log)},
        "parts": count_parts(parts, spec),
    }
    return PreparedData(spec, {sequence: log}, parts, report, events.bad, events.users)


def _catalog(rows, at, item: str, from_log: list, items, item_columns: list, options: dict):
    """All items, each behavior's place among them, and the features of each item.

    An item's features are those of its first behavior in time, or those in the table of items;
    of the latter is also what a report says.
    `options` are those of `read_keyed`.
    """
    code, catalog = pd.factorize(rows[item])
    catalog, by_item, report = pd.Index(catalog), {}, {}
    if items is not None:
        from_table = [name for name in item_columns if name not in from_log]
        table, aside = read_keyed(items, item, from_table, "items", **options)
        missed = int((index_of(table.index, rows[item], "items") < 0).sum())
        report["items_table"] = {"rows": len(table), "rows_aside": aside, "rows_not_found": missed}
        catalog, keys = align_key_types(catalog, table.index)
        catalog = catalog.union(keys, sort=False)
        place = keys.get_indexer(catalog)
        by_item |= {name: take_or_missing(table[name], place) for name in from_table}
    if from_log:
        first, latest_first = np.full(len(catalog), -1), np.argsort(at, kind="stable")[::-1]
        first[code[latest_first]] = latest_first  # Of several for one place the last one stays.
        by_item |= {name: take_or_missing(rows[name], first) for name in from_log}
    by_item[item] = pd.Series(catalog)
    return catalog, code, by_item, report


def _given(values: pd.Series, catalog: pd.Index, name: str) -> np.ndarray:
    """The places of given negatives in the catalog, `(rows, 1)`."""
    catalog, given = align_key_types(catalog, pd.Index(values))
    place = catalog.get_indexer(given)
    if (place < 0).any():
        row = int((place < 0).argmax())
        raise ValueError(
            f"Column {name!r} must hold an item of the catalog in every row with a history. "
            f"Received: {values.iloc[row]!r} in row {values.index[row]}."
        )
    return place[:, None]
