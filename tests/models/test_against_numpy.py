"""DIN and base on random specs and ragged batches, against their equations in NumPy."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import keras_din as kd
from keras_din.features import Categorical, Numeric
from tests.models.shared import randomized
from tests.reference import attention_pooling, dice, read, sigmoid
from tests.specs import for_contract, random_batch, specs


def dense(layer):
    return layer.kernel.numpy(), layer.bias.numpy()


def dice_of(layer):
    weights = [w.numpy() for w in (layer.alpha, layer.moving_mean, layer.moving_variance)]
    return lambda s: dice(s, *weights)


def embedding(model, feature, value):
    """Returns the vector of one value of a feature."""
    if isinstance(feature, Numeric):
        return read(feature, None, value)
    return read(feature, model.get_layer(f"embedding_{feature.name}").embeddings.numpy(), value)


def interest(model, sequence, query, keys, mask):
    layer = model.get_layer(f"interest_{sequence.name}")
    hidden = [(layer.kernel.numpy(), layer.bias.numpy()), *map(dense, layer.mlp.dense_layers)]
    activations = [dice_of(a) for a in (layer.first_activation, *layer.mlp.activations)]
    softmax = layer.weight_normalization
    return attention_pooling(query, keys, mask, hidden, dense(layer.score), activations, softmax)[0]


def reference(model, spec, x, row, candidate, pool):
    """Computes `ctr` of one candidate of one row."""
    parts = [embedding(model, f, x[f.name][row]) for f in spec.context]
    target = {f.name: embedding(model, f, x[f.name][row, candidate]) for f in spec.target}
    parts.append(np.concatenate(list(target.values())))
    for sequence in spec.sequences:
        first = next(f for f in sequence.of if isinstance(f, Categorical))
        mask = x[sequence.input_name(first)][row] != 0
        keys = [
            np.concatenate(
                [embedding(model, f, x[sequence.input_name(f)][row, j]) for f in sequence.features]
            )
            for j in range(len(mask))
        ]
        query = np.concatenate([target[f.name] for f in sequence.of])
        if mask.any():
            parts.append(pool(model, sequence, query, np.array(keys), mask))
        else:
            width = sum(1 if isinstance(f, Numeric) else f.dim for f in sequence.features)
            parts.append(np.zeros(width))
    h = np.concatenate(parts)
    top = model.get_layer("top")
    for layer, activation in zip(top.dense_layers, top.activations, strict=True):
        kernel, bias = dense(layer)
        h = dice_of(activation)(h @ kernel + bias)
    kernel, bias = dense(model.get_layer("logit"))
    return sigmoid(h @ kernel + bias)[0]


POOLS = {
    "din": (for_contract(kd.build_din), interest),
    "base": (
        for_contract(kd.build_base),
        lambda model, sequence, query, keys, mask: keys[mask].mean(axis=0),
    ),
}


@pytest.mark.parametrize("name", POOLS)
@settings(max_examples=8, deadline=None)
@given(spec=specs(), seed=st.integers(0, 999))
def test_model_matches_numpy_on_random_specs(name, spec, seed):
    keras.backend.clear_session()
    build, pool = POOLS[name]
    options = {}
    if name == "din":
        options = {"attention_units": (3, 2), "weight_normalization": bool(seed % 2)}
    model = randomized(build(spec, hidden_units=(4, 3), **options), seed)
    x = random_batch(spec, seed, batch=3, candidates=2, time=seed % 6)
    out = np.asarray(model(x))
    for row in range(3):
        for candidate in range(2):
            expected = reference(model, spec, x, row, candidate, pool)
            np.testing.assert_allclose(out[row, candidate], expected, rtol=1e-4, atol=1e-5)
