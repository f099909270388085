"""Checks that samples, behavior logs and spec are consistent, before the first batch."""

import numpy as np

from keras_din.count_text import count_text
from keras_din.data.store.arrays import chunks, first_pair_where, first_where
from keras_din.data.store.bags import Bags
from keras_din.features import (
    PADDING_INDEX,
    Bag,
    BagWeights,
    Bucketized,
    Categorical,
    FeatureSpec,
    Numeric,
    Position,
    Vector,
    id_feature,
    per_kind,
)


def check_samples(spec: FeatureSpec, behaviors: dict, samples) -> dict:
    """Checks every value that a model reads.

    Args:
        spec: The features.
        behaviors: Sequence name -> `BehaviorLog`.
        samples: The `Samples`.

    Returns:
        Input name -> stored column `(rows,)` or `(events,)`: int32 for a `Categorical` and a
        `Bucketized`; float32 or int32 for a `Numeric`, with NaN where a number is missing; `Bags`
        for a `Bag` and for its weights; int64 times in microseconds for an `Elapsed` and a
        `Calendar`; float16 or float32 vectors `(rows, size)` for a `Vector` without `of`.

    Raises:
        ValueError: If something is inconsistent. The error names the input, the first bad row and
            its value.
    """
    lacking = [label.name for label in spec.labels if label.name not in samples.labels]
    if lacking:
        raise ValueError(
            f"`labels` of the samples must hold those of the spec; {lacking} are missing. "
            f"Received: {list(samples.labels)}."
        )
    for label in spec.labels:
        _check_label(label, samples.labels[label.name], may_be_missing=len(spec.labels) > 1)
        if label.given is not None:
            _check_given(label, samples.labels[label.name], samples.labels[label.given])
    columns = {}
    for name, info in spec.inputs.items():
        if info.feature.from_times:
            columns[name] = _times(name, info, behaviors, samples)
            continue
        if info.sequence is not None:
            key, owner = info.feature.name, f"the log of {info.sequence.name!r}"
            if info.sequence.name not in behaviors:
                raise _lacks_log(info.sequence.name, behaviors)
            stored, features = behaviors[info.sequence.name].columns, info.sequence.of
        else:
            key, owner, stored = name, "`samples`", samples.columns
            features = spec.target if info.role == "target" else ()
        if key not in stored:
            raise ValueError(
                f"Input {name!r} requires column {key!r} in {owner}. "
                f"Received columns: {list(stored)}."
            )
        is_id = bool(features) and info.feature is id_feature(features)
        columns[name] = stored[key]
        check_column(info.feature, name, stored[key], is_id)
        if isinstance(info.feature, BagWeights):
            _check_lengths(info.feature, name, stored)
    for sequence in spec.sequences:
        if sequence.name not in samples.history:
            raise ValueError(
                f"`history` of the samples must hold slices of each sequence; {sequence.name!r} "
                f"is missing. Received: {list(samples.history)}."
            )
        _check_slices(sequence.name, behaviors[sequence.name], *samples.history[sequence.name])
        if any(f.from_times and f.reads_request for f in sequence.features):
            _check_earlier(sequence.name, behaviors[sequence.name], samples)
    return columns


def _check_label(label, values: np.ndarray, may_be_missing: bool) -> None:
    """Raises a `ValueError` unless all values of a label are valid."""

    def wrong(part):
        of_part = values[part]
        if label.is_binary:
            valid = (of_part == 0) | (of_part == 1)
        else:
            valid = of_part >= 0 if label.is_not_negative else ~np.isnan(of_part)
        return ~(valid | np.isnan(of_part)) if may_be_missing else ~valid

    row = first_where(len(values), wrong)
    if row is None:
        return
    what = "0 or 1" if label.is_binary else "a finite number"
    if not label.is_binary and label.is_not_negative:
        what += f" from 0, because its loss is {label.loss!r}"
    hint = ""
    if np.isnan(values[row]):
        hint = " Only one of several labels may be missing. Leave out rows without the label."
    raise ValueError(
        f"Label {label.name!r} must be {what}. Received: {values[row]:g} in row {row}.{hint}"
    )


def _check_given(label, values: np.ndarray, given: np.ndarray) -> None:
    """Raises a `ValueError` if a label is 1 where the label that it is given is 0."""
    row = first_where(len(values), lambda part: (values[part] == 1) & (given[part] == 0))
    if row is not None:
        raise ValueError(
            f"Label {label.name!r} must be 0 where {label.given!r} is 0, because it has "
            f"`given={label.given!r}`. Set {label.given!r} to 1 there, or leave out `given`. "
            f"Received: {label.name}=1 and {label.given}=0 in row {row}."
        )


def missing_labels(spec: FeatureSpec, samples) -> tuple:
    """Returns the labels of a spec that are missing in some rows of the samples."""

    def has_missing(values):
        return any(np.isnan(values[part]).any() for part in chunks(len(values)))

    return tuple(label for label in spec.labels if has_missing(samples.labels[label.name]))


def count_missing(spec: FeatureSpec, columns: dict) -> dict:
    """Name of each input of numbers or vectors with missing ones -> how many are missing.

    `columns` is the result of `check_samples`.
    """
    counts: dict[str, int] = {}
    for name, info in spec.inputs.items():
        column = columns[name]
        if info.feature.is_numeric and not isinstance(column, Bags):
            missing = sum(int(is_missing_row(column[part]).sum()) for part in chunks(len(column)))
            counts |= {name: missing} if missing else {}
    return counts


def is_missing_row(values: np.ndarray) -> np.ndarray:
    """Where a number, or one number of a vector, is NaN or infinite: bool `(rows,)`."""
    return ~np.isfinite(values).all(axis=tuple(range(1, values.ndim)))


def request_starts(samples) -> np.ndarray:
    """The first row of each request, then the number of rows: int64 `(requests + 1,)`.

    Raises:
        ValueError: If the samples have no requests, or the rows of a request are not adjacent.
    """
    request = samples.request
    if request is None:
        raise ValueError("`by_request` requires samples with `request`. Received: request=None.")
    before, after = request[:-1], request[1:]
    changes = (
        np.flatnonzero(before[part] != after[part]) + part.start + 1
        for part in chunks(len(request) - 1)
    )
    starts = np.concatenate([np.arange(min(len(request), 1)), *changes])
    values = request[starts]
    # Increasing numbers are unique, so they need no sort.
    if first_where(len(values) - 1, lambda part: values[:-1][part] > values[1:][part]) is not None:
        values, counts = np.unique(values, return_counts=True)
        if counts.max() > 1:
            raise ValueError(
                "The rows of one request must be adjacent. "
                f"Received: request {values[counts.argmax()]} in {counts.max()} places."
            )
    return np.append(starts, len(request))


def check_shared(name: str, column, starts: np.ndarray) -> None:
    """Raises a `ValueError` unless a column is constant within each request."""
    bags = isinstance(column, Bags)
    differ = _rows_differ if column_has_vectors(column) else np.not_equal
    row = first_pair_where(differ, column.bag_ids() if bags else column, starts)
    if row is not None:
        before, after = (column.values_of(i) if bags else column[i] for i in (row - 1, row))
        raise ValueError(
            f"The rows of one request must share {name}. "
            f"Received: {before} in row {row - 1} and {after} in row {row}."
        )


def column_has_vectors(column) -> bool:
    """Whether a column has one vector per row."""
    return isinstance(column, np.ndarray) and column.ndim == 2


def _rows_differ(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Which rows of two matrices differ. NaN equals NaN, since both are missing."""
    return ((a != b) & ~(np.isnan(a) & np.isnan(b))).any(axis=1)


@per_kind
def check_column(feature, name: str, column, is_id: bool) -> None:
    """Raises a `ValueError` if a model cannot read a column of a feature.

    Args:
        feature: The feature.
        name: Name of the input.
        column: The column, an array or `Bags`.
        is_id: Whether the feature marks padding among candidates or behaviors. Then none of its
            values may be padding.
    """


@check_column.register(Bucketized)
@check_column.register(Categorical)
def _(feature, name: str, column, is_id: bool) -> None:
    _check_type(feature, name, column, np.ndarray, "one value per row")
    _check_indices(name, feature, column, PADDING_INDEX + is_id, "row")


@check_column.register
def _(feature: Bag, name: str, column, is_id: bool) -> None:
    _check_type(feature, name, column, Bags, "`Bags`")
    _check_indices(name, feature, column.values, PADDING_INDEX + 1, "value")


@check_column.register
def _(feature: BagWeights, name: str, column, is_id: bool) -> None:
    _check_type(feature, name, column, Bags, "`Bags`")
    values = column.values
    if values.dtype != np.float32:
        raise ValueError(f"Input {name!r} must be float32 weights. Received: {values.dtype}.")
    wrong = lambda part: ~((values[part] >= 0) & (values[part] < np.inf))  # noqa: E731
    at = first_where(len(values), wrong)
    if at is not None:
        raise ValueError(
            f"Input {name!r} must be weights, finite numbers from 0. "
            f"Received: {values[at]:g} in value {at}."
        )


@check_column.register
def _(feature: Numeric, name: str, column, is_id: bool) -> None:
    # Any number is valid: the pipeline replaces NaN and infinity with the mean.
    _check_type(feature, name, column, np.ndarray, "one value per row")


@check_column.register
def _(feature: Position, name: str, column, is_id: bool) -> None:
    _check_type(feature, name, column, np.ndarray, "one value per row")
    # A missing position is NaN or 0.
    wrong = lambda part: (column[part] < 0) | (column[part] != np.floor(column[part]))  # noqa: E731
    row = first_where(len(column), lambda part: wrong(part) & np.isfinite(column[part]))
    if row is not None:
        raise ValueError(
            f"Input {name!r} must be positions, whole numbers from 1, and NaN or 0 where one is "
            f"missing. Received: {column[row]:g} in row {row}."
        )


@check_column.register
def _(feature: Vector, name: str, column, is_id: bool) -> None:
    # Any number is valid: the pipeline replaces vectors with NaN or infinity by zeros.
    if not column_has_vectors(column) or column.shape[1] != feature.size:
        shape = getattr(column, "shape", None)
        found = type(column).__name__ if shape is None else f"{column.dtype} of shape {shape}"
        raise ValueError(
            f"Input {name!r} must be vectors of floats, of the shape (rows, {feature.size}). "
            f"Received: {found} for {feature!r}."
        )


def _check_lengths(feature: BagWeights, name: str, stored: dict) -> None:
    """Raises a `ValueError` unless each row has as many weights as values."""
    bags, weights = stored[feature.bag], stored[feature.name]
    sizes, others = bags.lengths, weights.lengths
    differ = lambda part: sizes[bags.place[part]] != others[weights.place[part]]  # noqa: E731
    row = first_where(len(bags), differ)
    if row is not None:
        raise ValueError(
            f"Input {name!r} must have one weight for each value of {feature.bag!r}. "
            f"Received: {count_text(others[weights.place[row]], 'weight')} of "
            f"{count_text(sizes[bags.place[row]], 'value')} in row {row}."
        )


def _check_type(feature, name: str, column, wanted: type, described: str) -> None:
    if not isinstance(column, wanted):
        raise ValueError(
            f"Input {name!r} must be {described}. "
            f"Received: {type(column).__name__} for {feature!r}."
        )


def _check_indices(name: str, feature, column: np.ndarray, lowest: int, unit: str) -> None:
    if column.dtype != np.int32:
        raise ValueError(f"Input {name!r} must be integer indices. Received: dtype={column.dtype}.")
    size = feature.table.values.size
    if column.size and not (lowest <= column.min() and column.max() < size):
        row = first_where(
            len(column),
            lambda part: (column[part] < lowest) | (column[part] >= size),
        )
        why = " (0 is padding)" if column[row] == PADDING_INDEX else ""
        raise ValueError(
            f"Input {name!r} must be indices from {lowest} to {size - 1}: its "
            f"vocabulary_size is {size}. "
            f"Received: {column[row]}{why} in {unit} {row}."
        )


def _times(name: str, info, behaviors: dict, samples) -> np.ndarray:
    """Returns the times of the samples or behaviors that a feature is computed from."""
    of_behaviors = info.sequence is not None
    if of_behaviors and info.sequence.name not in behaviors:
        raise _lacks_log(info.sequence.name, behaviors)
    if samples.time is None and (not of_behaviors or info.feature.reads_request):
        raise ValueError(
            f"Input {name!r} is computed from times: `time` of the samples must be given. "
            "Received: time=None."
        )
    if not of_behaviors:
        return samples.time
    times = behaviors[info.sequence.name].time
    if times is None:
        raise ValueError(
            f"Input {name!r} is computed from times: `time` of the log of "
            f"{info.sequence.name!r} must be given. Received: time=None."
        )
    return times


def _lacks_log(sequence: str, behaviors: dict) -> ValueError:
    return ValueError(
        f"`behaviors` must hold a log for each sequence; {sequence!r} is missing. "
        f"Received: {list(behaviors)}."
    )


def _check_earlier(name: str, log, samples) -> None:
    """Raises a `ValueError` if a history has a behavior after its sample."""
    start, end = samples.history[name]

    def later(part):
        last = np.maximum(end[part] - 1, 0)
        return (end[part] > start[part]) & (log.time[last] > samples.time[part])

    row = first_where(len(end), later) if len(log) else None
    if row is not None:
        raise ValueError(
            f"The history of {name!r} must be before the time of its sample, from which the time "
            f"elapsed is computed. Received: a behavior at {log.time[end[row] - 1]} in the history "
            f"of row {row} at {samples.time[row]} (microseconds)."
        )


def _check_slices(name: str, log, start: np.ndarray, end: np.ndarray) -> None:
    # An empty slice may be anywhere. Only other slices belong to a user.
    def crosses(part):
        user = np.searchsorted(log.offsets, start[part], side="right") - 1
        last = log.offsets[np.minimum(user + 1, log.users)]
        return (end[part] > start[part]) & (end[part] > last)

    row = first_where(len(end), lambda part: end[part] > len(log))
    if row is None and len(log):
        row = first_where(len(end), crosses)
    if row is not None:
        raise ValueError(
            f"`history` of {name!r} must hold slices of one user's events, of {len(log)} in all. "
            f"Received: [{start[row]}, {end[row]}) in row {row}."
        )
