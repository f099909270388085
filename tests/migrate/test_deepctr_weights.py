"""Weights of DeepCTR from dicts, lists, models and files."""

import types

import h5py
import numpy as np
import pytest

from keras_din.migrate.deepctr_weights import read_weights
from tests.migrate.stored import weights_of

WEIGHTS = weights_of("softmax")


def assert_same(found, expected):
    np.testing.assert_array_equal(found.logit[0], expected.logit[0])
    assert found.tables.keys() == expected.tables.keys()
    for first, second in zip(found.top.activations, expected.top.activations, strict=True):
        np.testing.assert_array_equal(first["alpha"], second["alpha"])


def write_like_keras_2(path, weights):
    """Writes the layout of `model.save_weights` of Keras 2: a group per layer."""
    layers = list(dict.fromkeys(name.split("/")[0] for name in weights))
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [layer.encode() for layer in layers]
        for layer in layers:
            names = [name for name in weights if name.split("/")[0] == layer]
            file.create_group(layer).attrs["weight_names"] = [name.encode() for name in names]
            for name in names:
                file[layer][name] = weights[name]


def test_files_and_lists(tmp_path):
    expected = read_weights(WEIGHTS)
    assert expected.top.units == (5, 4)
    assert expected.attention.activation is None
    assert (expected.top.activation, len(expected.top.normalizations)) == ("dice", 2)
    np.savez(tmp_path / "din.npz", **WEIGHTS)
    write_like_keras_2(tmp_path / "din.h5", WEIGHTS)
    for given in (tmp_path / "din.npz", str(tmp_path / "din.h5"), list(WEIGHTS.items())):
        assert_same(read_weights(given), expected)


def test_a_model_of_keras_2():
    weights = [types.SimpleNamespace(name=name) for name in WEIGHTS]
    model = types.SimpleNamespace(weights=weights, get_weights=lambda: list(WEIGHTS.values()))
    assert_same(read_weights(model), read_weights(WEIGHTS))


def test_numbers_of_layers_give_their_order():
    """Keras 2 numbers layers over the whole process: the second may be `dice_10`."""
    renamed = {
        name.replace("dnn/dice_1/", "dnn/dice_10/")
        .replace("dnn/dice/", "dnn/dice_9/")
        .replace("dense/", "dense_3/")
        .replace("prediction_layer/", "prediction_layer_3/"): value
        for name, value in WEIGHTS.items()
    }
    renamed = dict(reversed(renamed.items()))
    assert "dnn/dice_10/dice_alpha:0" in renamed
    assert_same(read_weights(renamed), read_weights(WEIGHTS))


@pytest.mark.parametrize(
    "change, text",
    [
        ({"dense/kernel:0": None}, "with a weight 'dense/kernel'"),
        ({"linear/kernel:0": np.ones(2)}, "the unknown.*linear/kernel"),
        ({"dnn/bias1:0": None}, "with a weight 'bias1'"),
        ({"dnn/scale:0": np.ones(2)}, r"of the network.*the unknown \['scale'\]"),
        ({"dnn/batch_normalization/beta:0": None}, "all weights of a layer.*'batch_normalization'"),
        ({"dense/kernel:0": np.array([["a"]])}, "'dense/kernel:0' must have numbers"),
        ({"dense/kernel:0": np.array([[np.nan]])}, "'dense/kernel:0' must be finite"),
    ],
)
def test_other_weights(change, text):
    weights = {n: v for n, v in (WEIGHTS | change).items() if v is not None}
    with pytest.raises(ValueError, match=text):
        read_weights(weights)


def test_each_layer_must_have_its_activation():
    weights = {n: v for n, v in WEIGHTS.items() if "dice_1/" not in n}
    with pytest.raises(ValueError, match=r"with 2 layers. Received: 1 Dice"):
        read_weights(weights)


def test_other_forms(tmp_path):
    with pytest.raises(ValueError, match=r"with a weight 'local_activation_unit/kernel'"):
        read_weights({})
    with pytest.raises(ValueError, match=r"a list of arrays alone could not be checked"):
        read_weights(list(WEIGHTS.values()))
    with pytest.raises(ValueError, match=r"must be a file of `numpy.savez`"):
        read_weights(tmp_path / "din.ckpt")
    with pytest.raises(FileNotFoundError):
        read_weights(tmp_path / "din.h5")
    (tmp_path / "din.h5").write_bytes(b"text")
    with pytest.raises(ValueError, match=r"must be an HDF5 file"):
        read_weights(tmp_path / "din.h5")
    (tmp_path / "din.npz").write_bytes(b"text")
    with pytest.raises(ValueError, match=r"must be a file of arrays"):
        read_weights(tmp_path / "din.npz")
    np.savez(tmp_path / "objects.npz", a=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match=r"must be a file of arrays"):
        read_weights(tmp_path / "objects.npz")
    with h5py.File(tmp_path / "v3.h5", "w") as file:
        file["layers"] = np.ones(1)
    with pytest.raises(ValueError, match=r"ends in .weights.h5: use another name"):
        read_weights(tmp_path / "v3.h5")
