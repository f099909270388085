"""From a spec to what a model works on: context, target and behaviors as embeddings."""

from typing import NamedTuple

import keras
from keras import ops

from keras_din.features import PADDING_INDEX, Bag, Categorical, EmbeddedFeature, FeatureSpec
from keras_din.layers import BagEmbedding, Embedding, PackSequence, RaggedToDense, Standardize
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
            shape=(None,) * ((info.role != "context") + isinstance(info.feature, Bag)),
            dtype="int32" if isinstance(info.feature, EmbeddedFeature) else "float32",
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
    pairs = zip(features, tensors, strict=True)
    indices = next(tensor for feature, tensor in pairs if isinstance(feature, Categorical))
    return ops.not_equal(indices, PADDING_INDEX)


def embed(spec: FeatureSpec, embeddings_initializer="uniform") -> Embedded:
    """Embeds a spec: one table a feature, wherever it stands; a `Numeric` standardized.

    Args:
        spec: The features.
        embeddings_initializer: Initializer of the tables.

    Returns:
        An `Embedded`.
    """
    inputs, values = read_inputs(spec)
    layers = {
        name: _layer(feature, embeddings_initializer) for name, feature in spec.features.items()
    }

    def look_up(feature, tensor):
        embedded = layers[feature.name](tensor)
        return embedded if isinstance(feature, EmbeddedFeature) else ops.expand_dims(embedded, -1)

    def without_padding(feature, tensor, mask):
        # Padding of a number may be NaN, or so far from the mean that half precision takes it for
        # infinite. Forward it is left out, but a gradient of 0 times it would be NaN.
        if isinstance(feature, EmbeddedFeature):
            return tensor
        return ops.where(mask, tensor, feature.mean)

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


def _layer(feature, embeddings_initializer):
    """The layer from the input of a feature to its embedding, or its standardized value."""
    name = feature.name
    if not isinstance(feature, EmbeddedFeature):
        return Standardize(feature.mean, feature.std, name=f"standardize_{name}")
    table = feature.vocabulary_size, feature.dim, embeddings_initializer
    names = {"feature": name, "name": f"embedding_{name}"}
    if isinstance(feature, Bag):
        return BagEmbedding(*table, pooling=feature.pooling, **names)
    return Embedding(*table, **names)
