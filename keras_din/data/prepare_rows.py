"""Rows that hold their histories, as a data set whose features are learned from them."""

import numpy as np
import pandas as pd
import pyarrow as pa

from keras_din.data.bag_cells import bag_cells, checked_separators
from keras_din.data.column_types import from_csv, from_series, kinds_of
from keras_din.data.columns import (
    check_columns,
    from_arrow,
    missing,
    ordinary,
    whole_as_integers,
)
from keras_din.data.csv_file import CsvFile
from keras_din.data.encoding import (
    Features,
    as_written,
    behaviour_features,
    checked_features,
    count_parts,
    feature_name,
    features_to_type,
    stacked,
)
from keras_din.data.joins import column_names
from keras_din.data.leaks import check_no_feedback, warn_of_leaks
from keras_din.data.prepared import PARTS, PreparedData, cut_into_parts
from keras_din.data.reading import read_table
from keras_din.data.rows import list_column, rows_to_samples
from keras_din.data.source import ArrowSource, as_source
from keras_din.data.split import LEFT_OUT, TRAIN, part_of_column
from keras_din.feature_spec import Bag


def prepare_rows(
    source,
    *,
    label: str,
    target,
    context=(),
    side=(),
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
) -> PreparedData:
    """Rows with materialized histories as a data set; vocabularies and means are learned.

    The columns of a history are named `{sequence}_{feature}`, such as `hist_item`: lists, the
    most recent behaviour last, or text that `separator` splits. What training sees, candidates
    and histories, makes the features, as in `prepare_impressions`; `data.spec` then serves
    `rows_dataset` for rows that come later.

    Args:
        source: A table, as `prepare_impressions` takes it, or a dict of these by part: `{"train":
            ..., "valid": ..., "test": ...}`.
        label: Column of 0 and 1, the click.
        target: Columns of the candidate, the item first, as in `prepare_impressions`.
        context: Columns of the user and the request, likewise.
        side: Features that only behaviours have, likewise.
        of: Features of `target` that behaviours have too. Defaults to all.
        sequences: Names of the sequences.
        group: Column whose values are GAUC's groups, such as the user.
        weight: Column of what each row counts in the loss.
        split: Column that holds `"train"`, `"valid"` or `"test"`; other rows are left out. By
            default all rows of a single table are `"train"`.
        separator: Separator of histories that are text, such as `"|"`.
        max_length: The most behaviours that a model reads.
        dim: Width of the embeddings, or column -> width.
        min_count: How often a value must occur in training to have a row of its own.
        bags: As in `prepare_impressions`.
        numeric: As in `prepare_impressions`.
        categorical: As in `prepare_impressions`.
        label_map: Other values of the label -> 0 or 1, as `{-1: 0}`.
        sep: The separator of a CSV file, as in `prepare_impressions`.
        header: As in `prepare_impressions`.
        names: As in `prepare_impressions`.

    Returns:
        A `PreparedData`, in whose behaviours every row is a user of its own.

    Raises:
        ValueError: When a column is missing or holds something else, or there is no row to
            train on.
    """
    target, context = checked_features("target", target), checked_features("context", context)
    side, of = checked_features("side", side), behaviour_features(of, target)
    sequences = [sequences] if isinstance(sequences, str) else list(sequences)
    item, features = feature_name(target[0]), [*target, *context, *side]
    single = [name for name in (label, group, weight) if name is not None]
    source = _sources(source, split, (sep, header, names))
    own = [feature_name(feature) for feature in target]
    check_no_feedback({label: "the label"}, own, [feature_name(feature) for feature in context])
    separators = checked_separators(bags, features, single)
    ids = [] if group is None else [group]
    written, reasons = as_written(features, item, ids, numeric, categorical)
    written["numbers"] |= {label, *([] if weight is None else [weight])}
    own = [feature_name(feature) for feature in [*target, *context]]
    columns = [*own, *single, *([] if split is None else [split])]
    of_behaviours = [feature_name(feature) for feature in [*of, *side]]
    lists = [f"{sequence}_{name}" for sequence in sequences for name in of_behaviours]
    names = features_to_type([*target, *context])
    frame, part, bad = _read(source, columns, lists, split, names, separators, written)
    if not (part == TRAIN).any():
        raise ValueError(
            "There must be rows of the part 'train' to learn from. "
            f"Received: {len(frame)} rows, none of them of 'train'."
        )
    written["kinds"] |= kinds_of(names, written["found"], written["kinds"])
    seen = {name: [] for name in of_behaviours}
    for sequence in sequences:
        histories = {name: f"{sequence}_{name}" for name in of_behaviours}
        learned = _histories(frame, histories, [*of, *side], written, separator)
        for name, values in _seen(frame[item], part == TRAIN, learned).items():
            seen[name].append(values)

    def training_values(name):
        values = [frame[name][part == TRAIN]] if name in own else []
        return stacked([*values, *seen.get(name, ())])

    fitted = Features(features, training_values, dim, min_count, separators, written, reasons)
    spec = fitted.spec(target, context, dict.fromkeys(sequences, of), side, max_length)
    for name in own:
        if isinstance(spec.features[name], Bag):
            frame[name] = _as_lists(frame[name], separators.get(name))
    behaviours, samples = rows_to_samples(
        frame, spec, label, group=group, weight=weight, label_map=label_map
    )
    parts = cut_into_parts(samples, part)
    report = {
        "kind": "rows",
        "columns": fitted.types,
        "behaviours": {name: len(log) for name, log in behaviours.items()},
        "features_that_tell_the_label": warn_of_leaks(parts, spec),
        "parts": count_parts(parts, spec),
    }
    return PreparedData(spec, behaviours, parts, report, bad)


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


def _read(source: dict, columns: list, lists: list, split, names: list, separators, written):
    """`(frame, part, bad)` of all tables, one below the other; `part` is as of `part_of`.

    `names` are of the features of which a column may have a type that only the user can tell.
    """
    frames, parts, bad = [], [], []
    for name in [name for name in PARTS if name in source]:
        frame, aside = _read_one(source[name], columns, lists, separators, written)
        if not len(frame) and len(source) > 1:
            raise ValueError(f"The table of each part must have rows. Received: none of {name!r}.")
        kinds = kinds_of(names, written["found"], written["kinds"])
        # A column is of one type, that of the first table.
        written = {**written, "kinds": written["kinds"] | kinds, "found": {}}
        frames.append(frame)
        parts.append(np.full(len(frame), PARTS.index(name)))
        bad.append(aside)
    frame, part = pd.concat(frames, ignore_index=True), np.concatenate(parts)
    if split is not None:
        part = part_of_column(split, frame[split])
        frame, part = frame[part != LEFT_OUT].reset_index(drop=True), part[part != LEFT_OUT]
    return frame, part, pd.concat(bad, ignore_index=True)


def _read_one(source, columns: list, lists: list, separators, written):
    """As of `read_table`, with the columns of histories as they are."""
    check_columns("the rows", column_names(source), [*columns, *lists])
    if isinstance(source, CsvFile):
        text = {*written["text"], *lists}
        return read_table(source, [*columns, *lists], separators, **written | {"text": text})
    frame, bad = read_table(source, columns, separators, **written)
    if isinstance(source, ArrowSource):
        table = source.read(lists)
        source = {name: from_arrow(table[name]) for name in lists}
    for name in lists:
        cells = ordinary(source[name]).to_numpy(object)
        frame[name] = pd.Series([cells[row] for row in frame.index], frame.index, dtype=object)
    return frame, bad


def _histories(frame, columns: dict, features: list, written: dict, separator) -> dict:
    """Puts histories into their types.

    Args:
        frame: The rows, whose columns of histories become lists of such values.
        columns: Name of the feature -> its column.
        features: The features, in this order.
        written: As of `as_written`; takes what was found of features that only behaviours have.
        separator: Separator of histories that are text, or `None`.

    Returns:
        Name of the feature -> `(lengths, values)`, of all rows.
    """
    learned = {}
    for feature in features:
        name, column = feature_name(feature), columns[feature_name(feature)]
        cells = frame[column]
        if separator is not None:
            cells = cells.map(
                lambda cell: _split(cell, separator) if isinstance(cell, str) else cell
            )
        lengths, flat = list_column(column, cells, feature)
        values = from_arrow(pa.chunked_array([flat]))
        first = _first(values)
        if isinstance(first, (list, tuple, np.ndarray)):
            values, _ = bag_cells(values.rename(column), "|" if isinstance(feature, Bag) else None)
            written["found"].setdefault(name, {"type": "bag", "missing": {}})
        elif not isinstance(feature, Bag):
            kind = written["kinds"].get(name)
            is_text = separator is not None and isinstance(first, str)
            values, facts = (_from_text if is_text else from_series)(values, kind)
            facts["line"] = 0
            kinds_of([name], {name: facts}, {name: kind} if kind else {})
            written["found"].setdefault(name, facts)
            if kind == "categorical":
                values = whole_as_integers(values)
            flat = pa.array(values, from_pandas=True)
        offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]))
        cells = pa.LargeListArray.from_arrays(offsets, flat)
        frame[column] = pd.Series(pd.arrays.ArrowExtensionArray(pa.chunked_array([cells])))
        learned[name] = lengths, values
    return learned


def _from_text(values: pd.Series, kind):
    cells = [None if pd.isna(value) else value.encode() for value in values]
    cells = pa.array([b"" if cell is None else cell for cell in cells], pa.binary())
    return from_csv(pa.chunked_array([cells]), kind)


def _seen(items: pd.Series, training: np.ndarray, learned: dict) -> dict:
    """Of each feature the values in the histories of training rows, without padding."""
    (lengths, first), *_ = learned.values()
    real = ~missing(first)
    if first.dtype.kind in "iuf" and not (items == 0).any():
        real &= (first != 0).fillna(False).to_numpy(bool)
    real &= np.repeat(training, lengths)
    return {
        name: values[real if len(values) == len(real) else np.repeat(training, length)]
        for name, (length, values) in learned.items()
    }


def _first(values: pd.Series):
    there = values.dropna()
    return there.iloc[0] if len(there) else None


def _split(text: str, separator: str) -> list:
    return text.split(separator) if text else []


def _as_lists(cells: pd.Series, separator: str | None) -> pd.Series:
    """Bags of a table as lists."""

    def as_list(cell):
        if isinstance(cell, str):
            return [value for value in cell.split(separator) if value]
        return list(cell) if isinstance(cell, tuple) else None

    return pd.Series([as_list(cell) for cell in cells], cells.index, dtype=object)
