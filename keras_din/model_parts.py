"""`model_parts`: the parts of a model, its features by role and then its layers."""

import json
import math
from collections.abc import Iterable
from typing import NamedTuple

import keras

from keras_din.count_text import count_text
from keras_din.features import KINDS, HistoryFeature
from keras_din.layers import (
    BagEmbedding,
    Calibration,
    ClickProbability,
    Embedding,
    FrozenVectors,
    NumberOutput,
    ProductLogits,
    SequencePooling,
)
from keras_din.recalibration import Recalibration
from keras_din.spec_fingerprint import fingerprints_of

__all__ = ["CONTEXT", "LAYERS", "TARGET", "Part", "model_parts"]

CONTEXT, TARGET, LAYERS = "context", "target", "layers"
_MOST_NAMES = 6  # The most names that a part of several features lists.
# Layers without weights that are steps of a model.
_STEPS = (
    Calibration,
    ClickProbability,
    NumberOutput,
    ProductLogits,
    Recalibration,
    SequencePooling,
)
_TABLES = (BagEmbedding, Embedding, FrozenVectors)


class Part(NamedTuple):
    """A row of the summary of a model.

    Attributes:
        section: `"context"`, `"target"`, `"behaviors of hist"` for each sequence, or `"layers"`.
        name: Names of features, or the name of a layer.
        kind: The kind of the features, or the class of the layer.
        size: The rows and the width of tables, the feature whose table is used, or the output shape
            of a layer.
        params: Number of parameters that no earlier part has.
        trainable: Whether there are trained weights, or `None` without weights.
    """

    section: str
    name: str
    kind: str
    size: str
    params: int
    trainable: bool | None


def model_parts(model: keras.Model) -> list[Part]:
    """Lists the parts of a functional model.

    The features are known from the fingerprint of the spec, which models on `embed` have. Features
    of one kind at one place are one part if they have no table. So are the features of behaviors
    whose tables are those of the target. The last part are the inputs and all operations that are
    no part of their own.

    Args:
        model: A functional model.

    Returns:
        The parts, in the order of the spec, and then in the order of computation. The sum of their
        `params` is `model.count_params()`.
    """
    counted: set[int] = set()
    layers = list(model._flatten_layers(include_self=False, recursive=False))
    by_name = {layer.name: layer for layer in layers}
    parts, owned = [], set()
    places: dict[str, str] = {}  # Feature -> the first section that has it.
    tables: dict[str, str] = {}  # Table -> the first feature that has it.
    for section, entries in _sections(model).items():
        groups: dict[tuple, list] = {}
        for name, feature, kind, table in entries:
            found = _layers_of(by_name, name, feature, table)
            own = [layer for layer in found if layer.name not in owned]
            owned |= {layer.name for layer in own}
            if any(isinstance(layer, _TABLES) for layer in own):
                key = name, kind, _sizes(own)
            elif feature in places:
                key = "", f"as in {places[feature]}", ""
            else:
                key = "", kind, f"table of {tables[table]}" if table in tables else ""
            groups.setdefault(key, []).append((feature, own))
            tables.setdefault(table, feature)
        for (_, kind, size), group in groups.items():
            weights = [w for _, own in group for layer in own for w in layer.weights]
            params, trained = _count(weights, counted), _is_trained(weights)
            names = _list([feature for feature, _ in group])
            parts.append(Part(section, names, kind, size, params, trained))
        for _, feature, *_ in entries:
            places.setdefault(feature, section)
    others = [layer for layer in layers if layer.name not in owned]
    return [*parts, *_parts_of_layers(model, others, counted)]


def _parts_of_layers(model, layers: list, counted: set[int]) -> list[Part]:
    """Returns the parts of a model without its features, which have the weights in `counted`."""
    parts = []
    steps = [layer for layer in layers if layer.weights or isinstance(layer, _STEPS)]
    for layer in steps:
        params, trained = _count(layer.weights, counted), _is_trained(layer.weights)
        kind = type(layer).__name__
        parts.append(Part(LAYERS, layer.name, kind, _output_shape(layer), params, trained))
    rest = [weight for weight in model.weights if id(weight) not in counted]
    if rest:
        params, trained = _count(rest, counted), _is_trained(rest)
        parts.append(Part(LAYERS, "other weights", "", "", params, trained))
    inputs = sum(isinstance(layer, keras.layers.InputLayer) for layer in layers)
    operations = sum(not isinstance(each, keras.layers.Layer) for each in model.operations)
    operations += len(layers) - len(steps) - inputs
    texts = count_text(inputs, "input"), count_text(operations, "operation")
    return [*parts, Part(LAYERS, *texts, "", 0, None)]


def _sections(model) -> dict[str, list]:
    """Returns section -> `(name in the spec's fields, feature, kind, table)` of its features."""
    ranks = {tensor.name: len(tensor.shape) for tensor in model.inputs}
    sections: dict[str, dict] = {CONTEXT: {}, TARGET: {}}
    for text in fingerprints_of(model):
        content = json.loads(text)
        features, sequences = content["features"], [name for name in content["padding"] if name]
        for name, feature in content["inputs"].items():
            entry = features[feature]
            if name == feature:
                section = _role(name, features, ranks)
            else:
                sequence = next(s for s in sequences if name == f"{s}_{feature}")
                is_known = name in ranks or f"{sequence}_{entry.get('of')}" in ranks
                section = f"behaviors of {sequence}" if is_known else None
            if section is not None:
                field = name, feature, entry["kind"], entry.get("table", feature)
                sections.setdefault(section, {})[name] = field
    return {section: list(fields.values()) for section, fields in sections.items()}


def _role(name: str, features: dict, ranks: dict) -> str | None:
    """Returns `"context"` or `"target"`, or `None` if the model does not have the input."""
    entry, kind = features[name], KINDS.get(features[name]["kind"])
    if kind is not None and issubclass(kind, HistoryFeature):
        return TARGET if TARGET in kind.roles else CONTEXT
    if name in ranks:
        axes = getattr(kind, "axes", ())  # A property if only some features of the kind have one.
        has_candidates = ranks[name] > 1 + (len(axes) if isinstance(axes, tuple) else 1)
        return TARGET if has_candidates else CONTEXT
    return _role(entry["of"], features, ranks) if entry.get("of") in features else None


def _layers_of(by_name: dict, name: str, feature: str, table: str) -> list:
    """Returns the layers with the weights of a feature, named by `embed`, `linear` and `fields`."""
    names = (
        f"embedding_{table}",
        f"vectors_{feature}",
        f"project_{feature}",
        f"vector_{feature}",
        f"seen_{feature}",
        f"weight_{name}",
    )
    return [by_name[each] for each in names if each in by_name and by_name[each].weights]


def _list(names: list) -> str:
    if len(names) <= _MOST_NAMES:
        return ", ".join(names)
    return f"{', '.join(names[:_MOST_NAMES])}, and {len(names) - _MOST_NAMES:,} more"


def _sizes(layers: Iterable) -> str:
    """Returns rows and widths of the tables of a feature, `"10 x 8"` or `"10 x (8 + 1)"`."""
    widths: dict[tuple, list] = {}
    for layer in layers:
        if isinstance(layer, _TABLES):
            width = layer.size if isinstance(layer, FrozenVectors) else layer.dim
            shards = getattr(layer, "shards", 1)
            widths.setdefault((layer.vocabulary_size, shards), []).append(str(width))
    texts = []
    for (rows, shards), found in widths.items():
        width = found[0] if len(found) == 1 else f"({' + '.join(found)})"
        in_shards = f" in {shards} shards" if shards > 1 else ""
        texts.append(f"{rows:,} x {width}{in_shards}")
    return ", ".join(texts)


def _output_shape(layer) -> str:
    if not layer._inbound_nodes:
        return ""
    return ", ".join(str(tuple(t.shape)) for t in layer._inbound_nodes[-1].output_tensors)


def _count(weights: Iterable, counted: set) -> int:
    """Returns the number of parameters of the weights that are not counted yet."""
    new = {id(weight): weight for weight in weights if id(weight) not in counted}
    counted |= set(new)
    return sum(math.prod(weight.shape) for weight in new.values())


def _is_trained(weights: list) -> bool | None:
    return any(weight.trainable for weight in weights) if weights else None
