"""`MMoE` against its equations in NumPy."""

import numpy as np
import pytest

from keras_din.layers import MMoE
from tests.layers.contract import check_layer
from tests.layers.values import randomize

X = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("float32")


def test_two_experts_by_hand():
    layer = MMoE(num_tasks=2, num_experts=2, units=(1,))
    layer.build((None, 2))
    for expert, kernel, bias in zip(layer.experts, ([[1], [2]], [[3], [-1]]), (1, 0), strict=True):
        expert.dense_layers[0].kernel.assign(kernel)
        expert.dense_layers[0].bias.assign([bias])
    # Of label 0 both gates are equal. The gate of label 1 is [1, 0] x = log 3 for expert 0.
    layer.gates.kernel.assign([[0, 0, np.log(3), 0], [0, 0, 0, 0]])
    out = layer(np.array([[1.0, 1.0]], "float32"))
    # f_0 = 1 + 2 + 1 = 4, f_1 = 3 - 1 = 2. g^0 = [1/2, 1/2], g^1 = [3/4, 1/4].
    np.testing.assert_allclose(out, [[[3.0], [3.5]]], rtol=1e-6)


def test_layer_matches_numpy():
    layer = randomize(MMoE(num_tasks=3, num_experts=2, units=(5, 4)), X.shape)
    out = np.asarray(layer(X))
    assert out.shape == (2, 3, 3, 4)
    gates = layer.gates.kernel.numpy().reshape(4, 3, 2)
    for row, candidate in np.ndindex(2, 3):
        x = X[row, candidate]
        experts = []
        for expert in layer.experts:
            f = x
            for dense in expert.dense_layers:
                f = np.maximum(f @ dense.kernel.numpy() + dense.bias.numpy(), 0)
            experts.append(f)
        for k in range(3):
            g = np.exp(x @ gates[:, k])
            expected = (g / g.sum()) @ experts
            np.testing.assert_allclose(out[row, candidate, k], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("activation", ["relu", "dice"])
def test_contract(tmp_path, activation):
    layer = MMoE(2, num_experts=3, units=(5,), activation=activation)
    mask = np.array([[True, True, False], [True, False, False]])
    assert check_layer(layer, {"inputs": X}, tmp_path, {"mask": mask}).shape == (2, 3, 2, 5)


def test_padding_does_not_change_the_statistics():
    mask = np.array([[True, True, False], [True, False, False]])
    x = np.where(mask[..., None], X, 100.0).astype("float32")
    outputs = []
    for values, given in ((x, mask), (x[mask], None)):
        layer = randomize(MMoE(2, units=(4,), activation="dice"), X.shape)
        outputs.append(np.asarray(layer(values, mask=given, training=True)))
    np.testing.assert_allclose(outputs[0][mask], outputs[1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "arguments, text",
    [
        ({"num_tasks": 0}, "`num_tasks` must be a positive integer. Received: num_tasks=0"),
        ({"num_experts": 0}, "`num_experts` must be a positive integer. Received: num_experts=0"),
        ({"units": ()}, "`units` must hold at least one layer"),
        ({"activation": "x"}, "`activation` must be 'dice'"),
        ({"dropout": 1}, "`dropout` must be a number"),
    ],
)
def test_invalid_arguments(arguments, text):
    with pytest.raises(ValueError, match=text):
        MMoE(**({"num_tasks": 2} | arguments))
