"""The linear part of a model: one weight per value and per combination of values."""

import keras
from keras import ops

from keras_din.features import (
    NUM_RESERVED,
    Bag,
    Bucketized,
    Categorical,
    HistoryFeature,
    LastMatch,
    Numeric,
    TimeFeature,
    Vector,
    per_kind,
)
from keras_din.layers import (
    BagEmbedding,
    Embedding,
    GatherRows,
    KnownIndices,
    PackSequence,
    SequencePooling,
)
from keras_din.ops import cross_hash, sum_of_fields


def linear(spec, x, pooling="mean", embeddings_initializer="zeros"):
    """Computes `sum_i w_i x_i` with one table of weights per input; a `Numeric` has one weight.

    The weight of a value in the history differs from its weight as candidate. The weights of a bag
    are averaged if its embeddings are averaged, otherwise summed, each times the number that the
    bag's `weights` give it.

    Args:
        spec: A `FeatureSpec`.
        x: The result of `embed`.
        pooling: Pooling of the weights of a history, `"mean"` or `"sum"`.
        embeddings_initializer: Initializer of the tables of weights.

    Returns:
        Float32 tensor `(batch, candidates, 1)`.
    """
    spec = spec.without_position()
    if not x.behaviors:  # Checks the argument.
        SequencePooling(pooling)

    def weights_of(name, feature, values):
        options = {"dtype": "float32", "name": f"weight_{name}"}
        layer = weight_layer(feature, embeddings_initializer, options)
        return layer(x.fields[name]) if feature.table is None else layer(*values)

    def values_of(feature):
        return [x.values[part.name] for part in feature.parts]

    row_weights = [weights_of(f.name, f, values_of(f)) for f in spec.context]
    candidate_weights = [weights_of(f.name, f, values_of(f)) for f in spec.target]
    for sequence, b in zip(spec.sequences, x.behaviors, strict=True):
        pack = PackSequence(name=f"pack_weights_{b.name}")
        packed = {
            part.name: pack(x.values[sequence.input_name(part)], b.mask)
            for feature in sequence.features
            for part in feature.parts
        }
        weights = [
            weights_of(sequence.input_name(f), f, [packed[part.name] for part in f.parts])
            for f in sequence.features
        ]
        pool = SequencePooling(pooling, dtype="float32", name=f"pooled_weights_{b.name}")
        row_weights.append(pool(sum(weights[1:], weights[0]), keys_mask=b.mask))
    return sum_of_fields(row_weights, candidate_weights)


@per_kind
def weight_layer(feature, embeddings_initializer, options):
    """Creates the layer of a linear term, from indices, or from vectors if there is no table.

    The layer is called with one input for each of the feature's `parts`.

    Args:
        feature: The feature.
        embeddings_initializer: Initializer of a table of weights.
        options: Keyword arguments of the layer.
    """


@weight_layer.register(Bucketized)
@weight_layer.register(Categorical)
@weight_layer.register(LastMatch)
@weight_layer.register(TimeFeature)
def _(feature, embeddings_initializer, options):
    table = feature.table
    options = {"feature": table.name, "shards": table.shards, **options}
    return Embedding(table.values.size, 1, embeddings_initializer, **options)


@weight_layer.register
def _(feature: Bag, embeddings_initializer, options):
    pooling = "mean" if feature.pooling == "mean" else "sum"
    table = feature.table
    options = {"feature": table.name, "shards": table.shards, "pooling": pooling, **options}
    return BagEmbedding(table.values.size, 1, embeddings_initializer, **options)


@weight_layer.register(HistoryFeature)
@weight_layer.register(Numeric)
@weight_layer.register(Vector)
def _(feature, embeddings_initializer, options):
    return keras.layers.Dense(1, use_bias=False, **options)


def crossed(spec, x, crosses, buckets, pooling="mean"):
    """Computes one weight per combination of values, `w_k[hash(values of cross k)]` for each cross.

    Each cross has a table of weights, and combinations are hashed to its rows. If an input of a
    cross is a behavior, each behavior forms a combination, and their weights are pooled.

    Args:
        spec: A `FeatureSpec`.
        x: The result of `embed`.
        crosses: Lists of names of inputs, see `build_wide_deep`.
        buckets: Rows of each table, without the reserved ones.
        pooling: Pooling of the weights of a history, `"mean"` or `"sum"`.

    Returns:
        `(row_weights, candidate_weights)`: lists of float32 tensors, `(batch, 1)` for crosses
        without a target input and `(batch, candidates, 1)` for the others.
    """
    row_weights, candidate_weights = [], []
    for names in _checked_crosses(spec, crosses):
        weights = _cross_weights(spec, x, names, buckets, pooling)
        if any(spec.inputs[name].role == "target" for name in names):
            candidate_weights.append(weights)
        else:
            row_weights.append(ops.squeeze(weights, 1))
    return row_weights, candidate_weights


def _cross_weights(spec, x, names, buckets, pooling):
    name = "_x_".join(names)
    infos = [spec.inputs[name] for name in names]
    masks = {b.name: b.mask for b in x.behaviors}
    mask = next((masks[info.sequence.name] for info in infos if info.sequence), None)
    pack, gather_rows = PackSequence(name=f"pack_{name}"), GatherRows(name=f"take_rows_{name}")

    def expand(indices, info, input_name):
        """Reshapes to `(rows, candidates or 1)`; rows are positions if the cross has behaviors."""
        table = info.feature.table
        known = KnownIndices(table.values.size, table.name, name=f"known_{input_name}_{name}")
        indices = known(indices)
        if info.role == "behavior":
            return ops.expand_dims(pack(indices, mask), -1)
        if info.role == "context":
            indices = ops.expand_dims(indices, -1)
        return indices if mask is None else gather_rows(indices, mask)

    combination = cross_hash([expand(x.values[n], spec.inputs[n], n) for n in names], buckets)
    table = Embedding(buckets + NUM_RESERVED, 1, "zeros", dtype="float32", name=f"weight_{name}")
    weights = table(combination)
    if mask is None:
        return weights
    pool = SequencePooling(pooling, dtype="float32", name=f"pooled_weights_{name}")
    return ops.expand_dims(pool(ops.squeeze(weights, -1), keys_mask=mask), -1)


def _checked_crosses(spec, crosses):
    """Returns crosses as tuples of names, or raises a `ValueError`."""
    inputs = spec.inputs
    categorical = [
        name
        for name, info in inputs.items()
        if info.feature.table is not None and not info.feature.axes
    ]
    try:
        crosses = [(cross, tuple(cross)) for cross in crosses]
    except TypeError:
        raise ValueError(
            f"`crosses` must be a list of lists of names. Received: crosses={crosses!r}."
        ) from None
    for cross, names in crosses:
        # `in` a list, because an invalid name may be unhashable.
        allowed = not isinstance(cross, str) and all(name in categorical for name in names)
        sequences = {inputs[name].sequence for name in names if allowed} - {None}
        if not allowed or len(sequences) > 1 or not 2 <= len(names) == len(set(names)):
            raise ValueError(
                "Each of `crosses` must be a list of two or more Categorical inputs, of at most "
                f"one sequence, from {', '.join(categorical)}. Received: {cross!r}."
            )
    if len({names for _, names in crosses}) < len(crosses):
        raise ValueError(
            f"`crosses` must be distinct. Received: crosses={[c for c, _ in crosses]}."
        )
    return [names for _, names in crosses]
