"""Export of a model as a file for a runtime without TensorFlow: graph, check and writing."""

import dataclasses
import math
import os
import pathlib
from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from keras_din.checks import local_path
from keras_din.click_rates import ClickRates
from keras_din.embed import build_inputs
from keras_din.features import (
    PADDING_INDEX,
    BagWeights,
    Bucketized,
    EmbeddedFeature,
    FeatureSpec,
    Indices,
    Numeric,
    TimeFeature,
    Vector,
    id_feature,
    per_kind,
)
from keras_din.outputs import by_output, output_differences
from keras_din.serving.checks.export_arguments import (
    check_model,
    check_order,
    resolve_click_rates,
    served_model,
)
from keras_din.serving.checks.parity import TOLERANCE
from keras_din.serving.graph.encoding import first_values
from keras_din.serving.graph.float32_layers import float32_inference, float32_outputs
from keras_din.serving.graph.joined_tables import joined_tables
from keras_din.serving.graph.signatures import most_recent
from keras_din.serving.sample_rows import sample_rows
from keras_din.serving.version.folders import remove_stale_writers, temporary_folder
from keras_din.trace_context import tracing

MAX_BYTES = 2**31  # Of a protocol buffer and of a LiteRT file.


class FileFormat(NamedTuple):
    """A file format.

    Attributes:
        name: Name of the format and of the extra of `keras_din` that it needs.
        write: Function that writes a graph. Its arguments are a `tf.function` from a dict of
            inputs to a dict of outputs, and the path of a file.
        open: Function that reads the file at a path with the runtime of the format. It returns a
            function from a dict of arrays to a dict of outputs.
    """

    name: str
    write: Callable
    open: Callable


def index_spec(spec: FeatureSpec) -> FeatureSpec:
    """Returns the spec with indices as raw values, because a file has no lookup tables.

    It has only the features with an input.
    """
    features = {name: index_feature(f) for name, f in spec.features.items() if f.has_input}
    named = lambda each: tuple(features[f.name] for f in each if f.has_input)  # noqa: E731
    return dataclasses.replace(
        spec,
        context=named(spec.context),
        target=named(spec.target),
        sequences=tuple(
            dataclasses.replace(s, of=named(s.of), side_features=named(s.side_features))
            for s in spec.sequences
        ),
    )


@per_kind
def index_feature(feature):
    """Returns the feature with the inputs of the model as raw values."""


@index_feature.register
def _(feature: EmbeddedFeature):
    values = Indices(feature.table.values.size)
    return dataclasses.replace(feature, table=dataclasses.replace(feature.table, values=values))


@index_feature.register(Bucketized)
@index_feature.register(TimeFeature)
def _(feature):
    return EmbeddedFeature(feature.name, feature.table.values.size, dim=feature.dim)


@index_feature.register(Numeric)
@index_feature.register(Vector)
def _(feature):
    return feature


def export_file(
    file_format: FileFormat,
    model: keras.Model,
    spec: FeatureSpec,
    path,
    positive_weight: float | dict | None = None,
    negative_rate: float | dict | None = None,
    raw: bool = False,
    rates: ClickRates | None = None,
) -> pathlib.Path:
    """Writes a model as a file. An existing file is replaced when the check has succeeded.

    Args:
        file_format: The format.
        model: See `keras_din.serving.export_onnx`, also for the other arguments.

    Returns:
        `path`.
    """
    name = file_format.name
    check_order(f"export_{name}", model, spec, path)
    if keras.backend.backend() != "tensorflow":
        raise RuntimeError(
            "The backend of exports must be TensorFlow. Received: KERAS_BACKEND="
            f"{keras.backend.backend()}. Load the weights in a process with that backend."
        )
    rates = resolve_click_rates(model, spec, positive_weight, negative_rate, raw, rates)
    path = local_path("path", path)
    if path.is_dir():
        raise ValueError(f"`path` must be the path of a file. Received: the folder {path}.")
    check_model(model, spec)
    _check_size(model, name)
    model, spec = served_model(model, spec, rates)
    path.parent.mkdir(parents=True, exist_ok=True)
    with temporary_folder(path.parent) as scratch:
        remove_stale_writers(path.parent)
        file = scratch / f"new-{path.name}"
        try:
            file_format.write(portable_graph(model, spec), file)
            score = file_format.open(file)
            difference = _difference(score, index_spec(spec), float32_outputs(model))
        except ImportError as error:
            raise RuntimeError(
                f"The packages of the extra {name!r} must be installed: "
                f"pip install 'keras_din[{name}]'. Received: {error}."
            ) from error
        except Exception as error:  # Converters and runtimes raise their own types.
            raise RuntimeError(
                f"`export_{name}` can't write this model: its converter or its runtime failed. "
                f"No file was written. Received: {model.name}. {error}"
            ) from error
        if not difference <= TOLERANCE:
            raise RuntimeError(
                f"The scores of the file and of the model must agree to {TOLERANCE:g}. "
                f"Received: a difference of {difference:g}. No file was written."
            )
        os.replace(file, path)
    if rates.is_assumed:
        print(rates.describe(), flush=True)
    return path


def _check_size(model: keras.Model, name: str) -> None:
    """Raises a `ValueError` if the weights are too large for a file."""
    sizes = {
        weight.path: math.prod(weight.shape) * tf.as_dtype(weight.dtype).size
        for weight in model.weights
    }
    if sum(sizes.values()) >= MAX_BYTES:
        raise ValueError(
            f"`export_{name}` requires weights of less than {MAX_BYTES / 2**30:g} GiB, since all "
            "are in one message of the file. `keras_din.export` has no such limit; or train tables "
            f"with a smaller `dim`. Received: {sum(sizes.values()) / 2**30:,.2f} GiB, most of them "
            f"in {max(sizes, key=lambda path: sizes[path])!r}."
        )


def portable_graph(model: keras.Model, spec: FeatureSpec):
    """Returns a `tf.function` from a dict of inputs to a dict of outputs, without variables."""
    specs = {
        name: tf.TensorSpec(tensor.shape, tensor.dtype, name)
        for name, tensor in build_inputs(spec).items()
    }

    @tf.function(input_signature=[specs])
    def function(x):
        outputs = model(_with_padding(spec, dict(x)), training=False)
        return list(by_output(outputs, spec.served_outputs).values())

    with tracing(form="portable"), float32_inference(model), joined_tables(model):
        # Converters support loops as functions, but not lowered to jumps.
        frozen = convert_variables_to_constants_v2(
            function.get_concrete_function(), lower_control_flow=False
        )
    names = [tensor.name.split(":")[0] for tensor in frozen.inputs]

    def named(x):
        outputs = frozen(*[x[name] for name in names])
        return dict(zip(spec.served_outputs, outputs, strict=True))

    return tf.function(named, input_signature=[specs])


def _with_padding(spec: FeatureSpec, x: dict) -> dict:
    """Truncates histories and bags to their maximum sizes, and pads both by one position.

    Runtimes handle an axis of size 0 differently. With one more position no axis has this size.
    """
    for name, info in spec.inputs.items():
        if isinstance(info.feature, BagWeights):
            x[name] = _pad_by_one(x[name], axis=-1)
        elif info.feature.max_values is not None:
            is_first = first_values(x[name], info.feature.max_values)
            x[name] = _pad_by_one(tf.where(is_first, x[name], PADDING_INDEX), axis=-1)
    for sequence in spec.sequences:
        first = sequence.input_name(id_feature(sequence.of))
        x[first] = tf.where(most_recent(x[first], sequence.max_length), x[first], PADDING_INDEX)
        for name, info in spec.inputs.items():
            if info.sequence is sequence:
                x[name] = _pad_by_one(x[name], axis=1)
    return x


def _pad_by_one(tensor, axis: int):
    rank = len(tensor.shape)
    return tf.pad(tensor, [[0, int(i == axis % rank)] for i in range(rank)])


def _difference(score, spec: FeatureSpec, live) -> float:
    """Returns the largest difference between a runtime and `live` on sample rows."""
    largest = 0.0
    for options in ({}, {"rows": 4, "time": 0, "seed": 1}, {"rows": 1, "candidates": 1, "time": 3}):
        sample = sample_rows(spec, **options)
        real = sample.indices[id_feature(spec.target).name] != PADDING_INDEX
        scores = score(sample.raw)
        for name, values in by_output(live(sample.indices), spec.served_outputs).items():
            difference = np.where(real, output_differences(scores[name], values), 0).max()
            largest = float(np.maximum(largest, difference))
    return largest
