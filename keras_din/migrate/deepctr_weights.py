"""The weights of a `DIN` of DeepCTR, by their role."""

import dataclasses
import os
import re
import zipfile
from collections.abc import Iterable, Mapping

import numpy as np

from keras_din.checks import local_path

# Layers of activations in DeepCTR's `DNN` -> their weights, and their names here.
_DICE = {
    "dice_alpha": "alpha",
    "batch_normalization/moving_mean": "moving_mean",
    "batch_normalization/moving_variance": "moving_variance",
}
_PRELU = {"p_re_lu/alpha": "alpha"}
_NORMALIZATION = {
    f"batch_normalization/{name}": name
    for name in ("gamma", "beta", "moving_mean", "moving_variance")
}


@dataclasses.dataclass(frozen=True)
class Stack:
    """A `DNN` of DeepCTR: one entry per layer in each list.

    Args:
        kernels: The kernels.
        biases: The biases.
        normalizations: The weights of batch normalizations by name, or an empty list.
        activations: The weights of Dice or PReLU by name, or an empty list.
    """

    kernels: list
    biases: list
    normalizations: list
    activations: list

    @property
    def units(self) -> tuple[int, ...]:
        """Sizes of the layers."""
        return tuple(kernel.shape[1] for kernel in self.kernels)

    @property
    def activation(self) -> str | None:
        """`"dice"` or `"prelu"` if the activation has weights, else `None`."""
        if not self.activations:
            return None
        return "dice" if "moving_mean" in self.activations[0] else "prelu"


@dataclasses.dataclass(frozen=True)
class DINWeights:
    """The weights of a `DIN` of DeepCTR.

    Args:
        tables: Name of the layer -> array `(vocabulary_size, dim)`.
        attention: The hidden layers of the activation unit.
        score: Kernel and bias of the last layer of the activation unit.
        top: The hidden layers of the network.
        logit: Kernel and bias of the last layer of the network.
    """

    tables: dict[str, np.ndarray]
    attention: Stack
    score: tuple[np.ndarray, np.ndarray]
    top: Stack
    logit: tuple[np.ndarray, np.ndarray]


def read_weights(weights) -> DINWeights:
    """Sorts the weights of a `DIN` of DeepCTR by their names.

    Args:
        weights: See `from_deepctr`.

    Raises:
        ValueError: If a weight is missing or unknown.
    """
    named = {_plain_name(name): _to_array(name, value) for name, value in _named(weights)}
    tables, others = {}, {}
    for name, array in named.items():
        layer, _, rest = name.partition("/")
        if rest == "embeddings" and layer.startswith(("sparse_emb_", "sparse_seq_emb_")):
            tables[layer] = array
        else:
            others[name] = array
    owner = "local_activation_unit/"
    unit = _take_under(others, owner)
    top = _take_under(others, "dnn/")
    found = DINWeights(
        tables,
        _stack("the attention", _take_under(unit, "dnn/")),
        (_take(unit, "kernel", owner), _take(unit, "bias", owner)),
        _stack("the network", top),
        (_take(others, "dense/kernel"), _take(others, "prediction_layer/global_bias")),
    )
    if others or unit:
        raise ValueError(
            "`weights` must be those of the `DIN` of DeepCTR 0.9. "
            f"Received: the unknown {[*others, *unit]}."
        )
    return found


def _named(weights) -> Iterable:
    """Yields pairs of a name and an array."""
    if isinstance(weights, (str, os.PathLike)):
        return _load(local_path("weights", weights))
    if isinstance(weights, Mapping):
        return weights.items()
    if hasattr(weights, "weights") and hasattr(weights, "get_weights"):  # A Keras model.
        names = [weight.name for weight in weights.weights]
        return zip(names, weights.get_weights(), strict=True)
    pairs = list(weights) if isinstance(weights, Iterable) else []
    if not pairs or not all(
        isinstance(pair, (tuple, list)) and len(pair) == 2 and isinstance(pair[0], str)
        for pair in pairs
    ):
        raise ValueError(
            "`weights` must be a dict, name -> array, a list of pairs of these, the model, or the "
            "path of an .npz or .h5 file. The names are those of `model.weights`, since a list of "
            f"arrays alone could not be checked. Received: {type(weights).__name__}."
        )
    return pairs


def _load(path) -> list:
    if path.suffix == ".npz":
        try:
            with np.load(path, allow_pickle=False) as file:
                return list(file.items())
        except (ValueError, zipfile.BadZipFile) as error:
            raise ValueError(
                f"`weights` must be a file of arrays. Received: {path} ({error})."
            ) from error
    if path.suffix in (".h5", ".hdf5"):
        return _load_hdf5(path)
    raise ValueError(
        "`weights` must be a file of `numpy.savez` (.npz), or of `model.save_weights` or "
        f"`model.save` (.h5). Received: {path}."
    )


def _load_hdf5(path) -> list:
    import h5py  # Keras requires it.

    try:
        file = h5py.File(path, "r")
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise ValueError(f"`weights` must be an HDF5 file. Received: {path} ({error}).") from error
    with file:
        group = file.get("model_weights", file)
        if "layer_names" not in group.attrs:
            raise ValueError(
                "`weights` must be an HDF5 file of Keras 2. `model.save_weights` writes another "
                "format to a name that ends in .weights.h5: use another name. "
                f"Received: {path}, without `layer_names`."
            )
        return [
            (name, group[layer][name][()])
            for layer in _texts(group.attrs["layer_names"])
            for name in _texts(group[layer].attrs["weight_names"])
        ]


def _texts(values) -> list[str]:
    return [value.decode() if isinstance(value, bytes) else str(value) for value in values]


def _plain_name(name: str) -> str:
    """Returns the name of a weight from the layer of DIN on, without `:0`.

    Keras numbers layers of the same kind over the whole process, such as `dnn_3`. These numbers
    are kept only for layers of activations and normalizations, whose order they give.
    """
    name = name.partition(":")[0]
    if "local_activation_unit/" in name:
        name = "local_activation_unit/" + name.partition("local_activation_unit/")[2]
    return re.sub(r"(^|/)(dnn|dense|prediction_layer)_\d+/", r"\1\2/", name)


def _to_array(name: str, value) -> np.ndarray:
    array = np.asarray(value)
    if array.dtype.kind != "f":
        raise ValueError(f"The weight {name!r} must have numbers. Received: {array.dtype}.")
    if not np.isfinite(array).all():
        raise ValueError(f"The weight {name!r} must be finite. Received: NaN or infinity.")
    return array


def _take(arrays: dict, name: str, owner: str = "") -> np.ndarray:
    if name not in arrays:
        raise ValueError(
            f"`weights` must be those of the `DIN` of DeepCTR 0.9, with a weight '{owner}{name}'. "
            f"Received: {list(arrays)}."
        )
    return arrays.pop(name)


def _take_under(arrays: dict, prefix: str) -> dict:
    """Removes the arrays whose names start with a prefix, and returns them without it."""
    names = [name for name in arrays if name.startswith(prefix)]
    return {name.removeprefix(prefix): arrays.pop(name) for name in names}


def _stack(owner: str, arrays: dict) -> Stack:
    """Returns the layers of a `DNN` from the arrays of its weights."""
    count = sum(re.fullmatch(r"kernel\d+", name) is not None for name in arrays)
    kernels = [_take(arrays, f"kernel{i}") for i in range(count)]
    biases = [_take(arrays, f"bias{i}") for i in range(count)]
    # `dice_1/batch_normalization_4/moving_mean` becomes `dice_1/moving_mean` in the group `dice`.
    dice = _layers(arrays, r"(dice(?:_\d+)?)/", _DICE)
    prelu = _layers(arrays, r"(p_re_lu(?:_\d+)?)/", _PRELU)
    normalizations = _layers(arrays, r"(batch_normalization(?:_\d+)?)/", _NORMALIZATION)
    lacking = [n for n in (len(dice), len(prelu), len(normalizations)) if n not in (0, count)]
    if arrays or lacking:
        raise ValueError(
            f"`weights` of {owner} must be those of a `DNN` of DeepCTR 0.9 with {count} layers. "
            f"Received: {len(dice)} Dice, {len(prelu)} PReLU, {len(normalizations)} batch "
            f"normalizations, and the unknown {list(arrays)}."
        )
    return Stack(kernels, biases, normalizations, dice or prelu)


def _layers(arrays: dict, pattern: str, names: Mapping) -> list[dict]:
    """Removes the weights of all layers of a kind, and returns a dict of them per layer."""
    found: dict[str, dict] = {}
    for name in list(arrays):
        match = re.match(pattern, name)
        if match is None:
            continue
        layer = match[1]
        kind = re.sub(r"_\d+$", "", layer)
        weight = re.sub(r"batch_normalization_\d+/", "batch_normalization/", name[match.end() :])
        weight = names.get(weight, names.get(f"{kind}/{weight}"))
        if weight is not None:
            found.setdefault(layer, {})[weight] = arrays.pop(name)
    for layer, weights in found.items():
        if len(weights) < len(names):
            raise ValueError(
                f"`weights` must have all weights of a layer, {list(names.values())}. "
                f"Received: {list(weights)} of {layer!r}."
            )
    return [found[layer] for layer in sorted(found, key=_number)]


def _number(layer: str) -> int:
    number = re.search(r"_(\d+)$", layer)
    return int(number[1]) if number else 0
