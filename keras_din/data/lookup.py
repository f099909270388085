"""Raw values to indices, and features learned from the values of the training part."""

import numpy as np
import pandas as pd
import tensorflow as tf

from keras_din.checks import positive_integer
from keras_din.data.reading import missing
from keras_din.feature_spec import OOV_INDEX, RESERVED, Categorical, Numeric


def vocabulary_of(values, min_count: int = 1) -> tuple:
    """The values of a column, the most frequent first; of equally frequent, the smaller first.

    Args:
        values: Strings or integers `(rows,)`. Missing values do not count.
        min_count: How often a value must occur.

    Returns:
        A tuple of `str` or of `int`.
    """
    min_count = positive_integer("min_count", min_count)
    array, nothing, kind = _plain("values", pd.Series(values))
    if kind == "float":
        raise ValueError(f"A vocabulary must be of strings or integers. Received: {array.dtype}.")
    codes, known = pd.factorize(array[~nothing])
    counts = np.bincount(codes, minlength=len(known))
    order = np.lexsort((pd.Index(known).argsort().argsort(), -counts))
    return tuple(np.asarray(known)[order[counts[order] >= min_count]].tolist())


def fit_feature(feature, values, dim: int = 16, min_count: int = 1):
    """A feature with what it needs to know of the training values.

    Args:
        feature: The name of the column, or a `Categorical` or `Numeric`, which passes through.
        values: The training values `(rows,)`. Strings, integers and booleans make a
            `Categorical` with their vocabulary; floats make a `Numeric` with their mean and
            standard deviation. Floats that are all whole numbers, with some missing, are how
            pandas holds integers with gaps, and count as integers.
        dim: Width of the embedding of a `Categorical`.
        min_count: How often a value must occur to be in the vocabulary.

    Returns:
        A `Categorical` or `Numeric`.

    Raises:
        ValueError: When no value is left to learn from.
    """
    if not isinstance(feature, str):
        return feature
    array, nothing, kind = _plain(feature, pd.Series(values))
    array = array[~nothing]
    if not len(array):
        raise ValueError(f"Column {feature!r} must have values in the training part. Received: none.")
    if kind == "float":
        return Numeric(feature, mean=float(array.mean()), std=float(array.std()) or 1.0)
    vocabulary = vocabulary_of(array, min_count)
    if not vocabulary:
        raise ValueError(
            f"Column {feature!r} must have values that occur `min_count` times in the training "
            f"part. Received: min_count={min_count}."
        )
    return Categorical(feature, vocabulary=vocabulary, dim=dim)


def to_column(feature: Categorical | Numeric, values):
    """The column that a log or samples hold of a feature.

    Args:
        feature: The feature.
        values: Raw values `(rows,)`.

    Returns:
        `(column, missing)`: int32 indices of a `Categorical`, or float32 values of a `Numeric`,
        `(rows,)`, and how many had no value: those are out-of-vocabulary, or the feature's mean.
    """
    values = pd.Series(values)
    if isinstance(feature, Categorical):
        return to_indices(feature, values), int(missing(values).sum())
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    nothing = ~np.isfinite(numbers)
    return np.where(nothing, feature.mean, numbers).astype(np.float32), int(nothing.sum())


def to_indices(feature: Categorical, values) -> np.ndarray:
    """Indices of raw values: known ones from 2, missing and unknown ones 1.

    Args:
        feature: With `hash_buckets`, values are hashed as `tf.strings.to_hash_bucket_fast` does,
            integers as their decimal form. With `vocabulary_size` alone, values are indices.
        values: Raw values `(rows,)`.

    Returns:
        int32 `(rows,)`.

    Raises:
        ValueError: When values that should be indices are not from 1 to `vocabulary_size - 1`.
    """
    values = pd.Series(values)
    array, nothing, kind = _plain(feature.name, values)
    if kind == "float" and not (nothing | (array == np.floor(array))).all():
        row = int((~nothing & (array != np.floor(array))).argmax())
        raise ValueError(
            f"Column {feature.name!r} must hold strings or integers for a Categorical. "
            f"Received: {array[row]} in row {values.index[row]}."
        )
    if kind == "float":
        array, kind = np.where(nothing, 0, array).astype(np.int64), "int64"
    if feature.dtype is None:
        return _checked_indices(feature, values, array, nothing, kind)
    codes, raw = pd.factorize(array)  # Strings are looked at once each.
    if feature.dtype == "string":
        raw = np.array([str(value) for value in raw], object)
        known = np.ones(len(raw), bool)
    else:
        raw, known = _integers(raw)
    if feature.vocabulary is not None:
        index = pd.Index(np.array(feature.vocabulary, raw.dtype)).get_indexer(raw)
        known &= index >= 0
    else:
        text = tf.strings.as_string(raw) if feature.dtype == "int64" else tf.constant(raw, tf.string)
        index = tf.strings.to_hash_bucket_fast(text, feature.hash_buckets).numpy()
    index = np.where(known, index + RESERVED, OOV_INDEX).astype(np.int32)
    return np.where(nothing, np.int32(OOV_INDEX), index[codes] if len(index) else OOV_INDEX)


def _integers(raw):
    if raw.dtype != object:
        return raw.astype(np.int64), np.ones(len(raw), bool)
    numbers = [int(v) if v.removeprefix("-").isdecimal() and len(v) < 19 else None for v in raw]
    known = np.array([number is not None for number in numbers], bool)
    return np.array([number or 0 for number in numbers], np.int64), known


def _checked_indices(feature, values, array, nothing, kind) -> np.ndarray:
    if kind == "string":
        array, known = _integers(array)
    else:
        known = np.ones(len(array), bool)
    wrong = ~nothing & ~(known & (array >= OOV_INDEX) & (array < feature.vocabulary_size))
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            f"Column {feature.name!r} must hold indices from 1 to {feature.vocabulary_size - 1}, "
            "since the feature has a `vocabulary_size` and no `vocabulary` (0 is padding, 1 "
            f"out-of-vocabulary). Received: {values.iloc[row]!r} in row {values.index[row]}."
        )
    return np.where(nothing, OOV_INDEX, array).astype(np.int32)


def _plain(name: str, values: pd.Series):
    """A column as `(array, missing, kind)`; kind is `"string"`, `"int64"` or `"float"`."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.astype(object)
    nothing = missing(values)
    if not pd.api.types.is_numeric_dtype(values.dtype):
        found = pd.api.types.infer_dtype(values[~nothing], skipna=True)
        if found in ("string", "empty", "mixed-integer"):
            array = np.full(len(values), "", object)
            array[~nothing] = [str(v) for v in values[~nothing]] if found[0] == "m" else values[~nothing]
            return array, nothing, "string"
        if found not in ("integer", "boolean", "floating", "mixed-integer-float"):
            raise ValueError(
                f"Column {name!r} must hold strings, integers, booleans or floats. "
                f"Received: {found}."
            )
        if found in ("integer", "boolean"):
            values = values.astype("Int64" if found == "integer" else "boolean")
    if pd.api.types.is_float_dtype(values.dtype) or values.dtype == object:
        array = values.to_numpy(np.float64, na_value=np.nan)
        finite = np.isfinite(array)
        gaps = np.isnan(array)
        whole = gaps.any() and (gaps | (finite & (array == np.floor(array)))).all()
        if not whole or gaps.all():
            return array, ~finite, "float"
        return np.where(gaps, 0, array).astype(np.int64), gaps, "int64"
    if values.dtype == np.uint64 and len(values) and values.max() >= 2**63:
        raise ValueError(f"Column {name!r} must hold 64-bit integers. Received: {values.max()}.")
    return values.fillna(False if values.dtype == "boolean" else 0).to_numpy(np.int64), nothing, "int64"
