"""Prepares rows that contain their histories; features are learned from the training rows."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from keras_din.data.encoding.features import concat_series, count_parts, features_to_type
from keras_din.data.encoding.vectors import check_vectors, prepared_vectors
from keras_din.data.prepare.label_columns import label_columns, label_map_by_column
from keras_din.data.prepare.leaks import check_no_feedback, warn_of_leaks
from keras_din.data.prepare.log_columns import feature_names, log_columns
from keras_din.data.prepare.prepared_data import PreparedData, cut_into_parts
from keras_din.data.prepare.read_rows import read_rows, sources_by_part
from keras_din.data.prepare.row_histories import history_columns, read_histories, split_cells
from keras_din.data.prepare.rows_dataset import rows_to_samples
from keras_din.data.prepare.split import TRAIN
from keras_din.data.reading.bad_share import MAX_BAD, check_max_bad
from keras_din.data.reading.column_types import kinds_of
from keras_din.data.reading.columns import is_missing, to_plain_series
from keras_din.data.reading.labels import LabelRules, check_varied
from keras_din.data.reading.times import time_or_order
from keras_din.data.store.bags import Bags
from keras_din.data.store.consistency import is_missing_row
from keras_din.features import OOV_INDEX, TIME, Feature, Label

__all__ = ["prepare_rows"]


def prepare_rows(
    source: Any,
    *,
    label: str | Label | Sequence[str | Label] | dict,
    target: Sequence[str | Feature],
    context: Sequence[str | Feature] = (),
    side_features: Sequence[str | Feature] = (),
    of: Sequence[str] | None = None,
    sequences: Sequence[str] | dict[str, dict[str, str]] = ("hist",),
    group: str | None = None,
    weight: str | None = None,
    time: str | None = None,
    order: str | None = None,
    vectors: Mapping[str, Any] | None = None,
    split: Callable | str | None = None,
    separator: str | None = None,
    max_length: int = 100,
    dim: int | dict[str, int] = 16,
    min_count: int = 1,
    bags: Sequence[str] | dict[str, str] = (),
    numeric: Sequence[str] = (),
    categorical: Sequence[str] = (),
    time_unit: str = "auto",
    time_format: str | None = None,
    allow_empty_parts: bool = False,
    label_map: dict | None = None,
    sep: str | None = None,
    header: bool | None = None,
    names: Sequence[str] | None = None,
    max_bad: float = MAX_BAD,
    strict: bool = False,
) -> PreparedData:
    """Converts rows that contain their histories, or have none, to a data set.

    The columns of a history are named `{sequence}_{feature}`, such as `hist_item`, unless
    `sequences` names them. They contain lists, the most recent behavior last, or text that
    `separator` splits. Features are learned from the candidates and histories of the training
    rows, same as in `prepare_impressions`. Read later rows with `rows_dataset` and `data.spec`.

    A log without users and times has no histories: `sequences=()`.

    Args:
        source: A table, same as in `prepare_impressions`, or a dict of tables by part: `{"train":
            ..., "valid": ..., "test": ...}`.
        label: Column of 0 and 1, the click, or several labels, same as in `prepare_impressions`.
        target: Columns of the candidate, the item first, same as in `prepare_impressions`. Without
            sequences the item may be missing, as any other value.
        context: Columns of the user and the request, same as in `prepare_impressions`.
        side_features: Features that only behaviors have. An `Elapsed` or `Calendar` object is
            computed from `time` and the column `{sequence}_time` of histories, in ascending order.
        of: Features of `target` that behaviors have too. Defaults to all.
        sequences: Names of the sequences. Or name of a sequence -> name of a feature -> the column
            of its histories: `{"hist": {"item": "clicked"}}`. No sequences: `()`.
        group: Column whose values are GAUC's groups, such as the user. Rows without a value are
            kept aside.
        weight: Column with the weight of each row in the loss, same as in `prepare_impressions`.
        time: Column of times, by which `split` divides the rows; see `prepare_impressions`.
        order: Column of whole numbers instead of `time`. Without both, rows are in their order.
        vectors: Same as in `prepare_impressions`.
        split: `LastFraction()`, `ByTime()` or `ByUser()`, by the users of `group`. Without a
            `group`, `ByUser()` draws single rows. Or a column with `"train"`, `"valid"` or
            `"test"`. Rows in no part are left out. By default all rows of a single table are
            `"train"`.
        separator: Separator of histories that are text, such as `"^"`.
        max_length: `max_length` of the sequences: the number of the latest behaviors that data
            sets and exported versions keep.
        dim: Same as in `prepare_impressions`.
        min_count: How often a value must occur in training to have its own embedding.
        bags: Same as in `prepare_impressions`.
        numeric: Same as in `prepare_impressions`.
        categorical: Same as in `prepare_impressions`.
        time_unit: Same as in `prepare_impressions`.
        time_format: Same as in `prepare_impressions`.
        allow_empty_parts: Same as in `prepare_impressions`.
        label_map: Other values of the labels -> 0 or 1, such as `{-1: 0}`, or label -> such a
            dict, same as in `prepare_impressions`.
        sep: The separator of a CSV file, same as in `prepare_impressions`.
        header: Same as in `prepare_impressions`.
        names: Same as in `prepare_impressions`.
        max_bad: The largest share of the rows of a table that may be kept aside for one reason.
        strict: Whether the first bad row is an error.

    Returns:
        A `PreparedData`, in whose behavior logs every row is a user. Rows that are kept aside,
        such as those without a label, are its `bad_rows`, each with its line and reason.

    Raises:
        ValueError: If a column is missing or has another type, there is no training row, all
            training labels are equal, too many rows are bad for one reason, or `strict` is set
            and a row is bad.

    Example:

    ```python
    import pandas as pd

    rows = pd.DataFrame(
        {
            "item": ["a", "b", "c", "a"],
            "hist_item": [["b"], ["a", "c"], [], ["c"]],
            "click": [1, 0, 1, 0],
        }
    )
    data = kd.data.prepare_rows(rows, label="click", target=["item"], dim=4)
    ```
    """
    # Columns.
    time_column = None
    if any(each is not None for each in (time, order, time_format)) or time_unit != "auto":
        time_column, time_unit = time_or_order(time, order, time_unit, time_format)
    of_label = label_columns(label)
    labels = list(of_label.values())
    of_name = {each.name: column for each, column in of_label.items()}
    ids, weights = [[] if name is None else [name] for name in (group, weight)]
    columns = log_columns(
        target,
        context,
        side_features,
        of,
        ids=ids,
        time=time_column,
        time_format=time_format,
        numbers=[*labels, *weights],
        bags=bags,
        numeric=numeric,
        categorical=categorical,
    )
    if columns.of_times and time is None:
        raise ValueError(
            "Features that are computed from times require the column of times of the rows, "
            f"`time`. Received: {columns.of_times[0]!r}, and time=None."
        )
    check_vectors(vectors, columns.features)
    own = columns.of_samples
    of_target, of_context = map(feature_names, (columns.target, columns.context))
    check_no_feedback(dict.fromkeys(labels, "the label"), of_target, of_context)
    histories = history_columns(sequences, feature_names(columns.of_histories))

    # Clean and split.
    names_of_types = features_to_type([*columns.target, *columns.context])
    others = [name for name in (time_column, split) if isinstance(name, str)]
    frame, part, at, bad, counts = read_rows(
        sources_by_part(source, split, (sep, header, names)),
        [*own, *labels, *ids, *weights, *others],
        [column for names in histories.values() for column in names.values()],
        split,
        names_of_types,
        columns.separators,
        columns.reading,
        {
            "required": [*ids, *labels, *([columns.item] if histories else [])],
            "labels": labels,
            "label_map": label_map_by_column(label_map, of_name),
            "rules": LabelRules.of(of_label),
            "max_bad": check_max_bad(max_bad),
            "strict": strict,
            "time": None if time_column is None else (time_column, time_unit, time_format),
            "weight": weight,
        },
        group,
        allow_empty_parts,
    )
    reading = columns.reading
    reading["kinds"] |= kinds_of(names_of_types, reading["found"], reading["kinds"])

    # Encode.
    seen, missing = read_histories(frame, histories, columns, separator, part == TRAIN)

    def training_values(name):
        values = [frame[name][part == TRAIN]] if name in own else []
        return concat_series([*values, *seen.get(name, ())])

    features = columns.fit(training_values, dim, min_count)
    spec = columns.spec(features, histories, max_length)
    spec = dataclasses.replace(spec, labels=tuple(of_label))
    for name in own:
        if spec.inputs[name].feature.axes:
            frame[name] = split_cells(frame[name], columns.separators.get(name))
        else:
            missing[name] = int(is_missing(to_plain_series(frame[name])).sum())

    # Point.
    if columns.of_times:
        frame[TIME] = np.asarray(at).astype("datetime64[us]")
    behaviors, samples = rows_to_samples(
        frame, spec, of_name, group=group, weight=weight, label_map=label_map
    )
    samples = dataclasses.replace(samples, time=at, line=frame.index.to_numpy())
    parts = cut_into_parts(samples, part)
    spec, of_vectors = prepared_vectors(spec, vectors, behaviors, parts["train"])
    for each, column in of_label.items():
        check_varied(parts["train"].labels[each.name], column, each)
    report = {
        "kind": "rows",
        **counts,
        "histories": {"columns": histories, "separator": separator},
        "columns": features.types,
        **features.of_bags,
        **of_vectors,
        "values_missing": _missing(spec, samples, behaviors, missing),
        "behaviors": {name: len(log) for name, log in behaviors.items()},
        "features_that_tell_the_label": warn_of_leaks(parts, spec),
        "parts": count_parts(parts, spec),
    }
    return PreparedData(spec, behaviors, parts, report, bad)


def _missing(spec, samples, behaviors: dict, missing: dict) -> dict:
    """Name of each numeric or categorical input -> how many of its values are missing.

    `missing` has the counts of categories. Numbers that do not fit into float32 count as missing.
    """
    counts = {}
    for name, info in spec.inputs.items():
        if info.feature.from_times:
            continue
        if info.role == "behavior":
            values = behaviors[info.sequence.name].columns[info.feature.name]
        else:
            values = samples.columns[name]
        if isinstance(values, Bags):
            continue
        if info.feature.is_numeric:
            counts[name] = int(is_missing_row(values).sum())
        elif info.feature.takes_numbers:
            counts[name] = int((values == OOV_INDEX).sum())
        else:
            counts[name] = missing[name]
    return {name: count for name, count in counts.items() if count}
