"""`derived_values`: what a model computes from its inputs, for features without an input."""

from keras import ops

from keras_din.features import (
    NUM_RESERVED,
    OOV_INDEX,
    PADDING_INDEX,
    HistorySize,
    LastMatch,
    Match,
    Vector,
    id_feature,
    per_kind,
)
from keras_din.layers import KnownIndices
from keras_din.ops import count_distinct, count_matches, smallest_of_matches


@per_kind
def derived_values(feature, info, spec, values):
    """Computes what would be the input of a feature, if it had one.

    Args:
        feature: A feature whose `has_input` is `False`.
        info: The `InputInfo` of its place.
        spec: The `FeatureSpec`.
        values: Name of each input -> its dense tensor, see `keras_din.embed.build_inputs`.

    Returns:
        A tensor of the feature's `input_dtype`, with the shape of an input of the same place. It
        may have any values at padding.
    """


@derived_values.register
def _(feature: Match, info, spec, values):
    sequence = feature.sequence(spec)
    count = count_matches(*_pairs(feature, spec, values))
    if feature.measure == "seen":
        return ops.cast(count > 0, "float32")
    if feature.measure == "count":
        return _log_of_one_more(count)
    length = ops.expand_dims(_length(sequence, values), -1)
    return ops.cast(count, "float32") / ops.cast(ops.maximum(length, 1), "float32")


@derived_values.register
def _(feature: LastMatch, info, spec, values):
    sequence = feature.sequence(spec)
    elapsed = values[sequence.input_name(spec.features[feature.elapsed])]
    size = feature.table.values.size
    is_bucket = ops.logical_and(elapsed >= NUM_RESERVED, elapsed < size)
    elapsed = ops.where(is_bucket, elapsed, ops.cast(size, elapsed.dtype))
    candidates, behaviors = _pairs(feature, spec, values)
    index = smallest_of_matches(candidates, behaviors, elapsed, size)
    return ops.where(index < size, index, ops.cast(OOV_INDEX, index.dtype))


@derived_values.register
def _(feature: HistorySize, info, spec, values):
    sequence = feature.sequence(spec)
    if feature.of is None:
        return _log_of_one_more(_length(sequence, values))
    indices = _known(feature, spec, _behaviors(feature, spec, values))
    return _log_of_one_more(count_distinct(indices))


@derived_values.register
def _(feature: Vector, info, spec, values):
    """The indices of the items whose vectors the feature has."""
    of = spec.features[feature.of]
    return values[of.name if info.sequence is None else info.sequence.input_name(of)]


def _pairs(feature, spec, values):
    """Returns the indices of the candidates and of the behaviors that are compared."""
    # An index that the table does not have is out-of-vocabulary as candidate, and matches nothing.
    # So among the behaviors it need not be replaced.
    candidates = _known(feature, spec, values[feature.of])
    return candidates, _behaviors(feature, spec, values)


def _behaviors(feature, spec, values):
    """Returns the indices of the behaviors by the feature `of`, `(batch, time)`."""
    sequence = feature.sequence(spec)
    indices = values[sequence.input_name(spec.features[feature.of])]
    return ops.where(_mask(sequence, values), indices, ops.cast(PADDING_INDEX, indices.dtype))


def _known(feature, spec, indices):
    """Replaces indices that the table of `of` does not have by out-of-vocabulary."""
    table = spec.features[feature.of].table
    return KnownIndices(table.values.size, table.name, name=f"known_{feature.name}")(indices)


def _mask(sequence, values):
    """Returns where behaviors are real, bool `(batch, time)`."""
    return ops.not_equal(values[sequence.input_name(id_feature(sequence.of))], PADDING_INDEX)


def _length(sequence, values):
    """Returns the number of behaviors, int32 `(batch,)`."""
    return ops.sum(ops.cast(_mask(sequence, values), "int32"), axis=-1)


def _log_of_one_more(count):
    """Computes `log(1 + count)`."""
    return ops.log(ops.cast(count + 1, "float32"))  # Not `log1p`, which LiteRT does not support.
