"""From a spec to what a model works on: context, target and behaviors as embeddings."""

from typing import NamedTuple

import keras
from keras import ops

from keras_din.features import (
    PADDING_INDEX,
    Bag,
    Categorical,
    FeatureSpec,
    Numeric,
    id_feature,
    per_kind,
)
from keras_din.layers import (
    BagPooling,
    Embedding,
    PackBag,
    PackSequence,
    RaggedToDense,
    Standardize,
)
from keras_din.spec_fingerprint import fingerprint


class Behaviors(NamedTuple):
    """One behavior sequence.

    `query` is `(batch, candidates, dim)`: the part of the target that the sequence is of.
    `keys` are the behaviors, packed `(positions, key_dim)` on TensorFlow and padded
    `(batch, time, key_dim)` elsewhere, in the order of the query, side features last.
    `mask` is `(batch, time)`, `True` where a behavior is real.
    """

    name: str
    query: object
    keys: object
    mask: object


class Embedded(NamedTuple):
    """A spec as tensors of a functional graph.

    `inputs` are the model's inputs by name, `values` what layers read of them (ragged ones are
    padded there), and `fields` their embeddings, for models that ask for each by itself:
    `(batch, dim)`, `(batch, candidates, dim)` and, of behaviors, as `keys`.
    Joined: `context` is a list of `(batch, dim)`; `target` `(batch, candidates, dim)`;
    `target_mask` `(batch, candidates)`, `True` where a candidate is real; `behaviors` a list of
    `Behaviors`.
    """

    inputs: dict
    values: dict
    fields: dict
    context: list
    target: object
    target_mask: object
    behaviors: list


def build_inputs(spec: FeatureSpec) -> dict:
    """The `keras.Input`s of a spec, by name.

    Context `(batch,)`, target `(batch, candidates)`, behaviors `(batch, time)`; int32 indices of
    a `Categorical`, float32 values of a `Numeric`. A `Bag` has one axis more, its values, int32
    indices with padding anywhere. What has rows of several lengths may be a `tf.RaggedTensor`.
    """
    if not isinstance(spec, FeatureSpec):
        raise ValueError(f"`spec` must be a FeatureSpec. Received: spec={spec!r}.")
    return {
        name: keras.Input(
            shape=(None,) * ((info.role != "context") + len(info.feature.axes)),
            dtype=info.feature.input_dtype,
            name=name,
        )
        for name, info in spec.inputs.items()
    }


def read_inputs(spec: FeatureSpec) -> tuple:
    """The `keras.Input`s of a spec by name, and what layers read of them, none ragged.

    What is built on the latter carries the fingerprint of the spec.
    """
    inputs = build_inputs(spec)
    return inputs, RaggedToDense(fingerprint(spec), name="padded")(inputs)


def valid_mask(features, tensors):
    """Which entries are real: those whose first `Categorical` has an index other than 0."""
    place = list(features).index(id_feature(features))
    return ops.not_equal(tensors[place], PADDING_INDEX)


def embed(spec: FeatureSpec, embeddings_initializer="uniform") -> Embedded:
    """Embeds a spec: one layer per table; a `Numeric` is standardized.

    Args:
        spec: The features.
        embeddings_initializer: Initializer of the tables.

    Returns:
        An `Embedded`.
    """
    inputs, values = read_inputs(spec)
    tables = {
        name: Embedding(
            table.values.size,
            table.dim,
            embeddings_initializer,
            feature=name,
            name=f"embedding_{name}",
        )
        for name, table in spec.tables.items()
    }
    layers = {name: feature_layer(feature, tables) for name, feature in spec.features.items()}

    def look_up(feature, tensor):
        return layers[feature.name](tensor)

    def without_padding(feature, tensor, mask):
        # Padding of a number may be NaN, or so far from the mean that half precision takes it for
        # infinite. Forward it is left out, but a gradient of 0 times it would be NaN.
        if not feature.is_numeric:
            return tensor
        for _ in feature.axes:
            mask = ops.expand_dims(mask, -1)
        return ops.where(mask, tensor, feature.fill_value)

    def join(tensors):
        return tensors[0] if len(tensors) == 1 else ops.concatenate(tensors, axis=-1)

    target_mask = valid_mask(spec.target, [values[feature.name] for feature in spec.target])
    fields = {feature.name: look_up(feature, values[feature.name]) for feature in spec.context}
    fields |= {
        feature.name: look_up(feature, without_padding(feature, values[feature.name], target_mask))
        for feature in spec.target
    }
    behaviors = []
    for sequence in spec.sequences:
        indices = [values[sequence.input_name(feature)] for feature in sequence.features]
        mask = valid_mask(sequence.features, indices)
        pack = PackSequence(name=f"pack_{sequence.name}")
        # Before the packing, so that a saved graph fits every backend: not all of them pack.
        keys = {
            sequence.input_name(feature): look_up(
                feature, pack(without_padding(feature, tensor, mask), mask)
            )
            for feature, tensor in zip(sequence.features, indices, strict=True)
        }
        fields |= keys
        query = join([fields[feature.name] for feature in sequence.of])
        behaviors.append(Behaviors(sequence.name, query, join(list(keys.values())), mask))
    return Embedded(
        inputs=inputs,
        values=values,
        fields=fields,
        context=[fields[feature.name] for feature in spec.context],
        target=join([fields[feature.name] for feature in spec.target]),
        target_mask=target_mask,
        behaviors=behaviors,
    )


@per_kind
def feature_layer(feature, tables):
    """The function from the input of a feature to its vectors, whose layers are made once.

    Args:
        feature: The feature.
        tables: Name of each table of the spec -> its `Embedding`.

    Returns:
        A function from a tensor `(..., *axes)` to a float tensor `(..., dim)`.
    """


@feature_layer.register
def _(feature: Categorical, tables):
    return tables[feature.table.name]


@feature_layer.register
def _(feature: Bag, tables):
    pack = PackBag(name=f"pack_{feature.name}")
    pool = BagPooling(feature.pooling, name=f"pool_{feature.name}")
    return lambda indices: pool(tables[feature.table.name](pack(indices)), indices)


@feature_layer.register
def _(feature: Numeric, tables):
    standardize = Standardize(feature.mean, feature.std, name=f"standardize_{feature.name}")
    return lambda numbers: ops.expand_dims(standardize(numbers), -1)
