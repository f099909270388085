"""The linear part of a model: one weight for each value, and for each combination of values."""

import keras
from keras import ops

from keras_din.features import NUM_RESERVED, OOV_INDEX, Bag, Categorical, Numeric
from keras_din.layers import BagEmbedding, Embedding, GatherRows, PackSequence, SequencePooling
from keras_din.ops import cross_hash, sum_of_fields


def linear(spec, x, pooling="mean", embeddings_initializer="zeros"):
    """`sum_i w_i x_i`: one table of weights an input, and of a `Numeric` one weight.

    A value has another weight in the history than as candidate. A bag's weights are averaged
    where its embeddings are, else summed.

    Args:
        spec: A `FeatureSpec`.
        x: What `embed` makes of it.
        pooling: `"mean"` or `"sum"` of the weights of a history.
        embeddings_initializer: Initializer of the tables of weights.

    Returns:
        Float32 tensor `(batch, candidates, 1)`.
    """
    if not x.behaviors:  # The argument is checked all the same.
        SequencePooling(pooling)

    def weigh(name, feature, indices):
        if isinstance(feature, Numeric):
            weight = keras.layers.Dense(1, use_bias=False, dtype="float32", name=f"weight_{name}")
            return weight(x.fields[name])
        arguments = (feature.vocabulary_size, 1, embeddings_initializer)
        words = {"feature": feature.name, "dtype": "float32", "name": f"weight_{name}"}
        if isinstance(feature, Bag):
            how = "mean" if feature.pooling == "mean" else "sum"
            return BagEmbedding(*arguments, pooling=how, **words)(indices)
        return Embedding(*arguments, **words)(indices)

    of_row = [weigh(f.name, f, x.values[f.name]) for f in spec.context]
    of_candidate = [weigh(f.name, f, x.values[f.name]) for f in spec.target]
    for sequence, b in zip(spec.sequences, x.behaviors, strict=True):
        pack = PackSequence(name=f"pack_weights_{b.name}")
        names = {sequence.input_name(feature): feature for feature in sequence.features}
        weights = [weigh(n, f, pack(x.values[n], b.mask)) for n, f in names.items()]
        pool = SequencePooling(pooling, dtype="float32", name=f"pooled_weights_{b.name}")
        of_row.append(pool(sum(weights[1:], weights[0]), keys_mask=b.mask))
    return sum_of_fields(of_row, of_candidate)


def crossed(spec, x, crosses, buckets, pooling="mean"):
    """`sum_k w_k[h(values of the cross k)]`: one weight a combination of values.

    A combination is hashed into a table of its cross. With an input of behaviors in it, each
    behavior makes a combination, and their weights are pooled.

    Args:
        spec: A `FeatureSpec`.
        x: What `embed` makes of it.
        crosses: Lists of names of inputs, as of `build_wide_deep`.
        buckets: Rows of each table, beside the reserved ones.
        pooling: `"mean"` or `"sum"` of the weights of a history.

    Returns:
        `(of_row, of_candidate)`: lists of float32 tensors, `(batch, 1)` of crosses in which the
        candidate is not and `(batch, candidates, 1)` of the others.
    """
    of_row, of_candidate = [], []
    for names in _checked(spec, crosses):
        weights = _crossed(spec, x, names, buckets, pooling)
        if any(spec.inputs[name].role == "target" for name in names):
            of_candidate.append(weights)
        else:
            of_row.append(ops.squeeze(weights, 1))
    return of_row, of_candidate


def _crossed(spec, x, names, buckets, pooling):
    name = "_x_".join(names)
    infos = [spec.inputs[name] for name in names]
    masks = {b.name: b.mask for b in x.behaviors}
    mask = next((masks[info.sequence.name] for info in infos if info.sequence), None)
    pack, gather_rows = PackSequence(name=f"pack_{name}"), GatherRows(name=f"take_rows_{name}")

    def with_candidates(indices, info):
        """`(batch, candidates or 1)`, and with behaviors in the cross `(positions, the same)`."""
        known = ops.logical_and(indices >= 0, indices < info.feature.vocabulary_size)
        indices = ops.where(known, indices, OOV_INDEX)
        if info.role == "behavior":
            return ops.expand_dims(pack(indices, mask), -1)
        if info.role == "context":
            indices = ops.expand_dims(indices, -1)
        return indices if mask is None else gather_rows(indices, mask)

    combination = cross_hash([with_candidates(x.values[n], spec.inputs[n]) for n in names], buckets)
    table = Embedding(buckets + NUM_RESERVED, 1, "zeros", dtype="float32", name=f"weight_{name}")
    weights = table(combination)
    if mask is None:
        return weights
    pool = SequencePooling(pooling, dtype="float32", name=f"pooled_weights_{name}")
    return ops.expand_dims(pool(ops.squeeze(weights, -1), keys_mask=mask), -1)


def _checked(spec, crosses):
    """Crosses as tuples of names, or a `ValueError`."""
    inputs = spec.inputs
    possible = [name for name, info in inputs.items() if isinstance(info.feature, Categorical)]
    try:
        crosses = [(cross, tuple(cross)) for cross in crosses]
    except TypeError:
        raise ValueError(
            f"`crosses` must be a list of lists of names. Received: crosses={crosses!r}."
        ) from None
    for cross, names in crosses:
        # A list first: what is no name may have no hash.
        allowed = not isinstance(cross, str) and all(name in possible for name in names)
        sequences = {inputs[name].sequence for name in names if allowed} - {None}
        if not allowed or len(sequences) > 1 or not 2 <= len(names) == len(set(names)):
            raise ValueError(
                "Each of `crosses` must be a list of two or more inputs that are Categorical, of "
                f"one sequence at most: {', '.join(possible)}. Received: {cross!r}."
            )
    if len({names for _, names in crosses}) < len(crosses):
        raise ValueError(f"`crosses` must differ. Received: crosses={[c for c, _ in crosses]}.")
    return [names for _, names in crosses]
