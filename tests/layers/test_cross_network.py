"""Cross layers against their equations in NumPy."""

import numpy as np
import pytest

from keras_din.layers import CrossNetwork
from tests.layers.contract import check_layer
from tests.reference import cross_network

X = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("float32")

KINDS = {
    "full": ((None, None), 1),
    "low rank": ((2, 3), 1),
    "both": ((None, 2), 1),
    "experts": ((2, 3), 3),
}


def built(ranks, num_experts):
    layer = CrossNetwork(ranks, num_experts)
    layer.build(X.shape)
    rng = np.random.default_rng(1)
    for weight in layer.weights:
        weight.assign(rng.normal(size=weight.shape) * 0.5)
    return layer


def test_one_full_layer():
    layer = CrossNetwork([None])
    layer.build((None, 2))
    layer.to_output[0].kernel.assign([[1.0, 2.0], [3.0, 4.0]])
    layer.to_output[0].bias.assign([1.0, -1.0])
    # W x + b = [1 * 2 + 3 * 5 + 1, 2 * 2 + 4 * 5 - 1] = [18, 23]
    out = layer(np.array([[2.0, 5.0]], "float32"))
    np.testing.assert_allclose(out, [[2 * 18 + 2, 5 * 23 + 5]])


@pytest.mark.parametrize("kind", KINDS)
def test_layer_matches_numpy(kind):
    layer = built(*KINDS[kind])
    out = np.asarray(layer(X))
    for row, candidate in np.ndindex(2, 3):
        expected = cross_network(layer, X[row, candidate])
        np.testing.assert_allclose(out[row, candidate], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_contract(tmp_path, kind):
    check_layer(CrossNetwork(*KINDS[kind]), {"inputs": X}, tmp_path)


def test_no_ranks_is_the_identity():
    np.testing.assert_array_equal(CrossNetwork(())(X), X)


@pytest.mark.parametrize(
    "arguments, text",
    [
        (
            (3,),
            "`ranks` must be a list of positive integers or None, one per layer. Rec",
        ),
        (((2, 0),), r"`ranks` must be a list of positive integers or None.*ranks=\(2, 0\)"),
        (((2,), 0), "`num_experts` must be a positive integer. Received: num_experts=0"),
        (((2, None), 2), r"`ranks` must be integers if .* ranks=\(2, None\), num_experts=2"),
    ],
)
def test_invalid_arguments(arguments, text):
    with pytest.raises(ValueError, match=text):
        CrossNetwork(*arguments)
