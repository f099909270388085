"""Rows that hold everything that a client may send, and what the model must take for each."""

import itertools
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_din.feature_spec import OOV_INDEX, PADDING_INDEX, RESERVED, Categorical, FeatureSpec
from keras_din.serving.raw_values import padding_value
from keras_din.serving.signatures import tells_padding

_LONGEST = 500  # Of a drawn history: a check takes seconds.


class SampleRows(NamedTuple):
    """Rows as the signature `rank` takes them, twice.

    `raw` is what a client sends, `indices` what the pipeline of training makes of it. Both are
    dicts by the spec's input names, of arrays of the same shapes: context `(rows,)`, target
    `(rows, candidates)`, behaviours `(rows, time)`.
    """

    raw: dict
    indices: dict


def sample_rows(
    spec: FeatureSpec, rows: int = 24, candidates: int = 3, time: int | None = None, seed: int = 0
) -> SampleRows:
    """Random rows: known and unknown values, histories from empty to longer than `max_length`.

    Padding stands anywhere, also among the candidates; other features have values there too.
    The indices come from no lookup table: they are drawn, and raw values chosen for them.

    Args:
        spec: The features.
        rows: Number of rows.
        candidates: Candidates of each row.
        time: Width of the histories. Defaults to 10 more than `max_length`, at most 500.
        seed: Seed of all.

    Returns:
        `SampleRows`.
    """
    rng = np.random.default_rng(seed)
    raw, indices = {}, {}
    for feature in spec.context:
        raw[feature.name], indices[feature.name] = _draw(rng, feature, (rows,))
    real = rng.random((rows, candidates)) < 0.85
    for feature in spec.target:
        values, index = _draw(rng, feature, real.shape)
        if feature is tells_padding(spec.target):
            values[~real], index[~real] = padding_value(feature), PADDING_INDEX
        raw[feature.name], indices[feature.name] = values, index
    for sequence in spec.sequences:
        width = min(sequence.max_length + 10, _LONGEST) if time is None else time
        real = rng.random((rows, width)) < np.linspace(0, 1, rows)[:, None]
        kept = real & (real[:, ::-1].cumsum(axis=1)[:, ::-1] <= sequence.max_length)
        for feature in sequence.features:
            values, index = _draw(rng, feature, real.shape)
            if feature is tells_padding(sequence.of):
                values[~real] = padding_value(feature)
            index[~kept] = PADDING_INDEX
            name = sequence.input_name(feature)
            raw[name], indices[name] = values, index
    return SampleRows(raw, indices)


def one_candidate_a_row(spec: FeatureSpec, rows: dict) -> dict:
    """Rows of `rank` as rows of `serving_default`: `(rows * candidates,)`, a history repeated."""
    (candidates,) = {rows[feature.name].shape[1] for feature in spec.target}
    return {
        name: values.reshape(-1)
        if spec.inputs[name].role == "target"
        else np.repeat(values, candidates, axis=0)
        for name, values in rows.items()
    }


def _draw(rng, feature, shape):
    """Raw values and their indices; of a `Numeric` both are the same numbers."""
    if not isinstance(feature, Categorical):
        values = rng.normal(feature.mean, feature.std, shape).astype(np.float32)
        return values, values.copy()
    if feature.hash_buckets is not None:
        values = rng.integers(1, 2**62, shape)
        text = values.astype(str).astype(object)
        bucket = tf.strings.to_hash_bucket_fast(tf.constant(text), feature.hash_buckets).numpy()
        values = text if feature.dtype == "string" else values
        return values, (bucket + RESERVED).astype(np.int32)
    if feature.vocabulary is None:
        values = rng.integers(1, feature.vocabulary_size + 3, shape, np.int32)
        return values, np.where(values < feature.vocabulary_size, values, np.int32(OOV_INDEX))
    index = rng.integers(OOV_INDEX, feature.vocabulary_size, shape, np.int32)
    return raw_from_indices(feature, index), index


def raw_from_indices(feature: Categorical, indices) -> np.ndarray:
    """Raw values that have these indices, of a feature with a vocabulary or only a size.

    Index 0 is the padding value, and 1 a value that is not in the vocabulary.
    """
    indices = np.asarray(indices)
    if feature.vocabulary is None:
        return indices.astype(np.int32)
    reserved = {PADDING_INDEX: padding_value(feature), OOV_INDEX: _unknown(feature)}
    values = [
        reserved[i] if i in reserved else feature.vocabulary[i - RESERVED] for i in indices.flat
    ]
    dtype = object if feature.dtype == "string" else np.int64
    return np.array(values, dtype).reshape(indices.shape)


def _unknown(feature: Categorical):
    if feature.dtype == "string":
        candidates = (f"unknown{'?' * i}" for i in itertools.count())
    else:
        candidates = itertools.count(padding_value(feature) - 1, -1)
    return next(value for value in candidates if value not in feature.vocabulary)
