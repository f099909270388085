"""Random specs and batches for hypothesis, and builders of all models."""

import dataclasses
import functools
import inspect

import numpy as np
from hypothesis import strategies as st

from keras_din import MODELS
from keras_din.features import POOLINGS, Bag, Categorical, FeatureSpec, Numeric, Sequence, Vector


def one_width(spec, dim=8):
    """Returns the spec with the same width for all embeddings, for models that multiply them."""
    if not isinstance(spec, FeatureSpec):
        return spec
    wide = {
        name: feature if feature.table is None else dataclasses.replace(feature, dim=dim)
        for name, feature in spec.features.items()
    }
    of = lambda features: [wide[feature.name] for feature in features]  # noqa: E731
    sequences = [
        dataclasses.replace(s, of=of(s.of), side_features=of(s.side_features))
        for s in spec.sequences
    ]
    return dataclasses.replace(
        spec, context=of(spec.context), target=of(spec.target), sequences=sequences
    )


def of_one_width(build):
    return functools.wraps(build)(lambda spec, **options: build(one_width(spec), **options))


def for_contract(build):
    """Returns the builder with Dice, whose statistics padding could change, and without dropout."""
    known = inspect.signature(build).parameters
    defaults = {"activation": "dice", "dropout": 0.0}
    defaults = {name: value for name, value in defaults.items() if name in known}
    return functools.wraps(build)(lambda spec, **options: build(spec, **(defaults | options)))


# Builders of all models, for any spec.
ZOO = {name: for_contract(build) for name, build in MODELS.items()}
ZOO |= {name: of_one_width(ZOO[name]) for name in ("pnn", "deepfm")}
# Models with gradient steps. For popularity see tests/models/test_popularity.py.
TRAINED = {name: build for name, build in ZOO.items() if name != "popularity"}


@st.composite
def specs(draw):
    """A `FeatureSpec` with few features and up to two sequences."""
    size = st.integers(3, 9)
    dim = st.integers(1, 4)

    def values_of(kind):
        if kind == "size":
            return {"vocabulary_size": draw(size)}
        if kind == "hash":
            return {"hash_buckets": draw(size), "dtype": "int64"}
        count = draw(size)
        values = [f"é{i}" if kind == "strings" else 5 + i for i in range(count)]
        if draw(st.booleans()):
            return {"vocabulary": values}
        removed = draw(st.sets(st.integers(0, count - 1), max_size=count - 1))
        entries = [None if i in removed else value for i, value in enumerate(values)]
        return {"vocabulary": entries, "capacity": count + draw(st.integers(0, 3))}

    def feature(name, first=False):
        kinds = ["size", "strings", "integers", "hash"]
        kind = draw(st.sampled_from(kinds if first else [*kinds, "numeric", "bag"]))
        if kind == "numeric":
            transform = draw(st.sampled_from([None, "log1p", "quantile", "clip"]))
            fields = {
                "quantile": {"mean": draw(st.floats(0, 1)), "knots": (-2, 0, 0, 1, 3)},
                "clip": {"mean": draw(st.integers(-1, 2)), "limits": (-1, 2)},
            }.get(transform, {"mean": draw(st.integers(-3, 3))})
            return Numeric(name, std=draw(st.integers(1, 3)), transform=transform, **fields)
        width = draw(dim)
        if kind == "bag":
            return Bag(
                name,
                **values_of(draw(st.sampled_from(kinds))),
                dim=width,
                pooling=draw(st.sampled_from(POOLINGS)),
                max_values=draw(st.integers(1, 3)),
            )
        return Categorical(name, **values_of(kind), dim=width)

    context = [feature(f"c{i}") for i in range(draw(st.integers(0, 2)))]
    target = [feature("t0", first=True)]
    target += [feature(f"t{i}") for i in range(1, draw(st.integers(1, 3)))]
    sequences = []
    for i in range(draw(st.integers(0, 2))):
        of = [target[0], *(f for f in target[1:] if draw(st.booleans()))]
        side_features = [feature(f"s{i}")] if draw(st.booleans()) else []
        sequences.append(Sequence(f"h{i}", of, side_features=side_features, max_length=draw(size)))
    return FeatureSpec(context=context, target=target, sequences=sequences)


def random_batch(spec, seed=0, batch=4, candidates=1, time=5, real=0.6, values_of_a_bag=3):
    """Returns inputs by name: random valid values, and padding at random positions."""
    rng = np.random.default_rng(seed)
    masks = {sequence.name: rng.random((batch, time)) < real for sequence in spec.sequences}
    shapes = {"context": (batch,), "target": (batch, candidates), "behavior": (batch, time)}
    inputs = {}
    for name, info in spec.inputs.items():
        shape = shapes[info.role]
        if isinstance(info.feature, Numeric):
            values = rng.normal(size=shape).astype("float32")
        elif isinstance(info.feature, Vector):
            values = rng.normal(size=(*shape, info.feature.size)).astype("float32")
        elif isinstance(info.feature, Bag):
            shape = (*shape, values_of_a_bag)
            values = rng.integers(1, info.feature.table.values.size, shape).astype("int32")
            values *= rng.random(shape) < real
        else:
            values = rng.integers(1, info.feature.table.values.size, shape).astype("int32")
        if info.role == "behavior":
            mask = masks[info.sequence.name]
            values = values * mask.reshape(mask.shape + (1,) * (values.ndim - 2))
        inputs[name] = values.astype(values.dtype)
    return inputs
