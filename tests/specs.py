"""Random specs and random batches of them, for hypothesis."""

import numpy as np
from hypothesis import strategies as st

from keras_din.feature_spec import Categorical, FeatureSpec, Numeric, Sequence


@st.composite
def specs(draw):
    """A `FeatureSpec` of a few features and up to two sequences."""
    size = st.integers(3, 9)
    dim = st.integers(1, 4)

    def feature(name, numeric=True):
        kinds = ["size", "strings", "integers", "hash"] + ["numeric"] * numeric
        kind = draw(st.sampled_from(kinds))
        if kind == "numeric":
            return Numeric(name, mean=draw(st.integers(-3, 3)), std=draw(st.integers(1, 3)))
        width = draw(dim)
        if kind == "size":
            return Categorical(name, draw(size), dim=width)
        if kind == "hash":
            return Categorical(name, hash_buckets=draw(size), dim=width, dtype="int64")
        count = draw(size)
        values = [f"é{i}" for i in range(count)] if kind == "strings" else range(5, 5 + count)
        return Categorical(name, vocabulary=values, dim=width)

    context = [feature(f"c{i}") for i in range(draw(st.integers(0, 2)))]
    target = [feature("t0", numeric=False)]
    target += [feature(f"t{i}") for i in range(1, draw(st.integers(1, 3)))]
    sequences = []
    for i in range(draw(st.integers(0, 2))):
        of = [target[0], *(f for f in target[1:] if draw(st.booleans()))]
        side = [feature(f"s{i}")] if draw(st.booleans()) else []
        sequences.append(Sequence(f"h{i}", of, side=side, max_length=draw(size)))
    return FeatureSpec(context=context, target=target, sequences=sequences)


def random_batch(spec, seed=0, batch=4, candidates=1, time=5, real=0.6):
    """Inputs by name: real values everywhere but at padding, which stands anywhere."""
    rng = np.random.default_rng(seed)
    masks = {sequence.name: rng.random((batch, time)) < real for sequence in spec.sequences}
    shapes = {"context": (batch,), "target": (batch, candidates), "behaviour": (batch, time)}
    inputs = {}
    for name, info in spec.inputs.items():
        shape = shapes[info.role]
        if isinstance(info.feature, Numeric):
            values = rng.normal(size=shape).astype("float32")
        else:
            values = rng.integers(1, info.feature.vocabulary_size, shape).astype("int32")
        if info.role == "behaviour":
            values = values * masks[info.sequence.name]
        inputs[name] = values.astype(values.dtype)
    return inputs
