"""Rows that hold their histories, as a data set whose features are learned from them."""

import dataclasses

import numpy as np

from keras_din.data.encoding.features import concat_series, count_parts, features_to_type
from keras_din.data.prepare.label_columns import label_columns
from keras_din.data.prepare.leaks import check_no_feedback, warn_of_leaks
from keras_din.data.prepare.log_columns import feature_names, log_columns
from keras_din.data.prepare.prepared_data import PreparedData, cut_into_parts
from keras_din.data.prepare.read_rows import read_rows, sources_by_part
from keras_din.data.prepare.row_histories import read_histories, split_cells
from keras_din.data.prepare.rows_dataset import rows_to_samples
from keras_din.data.prepare.split import TRAIN
from keras_din.data.reading.bad_rows import MAX_BAD, check_max_bad
from keras_din.data.reading.column_types import kinds_of
from keras_din.data.reading.columns import is_missing, to_plain_series
from keras_din.data.reading.labels import check_both_classes


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
    # Columns.
    sequences = [sequences] if isinstance(sequences, str) else list(sequences)
    of_label = label_columns(label)
    labels = list(dict.fromkeys(of_label.values()))
    ids, weights = [[] if name is None else [name] for name in (group, weight)]
    columns = log_columns(
        target,
        context,
        side_features,
        of,
        ids=ids,
        numbers=[*labels, *weights],
        bags=bags,
        numeric=numeric,
        categorical=categorical,
    )
    own = feature_names([*columns.target, *columns.context])
    of_target, of_context = map(feature_names, (columns.target, columns.context))
    check_no_feedback(dict.fromkeys(labels, "the label"), of_target, of_context)

    # Clean and split.
    names_of_types = features_to_type([*columns.target, *columns.context])
    frame, part, bad, counts = read_rows(
        sources_by_part(source, split, (sep, header, names)),
        [*own, *labels, *ids, *weights, *([] if split is None else [split])],
        [f"{sequence}_{name}" for sequence in sequences for name in columns.of_behaviors],
        split,
        names_of_types,
        columns.separators,
        columns.reading,
        {
            "required": [*ids, *labels, columns.item],
            "labels": labels,
            "label_map": label_map,
            "max_bad": check_max_bad(max_bad),
            "strict": strict,
        },
    )
    reading = columns.reading
    reading["kinds"] |= kinds_of(names_of_types, reading["found"], reading["kinds"])

    # Encode.
    seen, missing = read_histories(frame, sequences, columns, separator, part == TRAIN)

    def training_values(name):
        values = [frame[name][part == TRAIN]] if name in own else []
        return concat_series([*values, *seen.get(name, ())])

    features = columns.fit(training_values, dim, min_count)
    spec = columns.spec(features, sequences, max_length)
    spec = dataclasses.replace(spec, labels=tuple(of_label))
    for name in own:
        if spec.features[name].axes:
            frame[name] = split_cells(frame[name], columns.separators.get(name))
        else:
            missing[name] = int(is_missing(to_plain_series(frame[name])).sum())

    # Point.
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
        "columns": features.types,
        **features.of_bags,
        "values_missing": _missing(spec, samples, behaviors, missing),
        "behaviors": {name: len(log) for name, log in behaviors.items()},
        "features_that_tell_the_label": warn_of_leaks(parts, spec),
        "parts": count_parts(parts, spec),
    }
    return PreparedData(spec, behaviors, parts, report, bad)


def _missing(spec, samples, behaviors: dict, missing: dict) -> dict:
    """Name of each input of numbers and categories -> how many of its values are missing.

    `missing` tells them for categories; of numbers also those count that float32 does not hold.
    """
    counts = {}
    for name, info in spec.inputs.items():
        if info.feature.is_numeric:
            if info.role == "behavior":
                values = behaviors[info.sequence.name].columns[info.feature.name]
            else:
                values = samples.columns[name]
            counts[name] = int((~np.isfinite(values)).sum())
        elif not info.feature.axes:
            counts[name] = missing[name]
    return {name: count for name, count in counts.items() if count}
