"""Rows that hold everything that a client may send, and what the model must take for each."""

import itertools
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_din.features import (
    NUM_RESERVED,
    OOV_INDEX,
    PADDING_INDEX,
    Bag,
    EmbeddedFeature,
    FeatureSpec,
    id_feature,
    missing_value,
    padding_value,
)

LONGEST, _MOST = 500, 30  # Of a drawn history, and of a bag: a check takes seconds.


class SampleRows(NamedTuple):
    """Rows as the signature `rank` takes them, twice.

    `raw` is what a client sends, `indices` what the pipeline of training makes of it. Both are
    dicts by the spec's input names, of arrays of the same shapes: context `(rows,)`, target
    `(rows, candidates)`, behaviors `(rows, time)`, each with the axis `values` of a `Bag`.
    """

    raw: dict
    indices: dict


def sample_rows(
    spec: FeatureSpec,
    rows: int = 24,
    candidates: int = 3,
    time: int | None = None,
    values: int | None = None,
    seed: int = 0,
) -> SampleRows:
    """Random rows: known and unknown values, histories from empty to longer than `max_length`.

    Padding stands anywhere, also among the candidates and in bags, which are empty to longer than
    `max_values`; other features have values there too.
    The indices come from no lookup table: they are drawn, and raw values chosen for them.

    Args:
        spec: The features.
        rows: Number of rows.
        candidates: Candidates of each row.
        time: Width of the histories. Defaults to 10 more than `max_length`, at most 500.
        values: Width of the bags. Defaults to 3 more than `max_values`, at most 30.
        seed: Seed of all.

    Returns:
        `SampleRows`.
    """
    rng = np.random.default_rng(seed)
    raw, indices = {}, {}

    def draw(feature, shape):
        if isinstance(feature, Bag):
            return _draw_bags(rng, feature, shape, values)
        return _draw(rng, feature, shape)

    for feature in spec.context:
        raw[feature.name], indices[feature.name] = draw(feature, (rows,))
    real = rng.random((rows, candidates)) < 0.85
    for feature in spec.target:
        drawn, index = draw(feature, real.shape)
        if feature is id_feature(spec.target):
            drawn[~real], index[~real] = padding_value(feature), PADDING_INDEX
        raw[feature.name], indices[feature.name] = drawn, index
    for sequence in spec.sequences:
        width = min(sequence.max_length + 10, LONGEST) if time is None else time
        real = rng.random((rows, width)) < np.linspace(0, 1, rows)[:, None]
        kept = real & (real[:, ::-1].cumsum(axis=1)[:, ::-1] <= sequence.max_length)
        for feature in sequence.features:
            drawn, index = draw(feature, real.shape)
            if feature is id_feature(sequence.of):
                drawn[~real] = padding_value(feature)
            index[~kept] = PADDING_INDEX
            name = sequence.input_name(feature)
            raw[name], indices[name] = drawn, index
    return SampleRows(raw, indices)


def one_candidate_a_row(spec: FeatureSpec, rows: dict) -> dict:
    """Rows of `rank` as rows of `serving_default`: `(rows * candidates,)`, a history repeated."""
    (candidates,) = {rows[feature.name].shape[1] for feature in spec.target}
    return {
        name: values.reshape(len(values) * candidates, *values.shape[2:])
        if spec.inputs[name].role == "target"
        else np.repeat(values, candidates, axis=0)
        for name, values in rows.items()
    }


def _draw(rng, feature, shape):
    """Raw values and their indices; of a `Numeric` both are the same numbers."""
    if not isinstance(feature, EmbeddedFeature):
        values = rng.normal(feature.mean, feature.std, shape).astype(np.float32)
        return values, values.copy()
    if feature.hash_buckets is not None:
        values = rng.integers(1, 2**62, shape)
        text = values.astype(str).astype(object)
        bucket = tf.strings.to_hash_bucket_fast(tf.constant(text), feature.hash_buckets).numpy()
        values = text if feature.dtype == "string" else values
        return values, (bucket + NUM_RESERVED).astype(np.int32)
    if feature.vocabulary is None:
        values = rng.integers(1, feature.vocabulary_size + 3, shape, np.int32)
        return values, np.where(values < feature.vocabulary_size, values, np.int32(OOV_INDEX))
    index = rng.integers(OOV_INDEX, feature.vocabulary_size, shape, np.int32)
    return raw_from_indices(feature, index), index


def _draw_bags(rng, feature: Bag, shape, values: int | None):
    """Raw values `(*shape, values)` and their indices; of these the first `max_values` stay."""
    width = min(feature.max_values + 3, _MOST) if values is None else values
    drawn, index = _draw(rng, feature, (*shape, width))
    real = rng.random(index.shape) < rng.choice([0, 0.3, 0.9, 1], shape)[..., None]
    drawn[~real] = padding_value(feature)
    index[~real | (real.cumsum(axis=-1) > feature.max_values)] = PADDING_INDEX
    return drawn, index


def raw_from_indices(feature: EmbeddedFeature, indices) -> np.ndarray:
    """Raw values that have these indices.

    Index 0 is the padding value, and 1 a value that is not in the vocabulary; of hash buckets of
    strings the empty one, of integers `MISSING_INT64`.
    """
    indices = np.asarray(indices)
    if feature.dtype is None:
        return indices.astype(np.int32)
    distinct, where = np.unique(indices, return_inverse=True)
    values = {PADDING_INDEX: padding_value(feature)}
    if feature.hash_buckets is not None:
        values[OOV_INDEX] = missing_value(feature)
        values |= _values_of_buckets(feature, distinct[distinct >= NUM_RESERVED])
    else:
        values[OOV_INDEX] = _unknown(feature)
        values |= {i: feature.vocabulary[i - NUM_RESERVED] for i in distinct if i >= NUM_RESERVED}
    dtype = object if feature.dtype == "string" else np.int64
    chosen = np.array([values[i] for i in distinct], dtype)[where.ravel()]
    return chosen.reshape(indices.shape)


def _values_of_buckets(feature: EmbeddedFeature, indices) -> dict:
    """Index -> the first of the numbers 1, 2, ... that has its bucket."""
    found, number, at_once = {}, 1, 2**16
    while not all(index in found for index in indices):
        numbers = np.arange(number, number + at_once)
        text = tf.strings.as_string(tf.constant(numbers))
        buckets = tf.strings.to_hash_bucket_fast(text, feature.hash_buckets).numpy() + NUM_RESERVED
        for index, first in zip(*np.unique(buckets, return_index=True), strict=True):
            found.setdefault(index, numbers[first])
        number += at_once
    as_value = str if feature.dtype == "string" else int
    return {index: as_value(found[index]) for index in indices}


def _unknown(feature: EmbeddedFeature):
    if feature.dtype == "string":
        candidates = (f"unknown{'?' * i}" for i in itertools.count())
    else:
        candidates = itertools.count(padding_value(feature) - 1, -1)
    return next(value for value in candidates if value not in feature.vocabulary)
