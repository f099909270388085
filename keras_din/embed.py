"""`embed`: the inputs of a spec and their embeddings."""

from typing import NamedTuple

import keras
from keras import ops

from keras_din.derived_values import derived_values
from keras_din.features import (
    PADDING_INDEX,
    Bag,
    Bucketized,
    Categorical,
    FeatureSpec,
    HistoryFeature,
    LastMatch,
    Numeric,
    Position,
    TimeFeature,
    Vector,
    id_feature,
    per_kind,
)
from keras_din.layers import (
    BagPooling,
    Embedding,
    FrozenVectors,
    PackBag,
    PackSequence,
    RaggedToDense,
    Standardize,
    TransformNumbers,
    ZeroMissingVectors,
)
from keras_din.spec_fingerprint import fingerprint

__all__ = [
    "Behaviors",
    "Embedded",
    "build_inputs",
    "check_spec",
    "embed",
    "position_input",
    "read_inputs",
    "valid_mask",
]


class Behaviors(NamedTuple):
    """The embeddings of one behavior sequence.

    Attributes:
        name: Name of the sequence.
        query: `(batch, candidates, dim)`, the features of the candidate that behaviors have too.
        keys: The behaviors, in the order of the query, with side features last. Packed
            `(positions, key_dim)` on TensorFlow, padded `(batch, time, key_dim)` on other
            backends.
        mask: `(batch, time)`, `True` where a behavior is real.
    """

    name: str
    query: object
    keys: object
    mask: object


class Embedded(NamedTuple):
    """The tensors of a spec in a functional model.

    Attributes:
        inputs: Name -> `keras.Input`.
        values: Name -> dense tensor of the input: ragged inputs are padded. A feature without an
            input has the values that the model computes, see `derived_values`.
        fields: Name in `FeatureSpec.fields` -> its embedding: `(batch, dim)` of context,
            `(batch, candidates, dim)` of target, and of behaviors the same form as
            `Behaviors.keys`. A `Position` has none.
        context: List of the embeddings of the context, `(batch, dim)`.
        target: The concatenated embeddings of the target, `(batch, candidates, dim)`.
        target_mask: `(batch, candidates)`, `True` where a candidate is real.
        behaviors: List of `Behaviors`, one per sequence.
        positions: `(batch, candidates)`, the input of the spec's `Position`, or `None`.
    """

    inputs: dict
    values: dict
    fields: dict
    context: list
    target: object
    target_mask: object
    behaviors: list
    positions: object = None


def check_spec(spec) -> None:
    """Raises a `ValueError` unless `spec` is a `FeatureSpec`."""
    if not isinstance(spec, FeatureSpec):
        raise ValueError(f"`spec` must be a FeatureSpec. Received: spec={spec!r}.")


def build_inputs(spec: FeatureSpec) -> dict:
    """Creates the `keras.Input`s of a spec, by name.

    Their shapes are `(batch,)` of context, `(batch, candidates)` of target and `(batch, time)` of
    behaviors. They are int32 indices of a `Categorical` and float32 numbers of a `Numeric`. A `Bag`
    has one more axis for its values, int32 indices with padding at any position. Its weights have
    the same shape, float32. A `Vector` without `of` has one more axis of its size, float32. Inputs
    with rows of different lengths can be `tf.RaggedTensor`s. If a feature has fields that must be
    learned first, such as the knots of a `Numeric`, a `ValueError` names it.
    """
    check_spec(spec)
    for feature in spec.features.values():
        feature.check_learned()
    return {
        name: keras.Input(
            shape=(*(None,) * (info.role != "context"), *info.feature.shape),
            dtype=info.feature.input_dtype,
            name=name,
        )
        for name, info in spec.inputs.items()
    }


def read_inputs(spec: FeatureSpec) -> tuple:
    """Creates the `keras.Input`s of a spec, and converts ragged inputs to dense tensors.

    Models that are built on the dense tensors contain the fingerprint of the spec. A `Position`
    has a layer of its own, so that a model without it does not depend on it.

    Args:
        spec: The features.

    Returns:
        `(inputs, values)`: two dicts, name -> `keras.Input`, and name -> dense tensor. The second
        also has the features that the model computes from its inputs.
    """
    inputs, position = build_inputs(spec), spec.position
    if position is None:
        values = RaggedToDense(fingerprint(spec), name="padded")(inputs)
    else:
        others = {name: tensor for name, tensor in inputs.items() if name != position.name}
        values = RaggedToDense(fingerprint(spec.without_position()), name="padded")(others)
        values[position.name] = _dense_position(spec, position.name, inputs[position.name])
    return inputs, values | {
        name: derived_values(info.feature, info, spec, values)
        for name, info in spec.fields.items()
        if not info.feature.has_input
    }


def position_input(spec: FeatureSpec, position: Position) -> tuple:
    """Creates the `keras.Input` of the spec's `Position`: the input and the dense tensor.

    It is for a spec of which a model already has the other inputs.
    """
    tensor = keras.Input((None,), dtype=position.input_dtype, name=position.name)
    return tensor, _dense_position(spec, position.name, tensor)


def _dense_position(spec: FeatureSpec, name: str, tensor):
    return RaggedToDense(fingerprint(spec), name="padded_position")({name: tensor})[name]


def valid_mask(features, tensors):
    """Returns where entries are real: the index of the first `Categorical` is not 0.

    Args:
        features: The features of candidates or behaviors.
        tensors: The indices or numbers of each feature.
    """
    position = list(features).index(id_feature(features))
    return ops.not_equal(tensors[position], PADDING_INDEX)


def embed(spec: FeatureSpec, embeddings_initializer="uniform") -> Embedded:
    """Embeds the inputs of a spec. There is one layer per table. A `Numeric` is transformed
    and standardized.

    Args:
        spec: The features.
        embeddings_initializer: Initializer of the tables.

    Returns:
        An `Embedded`.
    """
    inputs, values = read_inputs(spec)
    positions = None if spec.position is None else values[spec.position.name]
    spec = spec.without_position()
    tables = {
        name: Embedding(
            table.values.size,
            table.dim,
            embeddings_initializer,
            feature=name,
            shards=table.shards,
            name=f"embedding_{name}",
        )
        for name, table in spec.tables.items()
    }
    layers = {name: feature_layer(feature, tables) for name, feature in spec.features.items()}

    def look_up(feature, tensors):
        return layers[feature.name](*tensors)

    def replace_padding(feature, tensor, mask):
        # Padding of a number may be NaN, or infinite in half precision. The forward pass ignores
        # it, but a gradient of 0 times NaN or infinity is NaN.
        if not feature.is_numeric:
            return tensor
        for _ in feature.axes:
            mask = ops.expand_dims(mask, -1)
        return ops.where(mask, tensor, feature.fill_value)

    def join(tensors):
        return tensors[0] if len(tensors) == 1 else ops.concatenate(tensors, axis=-1)

    target_mask = valid_mask(spec.target, [values[feature.name] for feature in spec.target])
    fields = {f.name: look_up(f, [values[part.name] for part in f.parts]) for f in spec.context}
    fields |= {
        f.name: look_up(f, [replace_padding(p, values[p.name], target_mask) for p in f.parts])
        for f in spec.target
    }
    behaviors = []
    for sequence in spec.sequences:
        indices = [values[sequence.input_name(feature)] for feature in sequence.features]
        mask = valid_mask(sequence.features, indices)
        pack = PackSequence(name=f"pack_{sequence.name}")
        # Padding is replaced before packing, since only TensorFlow packs, and a saved model must
        # work on every backend.
        packed = {
            part.name: pack(replace_padding(part, values[sequence.input_name(part)], mask), mask)
            for feature in sequence.features
            for part in feature.parts
        }
        keys = {
            sequence.input_name(f): look_up(f, [packed[part.name] for part in f.parts])
            for f in sequence.features
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
        positions=positions,
    )


@per_kind
def feature_layer(feature, tables):
    """Creates the layers of a feature, and returns a function that applies them.

    Args:
        feature: The feature.
        tables: Name of each table of the spec -> its `Embedding`.

    Returns:
        A function from a tensor `(..., *axes)` to a float tensor `(..., dim)`. It has one argument
        for each of the feature's `parts`.
    """


@feature_layer.register(Bucketized)
@feature_layer.register(Categorical)
@feature_layer.register(LastMatch)
@feature_layer.register(TimeFeature)
def _(feature, tables):
    return tables[feature.table.name]


@feature_layer.register
def _(feature: Bag, tables):
    pack = PackBag(name=f"pack_{feature.name}")
    pool = BagPooling(feature.pooling, name=f"pool_{feature.name}")
    return lambda indices, *weights: pool(
        tables[feature.table.name](pack(indices)), indices, *weights
    )


@feature_layer.register
def _(feature: Numeric, tables):
    standardize = Standardize(*feature.moments, name=f"standardize_{feature.name}")
    transform = _transform(feature)
    return lambda numbers: ops.expand_dims(standardize(transform(numbers)), -1)


def _transform(feature: Numeric):
    """Returns the function from raw to transformed numbers, float32 in mixed precision too."""
    options: dict = {"dtype": "float32", "name": f"transform_{feature.name}"}
    options |= {"missing": feature.fill_value}
    if feature.transform == "log1p":
        return TransformNumbers("log1p", **options)
    if feature.transform == "clip":
        return TransformNumbers("clip", feature.limits, **options)
    if feature.transform == "quantile":
        return TransformNumbers("interpolate", *feature.points, **options)
    return lambda numbers: numbers


@feature_layer.register
def _(feature: HistoryFeature, tables):
    # Casts to the dtype of layers.
    cast = keras.layers.Identity(name=f"number_{feature.name}")
    return lambda numbers: ops.expand_dims(cast(numbers), -1)


@feature_layer.register
def _(feature: Vector, tables):
    if feature.is_sent:
        known = ZeroMissingVectors(name=f"vectors_{feature.name}")
        return _projected(feature, known)
    table = feature.vectors
    if table is None:
        raise ValueError(
            f"Vector {feature.name!r} must have its vectors to build a model: a spec from JSON has "
            "only their checksum. Take the spec of prepared data, or pass the vectors to "
            "`keras_din.data.with_vectors`. A saved model contains them: load it with "
            f"`keras.saving.load_model`. Received: {feature!r}."
        )
    if (found := table.actual_checksum) != feature.checksum:
        raise ValueError(
            f"The vectors of {feature.name!r} must be those that the data was prepared with, of "
            f"the checksum {feature.checksum}. Received: vectors of the checksum {found}."
        )
    look_up = FrozenVectors(
        table.rows,
        table.size,
        table.storage,
        feature.name,
        table,
        name=f"vectors_{feature.name}",
    )
    return _projected(feature, look_up)


def _projected(feature: Vector, vectors):
    """Returns the layer `vectors`, or with `project_to` the function that projects its output."""
    if feature.project_to is None:
        return vectors
    # Without a bias, padding and a missing vector stay 0.
    project = keras.layers.Dense(feature.project_to, use_bias=False, name=f"project_{feature.name}")
    return lambda inputs: project(vectors(inputs))
