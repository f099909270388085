"""`PLE` against its equations in NumPy."""

import numpy as np
import pytest

from keras_din.layers import PLE
from tests.layers.contract import check_layer
from tests.layers.values import randomize

X = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("float32")


def expert_output(expert, x):
    for dense in expert.dense_layers:
        x = np.maximum(x @ dense.kernel.numpy() + dense.bias.numpy(), 0)
    return x


def gated(gate, state, rows):
    weights = np.exp(state @ gate.kernel.numpy())
    return (weights / weights.sum()) @ np.stack(rows)


def ple(layer, x):
    """Computes one vector `(dim,)` as in the paper: lists of experts per label and shared."""
    tasks = range(layer.num_tasks)
    of_task, shared = dict.fromkeys(tasks, x), x
    for j in range(layer.num_layers):
        *own, common = layer.experts[j]
        shared_rows = [expert_output(e, shared) for e in common]
        own_rows = {k: [expert_output(e, of_task[k]) for e in own[k]] for k in tasks}
        after = {k: gated(layer.gates[j][k], of_task[k], own_rows[k] + shared_rows) for k in tasks}
        if j < layer.num_layers - 1:
            every = [row for k in tasks for row in own_rows[k]] + shared_rows
            shared = gated(layer.gates[j][-1], shared, every)
        of_task = after
    return np.stack([of_task[k] for k in tasks])


def test_one_extraction_layer_by_hand():
    layer = PLE(2, num_specific_experts=1, num_shared_experts=1, units=(1,))
    layer.build((None, 1))
    for (expert,), kernel in zip(layer.experts[0], (1.0, 2.0, 5.0), strict=True):
        expert.dense_layers[0].kernel.assign([[kernel]])
    # The gate of label 0 weighs its own expert thrice as much as the shared one.
    layer.gates[0][0].kernel.assign([[np.log(3), 0]])
    layer.gates[0][1].kernel.assign([[0, 0]])
    out = layer(np.array([[1.0]], "float32"))
    # 3/4 * 1 + 1/4 * 5 = 2 and 1/2 * 2 + 1/2 * 5 = 3.5: no label reads the other's expert.
    np.testing.assert_allclose(out, [[[2.0], [3.5]]], rtol=1e-6)
    assert len(layer.gates[0]) == 2  # The last extraction layer has no shared gate.


@pytest.mark.parametrize("num_layers", [1, 2, 3])
def test_layer_matches_numpy(num_layers):
    layer = PLE(3, 2, 1, num_layers=num_layers, units=(5, 4))
    out = np.asarray(randomize(layer, X.shape)(X))
    assert out.shape == (2, 3, 3, 4)
    for row, candidate in np.ndindex(2, 3):
        expected = ple(layer, X[row, candidate])
        np.testing.assert_allclose(out[row, candidate], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("activation", ["relu", "dice"])
def test_contract(tmp_path, activation):
    layer = PLE(2, 1, 2, num_layers=2, units=(5,), activation=activation)
    mask = np.array([[True, True, False], [True, False, False]])
    assert check_layer(layer, {"inputs": X}, tmp_path, {"mask": mask}).shape == (2, 3, 2, 5)


def test_padding_does_not_change_the_statistics():
    mask = np.array([[True, True, False], [True, False, False]])
    x = np.where(mask[..., None], X, 100.0).astype("float32")
    outputs = []
    for values, given in ((x, mask), (x[mask], None)):
        layer = randomize(PLE(2, num_layers=2, units=(4,), activation="dice"), X.shape)
        outputs.append(np.asarray(layer(values, mask=given, training=True)))
    np.testing.assert_allclose(outputs[0][mask], outputs[1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "arguments, text",
    [
        ({"num_tasks": 0}, "`num_tasks` must be a positive integer. Received: num_tasks=0"),
        ({"num_specific_experts": 0}, "`num_specific_experts` must be a positive integer"),
        ({"num_shared_experts": 0}, "`num_shared_experts` must be a positive integer"),
        ({"num_layers": 0}, "`num_layers` must be a positive integer"),
        ({"units": ()}, "`units` must hold at least one layer"),
    ],
)
def test_invalid_arguments(arguments, text):
    with pytest.raises(ValueError, match=text):
        PLE(**({"num_tasks": 2} | arguments))
