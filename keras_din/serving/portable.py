"""A model as one file for a runtime without TensorFlow: ONNX and LiteRT."""

import os
import pathlib

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from keras_din.checks import local_path
from keras_din.click_rates import ClickRates
from keras_din.embed import build_inputs
from keras_din.features import (
    PADDING_INDEX,
    Bag,
    EmbeddedFeature,
    FeatureSpec,
    Sequence,
    id_feature,
)
from keras_din.serving.checks.export_arguments import check_model, check_order, checked_rates
from keras_din.serving.checks.parity import TOLERANCE
from keras_din.serving.graph.float32_layers import ctr_in_float32, float32_inference
from keras_din.serving.graph.signatures import first_values, most_recent
from keras_din.serving.sample_rows import sample_rows
from keras_din.serving.version.folders import remove_stale_writers, temporary_folder
from keras_din.trace_context import tracing

_OPSET = 18


def export_onnx(
    model: keras.Model,
    spec: FeatureSpec,
    path,
    *,
    positive_weight: float | None = None,
    negative_rate: float | None = None,
    raw: bool = False,
    rates: ClickRates | None = None,
) -> pathlib.Path:
    """Writes a model as an ONNX file, for `onnxruntime`.

    All models of `keras_din.MODELS` have this form, and what Keras builds of common operations.
    The graph takes indices, not the values of the log: it has no lookup tables. Inputs are named
    as the spec names them, int32 indices and float32 numbers (one that is not finite is missing:
    the mean stands for it): context `(batch,)`, target `(batch, candidates)`, behaviors
    `(batch, time)`, a `Bag` with one axis more. All axes but the embeddings' are free, and `time`
    may be 0. The output is `ctr`, float32 `(batch, candidates)`. Index 0 is padding, anywhere; an
    index out of range is read as out-of-vocabulary. Of a history longer than `max_length` the most
    recent stay.

    Histories stay padded in it, while on TensorFlow they are packed: it costs what the longest
    history of the batch does, in `dien` with the square of `time`. Before the file is there,
    `onnxruntime` must agree with the live model, in float32, to 1e-5 on sample rows. `ctr` is the
    click rate of the log, as in `keras_din.export`.

    Args:
        model: A model, as of `keras_din.export`.
        spec: The `FeatureSpec` that it was built from.
        path: The file, as a rule `*.onnx`. One that is there is replaced.
        positive_weight: As in `keras_din.export`.
        negative_rate: As in `keras_din.export`.
        raw: As in `keras_din.export`.
        rates: As in `keras_din.export`.

    Returns:
        `path`.

    Raises:
        ValueError: When the model does not take the inputs of the spec.
        RuntimeError: When the extra `keras_din[onnx]` is not installed, an operation of the model
            has no form in ONNX, or `onnxruntime` fails or disagrees. Nothing is written then.
    """
    check_order("export_onnx", model, spec, path)
    rates = checked_rates(model, spec, positive_weight, negative_rate, raw, rates)
    return _export(model, spec, path, rates, "onnx", _write_onnx, _score_onnx)


def export_litert(
    model: keras.Model,
    spec: FeatureSpec,
    path,
    *,
    positive_weight: float | None = None,
    negative_rate: float | None = None,
    raw: bool = False,
    rates: ClickRates | None = None,
) -> pathlib.Path:
    """Writes a model as a LiteRT (TensorFlow Lite) file, of built-in operations alone.

    Inputs and output are as of `export_onnx`, under the signature `serving_default`; the
    interpreter takes any sizes of the axes, but `time` and the values of a bag must be at
    least 1: an empty history is padding.

    Args:
        model: A model, as of `keras_din.export`.
        spec: The `FeatureSpec` that it was built from.
        path: The file, as a rule `*.tflite`. One that is there is replaced.
        positive_weight: As in `keras_din.export`.
        negative_rate: As in `keras_din.export`.
        raw: As in `keras_din.export`.
        rates: As in `keras_din.export`.

    Returns:
        `path`.

    Raises:
        ValueError: When the model does not take the inputs of the spec.
        RuntimeError: When the extra `keras_din[litert]` is not installed, an operation of the
            model is not among LiteRT's own, or its interpreter fails or disagrees with the live
            model. Nothing is written then.
    """
    check_order("export_litert", model, spec, path)
    rates = checked_rates(model, spec, positive_weight, negative_rate, raw, rates)
    return _export(model, spec, path, rates, "litert", _write_litert, _score_litert)


def index_spec(spec: FeatureSpec) -> FeatureSpec:
    """The same features, with indices as their values: a size in place of what has one."""

    def of(feature):
        if not isinstance(feature, EmbeddedFeature):
            return feature
        own = {}
        if isinstance(feature, Bag):
            own = {"pooling": feature.pooling, "max_values": feature.max_values}
        return type(feature)(feature.name, feature.vocabulary_size, dim=feature.dim, **own)

    features = {name: of(feature) for name, feature in spec.features.items()}
    named = lambda each: [features[feature.name] for feature in each]  # noqa: E731
    return FeatureSpec(
        context=named(spec.context),
        target=named(spec.target),
        sequences=[
            Sequence(
                s.name, named(s.of), side_features=named(s.side_features), max_length=s.max_length
            )
            for s in spec.sequences
        ],
    )


def _export(model, spec, path, rates, extra, write, score) -> pathlib.Path:
    if keras.backend.backend() != "tensorflow":
        raise RuntimeError(
            "Exports need the TensorFlow backend. Received: KERAS_BACKEND="
            f"{keras.backend.backend()}. Load the weights in a process with it."
        )
    path = local_path("path", path)
    if path.is_dir():
        raise ValueError(f"`path` must be that of a file. Received: the folder {path}.")
    check_model(model, spec)
    model = rates.model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    with temporary_folder(path.parent) as scratch:
        remove_stale_writers(path.parent)
        file = scratch / f"new-{path.name}"
        try:
            write(_graph(model, spec), file)
            difference = _difference(score(file), index_spec(spec), ctr_in_float32(model))
        except ImportError as error:
            raise RuntimeError(
                f"This export needs what the extra {extra!r} brings: "
                f"pip install 'keras_din[{extra}]' ({error})."
            ) from error
        except Exception as error:  # Converters and runtimes have types of their own.
            raise RuntimeError(
                f"`export_{extra}` can't carry this model: its converter or its runtime failed, "
                f"and nothing is written. Received: {model.name}. {error}"
            ) from error
        if not difference <= TOLERANCE:
            raise RuntimeError(
                f"The file must score as the live model does, within {TOLERANCE:g}. "
                f"The largest difference was {difference:g}; nothing is written."
            )
        os.replace(file, path)
    if rates.is_assumed:
        print(rates.describe(), flush=True)
    return path


def _graph(model, spec):
    """The function from a dict of inputs to `{"ctr": ...}`, its variables made constants."""
    specs = {
        name: tf.TensorSpec(tensor.shape, tensor.dtype, name)
        for name, tensor in build_inputs(spec).items()
    }
    function = tf.function(
        lambda x: model(_with_room(spec, dict(x)), training=False), input_signature=[specs]
    )
    with tracing(form="portable"), float32_inference(model):
        # Converters know loops as functions, not as the jumps that they are lowered to.
        frozen = convert_variables_to_constants_v2(
            function.get_concrete_function(), lower_control_flow=False
        )
    names = [tensor.name.split(":")[0] for tensor in frozen.inputs]

    def named(x):
        (ctr,) = frozen(*[x[name] for name in names])
        return {"ctr": ctr}

    return tf.function(named, input_signature=[specs])


def _with_room(spec: FeatureSpec, x: dict) -> dict:
    """Histories cut to the most recent and bags to the first, each with a place of padding more.

    Runtimes read the size 0 in different ways; with a place more no axis has it.
    """
    for name, info in spec.inputs.items():
        if isinstance(info.feature, Bag):
            kept = first_values(x[name], info.feature.max_values)
            x[name] = _one_more(tf.where(kept, x[name], PADDING_INDEX), axis=-1)
    for sequence in spec.sequences:
        first = sequence.input_name(id_feature(sequence.of))
        x[first] = tf.where(most_recent(x[first], sequence.max_length), x[first], PADDING_INDEX)
        for feature in sequence.features:
            name = sequence.input_name(feature)
            x[name] = _one_more(x[name], axis=1)
    return x


def _one_more(tensor, axis: int):
    rank = len(tensor.shape)
    return tf.pad(tensor, [[0, int(i == axis % rank)] for i in range(rank)])


def _write_onnx(function, file) -> None:
    import onnxruntime  # noqa: F401
    import tf2onnx

    tf2onnx.convert.from_function(
        function, function.input_signature, opset=_OPSET, output_path=str(file)
    )


def _score_onnx(file):
    import onnxruntime

    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    inputs = {entry.name for entry in session.get_inputs()}
    return lambda x: session.run(["ctr"], {name: x[name] for name in inputs})[0]


def _write_litert(function, file) -> None:
    import ai_edge_litert.interpreter  # noqa: F401

    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [function.get_concrete_function()], tf.Module()
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    file.write_bytes(converter.convert())


def _score_litert(file):
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(model_path=str(file)).get_signature_runner("serving_default")
    inputs = set(runner.get_input_details())

    def score(x):
        x = {name: values for name, values in x.items() if name in inputs}
        # No axis may have the size 0.
        short = {n: v for n, v in x.items() if v.ndim > 1 and 0 in v.shape}
        x |= {n: np.zeros([max(size, 1) for size in v.shape], v.dtype) for n, v in short.items()}
        return runner(**x)["ctr"]

    return score


def _difference(score, spec: FeatureSpec, live) -> float:
    """By how much a runtime scores sample rows of all kinds otherwise than `live` does, at most."""
    largest = 0.0
    for options in ({}, {"rows": 4, "time": 0, "seed": 1}, {"rows": 1, "candidates": 1, "time": 3}):
        sample = sample_rows(spec, **options)
        difference = np.abs(score(sample.raw) - live(sample.indices))
        real = sample.indices[id_feature(spec.target).name] != PADDING_INDEX
        largest = float(np.maximum(largest, np.where(real, difference, 0).max()))
    return largest
