"""Rows that hold their histories, as a data set whose features are learned from them."""

import dataclasses
import itertools

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from keras_din.data.encoding.features import (
    Features,
    behavior_features,
    checked_features,
    concat_series,
    count_parts,
    csv_hints,
    feature_name,
    features_to_type,
)
from keras_din.data.prepare.joins import column_names
from keras_din.data.prepare.label_columns import label_columns
from keras_din.data.prepare.leaks import check_no_feedback, warn_of_leaks
from keras_din.data.prepare.prepared_data import PARTS, PreparedData, cut_into_parts
from keras_din.data.prepare.rows_dataset import is_real, list_column, rows_to_samples
from keras_din.data.prepare.split import LEFT_OUT, TRAIN
from keras_din.data.prepare.split_rows import part_of_column
from keras_din.data.reading.bad_rows import MAX_BAD, checked_max_bad
from keras_din.data.reading.bag_cells import bag_cells, checked_separators, has_several_values
from keras_din.data.reading.column_types import from_csv, from_series, kinds_of
from keras_din.data.reading.columns import (
    check_columns,
    from_arrow,
    is_missing,
    numbers,
    to_plain_series,
    whole_as_integers,
)
from keras_din.data.reading.csv_file import CsvFile
from keras_din.data.reading.labels import check_both_classes
from keras_din.data.reading.row_checks import RowChecks
from keras_din.data.reading.source import ArrowSource, as_source
from keras_din.data.reading.table import add_line, read_table
from keras_din.features import Categorical, id_feature


def prepare_rows(
    source,
    *,
    label,
    target,
    context=(),
    side_features=(),
    of=None,
    sequences=("hist",),
    group: str | None = None,
    weight: str | None = None,
    split: str | None = None,
    separator: str | None = None,
    max_length: int = 100,
    dim=16,
    min_count: int = 1,
    bags=(),
    numeric=(),
    categorical=(),
    label_map: dict | None = None,
    sep: str | None = None,
    header: bool | None = None,
    names=None,
    max_bad: float = MAX_BAD,
    strict: bool = False,
) -> PreparedData:
    """Rows with materialized histories as a data set; vocabularies and means are learned.

    The columns of a history are named `{sequence}_{feature}`, such as `hist_item`: lists, the
    most recent behavior last, or text that `separator` splits. What training sees, candidates
    and histories, makes the features, as in `prepare_impressions`. `rows_dataset` with `data.spec`
    then reads rows that come later from any table but a CSV file, their histories as lists.

    Args:
        source: A table, as `prepare_impressions` takes it, or a dict of these by part: `{"train":
            ..., "valid": ..., "test": ...}`.
        label: Column of 0 and 1, the click, or several labels, as in `prepare_impressions`.
        target: Columns of the candidate, the item first, as in `prepare_impressions`.
        context: Columns of the user and the request, likewise.
        side_features: Features that only behaviors have, likewise.
        of: Features of `target` that behaviors have too. Defaults to all.
        sequences: Names of the sequences.
        group: Column whose values are GAUC's groups, such as the user. Rows without one are kept
            aside.
        weight: Column of what each row counts in the loss.
        split: Column that holds `"train"`, `"valid"` or `"test"`; other rows are left out. By
            default all rows of a single table are `"train"`.
        separator: Separator of histories that are text, such as `"|"`.
        max_length: The most behaviors that a model reads.
        dim: Width of the embeddings, or column -> width.
        min_count: How often a value must occur in training to have a row of its own.
        bags: As in `prepare_impressions`.
        numeric: As in `prepare_impressions`.
        categorical: As in `prepare_impressions`.
        label_map: Other values of the label -> 0 or 1, as `{-1: 0}`.
        sep: The separator of a CSV file, as in `prepare_impressions`.
        header: As in `prepare_impressions`.
        names: As in `prepare_impressions`.
        max_bad: The largest share of the rows of a table that may be kept aside for one reason.
        strict: Whether the first bad row is an error.

    Returns:
        A `PreparedData`, in whose behaviors every row is a user of its own. Rows that are kept
        aside, such as those without a label, are its `bad_rows`, each with its line and reason.

    Raises:
        ValueError: When a column is missing or holds something else, there is no row to train on,
            labels in training are all alike, too many rows are bad for one reason, or `strict`
            and a row is bad.
    """
    target, context = checked_features("target", target), checked_features("context", context)
    side_features, of = (
        checked_features("side_features", side_features),
        behavior_features(of, target),
    )
    sequences = [sequences] if isinstance(sequences, str) else list(sequences)
    item, features = feature_name(target[0]), [*target, *context, *side_features]
    of_label = label_columns(label)
    labels = list(dict.fromkeys(of_label.values()))
    single = [*labels, *(name for name in (group, weight) if name is not None)]
    source = _sources(source, split, (sep, header, names))
    own = [feature_name(feature) for feature in target]
    check_no_feedback(
        dict.fromkeys(labels, "the label"), own, [feature_name(feature) for feature in context]
    )
    separators = checked_separators(bags, features, single)
    ids = [] if group is None else [group]
    written, reasons = csv_hints(features, item, ids, numeric, categorical)
    written["numbers"] |= {*labels, *([] if weight is None else [weight])}
    own = [feature_name(feature) for feature in [*target, *context]]
    columns = [*own, *single, *([] if split is None else [split])]
    of_behaviors = [feature_name(feature) for feature in [*of, *side_features]]
    lists = [f"{sequence}_{name}" for sequence in sequences for name in of_behaviors]
    names = features_to_type([*target, *context])
    required = [*ids, *labels, item]
    checks = {"required": required, "labels": labels, "label_map": label_map}
    checks |= {"max_bad": checked_max_bad(max_bad), "strict": strict}
    frame, part, bad, counts = _read(
        source, columns, lists, split, names, separators, written, checks
    )
    if not (part == TRAIN).any():
        raise ValueError(
            "There must be rows of the part 'train' to learn from. "
            f"Received: {len(frame)} rows, none of them of 'train'."
        )
    written["kinds"] |= kinds_of(names, written["found"], written["kinds"])
    telling = _telling(of, frame, written, separators)
    seen, without = {name: [] for name in of_behaviors}, {}
    for sequence in sequences:
        histories = {name: f"{sequence}_{name}" for name in of_behaviors}
        learned = _histories(frame, histories, [*of, *side_features], written, separator)
        for name, (values, training, nothing) in _seen(learned, telling, part == TRAIN).items():
            seen[name].append(values[training])
            without[f"{sequence}_{name}"] = nothing

    def training_values(name):
        values = [frame[name][part == TRAIN]] if name in own else []
        return concat_series([*values, *seen.get(name, ())])

    fitted = Features(features, training_values, dim, min_count, separators, written, reasons)
    spec = fitted.spec(target, context, dict.fromkeys(sequences, of), side_features, max_length)
    spec = dataclasses.replace(spec, labels=tuple(of_label))
    for name in own:
        if spec.features[name].axes:
            frame[name] = _split(frame[name], separators.get(name))
        else:
            without[name] = int(is_missing(to_plain_series(frame[name])).sum())
    of_name = {each.name: column for each, column in of_label.items()}
    behaviors, samples = rows_to_samples(
        frame, spec, of_name, group=group, weight=weight, label_map=label_map
    )
    samples = dataclasses.replace(samples, line=frame.index.to_numpy())
    parts = cut_into_parts(samples, part)
    for name, column in of_name.items():
        check_both_classes(parts["train"].labels[name], f"column {column!r}")
    report = {
        "kind": "rows",
        **counts,
        "columns": fitted.types,
        **fitted.of_bags,
        "values_missing": _missing(spec, samples, behaviors, without),
        "behaviors": {name: len(log) for name, log in behaviors.items()},
        "features_that_tell_the_label": warn_of_leaks(parts, spec),
        "parts": count_parts(parts, spec),
    }
    return PreparedData(spec, behaviors, parts, report, bad)


def _sources(source, split, options) -> dict:
    """Name of the part -> table as `as_source` gives it, with its options of CSV files."""
    if isinstance(source, dict):
        if split is not None or not source or set(source) - set(PARTS):
            raise ValueError(
                f"`source` must be a table, or a dict of tables by part, of {list(PARTS)}, without "
                f"`split`. Received: {list(source)}, split={split!r}."
            )
    else:
        source = {"train": source}
    return {part: as_source(table, *options) for part, table in source.items()}


def _read(source: dict, columns, lists, split, names: list, separators, written, checks: dict):
    """The good rows of all tables, one below the other.

    Args:
        source: Name of the part -> table.
        columns: Names of the columns that are no histories.
        lists: Names of the columns of histories.
        split: Column that holds the part, or `None`.
        names: Of the features of which a column may have a type that only the user can tell.
        separators: The result of `checked_separators`.
        written: Options of `read_table`.
        checks: What must hold of a row: the columns that are `required`, the `labels` and their
            `label_map`, `max_bad` and `strict`.

    Returns:
        `(frame, part, bad, counts)`: the rows, indexed by the line or row that each stood in; the
        part of each, as `part_of` gives it; the rows that are aside; what a report says of them.
    """
    frames, parts, aside = [], [], []
    counts = {"rows": 0, "rows_kept": 0, "rows_aside": {}}
    for name in [name for name in PARTS if name in source]:
        frame, bad = _read_one(source[name], columns, lists, separators, written)
        if not len(frame) + len(bad) and len(source) > 1:
            raise ValueError(f"The table of each part must have rows. Received: none of {name!r}.")
        kinds = kinds_of(names, written["found"], written["kinds"])
        # A column is of one type, that of the first table.
        written = {**written, "kinds": written["kinds"] | kinds, "found": {}}
        frame, bad, reasons = _good(frame, bad, name if len(source) > 1 else None, **checks)
        counts["rows"] += len(frame) + len(bad)
        counts["rows_aside"] |= reasons
        frames.append(frame)
        parts.append(np.full(len(frame), PARTS.index(name)))
        aside.append(bad)
    frame, part = pd.concat(frames), np.concatenate(parts)
    if split is not None:
        part = part_of_column(split, frame[split])
        counts["rows_in_no_part"] = int((part == LEFT_OUT).sum())
        frame, part = frame[part != LEFT_OUT], part[part != LEFT_OUT]
    counts["rows_kept"] = len(frame)
    return frame, part, pd.concat(aside, ignore_index=True), counts


def _good(frame, bad, name: str | None, required, labels, label_map, max_bad, strict):
    """The good rows of a table, all that are aside, and reason -> how many and the first.

    Reasons name the part, where tables have one: lines are of one table.
    """
    checks = RowChecks(frame, label_map)
    checks.check_labels(checks.check_values(required, labels))
    bad, counts = checks.finish(bad, strict)
    what = "the table" if name is None else f"the table of {name!r}"
    checks.check(what, bad, counts, max_bad)
    if name is not None:
        bad["reason"] += f", in {what}"
        counts = {f"{reason}, in {what}": count for reason, count in counts.items()}
    return frame[checks.good].copy(), bad, counts


def _read_one(source, columns: list, lists: list, separators, written):
    """The same as `read_table`, with the columns of histories as they are."""
    check_columns("the rows", column_names(source), [*columns, *lists])
    if isinstance(source, CsvFile):
        text = {*written["text"], *lists}
        return read_table(source, [*columns, *lists], separators, **written | {"text": text})
    frame, bad = read_table(source, columns, separators, **written)
    rows = frame.index.to_numpy()
    table = source.read(lists) if isinstance(source, ArrowSource) else None
    for name in lists:
        if table is None:
            cells = to_plain_series(source[name]).to_numpy(object)[rows]
            frame[name] = pd.Series(cells, frame.index, dtype=object)
        elif _stays(table[name].type):
            frame[name] = pd.arrays.ArrowExtensionArray(table[name].take(rows))
        else:
            cells = from_arrow(table[name]).to_numpy(object)[rows]
            frame[name] = pd.Series(cells, frame.index, dtype=object)
    return frame, bad


def _stays(kind: pa.DataType) -> bool:
    """Whether cells of a type of Arrow are histories as they are, or text to split."""
    tests = (pa.types.is_list, pa.types.is_large_list, pa.types.is_string, pa.types.is_large_string)
    return any(test(kind) for test in tests)


def _telling(of: list, frame, written: dict, separators: dict):
    """The feature that tells padding in histories, as `rows_to_samples` will find it, or `None`.

    Of a name it is a `Categorical` whose `padding_value` will be that of the learned one.
    """
    found = []
    for feature in of:
        name, kind = feature_name(feature), written["kinds"].get(feature_name(feature))
        is_bag = separators.get(name) or written["found"].get(name, {}).get("type") == "bag"
        if not isinstance(feature, str):
            found.append(feature)
        elif kind == "categorical" and not is_bag:
            values = frame[name]
            if not pd.api.types.is_numeric_dtype(to_plain_series(values).dtype):
                found.append(Categorical(name, hash_buckets=1))
                continue
            # 0 is padding unless it is a value of the candidates, then -1, and so on.
            values = numbers(name, values)
            values = set(values[values <= 0].tolist())
            own = tuple(itertools.takewhile(values.__contains__, itertools.count(0, -1)))
            found.append(Categorical(name, vocabulary=own or (1,)))
    return id_feature(found) if any(f.marks_padding for f in found) else None


def _histories(frame, columns: dict, features: list, written: dict, separator) -> dict:
    """Puts histories into their types.

    Args:
        frame: The rows, whose columns of histories become lists of such values.
        columns: Name of the feature -> its column.
        features: The features, in this order.
        written: The options of `csv_hints`; takes what was found of features that only behaviors
            have.
        separator: Separator of histories that are text, or `None`.

    Returns:
        Name of the feature -> `(lengths, values)`, of all rows.
    """
    learned = {}
    for feature in features:
        name, column = feature_name(feature), columns[feature_name(feature)]
        lengths, flat = list_column(column, _split(frame[column], separator), feature)
        values = from_arrow(pa.chunked_array([flat]))
        first = _first(values)
        if isinstance(first, (list, tuple, np.ndarray)):
            values = values.set_axis(np.repeat(frame.index, lengths)).rename(column)
            values, _ = bag_cells(values, "|" if has_several_values(feature) else None)
            written["found"].setdefault(name, {"type": "bag", "missing": {}})
        elif not has_several_values(feature):
            kind = written["kinds"].get(name)
            if separator is not None and isinstance(first, str):
                values, facts = from_csv(pa.chunked_array([_as_fields(flat)]), kind)
            else:
                values, facts = from_series(values, kind)
            add_line(facts, values, np.repeat(frame.index, lengths))
            kinds_of([name], {name: facts | {"column": column}}, {name: kind} if kind else {})
            written["found"].setdefault(name, facts)
            if kind == "categorical":
                values = whole_as_integers(values)
            flat = pa.array(values, from_pandas=True)
        offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]))
        cells = pa.LargeListArray.from_arrays(offsets, flat)
        frame[column] = pd.arrays.ArrowExtensionArray(pa.chunked_array([cells]))
        learned[name] = lengths, values
    return learned


def _as_fields(text) -> pa.Array:
    """Text of Arrow as the fields of a CSV file, where nothing is an empty field."""
    return pc.fill_null(text.cast(pa.string()), "").cast(pa.binary())


def _seen(learned: dict, telling, training: np.ndarray) -> dict:
    """Of each feature `(values, seen, missing)`.

    `seen` says which values stand in histories of training rows and are no padding; `is_missing` is
    how many in those of all rows are no padding, and none.
    """
    _, first = next(iter(learned.values())) if telling is None else learned[telling.name]
    real = np.ones(len(first), bool) if telling is None else is_real(first, telling)
    found = {}
    for name, (length, values) in learned.items():
        of_training = np.repeat(training, length)
        # Lists of another length are an error that is found later.
        there = real if len(real) == len(values) else np.ones(len(values), bool)
        nothing = int((is_missing(values) & there).sum())
        found[name] = values, of_training & there, nothing
    return found


def _missing(spec, samples, behaviors: dict, without: dict) -> dict:
    """Name of each input of numbers and categories -> how many of its values are missing.

    `without` tells them for categories; of numbers also those count that float32 does not hold.
    """
    counts = {}
    for name, info in spec.inputs.items():
        if info.feature.is_numeric:
            own = info.role != "behavior"
            log = None if own else behaviors[info.sequence.name]
            values = samples.columns[name] if own else log.columns[info.feature.name]
            counts[name] = int((~np.isfinite(values)).sum())
        elif not info.feature.axes:
            counts[name] = without[name]
    return {name: count for name, count in counts.items() if count}


def _first(values: pd.Series):
    there = values.dropna()
    return there.iloc[0] if len(there) else None


def _split(cells: pd.Series, separator: str | None):
    """Text as lists, of Arrow where no cell is a list; an empty cell is an empty list."""
    if separator is None:
        return cells
    try:
        text = pa.array(cells, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError):  # Lists are among them.
        lists = [_split_one(c, separator) if isinstance(c, str) else c for c in cells]
        return pd.Series(lists, cells.index, dtype=object)
    if not (pa.types.is_string(text.type) or pa.types.is_large_string(text.type)):
        return cells
    text = pc.if_else(pc.equal(text, ""), pa.scalar(None, text.type), text)
    lists = pc.split_pattern(text, separator)
    lists = lists if isinstance(lists, pa.ChunkedArray) else pa.chunked_array([lists])
    return pd.Series(pd.arrays.ArrowExtensionArray(lists), cells.index)


def _split_one(text: str, separator: str) -> list:
    return text.split(separator) if text else []
