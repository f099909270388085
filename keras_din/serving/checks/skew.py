"""Training-serving skew: where a published version differs from the live model and pipeline."""

import dataclasses
import itertools
import json
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_din.features import (
    NUM_RESERVED,
    OOV_INDEX,
    PADDING_INDEX,
    TIME,
    Bag,
    BagWeights,
    Bucketized,
    Categorical,
    Count,
    EmbeddedFeature,
    FeatureSpec,
    Numeric,
    SnapshotCount,
    TimeFeature,
    Vector,
    id_feature,
    per_kind,
)
from keras_din.outputs import by_output, name_of, output_differences
from keras_din.serving.checks.parity import TOLERANCE
from keras_din.serving.checks.tensor_float32 import without_tensor_float32
from keras_din.serving.graph.encoding import raw_dtype
from keras_din.serving.graph.signatures import SIGNATURES
from keras_din.serving.sample_rows import one_candidate_per_row, raw_from_indices, raw_from_input
from keras_din.serving.version.description import read_description
from keras_din.spec_fingerprint import differences, fingerprint
from keras_din.time_index import numpy_indices

_FIELDS_OF_TABLES = (
    "vocabulary_size",
    "dim",
    "vocabulary",
    "capacity",
    "hash_buckets",
    "dtype",
)
_NUM_WORST = 5  # Number of rows in a report.


class OutputSkew(NamedTuple):
    """One output for one candidate of the log, from the live model and from the version."""

    row: int
    candidate: int
    signature: str
    output: str
    live: float
    served: float


@dataclasses.dataclass
class InputSkew:
    """One input of the model that the version and the training pipeline encode differently.

    Attributes:
        row: Number of the first row with a difference.
        raw: The raw value in that row, or `None` if the number of behaviors differs.
        served: The encoded value in the version, or its number of behaviors.
        pipeline: The encoded value in the pipeline, or its number of behaviors.
        values: Number of values that differ.
        rows: Number of rows with a difference.
    """

    row: int
    raw: object
    served: object
    pipeline: object
    values: int = 0
    rows: int = 0


@dataclasses.dataclass
class Skew:
    """The result of `find_skew`.

    Attributes:
        rows: Number of rows that were compared.
        largest: Signature -> largest difference from the live model. With several outputs there
            is one entry per output, such as `"rank/cvr"`.
        worst: `OutputSkew`s of the rows with the largest differences, the largest first.
        inputs: Input name -> `InputSkew`, only for inputs that differ.
        spec: Differences between the specs of version and live model, one sentence each.
        explained_by: If outputs differ and no input differs: feature or sequence -> the largest
            difference that remains when it is ablated in both. A feature that leaves no
            difference explains the skew.
        values: Differences between the feature values of the version and those that the live
            model was built with, one sentence each. They are found even if no row shows them.
    """

    rows: int
    largest: dict
    worst: list
    inputs: dict
    spec: list
    explained_by: dict
    values: list = dataclasses.field(default_factory=list)

    @property
    def found(self) -> bool:
        """Whether an output differs by more than 1e-5 or is NaN, or an input or value differs."""
        answers = not all(d <= TOLERANCE for d in self.largest.values())
        return answers or bool(self.inputs) or bool(self.values)


def raw_rows(spec: FeatureSpec, x: dict, times: dict | None = None) -> dict:
    """Returns raw values for the signature `rank`, which the pipeline would encode as `x`.

    Args:
        spec: The features.
        x: Inputs of a model.
        times: The times of the same rows, see `keras_din.data.pipeline.raw_times`. They are
            required if features are computed from times, since indices do not determine a time.
    """
    raw = dict(times or {})
    for name, info in spec.raw_inputs.items():
        if name not in spec.time_inputs:
            raw[name] = raw_from_input(info.feature, x[name])
        elif name not in raw:
            raise ValueError(
                f"`times` must hold the raw input {name!r}, from which features are computed. "
                f"Received: {list(raw)}."
            )
    return raw


def find_skew(version, spec: FeatureSpec, live, batches) -> Skew:
    """Scores the same rows with a version and the live model, and compares inputs and outputs.

    Args:
        version: Folder of the version.
        spec: The features of the live model. A `Position` is left out, also of `batches`.
        live: Function from the inputs of the model to its output `(batch, candidates)`, or to a
            dict of its outputs. With a `Position` in the spec it is the model of
            `keras_din.without_position`.
        batches: Iterable of `(raw, x)`: raw values for the signature `rank`, and the same rows
            encoded by the training pipeline, with target `(batch, candidates)`.

    Returns:
        A `Skew`.

    Raises:
        ValueError: If the version has other inputs or outputs than the spec, or if there are no
            rows.
    """
    if spec.position is not None:
        name = spec.position.name
        batches = [
            tuple({n: values for n, values in each.items() if n != name} for each in pair)
            for pair in batches
        ]
        spec = spec.without_position()
    theirs = FeatureSpec.from_json(json.dumps(read_description(version)["spec"]))
    snapshots = [f for f in theirs.features.values() if isinstance(f, SnapshotCount)]
    ours, spec = spec, _sent_spec(spec, snapshots)
    _check_signature(version, spec)
    batches = list(batches)
    if not batches:
        raise ValueError("`batches` must hold at least one batch. Received: none.")
    loaded = tf.saved_model.load(str(version))
    batches = [_with_snapshots(loaded, snapshots, raw, x) for raw, x in batches]
    largest: dict[str, float] = {}
    inputs: dict[str, InputSkew] = {}
    outputs, rows = [], 0
    with without_tensor_float32():
        for raw, x in batches:
            served, expected = _served_outputs(loaded, spec, raw), _live_outputs(live, spec, x)
            for signature, output in itertools.product(SIGNATURES, expected):
                of_live, of_version = expected[output], served[signature][output]
                difference = output_differences(of_version, of_live)
                name = name_of(signature, output, expected)
                largest[name] = float(np.maximum(largest.get(name, 0.0), difference.max()))
                for place in _largest_of_rows(difference):
                    pair = float(of_live[place]), float(of_version[place])
                    outputs.append(OutputSkew(rows + place[0], place[1], signature, output, *pair))
            _compare_inputs(inputs, rows, spec, raw, x, _served_inputs(loaded, raw))
            rows += len(next(iter(expected.values())))
        differ = not all(difference <= TOLERANCE for difference in largest.values())
        explained_by = {}
        if differ and not inputs:
            explained_by = _explained_by(loaded, spec, live, batches, snapshots)
    theirs = theirs.without_snapshots()
    details = (
        spec_differences(theirs, ours),
        explained_by,
        differences(fingerprint(ours), theirs, "the version"),
    )
    return Skew(rows, largest, _worst(outputs), inputs, *details)


def _sent_spec(spec: FeatureSpec, snapshots: list) -> FeatureSpec:
    """Returns the spec with the snapshots of a version, which has no inputs of them."""
    counts = [spec.features.get(snapshot.name) for snapshot in snapshots]
    return spec.with_snapshots(
        [
            SnapshotCount.of_count(count, snapshot.key, snapshot.taken_at)
            for count, snapshot in zip(counts, snapshots, strict=True)
            if isinstance(count, Count)
        ]
    )


def _with_snapshots(loaded, snapshots: list, raw: dict, x: dict) -> tuple:
    """Returns raw values without those of snapshots, and inputs with the values of snapshots.

    The counts of the pipeline are those at the time of each row, so they differ from a snapshot.
    """
    names = [snapshot.name for snapshot in snapshots]
    raw = {name: values for name, values in raw.items() if name not in names}
    served = _served_inputs(loaded, raw) if names else {}
    return raw, {**x, **{name: served[name] for name in names}}


def spec_differences(theirs: FeatureSpec, spec: FeatureSpec) -> list:
    """Describes the differences between two specs, one sentence per field that differs."""
    found = []
    for name, feature in spec.features.items():
        other = theirs.features[name]
        for field in _fields(feature):
            ours, has = getattr(feature, field, None), getattr(other, field, None)
            if ours != has:
                first = NUM_RESERVED if field == "vocabulary" else 0
                found.append(f"{name}: {field} is {_describe_difference(has, ours, first)}")
    for sequence, of_version in zip(spec.sequences, theirs.sequences, strict=True):
        if sequence.max_length != of_version.max_length:
            lengths = f"{of_version.max_length} in the version, {sequence.max_length} in the model"
            found.append(f"{sequence.name}: max_length is {lengths}")
    return found


def _fields(feature) -> list:
    """Returns the names of the fields to compare for two features of the same name."""
    fields = [field.name for field in dataclasses.fields(feature) if field.name != "table"]
    return fields if feature.table is None else [*_FIELDS_OF_TABLES, *fields]


def _describe_difference(theirs, ours, first: int) -> str:
    """Describes two values of a field. Of two lists, with indices from `first`, it names the first
    difference.
    """
    if not (isinstance(theirs, tuple) and isinstance(ours, tuple)):
        return f"{theirs!r} in the version, {ours!r} in the model"
    pairs = zip(theirs, ours, strict=False)
    place = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(theirs), len(ours)))
    at = lambda values: repr(values[place]) if place < len(values) else "nothing"  # noqa: E731
    return (
        f"another; first at index {place + first}: "
        f"{at(theirs)} in the version, {at(ours)} in the model"
    )


def _check_signature(version, spec: FeatureSpec) -> None:
    signatures = read_description(version)["signatures"]
    has = {name: tensor["dtype"] for name, tensor in signatures["rank"]["inputs"].items()}
    expected = {name: raw_dtype(info.feature).name for name, info in spec.raw_inputs.items()}
    if has != expected:
        differ = sorted(dict(has.items() ^ expected.items()))
        raise ValueError(
            "The version must take the inputs of the model's spec, of the same types. "
            f"Received: {version}, which differs in {differ}."
        )
    outputs = set(signatures["serving_default"]["outputs"])
    if outputs != set(spec.served_outputs):
        raise ValueError(
            "The version must have the outputs of the model's spec, "
            f"{list(spec.served_outputs)}. Received: {version}, which has {sorted(outputs)}."
        )


def _served_outputs(loaded, spec, raw) -> dict:
    """Returns signature -> output name -> values `(batch, candidates)` of the version."""
    many = _call(loaded.signatures["rank"], raw)
    one = _call(loaded.signatures["serving_default"], one_candidate_per_row(spec, raw))
    one = {name: values.reshape(many[name].shape) for name, values in one.items()}
    return {"serving_default": one, "rank": many}


def _served_inputs(loaded, raw) -> dict:
    """Returns the inputs that the version computes from raw values for its model."""
    return _call(loaded.encode, raw)


def _call(function, inputs) -> dict:
    answers = function(**{name: tf.constant(values) for name, values in inputs.items()})
    return {name: values.numpy() for name, values in answers.items()}


def _live_outputs(live, spec, x) -> dict:
    """Returns output name -> values `(batch, candidates)` of the live model, 0 at padding."""
    real = np.asarray(x[id_feature(spec.target).name]) != PADDING_INDEX
    answers = live(x)
    has_factors = isinstance(answers, dict) and spec.factors.keys() <= answers.keys()
    outputs = by_output(answers, spec.served_outputs if has_factors else spec.outputs)
    return {name: np.where(real, values, 0) for name, values in outputs.items()}


def _largest_of_rows(difference) -> list:
    """Returns `(row, candidate)` of the largest difference in each of the worst rows."""
    candidate = np.nan_to_num(difference, nan=np.inf).argmax(axis=1)
    worst = np.nan_to_num(difference[np.arange(len(candidate)), candidate], nan=np.inf)
    rows = np.argsort(-worst, kind="stable")[:_NUM_WORST]
    return [(int(row), int(candidate[row])) for row in rows if worst[row] > 0]


def _worst(outputs) -> list:
    by_row: dict[int, OutputSkew] = {}

    def size(skew):
        return np.nan_to_num(output_differences(skew.served, skew.live), nan=np.inf)

    for skew in sorted(outputs, key=size, reverse=True):
        by_row.setdefault(skew.row, skew)
    return list(by_row.values())[:_NUM_WORST]


def _compare_inputs(found: dict, first_row: int, spec, raw: dict, x: dict, served: dict) -> None:
    """Counts the values of each input that version and pipeline encode differently."""
    real = np.asarray(x[id_feature(spec.target).name]) != PADDING_INDEX
    for name, info in spec.inputs.items():
        if info.role != "behavior" and not info.feature.from_snapshot:
            ours, theirs = _align(info.feature, name, x, served)
            differ = _differ(info.feature, ours, theirs) & (real if info.role == "target" else True)
            rows, places = np.nonzero(differ)[0], np.nonzero(differ)
            sent = raw[TIME][rows] if info.feature.from_times else raw[name][places]
            _count(found, name, first_row, rows, sent, theirs[places], ours[places])
    for sequence in spec.sequences:
        _compare_behaviors(found, first_row, spec, sequence, raw, x, served)


def _compare_behaviors(found, first_row, spec, sequence, raw, x, served) -> None:
    """Compares the valid behaviors of each row. The positions of padding may differ."""
    first = sequence.input_name(id_feature(sequence.of))
    ours, theirs = (np.asarray(each[first]) != PADDING_INDEX for each in (x, served))
    lengths = ours.sum(axis=1), theirs.sum(axis=1)
    (unequal,) = np.nonzero(lengths[0] != lengths[1])
    numbers = [None] * len(unequal)
    _count(found, first, first_row, unequal, numbers, lengths[1][unequal], lengths[0][unequal])
    same = (lengths[0] == lengths[1])[:, None]
    ours, theirs = ours & same, theirs & same
    rows = np.nonzero(ours)[0]
    infos = {name: info for name, info in spec.inputs.items() if info.sequence is sequence}
    x = {name: np.asarray(x[name])[ours] for name in infos}
    served = {name: served[name][theirs] for name in infos}
    for name, info in infos.items():
        feature = info.feature
        pipelines, versions = _align(feature, name, x, served)
        differ = _differ(feature, pipelines, versions)
        sent = raw[f"{sequence.name}_{TIME}" if feature.from_times else name]
        examples = sent[theirs][differ], versions[differ], pipelines[differ]
        _count(found, name, first_row, rows[differ], *examples)


def _align(feature, name: str, x: dict, served: dict) -> tuple:
    """Returns an input of two models as arrays of the same shape; see `align_inputs`."""
    if not isinstance(feature, BagWeights):
        return align_inputs(feature, x[name], served[name])
    bags = [np.asarray(each[feature.input_of_bag(name)]) for each in (x, served)]
    weights = [np.asarray(each[name]) for each in (x, served)]
    weights = [np.where(b != PADDING_INDEX, w, 0) for b, w in zip(bags, weights, strict=True)]
    return _values_first(bags, weights)


@per_kind
def align_inputs(feature, ours, theirs):
    """Returns the inputs of two models as arrays of the same shape, to compare their entries."""


@align_inputs.register(Bucketized)
@align_inputs.register(Categorical)
@align_inputs.register(Numeric)
@align_inputs.register(TimeFeature)
@align_inputs.register(Vector)
def _(feature, ours, theirs):
    return np.asarray(ours), np.asarray(theirs)


@align_inputs.register
def _(feature: Bag, ours, theirs):
    bags = [np.asarray(ours), np.asarray(theirs)]
    return _values_first(bags, bags)


def _values_first(bags: list, values: list) -> tuple:
    """Moves values at the padding of bags to the end, and pads them to the same width."""
    width = max(each.shape[-1] for each in bags)
    found = []
    for bag, of_bag in zip(bags, values, strict=True):
        order = np.argsort(bag == PADDING_INDEX, axis=-1, kind="stable")
        padding = [(0, 0)] * (bag.ndim - 1) + [(0, width - bag.shape[-1])]
        found.append(np.pad(np.take_along_axis(of_bag, order, -1), padding))
    return tuple(found)


def _differ(feature, ours, theirs):
    differ = ours != theirs
    return differ.any(axis=tuple(range(-len(feature.axes), 0))) if feature.axes else differ


def _count(found, name, first_row, rows, raw, served, pipeline) -> None:
    if not len(rows):
        return
    example = (first_row + int(rows[0]), *map(_to_python, (raw[0], served[0], pipeline[0])))
    skew = found.setdefault(name, InputSkew(*example))
    skew.values += len(rows)
    skew.rows += len(np.unique(rows))


def _to_python(value):
    return value.tolist() if isinstance(value, (np.generic, np.ndarray)) else value


def _explained_by(loaded, spec, live, batches, snapshots) -> dict:
    """Returns feature or sequence -> largest difference that remains when it is ablated."""
    left = {}
    for name, ablate in _ablations(spec).items():
        largest = 0.0
        for raw, x in batches:
            raw, x = ablate(dict(raw), {name: np.asarray(values) for name, values in x.items()})
            raw, x = _with_snapshots(loaded, snapshots, raw, x)
            expected = _live_outputs(live, spec, x)
            for served in _served_outputs(loaded, spec, raw).values():
                for output, values in expected.items():
                    difference = output_differences(served[output], values).max()
                    largest = float(np.maximum(largest, difference))
        left[name] = largest
    return left


def _ablations(spec) -> dict:
    """Returns feature or sequence -> function that ablates it in `(raw, x)`."""

    def of_feature(feature):
        names = [name for name, info in spec.inputs.items() if info.feature is feature]

        def ablate(raw, x):
            ablated = {name: ablate_feature(feature, raw[name], x[name]) for name in names}
            raw |= {name: values for name, (values, _) in ablated.items()}
            x |= {name: values for name, (_, values) in ablated.items()}
            return raw, x

        return ablate

    def of_sequence(sequence):
        first = id_feature(sequence.of)

        def ablate(raw, x):
            name = sequence.input_name(first)
            raw[name] = np.full_like(raw[name], first.padding_value)
            for name in (n for n, info in spec.inputs.items() if info.sequence is sequence):
                x[name] = np.zeros_like(x[name])
            return raw, x

        return ablate

    def of_times(raw, x):
        raw |= {name: np.zeros_like(raw[name]) for name in spec.time_inputs}
        for name, info in spec.inputs.items():
            if info.feature.from_times:
                index = numpy_indices(info.feature, np.zeros(1, np.int64), 0)
                x[name] = np.where(x[name] != PADDING_INDEX, index, x[name])
        return raw, x

    features = [f for f in spec.features.values() if f.has_input and not f.from_snapshot]
    features = [part for f in features for part in f.parts]
    found = {f.name: of_feature(f) for f in features if not f.from_times}
    if len(found) < len(features):
        found[TIME] = of_times  # Together, because they read the same times.
    return found | {sequence.name: of_sequence(sequence) for sequence in spec.sequences}


@per_kind
def ablate_feature(feature, raw, x):
    """Returns raw values and inputs of a model, with the same value at all valid positions."""


@ablate_feature.register
def _(feature: EmbeddedFeature, raw, x):
    # The out-of-vocabulary index. Every integer has a hash bucket, so there it is the first bucket.
    index = NUM_RESERVED if feature.values.hashes_padding else OOV_INDEX
    is_real = raw != feature.padding_value
    raw = np.where(is_real, raw_from_indices(feature, index), raw)
    return raw, np.where(x != PADDING_INDEX, np.int32(index), x)


@ablate_feature.register
def _(feature: BagWeights, raw, x):
    return np.ones_like(raw), np.ones_like(x)


@ablate_feature.register(Numeric)
@ablate_feature.register(Vector)
def _(feature, raw, x):
    return np.full_like(raw, np.nan), np.full_like(x, feature.fill_value)


@ablate_feature.register
def _(feature: Bucketized, raw, x):
    return np.full_like(raw, np.nan), np.where(x != PADDING_INDEX, np.int32(OOV_INDEX), x)
