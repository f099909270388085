"""Fields of a sample: one vector per input."""

import keras

from keras_din.layers import SequencePooling


def pooled_behaviors(x, pooling="mean"):
    """Pools the behaviors of each sequence to one vector: a list of `(batch, key_dim)`.

    Args:
        x: The result of `embed`.
        pooling: `"mean"` or `"sum"`.
    """
    if not x.behaviors:  # Checks the argument.
        SequencePooling(pooling)
    return [
        SequencePooling(pooling, name=f"pooled_{b.name}")(b.keys, keys_mask=b.mask)
        for b in x.behaviors
    ]


def fields_of_one_width(spec, x, pooling="mean"):
    """Returns one vector of width `dim` per input, for models that multiply fields.

    A sequence has one field per feature of its behaviors, pooled over the behaviors. The vector of
    a `Numeric` is its value times a learned vector, which is the same for all its inputs.

    Args:
        spec: A `FeatureSpec`.
        x: The result of `embed`.
        pooling: Pooling of the behaviors, `"mean"` or `"sum"`.

    Returns:
        `(row_fields, candidate_fields)`: a list of `(batch, dim)`, first of the context, then of
        the pooled behaviors; and a list of `(batch, candidates, dim)` of the target.

    Raises:
        ValueError: If the embeddings of two features differ in `dim`.
    """
    spec = spec.without_position()
    dims = {f.name: f.table.dim for f in spec.features.values() if f.table is not None}
    if len(set(dims.values())) > 1:
        raise ValueError(
            "All features must have the same `dim`, because this model multiplies their "
            f"embeddings. Received: {', '.join(f'{name} dim={dim}' for name, dim in dims.items())}."
        )
    dim = next(iter(dims.values()))
    vectors = {
        f.name: keras.layers.Dense(dim, use_bias=False, name=f"vector_{f.name}")
        for f in spec.features.values()
        if f.table is None
    }

    def field(feature, embedding):
        return vectors[feature.name](embedding) if feature.name in vectors else embedding

    row_fields = [field(f, x.fields[f.name]) for f in spec.context]
    for sequence, pooled in zip(spec.sequences, pooled_behaviors(x, pooling), strict=True):
        start = 0
        for feature in sequence.features:
            end = start + x.fields[sequence.input_name(feature)].shape[-1]
            row_fields.append(field(feature, pooled[:, start:end]))
            start = end
    return row_fields, [field(f, x.fields[f.name]) for f in spec.target]
