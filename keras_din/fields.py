"""A sample as fields: one vector an input, whatever there is of it."""

import keras

from keras_din.features import Numeric
from keras_din.layers import SequencePooling


def pooled_behaviors(x, pooling="mean"):
    """The behaviors of each sequence as one vector: a list of `(batch, key_dim)`.

    Args:
        x: What `embed` makes of a spec.
        pooling: `"mean"` or `"sum"`.
    """
    if not x.behaviors:  # The argument is checked all the same.
        SequencePooling(pooling)
    return [
        SequencePooling(pooling, name=f"pooled_{b.name}")(b.keys, keys_mask=b.mask)
        for b in x.behaviors
    ]


def fields_of_one_width(spec, x, pooling="mean"):
    """The fields that models multiply with each other: one vector of width `dim` an input.

    A sequence has as many fields as its behaviors have features, each pooled. The vector of a
    `Numeric` is its value times a learned vector, the same one wherever it stands.

    Args:
        spec: A `FeatureSpec`.
        x: What `embed` makes of it.
        pooling: `"mean"` or `"sum"` of the behaviors.

    Returns:
        `(of_row, of_candidate)`: lists of `(batch, dim)`, the context's and then the pooled
        behaviors', and of `(batch, candidates, dim)`, the target's.

    Raises:
        ValueError: When the embeddings of two features differ in their `dim`.
    """
    dims = {f.name: f.dim for f in spec.features.values() if not isinstance(f, Numeric)}
    if len(set(dims.values())) > 1:
        raise ValueError(
            "All features must have one `dim`, since this model multiplies their embeddings with "
            f"each other. Received: {', '.join(f'{name} dim={dim}' for name, dim in dims.items())}."
        )
    dim = next(iter(dims.values()))
    vectors = {
        f.name: keras.layers.Dense(dim, use_bias=False, name=f"vector_{f.name}")
        for f in spec.features.values()
        if isinstance(f, Numeric)
    }

    def field(feature, embedding):
        return vectors[feature.name](embedding) if feature.name in vectors else embedding

    of_row = [field(f, x.fields[f.name]) for f in spec.context]
    for sequence, pooled in zip(spec.sequences, pooled_behaviors(x, pooling), strict=True):
        start = 0
        for feature in sequence.features:
            end = start + (1 if feature.name in vectors else dim)
            of_row.append(field(feature, pooled[:, start:end]))
            start = end
    return of_row, [field(f, x.fields[f.name]) for f in spec.target]
