"""Random test rows: raw values that a client may send, and the inputs of the model for them."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_din.bucket_index import numpy_buckets
from keras_din.features import (
    LARGEST,
    NO_TIME,
    NUM_RESERVED,
    OOV_INDEX,
    PADDING_INDEX,
    TIME,
    TIME_UNITS,
    Bag,
    BagWeights,
    Bucketized,
    EmbeddedFeature,
    FeatureSpec,
    HashBuckets,
    Indices,
    Numeric,
    SnapshotCount,
    Timestamp,
    Vector,
    Vocabulary,
    id_feature,
    per_kind,
)
from keras_din.time_index import numpy_indices

MAX_TIME, _MAX_VALUES = 500, 30  # Sizes of random histories and bags, so that checks are fast.
_DAY, _YEAR = 86_400, 31_536_000  # Seconds.
_RARE = 0.05  # Share of behaviors at the time of the request, after it, and without a time.
_MAX_LOG = 80.0  # The exponential of this is a float32.


class SampleRows(NamedTuple):
    """Rows for the signature `rank`.

    Shapes: context `(rows,)`, target `(rows, candidates)`, behaviors `(rows, time)`. A `Bag` has
    one more axis, its values, and a `Vector` without `of` one of its size.

    Attributes:
        raw: Input name -> raw values, as a client sends them.
        indices: Input name -> the same values, as the training pipeline encodes them.
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
    """Returns random rows, with known and unknown values.

    The times of behaviors are up to three years before and a day after that of the request, which
    is from 1960 to 2040, or not known.

    Histories are empty up to longer than `max_length`, bags up to longer than `max_values`.
    Padding can be at any position of histories, candidates and bags; other features have values
    there. No lookup table is used: indices are drawn, then raw values are chosen for them.

    Args:
        spec: The features.
        rows: Number of rows.
        candidates: Candidates of each row.
        time: Width of the histories. Defaults to 10 more than `max_length`, at most 500.
        values: Width of the bags. Defaults to 3 more than `max_values`, at most 30.
        seed: Random seed.

    Returns:
        `SampleRows`.
    """
    rng = np.random.default_rng(seed)
    raw, indices = {}, {}

    for feature in _features_of(spec, "context"):
        if feature.from_times or feature.from_snapshot:
            continue
        raw[feature.name], indices[feature.name] = sample_feature(feature, rng, (rows,), values)
    times = _Times(spec, rng, rows, raw)
    indices |= {f.name: times.indices(f) for f in spec.context if f.from_times}
    real = rng.random((rows, candidates)) < 0.85
    for feature in _features_of(spec, "target"):
        if feature.from_snapshot:
            continue
        if feature.from_times:
            indices[feature.name] = np.repeat(times.indices(feature)[:, None], candidates, axis=1)
            continue
        drawn, index = sample_feature(feature, rng, real.shape, values)
        if feature is id_feature(spec.target):
            drawn[~real], index[~real] = feature.padding_value, PADDING_INDEX
        raw[feature.name], indices[feature.name] = drawn, index
    for feature in (*spec.context, *spec.target):
        if isinstance(feature, SnapshotCount):
            indices[feature.name] = feature.values[indices[feature.key]]
    for sequence in spec.sequences:
        width = min(sequence.max_length + 10, MAX_TIME) if time is None else time
        real = rng.random((rows, width)) < np.linspace(0, 1, rows)[:, None]
        kept = real & (real[:, ::-1].cumsum(axis=1)[:, ::-1] <= sequence.max_length)
        for feature in _features_of(spec, "behavior", sequence):
            if feature.from_times:
                index = times.of_behaviors(feature, sequence, real.shape)
                index[~kept] = PADDING_INDEX
                indices[sequence.input_name(feature)] = index
                continue
            drawn, index = sample_feature(feature, rng, real.shape, values)
            if feature is id_feature(sequence.of):
                drawn[~real] = feature.padding_value
            index[~kept] = PADDING_INDEX
            name = sequence.input_name(feature)
            raw[name], indices[name] = drawn, index
    return SampleRows(raw, indices)


def _features_of(spec: FeatureSpec, role: str, sequence=None) -> list:
    """Returns the features of the inputs with a role, those of behaviors of one sequence."""
    inputs = spec.inputs.values()
    return [info.feature for info in inputs if (info.role, info.sequence) == (role, sequence)]


class _Times:
    """Random times of requests and behaviors, which are added to the raw inputs."""

    def __init__(self, spec: FeatureSpec, rng, rows: int, raw: dict):
        self.rng, self.raw = rng, raw
        if TIME in spec.time_inputs:
            second = 1_000_000 // TIME_UNITS[spec.time_inputs[TIME].time_unit]
            raw[TIME] = rng.integers(-10 * _YEAR * second, 70 * _YEAR * second, rows)

    def indices(self, feature):
        """Returns the indices of a feature of the request, `(rows,)`."""
        return numpy_indices(feature, self.raw[TIME])

    def of_behaviors(self, feature, sequence, shape):
        """Returns the indices of a feature of behaviors, `(rows, time)`."""
        name = sequence.input_name(Timestamp(TIME))
        if name not in self.raw:
            second = feature.units_per_second
            # As many behaviors a minute before the request as a year.
            ago = np.exp(self.rng.uniform(0, np.log(3 * _YEAR), shape)) * second
            ago[self.rng.random(shape) < _RARE] = 0
            ago[self.rng.random(shape) < _RARE] = -_DAY * second
            now = self.raw[TIME][:, None] if TIME in self.raw else 0
            self.raw[name] = now - ago.astype(np.int64)
            self.raw[name][self.rng.random(shape) < _RARE] = NO_TIME
        request = self.raw[TIME][:, None] if feature.reads_request else None
        return numpy_indices(feature, self.raw[name], request)


def one_candidate_per_row(spec: FeatureSpec, rows: dict) -> dict:
    """Converts rows for `rank` to rows for `serving_default`, `(rows * candidates,)`.

    Context and histories are repeated for each candidate.
    """
    candidates = rows[id_feature(spec.target).name].shape[1]
    return {
        name: values.reshape(len(values) * candidates, *values.shape[2:])
        if spec.raw_inputs[name].role == "target"
        else np.repeat(values, candidates, axis=0)
        for name, values in rows.items()
    }


@per_kind
def sample_feature(feature, rng, shape, values: int | None = None):
    """Returns random raw values of a feature, and the input of the model for them.

    Args:
        feature: The feature.
        rng: The random generator.
        shape: Shape without the axes of one value.
        values: Width of the bags. `None` means the default of `sample_rows`.
    """


@sample_feature.register
def _(feature: EmbeddedFeature, rng, shape, values: int | None = None):
    return sample_values(feature.values, rng, shape)


@sample_feature.register
def _(feature: Numeric, rng, shape, values: int | None = None):
    numbers = rng.normal(*feature.moments, shape)
    if feature.transform == "log1p":
        numbers = np.sign(numbers) * np.expm1(np.minimum(np.abs(numbers), _MAX_LOG))
    if feature.transform == "quantile":  # Also beyond the knots.
        knots, positions = feature.points
        numbers = np.interp(rng.uniform(0, 1, shape), positions, knots)
        below = max(knots[0] - (knots[-1] - knots[0]), -LARGEST)
        numbers = np.where(rng.random(shape) < _RARE, below, numbers)
    numbers = numbers.astype(np.float32)
    return numbers, numbers.copy()


@sample_feature.register
def _(feature: Bucketized, rng, shape, values: int | None = None):
    limits = np.array([*feature.limits, 0, 1], np.float32)
    numbers = rng.choice(limits, shape)
    kind = rng.integers(0, 5, shape)
    # The boundaries, their neighbors, numbers around them, and missing numbers.
    with np.errstate(over="ignore"):  # An infinite number is missing.
        numbers = np.where(kind == 1, np.nextafter(numbers, np.float32(-np.inf)), numbers)
        numbers = np.where(kind == 2, np.nextafter(numbers, np.float32(np.inf)), numbers)
        numbers = np.where(kind == 3, numbers * rng.uniform(-2, 2, shape), numbers)
        numbers = np.where(kind == 4, np.nan, numbers).astype(np.float32)
    return numbers, numpy_buckets(feature, numbers)


@sample_feature.register
def _(feature: Bag, rng, shape, values: int | None = None):
    width = _width(feature, values)
    drawn, index = sample_values(feature.values, rng, (*shape, width))
    real = rng.random(index.shape) < rng.choice([0, 0.3, 0.9, 1], shape)[..., None]
    drawn[~real] = feature.padding_value
    index[~real | (real.cumsum(axis=-1) > feature.max_values)] = PADDING_INDEX
    return drawn, index


@sample_feature.register
def _(feature: Vector, rng, shape, values: int | None = None):
    # Of the type that they are rounded to, since files of other runtimes do not round.
    raw = rng.normal(size=(*shape, feature.size)).astype(feature.storage).astype(np.float32)
    is_missing = rng.random(shape) < _RARE
    raw[is_missing, rng.integers(feature.size)] = np.nan
    return raw, np.where(is_missing[..., None], np.float32(0), raw)


@sample_feature.register
def _(feature: BagWeights, rng, shape, values: int | None = None):
    shape = (*shape, _width(feature, values))
    weights = rng.exponential(1, shape) * (rng.random(shape) < 0.9)
    return weights.astype(np.float32), weights.astype(np.float32)


def _width(feature, values: int | None) -> int:
    return min(feature.max_values + 3, _MAX_VALUES) if values is None else values


@per_kind
def sample_values(values, rng, shape):
    """Returns random raw values of `Values`, and their indices. None of them is padding."""


@sample_values.register
def _(values: Vocabulary, rng, shape):
    indices, known = values.known
    drawn = rng.integers(OOV_INDEX, len(known) + NUM_RESERVED, shape, np.int32)
    index = np.array([PADDING_INDEX, OOV_INDEX, *indices], np.int32)[drawn]
    return raw_values_of(values, index), index


@sample_values.register
def _(values: HashBuckets, rng, shape):
    numbers = rng.integers(1, 2**62, shape)
    text = numbers.astype(str).astype(object)
    bucket = tf.strings.to_hash_bucket_fast(tf.constant(text), values.buckets).numpy()
    raw = {"string": text, "int64": numbers}[values.raw_dtype]
    return raw, (bucket + NUM_RESERVED).astype(np.int32)


@sample_values.register
def _(values: Indices, rng, shape):
    raw = rng.integers(1, values.size + 3, shape, np.int32)
    return raw, np.where(raw < values.size, raw, np.int32(OOV_INDEX))


@per_kind
def raw_from_input(feature, values):
    """Returns raw values that are encoded as the input `values` of the model."""


@raw_from_input.register
def _(feature: EmbeddedFeature, values) -> np.ndarray:
    return raw_from_indices(feature, values)


@raw_from_input.register(BagWeights)
@raw_from_input.register(Numeric)
@raw_from_input.register(Vector)
def _(feature, values) -> np.ndarray:
    return np.asarray(values)


@raw_from_input.register
def _(feature: Bucketized, values) -> np.ndarray:
    lowest = []
    if feature.limits:
        first = feature.limits[0]
        lowest = [max(first - max(1.0, abs(first)), -LARGEST)]
    raw = [feature.padding_value, np.nan, *lowest, *feature.limits]
    return np.array([*raw, 0.0], np.float32)[np.asarray(values)]


def raw_from_indices(feature, indices) -> np.ndarray:
    """Returns raw values that have these indices, for a feature with a table.

    Index 0 gives the padding value. Index 1 and the index of a spare row give a value that is not
    in the vocabulary. With hash buckets this is the empty string or `MISSING_INT64`.
    """
    return raw_values_of(feature.values, np.asarray(indices))


@per_kind
def raw_values_of(values, indices: np.ndarray):
    """Returns raw values of `Values` that have these indices."""


@raw_values_of.register
def _(values: Indices, indices: np.ndarray) -> np.ndarray:
    return indices.astype(np.int32)


@raw_values_of.register
def _(values: Vocabulary, indices: np.ndarray) -> np.ndarray:
    distinct, where = np.unique(indices, return_inverse=True)
    spare = [values.missing_value] * (values.size - NUM_RESERVED - len(values.entries))
    entries = (*values.entries, *spare)
    known = {i: entries[i - NUM_RESERVED] for i in distinct if i >= NUM_RESERVED}
    known = {i: values.missing_value if v is None else v for i, v in known.items()}
    return _raw_array(values, known, distinct, where, indices.shape)


@raw_values_of.register
def _(values: HashBuckets, indices: np.ndarray) -> np.ndarray:
    distinct, where = np.unique(indices, return_inverse=True)
    known = _values_of_buckets(values, distinct[distinct >= NUM_RESERVED])
    return _raw_array(values, known, distinct, where, indices.shape)


def _raw_array(values, known: dict, distinct, where, shape) -> np.ndarray:
    known |= {PADDING_INDEX: values.padding_value, OOV_INDEX: values.missing_value}
    dtype = {"string": object, "int64": np.int64}[values.raw_dtype]
    return np.array([known[i] for i in distinct], dtype)[where.ravel()].reshape(shape)


def _values_of_buckets(values: HashBuckets, indices) -> dict:
    """Returns index -> the first of the numbers 1, 2, ... whose hash is in its bucket."""
    found: dict[int, int] = {}
    number, chunk_size = 1, 2**16
    while not all(index in found for index in indices):
        numbers = np.arange(number, number + chunk_size)
        text = tf.strings.as_string(tf.constant(numbers))
        buckets = tf.strings.to_hash_bucket_fast(text, values.buckets).numpy() + NUM_RESERVED
        for index, first in zip(*np.unique(buckets, return_index=True), strict=True):
            found.setdefault(index, numbers[first])
        number += chunk_size
    as_value = {"string": str, "int64": int}[values.raw_dtype]
    return {index: as_value(found[index]) for index in indices}
