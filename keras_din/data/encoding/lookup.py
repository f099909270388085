"""Converts raw values to indices, and learns features from training values."""

import re
import types

import numpy as np
import pandas as pd
import tensorflow as tf

from keras_din.bucket_index import numpy_buckets
from keras_din.checks import positive_integer
from keras_din.data.encoding.counted import Counted, split_counts
from keras_din.data.encoding.learned_numbers import learn_fields
from keras_din.data.reading.columns import (
    check_exact_ids,
    is_missing,
    numbers,
    to_plain_series,
)
from keras_din.data.reading.file_lines import describe_row
from keras_din.data.reading.raw_values import LARGEST_FLOAT, raw_values
from keras_din.data.reading.text_types import FALSE, INTEGER, TRUE
from keras_din.data.reading.vector_cells import vector_matrix
from keras_din.features import (
    NUM_RESERVED,
    OOV_INDEX,
    Bucketized,
    Categorical,
    HashBuckets,
    Numeric,
    Position,
    Vector,
    Vocabulary,
    per_kind,
)

_LONGEST = 20  # The most characters of a 64-bit integer, with its sign.


def vocabulary_of(values, min_count: int = 1) -> tuple:
    """The values of a column, the most frequent first. Ties are sorted by value.

    Args:
        values: Strings or integers `(rows,)`. Missing values are ignored.
        min_count: How often a value must occur.

    Returns:
        A tuple of `str` or of `int`.
    """
    min_count = positive_integer("min_count", min_count)
    check_exact_ids("values", values)
    array, missing, kind = raw_values("values", values)
    array = array[~missing]
    if kind == "float" and len(array):
        raise ValueError(f"A vocabulary must be of strings or integers. Received: {array[0]}.")
    return _by_frequency(array, min_count)


def _by_frequency(array, min_count: int, rows=None) -> tuple:
    """See `vocabulary_of`. `rows` is how often each value occurs, by default once."""
    codes, known = pd.factorize(array)
    if rows is None:
        counts = np.bincount(codes, minlength=len(known))
    else:
        counts = np.zeros(len(known), np.int64)
        np.add.at(counts, codes, rows)
    often = np.flatnonzero(counts >= min_count)
    counts, known = counts[often], np.asarray(known)[often]
    order = np.lexsort((pd.Index(known).argsort().argsort(), -counts))
    return tuple(known[order].tolist())


def fit_feature(
    feature,
    values,
    dim: int = 16,
    min_count: int = 1,
    *,
    whole_are_integers: bool = True,
    kind: str | None = None,
):
    """Learns a feature from training values.

    Args:
        feature: The name of the column, or a feature. A feature is returned unchanged, except for
            the fields that are not given, see `Feature.to_learn`.
        values: The training values `(rows,)`, or `Counted`. Strings, integers and booleans become a
            `Categorical` with their vocabulary, floats a `Numeric` with their mean and standard
            deviation.
        dim: Width of the embedding of a `Categorical`.
        min_count: How often a value must occur to be in the vocabulary.
        whole_are_integers: Whether floats that are all whole numbers, with some missing, count
            as integers, because pandas stores integers with missing values as floats.
        kind: The declared kind, `"numeric"` or `"categorical"`, or `None` to detect it.

    Returns:
        A feature. For a name it is a `Categorical` or `Numeric`.

    Raises:
        ValueError: If no value is left to learn from.
    """
    if not isinstance(feature, str):
        return learn_fields(feature, values) if feature.to_learn else feature
    if kind == "numeric":
        return learn_fields(Numeric(feature), values)
    values, rows = split_counts(values)
    array, missing, found = raw_values(feature, values, whole_are_integers)
    array, rows = array[~missing], None if rows is None else rows[~missing]
    if not len(array):
        raise ValueError(
            f"Column {feature!r} must have values in the training part. Received: none."
        )
    if kind == "categorical" and found == "float":
        broken = array[array != np.floor(array)]
        if len(broken):
            raise ValueError(
                f"Column {feature!r} must hold strings or integers to be categorical; convert it "
                f"to text. Received: {broken[0]}."
            )
        array, found = array.astype(np.int64), "int64"
    if found == "float":
        return learn_fields(Numeric(feature), array if rows is None else Counted(array, rows))
    vocabulary = _by_frequency(array, positive_integer("min_count", min_count), rows)
    if not vocabulary:
        raise ValueError(
            f"Column {feature!r} must have values that occur `min_count` times in the training "
            f"part. Received: min_count={min_count}."
        )
    return Categorical(feature, vocabulary=vocabulary, dim=dim)


@per_kind
def to_column(feature, values, separator: str | None = None):
    """Converts raw values of a feature to a column of a log or samples.

    Args:
        feature: The feature.
        values: Raw values `(rows,)`.
        separator: The separator of text with several values, for kinds with axes.

    Returns:
        `(column, missing)`: int32 indices of a `Categorical` or `Bucketized` `(rows,)`, float32
        values of a `Numeric` `(rows,)`, `Bags`, or vectors `(rows, size)`; and how many rows have
        no value. Missing values become out-of-vocabulary, or the `fill_value` of the feature.
    """


@to_column.register
def _(feature: Categorical, values, separator: str | None = None):
    return to_indices(feature, values), int(is_missing(to_plain_series(values)).sum())


@to_column.register
def _(feature: Numeric, values, separator: str | None = None):
    column = numbers(feature.name, values)
    missing = ~(np.abs(column) <= LARGEST_FLOAT)
    return np.where(missing, feature.fill_value, column).astype(np.float32), int(missing.sum())


@to_column.register
def _(feature: Position, values, separator: str | None = None):
    check_positions(feature.name, numbers(feature.name, values), values)
    return to_column.dispatch(Numeric)(feature, values)


@to_column.register
def _(feature: Bucketized, values, separator: str | None = None):
    index = numpy_buckets(feature, numbers(feature.name, values))
    return index, int((index == OOV_INDEX).sum())


@to_column.register
def _(feature: Vector, values, separator: str | None = None):
    """Converts the cells of `vector_cells` to a matrix."""
    matrix = vector_matrix(feature.size, values, feature.storage, feature.fill_value)
    return matrix, int(values.isna().sum())


def to_indices(feature, values) -> np.ndarray:
    """Converts raw values to indices: known values from 2, missing and unknown ones 1.

    Args:
        feature: A feature with a table. With `hash_buckets`, values are hashed with
            `tf.strings.to_hash_bucket_fast`, integers in decimal form. With only a
            `vocabulary_size`, values are indices. In features of integers, booleans and the text
            `true` and `false` are 1 and 0.
        values: Raw values `(rows,)`.

    Returns:
        int32 `(rows,)`.

    Raises:
        ValueError: If values that must be indices are not from 1 to `vocabulary_size - 1`.
    """
    values = to_plain_series(values)
    check_exact_ids(feature.name, values)
    array, missing, kind = raw_values(feature.name, values)
    if kind == "float":
        wrong = ~missing & ~((array == np.floor(array)) & (np.abs(array) < 2.0**63))
        if wrong.any():
            row = int(wrong.argmax())
            raise ValueError(
                f"Column {feature.name!r} must hold strings or integers for a Categorical. "
                f"Received: {array[row]} in {describe_row(values, row, 'row')}."
            )
        array, kind = np.where(missing, 0, array).astype(np.int64), "int64"
    if feature.takes_indices:
        return _checked_indices(feature, values, array, missing, kind)
    codes, raw = pd.factorize(array)  # Each distinct value is looked up once.
    raw, known = _CASTS[feature.raw_dtype](np.asarray(raw))
    index, has_index = look_up(feature.values, raw)
    index = np.where(known & has_index, index + NUM_RESERVED, OOV_INDEX).astype(np.int32)
    return np.where(missing, np.int32(OOV_INDEX), index[codes])


def to_raw(feature, values) -> np.ndarray:
    """Converts the raw values of a column to the type of a feature's values, without missing ones.

    Args:
        feature: A feature with a vocabulary.
        values: Raw values `(rows,)`.

    Returns:
        int64 or strings as objects, at most `(rows,)`.
    """
    array, missing, _ = raw_values(feature.name, values)
    return _CASTS[feature.raw_dtype](np.asarray(array)[~missing])[0]


@per_kind
def look_up(values, raw: np.ndarray):
    """Looks up the positions of raw values among the known ones, or their hash buckets.

    Args:
        values: The `Values`.
        raw: Raw values `(rows,)`, int64 or strings as objects.

    Returns:
        `(position, known)`: integers from 0, and whether each value has one.
    """


@look_up.register
def _(values: Vocabulary, raw: np.ndarray):
    indices, entries = values.known
    position = pd.Index(np.array(entries, raw.dtype)).get_indexer(raw)
    return np.asarray(indices)[position] - NUM_RESERVED, position >= 0


@look_up.register
def _(values: HashBuckets, raw: np.ndarray):
    text = tf.constant(raw, tf.string) if raw.dtype == object else tf.strings.as_string(raw)
    bucket = tf.strings.to_hash_bucket_fast(text, values.buckets).numpy()
    return bucket, raw != values.missing_value


def _text(raw):
    """Converts values to strings; all are valid."""
    return np.array([str(value) for value in raw], object), True


def check_positions(name: str, positions: np.ndarray, values) -> None:
    """Raises a `ValueError` if positions are not whole numbers from 1. Missing ones are allowed.

    Args:
        name: Name of the column.
        positions: The positions, NaN where one is missing `(rows,)`.
        values: The column, for the row in the error.
    """
    known = np.isfinite(positions)
    wrong = known & ((positions < 1) | (positions != np.floor(positions)))
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            f"Column {name!r} must hold whole numbers from 1, the position of each candidate, or "
            "missing values. If the first position is 0, add 1. "
            f"Received: {positions[row]:g} in {describe_row(to_plain_series(values), row, 'row')}."
        )


def check_none_is_padding(feature, values) -> None:
    """Raises a `ValueError` if a value would be treated as padding when it is served.

    This is 0 in a feature of hashed integers that marks padding, or in a `Bag` of hashed integers.
    """
    if feature.table is None or not feature.table.values.hashes_padding:
        return
    values = to_plain_series(values)
    zero = numbers(feature.name, values) == 0
    if zero.any():
        raise ValueError(
            f"Column {feature.name!r} must not hold 0, which is the padding of integers with "
            "`hash_buckets` in serving. Use dtype='string', which hashes the text. "
            f"Received: 0 in {describe_row(values, int(zero.argmax()), 'row')}."
        )


def _integers(raw, words=types.MappingProxyType({})):
    """Converts values to int64; returns also where they are valid. `words` is text -> integer."""
    if raw.dtype != object:
        return raw.astype(np.int64), np.ones(len(raw), bool)
    raw = [words.get(v, v) for v in raw]
    whole = [int(v) if len(v) <= _LONGEST and re.fullmatch(INTEGER, v) else None for v in raw]
    known = np.array([v is not None and -(2**63) <= v < 2**63 for v in whole], bool)
    return np.array([v if k else 0 for v, k in zip(whole, known, strict=True)], np.int64), known


def _integers_or_booleans(raw):
    return _integers(raw, dict.fromkeys(TRUE, "1") | dict.fromkeys(FALSE, "0"))


_CASTS = {"string": _text, "int64": _integers_or_booleans}


def _checked_indices(feature, values, array, missing, kind) -> np.ndarray:
    known = True
    if kind == "string":
        array, known = _integers(np.asarray(array))
    wrong = ~missing & ~(known & (array >= OOV_INDEX) & (array < feature.vocabulary_size))
    if wrong.any():
        row = int(wrong.argmax())
        (value,) = values.iloc[row : row + 1].tolist()
        raise ValueError(
            f"Column {feature.name!r} must hold indices from 1 to {feature.vocabulary_size - 1}, "
            "since the feature has a `vocabulary_size` and no `vocabulary` (0 is padding, 1 is "
            f"out-of-vocabulary). Received: {value!r} in "
            f"{describe_row(values, row, 'row')}."
        )
    return np.where(missing, OOV_INDEX, array).astype(np.int32)
