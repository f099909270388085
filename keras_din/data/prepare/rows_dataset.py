"""Converts rows that contain their histories, as list columns, to samples and batches."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from keras_din.bucket_index import numpy_buckets
from keras_din.count_text import count_text
from keras_din.data.encoding.lookup import check_positions, to_indices
from keras_din.data.pipeline import batches as pipeline
from keras_din.data.prepare.label_columns import columns_of_spec, label_map_by_column
from keras_din.data.prepare.later_rows import is_text, read_later_rows
from keras_din.data.prepare.leaks import check_known_before
from keras_din.data.prepare.list_columns import is_real, list_column
from keras_din.data.prepare.row_times import row_times
from keras_din.data.reading.bad_share import MAX_BAD
from keras_din.data.reading.bag_cells import SEPARATOR
from keras_din.data.reading.columns import check_exact_ids, from_arrow, is_missing, to_plain_series
from keras_din.data.reading.columns import numbers as numbers_of
from keras_din.data.reading.file_lines import describe_row
from keras_din.data.reading.labels import (
    check_varied,
    format_value,
    label_map_of,
    require_labels,
)
from keras_din.data.reading.source import as_source, to_frame
from keras_din.data.reading.text_types import is_missing_among_numbers, is_missing_token
from keras_din.data.reading.vector_cells import vector_cells, vector_matrix
from keras_din.data.reading.weight_cells import to_weights
from keras_din.data.store.bags import Bags
from keras_din.data.store.behavior_log import BehaviorLog
from keras_din.data.store.samples import Samples
from keras_din.features import (
    TIME,
    Bag,
    BagWeights,
    Bucketized,
    Categorical,
    FeatureSpec,
    Label,
    Numeric,
    Position,
    Timestamp,
    Vector,
    id_feature,
    per_kind,
)

if TYPE_CHECKING:
    import tensorflow as tf

__all__ = ["rows_dataset", "rows_to_samples"]


def rows_to_samples(
    frame: Any,
    spec: FeatureSpec,
    label: str | Label | Sequence[str | Label] | dict | None = None,
    *,
    group: str | None = None,
    weight: str | None = None,
    label_map: dict | None = None,
    sequences: dict | None = None,
    separator: str | None = None,
    bags: Sequence[str] | dict[str, str] = (),
    sep: str | None = None,
    header: bool | None = None,
    names: Sequence[str] | None = None,
    max_bad: float = MAX_BAD,
) -> tuple[dict[str, BehaviorLog], Samples]:
    """Converts rows that contain their histories to a behavior log and samples.

    Args:
        frame: A `DataFrame` or another table (see `prepare_impressions`), with one column per
            input of the spec, of the same name. Values are raw values if a feature has a
            vocabulary or hash buckets, and indices if it has only a size. A missing number
            of a `Numeric` is replaced by the feature's mean, and counted in `values_missing` of
            the data set. Words among numbers, such as `-`, are missing values too, and are
            printed. Behaviors are lists or arrays, the most recent last. `None` or NaN is an empty
            history. Positions whose first feature is padding are left out. Padding is a missing
            value, an empty string or 0; if 0 is in the vocabulary, it is the first of -1, -2, ...
            that is not. A `Bag` is a list, in behaviors a list of lists, whose padding is left
            out too. Its `weights` are lists of the same lengths. A `Vector` without `of` is a list
            of its `size`, in behaviors a list of lists, or an array; a missing one becomes zeros,
            and is counted in `values_missing`. Features that are computed from
            times have no columns: `time` and `{sequence}_time` have dates, ISO 8601 strings, or
            numbers in their `time_unit`. The times of the first behaviors may be missing. A `Count`
            has a column, since rows do not contain what was counted.
        spec: The features.
        label: Column of 0 and 1, or of numbers if the label is a number. For a spec with several
            labels, a list of names and `Label` objects, each the name of its column, or a dict of
            these -> column; each row must have at least one of them. `None` sets all labels to 0,
            because `predict` does not use them.
        group: Column whose values are GAUC's groups, without missing values. By default each row
            is a group.
        weight: Column with the weight of each row in the loss, without missing values.
        label_map: Other values of the labels -> 0 or 1, such as `{-1: 0}`, or label -> such a
            dict, same as in `prepare_impressions`.
        sequences: Name of a sequence -> name of a feature -> the column of its histories, if it is
            not `{sequence}_{feature}`, same as in `prepare_rows`.
        separator: Separator of histories that are text, such as `"^"`.
        bags: Separators of text with several values, same as in `prepare_impressions`.
        sep: The separator of a CSV file, same as in `prepare_impressions`.
        header: Same as in `prepare_impressions`.
        names: Same as in `prepare_impressions`.
        max_bad: The largest share of invalid lines of a file of text. They are kept aside, and
            their number is printed.

    Returns:
        `(behaviors, samples)`: a dict of `BehaviorLog`, in which every row is a user, and
        `Samples`.

    Raises:
        ValueError: If a column is missing or has another type, the lists of one sequence differ in
            length, or the weights of a bag are not one number from 0 for each of its values.

    Example:

    ```python
    import pandas as pd

    item = kd.Categorical("item", vocabulary=["a", "b", "c"], dim=4)
    spec = kd.FeatureSpec(target=[item], sequences=[kd.Sequence("hist", of=[item], max_length=3)])
    rows = pd.DataFrame({"item": ["a", "b"], "hist_item": [["b"], ["a", "c"]], "click": [1, 0]})
    behaviors, samples = kd.data.rows_to_samples(rows, spec, "click")
    ```
    """
    of_label = {} if label is None else columns_of_spec(label, spec)
    ids = [] if group is None else [group]
    weights = [] if weight is None else [weight]
    source = as_source(frame, sep, header, names)
    if is_text(source) or separator is not None or sequences or bags:
        numbers = [*of_label.values(), *weights]
        frame = read_later_rows(
            source, spec, sequences, separator, bags, max_bad, ids=ids, numbers=numbers
        )
    else:
        frame = to_frame(source)
    _check_known_before(spec, of_label)
    label_map = label_map_by_column(label_map, of_label)
    _check_columns(frame, [*spec.raw_inputs, *of_label.values(), *ids, *weights])
    groups = _groups(frame, group)
    labels = {
        each.name: _labels(frame, of_label, each, label_map) if of_label else np.zeros(len(frame))
        for each in spec.labels
    }
    _check_any_label(frame, labels)
    behaviors = {sequence.name: _log(frame, spec, sequence) for sequence in spec.sequences}
    request = spec.time_inputs.get(TIME)
    inputs = {
        name: (info.feature, frame[name])
        for name, info in spec.inputs.items()
        if info.role != "behavior" and not info.feature.from_times
    }
    samples = Samples(
        columns={name: _column(inputs, name) for name in inputs},
        history={name: (log.offsets[:-1], log.offsets[1:]) for name, log in behaviors.items()},
        labels=labels,
        group=groups,
        weight=None if weight is None else _weights(weight, frame[weight]),
        time=None if request is None else row_times(request, TIME, frame[TIME]),
    )
    return behaviors, samples


def _check_known_before(spec: FeatureSpec, of_label: dict) -> None:
    """Raises a `ValueError` if a label is an input of the spec too."""
    words = {"behavior": "sequences"}
    places = {name: words.get(info.role, info.role) for name, info in spec.inputs.items()}
    check_known_before(dict.fromkeys(of_label.values(), "the label"), places)


def _check_columns(frame: pd.DataFrame, names: list) -> None:
    """Raises a `ValueError` if a column is missing."""
    if lacking := [name for name in names if name not in frame.columns]:
        raise ValueError(
            f"`frame` must have a column for each input; {lacking} are missing. "
            f"Received columns: {list(frame.columns)}."
        )


def _groups(frame: pd.DataFrame, group: str | None) -> np.ndarray:
    """The number of each row's group, int `(rows,)`."""
    if group is None:
        return np.arange(len(frame))
    check_exact_ids(group, frame[group])
    missing = is_missing(to_plain_series(frame[group]))
    if missing.any():
        raise ValueError(
            f"Column {group!r} must have a value in every row, since its values are the groups "
            f"of GAUC. Received: no value in {describe_row(frame, int(missing.argmax()), 'row')}. "
            "Leave out such rows, or give each row its own value."
        )
    return pd.factorize(frame[group])[0]


def _column(inputs: dict, name: str):
    """Converts an input to a column.

    Args:
        inputs: Name of each input -> its feature and its values, see `rows_to_column`.
        name: The name of the input.
    """
    feature, values = inputs[name]
    if not isinstance(feature, BagWeights):
        return rows_to_column(feature, name, values)
    bag = feature.input_of_bag(name)
    return _weights_of_bag(feature, name, values, bag, *inputs[bag])


def _weights_of_bag(feature: BagWeights, name: str, values, bag: str, of_bag, bag_values) -> Bags:
    """Converts the weights of a bag, without those of its padding.

    Args:
        feature: The weights.
        name: Name of their column.
        values: Their lists, see `rows_to_column`.
        bag: Name of the column of the bag.
        of_bag: The `Bag`.
        bag_values: Its lists.
    """
    lengths, numbers = list_column(name, values, feature)
    sizes, raw = list_column(bag, bag_values, of_bag)

    def where(row: int) -> str:
        if isinstance(values, pd.Series):
            return describe_row(values, row, "row")
        return f"behavior {row} of the column from 0"

    if (lengths != sizes).any():
        row = int((lengths != sizes).argmax())
        raise ValueError(
            f"Column {name!r} must have one weight for each value of {bag!r}. "
            f"Received: {count_text(lengths[row], 'weight')} of "
            f"{count_text(sizes[row], 'value')} in {where(row)}."
        )
    real = is_real(_numpy(raw), of_bag)
    row_of_value = np.repeat(np.arange(len(values)), lengths)[real]
    flat = pd.Series(_numpy(numbers))[real]
    weights = to_weights(flat)
    if np.isnan(weights).any():
        at = int(np.isnan(weights).argmax())
        raise ValueError(
            f"Column {name!r} must hold weights, finite numbers from 0. "
            f"Received: {format_value(flat.iloc[at])} in {where(row_of_value[at])}."
        )
    size = np.bincount(row_of_value, minlength=len(values))
    return Bags(np.arange(len(values)), np.concatenate([[0], np.cumsum(size)]), weights)


def _labels(frame: pd.DataFrame, of_label: dict, label: Label, label_map) -> np.ndarray:
    """The values of a label, float32 `(rows,)`."""
    column, of_several = of_label[label.name], len(of_label) > 1
    label_map = label_map_of(column, label_map, not label.is_binary)
    return require_labels(column, frame[column], label_map, of_several, label)


def _check_any_label(frame: pd.DataFrame, labels: dict) -> None:
    """Raises a `ValueError` if all labels of a row are missing."""
    nothing = np.logical_and.reduce([np.isnan(values) for values in labels.values()])
    if nothing.any():
        raise ValueError(
            f"Each row must have at least one of the labels {list(labels)}. Received: none in "
            f"{describe_row(frame, int(nothing.argmax()), 'row')}. Leave out such rows."
        )


def _weights(name: str, values) -> np.ndarray:
    """The weight of each row, float32 `(rows,)`."""
    found = numbers_of(name, values)
    wrong = np.isnan(found)
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            f"Weights {name!r} must be numbers in every row. "
            f"Received: {format_value(values.iloc[row])} in {describe_row(values, row, 'row')}."
        )
    return found.astype(np.float32)


def rows_dataset(
    frame: Any,
    spec: FeatureSpec,
    label: str | Label | Sequence[str | Label] | dict | None = None,
    batch_size: int = 1024,
    *,
    group: str | None = None,
    weight: str | None = None,
    label_map: dict | None = None,
    sequences: dict | None = None,
    separator: str | None = None,
    bags: Sequence[str] | dict[str, str] = (),
    sep: str | None = None,
    header: bool | None = None,
    names: Sequence[str] | None = None,
    max_bad: float = MAX_BAD,
    shuffle: bool = False,
    seed: int = 0,
    batch_by: str | None = None,
    first_epoch: int = 0,
) -> "tf.data.Dataset":
    """Creates a `tf.data.Dataset` of rows that contain their histories.

    Args:
        frame: Same as in `rows_to_samples`.
        spec: The features.
        label: Same as in `rows_to_samples`.
        batch_size: Rows per batch.
        group: Same as in `rows_to_samples`.
        weight: Same as in `rows_to_samples`.
        label_map: Same as in `rows_to_samples`.
        sequences: Same as in `rows_to_samples`.
        separator: Same as in `rows_to_samples`.
        bags: Same as in `rows_to_samples`.
        sep: Same as in `rows_to_samples`.
        header: Same as in `rows_to_samples`.
        names: Same as in `rows_to_samples`.
        max_bad: Same as in `rows_to_samples`.
        shuffle: Whether each epoch has its own order, for training. Then the labels must not all
            be equal.
        seed: Seed of the orders.
        batch_by: Same as in `keras_din.data.dataset`. Users are those of the column `group`.
        first_epoch: Number of the first epoch.

    Returns:
        Same as in `keras_din.data.dataset`.

    Example:

    ```python
    import pandas as pd

    item = kd.Categorical("item", vocabulary=["a", "b", "c"], dim=4)
    spec = kd.FeatureSpec(target=[item], sequences=[kd.Sequence("hist", of=[item], max_length=3)])
    rows = pd.DataFrame({"item": ["a", "b"], "hist_item": [["b"], ["a", "c"]], "click": [1, 0]})
    batches = kd.data.rows_dataset(rows, spec, "click", batch_size=2)
    ```
    """
    behaviors, samples = rows_to_samples(
        frame,
        spec,
        label,
        group=group,
        weight=weight,
        label_map=label_map,
        sequences=sequences,
        separator=separator,
        bags=bags,
        sep=sep,
        header=header,
        names=names,
        max_bad=max_bad,
    )
    if shuffle and label is not None:
        columns = columns_of_spec(label, spec)
        for each in spec.labels:
            column = columns[each.name]
            check_varied(samples.labels[each.name], column, each)
    if batch_by is not None and group is None:
        raise ValueError(
            "`batch_by` requires the users of rows: pass `group` too, the column that has them. "
            f"Received: batch_by={batch_by!r}, group=None."
        )
    return pipeline.dataset(
        spec,
        behaviors,
        samples,
        batch_size,
        shuffle=shuffle,
        seed=seed,
        batch_by=batch_by,
        first_epoch=first_epoch,
    )


@per_kind
def rows_to_column(feature, name: str, values):
    """Converts raw values of a feature to a column of samples or of a log.

    Args:
        feature: The feature.
        name: Name of the column, for errors.
        values: A column of a frame, or an Arrow array with the values of its lists.
    """


@rows_to_column.register
def _(feature: Categorical, name: str, values):
    return _indices(name, _numpy(values), feature)


@rows_to_column.register
def _(feature: Numeric, name: str, values):
    return _with_gaps(name, _numpy(values), "replaced by the feature's mean")


@rows_to_column.register
def _(feature: Position, name: str, values):
    array = _with_gaps(name, _numpy(values), "rows without a position")
    check_positions(name, array, values)
    return array


@rows_to_column.register
def _(feature: Bucketized, name: str, values):
    return numpy_buckets(feature, _with_gaps(name, _numpy(values), "out-of-vocabulary"))


@rows_to_column.register
def _(feature: Vector, name: str, values):
    of_behaviors = isinstance(values, pa.Array)
    if of_behaviors:
        values = from_arrow(pa.chunked_array([values]))
    cells, reasons = vector_cells(feature, values.rename(name), SEPARATOR)
    for row in np.flatnonzero(reasons)[:1]:
        where = f"behavior {row} of the column from 0"
        raise ValueError(
            f"Column {name!r} must hold vectors of {feature.size} finite numbers. Received in "
            f"{where if of_behaviors else describe_row(values, row, 'row')}: {reasons[row]}."
        )
    return vector_matrix(feature.size, cells, feature.storage, np.nan)


@rows_to_column.register
def _(feature: Bag, name: str, values):
    lengths, flat = list_column(name, values, feature)
    flat = _numpy(flat)
    real = is_real(flat, feature)
    row = np.repeat(np.arange(len(values)), lengths)[real]
    offsets = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=len(values)))])
    return Bags(np.arange(len(values)), offsets, _indices(name, flat[real], feature))


def _indices(name: str, values: np.ndarray, feature) -> np.ndarray:
    """Converts raw values of a feature with a table to indices."""
    if not feature.takes_indices:
        return to_indices(feature, values)
    try:
        numbers = np.asarray(values, np.float64 if values.dtype == object else None)
    except (TypeError, ValueError) as error:
        raise ValueError(f"Column {name!r} must hold integer indices. Received: {error}.") from None
    if numbers.dtype.kind == "f":
        wrong = ~(np.isfinite(numbers) & (numbers == np.floor(numbers)))
        if wrong.any():
            raise ValueError(
                f"Column {name!r} must hold integer indices. Received: {numbers[wrong.argmax()]}."
            )
        numbers = numbers.astype(np.int64)
    return numbers


def _with_gaps(name: str, values: np.ndarray, become: str) -> np.ndarray:
    """Converts numbers to float32, NaN where one is missing.

    Prints words for missing values, and what these values `become`.
    """
    series = pd.Series(values)
    found = numbers_of(name, series)
    words = series[np.isnan(found) & ~is_missing(series)]
    if len(words):
        _check_words(name, words, become, all_are_words=len(words) == (~is_missing(series)).sum())
    with np.errstate(over="ignore"):  # A number beyond float32 becomes infinite, thus missing.
        return found.astype(np.float32)


def _check_words(name: str, words: pd.Series, become: str, all_are_words: bool) -> None:
    """Prints the words for missing values; raises a `ValueError` for others."""
    for row, word in words.items():
        known = isinstance(word, str) and is_missing_among_numbers(word)
        if not known or (all_are_words and not is_missing_token(word)):
            raise ValueError(
                f"Column {name!r} must hold numbers written as in 1234.5, and words without a "
                f"digit, such as '-', where a value is missing. Received: {word!r}, value {row} "
                "of the column from 0."
            )
    counts = ", ".join(f"{word!r} {count:,}" for word, count in words.value_counts().items())
    print(f"Column {name!r}: without a value: {counts}. They are {become}.")


def _numpy(values) -> np.ndarray:
    # As floats, large integers in a column with missing values would be rounded.
    if not isinstance(values, pa.Array):
        is_integer = pd.api.types.is_integer_dtype(values.dtype) and values.hasnans
        return values.to_numpy(object, na_value=None) if is_integer else values.to_numpy()
    if values.null_count and pa.types.is_integer(values.type):
        return np.array(values.to_pylist(), object)
    # An empty Arrow array may have no type.
    return values.to_numpy(zero_copy_only=False) if len(values) else np.zeros(0, np.int32)


def _lists_of_vectors(column: pd.Series) -> pd.Series:
    """Returns lists of vectors instead of matrices, which Arrow cannot convert."""
    if column.dtype != object:
        return column
    cells = [list(c) if isinstance(c, np.ndarray) and c.ndim == 2 else c for c in column]
    return pd.Series(cells, column.index, dtype=object)


def _log(frame: pd.DataFrame, spec: FeatureSpec, sequence) -> BehaviorLog:
    columns: dict = {}
    inputs: dict = {}
    lengths: dict[str, np.ndarray] = {}
    real, times = None, None
    marks_padding = id_feature(sequence.of)
    for name, info in spec.raw_inputs.items():
        if info.sequence is not sequence:
            continue
        feature = info.feature
        column = _lists_of_vectors(frame[name]) if isinstance(feature, Vector) else frame[name]
        length, values = list_column(name, column, feature)
        lengths[name] = length
        first = next(iter(lengths))
        if (length != lengths[first]).any():
            at = int((length != lengths[first]).argmax())
            raise ValueError(
                f"The lists of one sequence must have one length in a row. Received: "
                f"{lengths[first][at]} in {first!r} and {length[at]} in {name!r} in row {at}."
            )
        if isinstance(feature, Timestamp):  # The last one.
            times = row_times(feature, name, _numpy(values), real, of_behaviors=True)
            continue
        inputs[name] = feature, values
        columns[feature.name] = _column(inputs, name)
        if feature is marks_padding:
            real = is_real(_numpy(values), feature)
    row = np.repeat(np.arange(len(frame)), lengths[first])[real]
    log = BehaviorLog.from_events(
        row, {name: values[real] for name, values in columns.items()}, users=len(frame)
    )
    if times is None:
        return log
    times = times[real]
    decreases = (times[1:] < times[:-1]) & (row[1:] == row[:-1])
    if decreases.any():
        at = int(decreases.argmax())
        raise ValueError(
            f"The times of {sequence.name!r} must be in ascending order in each row. "
            f"Received: {times[at]}, then {times[at + 1]} (microseconds) in row {row[at]}."
        )
    return dataclasses.replace(log, time=times)
