"""Writes a model as a version that TensorFlow Serving answers from."""

import os
import pathlib
import warnings

import keras
import tensorflow as tf

from keras_din.checks import json_values, local_path, one_of, positive_integer
from keras_din.click_rates import ClickRates
from keras_din.features import FeatureSpec
from keras_din.serving.checks.export_arguments import check_model, check_order, checked_rates
from keras_din.serving.checks.parity import check_parity
from keras_din.serving.checks.tensor_float32 import without_tensor_float32
from keras_din.serving.graph import signatures
from keras_din.serving.graph.float32_layers import (
    float32_inference,
    float32_outputs,
    half_precision,
)
from keras_din.serving.graph.int8_tables import Int8Tables, quantization_report
from keras_din.serving.graph.raw_values import RawValues
from keras_din.serving.version.description import write_description
from keras_din.serving.version.folders import folder_of_versions, new_version
from keras_din.serving.version.warmup import write_warmup
from keras_din.spec_fingerprint import check_fingerprint
from keras_din.trace_context import tracing


def export(
    model: keras.Model,
    spec: FeatureSpec,
    path: str | os.PathLike[str],
    *,
    metrics: dict | None = None,
    data_fingerprint: str | None = None,
    keep: int | None = None,
    tables: str = "float32",
    test: tf.data.Dataset | None = None,
    positive_weight: float | dict | None = None,
    negative_rate: float | dict | None = None,
    raw: bool = False,
    rates: ClickRates | None = None,
    order_by: str | None = None,
) -> pathlib.Path:
    """Writes a new version below `path`, whole or not at all.

    The version is a SavedModel that needs TensorFlow alone. Inputs are named as the spec names
    them and take the values of the log: strings or int64 of a feature with a vocabulary or hash
    buckets, int32 indices of one with only a size, float32 numbers. Unknown values and indices
    out of range are out-of-vocabulary. It answers two signatures:

    - `serving_default`, one row per candidate: context and target `(batch,)`, behaviors
      `(batch, time)` -> `ctr` `(batch,)`.
    - `rank`, one row per user: target `(batch, candidates)` -> `ctr` `(batch, candidates)` and
      `order`, int32 places of the candidates, the best first.

    A spec with several labels has an output for each in place of `ctr`, and candidates are
    ordered by the first, or by `order_by`.

    A value that is missing is the empty string; of int64 hash buckets it is -2**63, since every
    other number has a bucket.

    Behaviors and candidates are padded, at either end, with the empty string or 0 in their
    first `Categorical`. (Where 0 is in an int64 vocabulary, with the first of -1, -2, ... that
    is not.) Padding candidates come last, with a `ctr` of 0. `(batch, 0)` is an empty history;
    of one longer than `max_length` the most recent behaviors stay. A `Bag` has one axis more,
    the last, with its values, padded anywhere alike; of more than `max_values` the first stay.

    Before it is published, a process with TensorFlow alone scores sample rows through both and
    must agree with the live model to 1e-5. `keras_din.json` beside the SavedModel says what it
    is, and the differences found. With `tensorflow-serving-api` installed (the extra
    `keras_din[serving]`) a version has warm-up requests, which a server answers itself before it
    takes the version into service; without, a warning says that they are missing.

    `ctr` is the click rate of the log: what a `positive_weight` of the loss and
    `data.downsample_negatives` did to the odds is undone in the version, in both signatures alike;
    `order` is that of `ctr`. Both are read from the model's compiled
    `keras_din.losses.BinaryCrossentropy`, unless they are given here. What is not given is taken as
    1, and a line on the screen reports it. `raw=True` publishes what the model answers. `outputs`
    in `keras_din.json` says all of it.

    A model of mixed precision is served in float32, and held to its own numbers in float32;
    `half_precision` in `keras_din.json` says how far the live model is from them.

    Other threads may train and export other models meanwhile. The weights of this one must stay as
    they are until the call returns.

    Args:
        model: A model of the zoo, or any functional model with the spec's inputs and the output
            `(batch, candidates)`.
        spec: The `FeatureSpec` that the model was built from. A model of the zoo knows which
            one that is; of one that you composed see `keras_din.CTRModel`.
        path: Folder of the versions, such as `"exported_models/din"`. Made where it is missing.
        metrics: What to remember of the model's quality, such as the result of `evaluate`.
            What JSON takes, and numpy scalars; NaN and infinity are written as null.
        data_fingerprint: What to remember of the data that the model was trained on.
        keep: How many versions stay below `path`, with the new one; older ones are removed, and
            a warning names those that can't be. By default all stay.
        tables: `"float32"`, or `"int8"`: embeddings in int8 with a scale a row, of which the rows
            that are asked for become floats. The live model stays as it is; the 1e-5 are to
            that model with such tables, and `keras_din.json` says what they cost.
        test: With int8 tables, a data set as of `keras_din.data.dataset`, not shuffled, on which
            the loss of GAUC is measured.
        positive_weight: That of the loss that the model was trained with; of several outputs a
            dict by their names.
        negative_rate: The fraction of the log's negatives that the model was trained on, such as
            `data.negative_rate`.
        raw: Whether `ctr` is the output of the model as it is.
        rates: What a run knows of these three, in their place: `keras_din.training.run_click_rates`
            of it. `keras_din.json` then says that they are known from the run.
        order_by: Name of the output that `rank` orders candidates by. Defaults to that of the
            first label.

    Returns:
        The folder of the version, a `pathlib.Path`. Its name is a number that grows.

    Raises:
        ValueError: When the model does not take the inputs of the spec, or was built for other
            values; each is named. When `path` is an address such as `gs://bucket/din`, or the
            folder of a version. When a table that shall be in int8 is not finite, or another
            argument is not as said here.
        RuntimeError: When the SavedModel and the live model disagree, or on another backend
            than TensorFlow. Nothing is published then.
        OSError: When the folder can't be written. Older versions are untouched.
    """
    if keras.backend.backend() != "tensorflow":
        raise RuntimeError(
            "`export` needs the TensorFlow backend. Received: KERAS_BACKEND="
            f"{keras.backend.backend()}. Load the weights in a process with it."
        )
    if keep is not None:
        keep = positive_integer("keep", keep)
    one_of("tables", tables, ("float32", "int8"))
    if test is not None and (tables != "int8" or getattr(test, "groups", None) is None):
        raise ValueError(
            '`test` belongs to `tables="int8"` and must be a data set with `groups`, as of '
            f"`PreparedData.dataset` without `shuffle`. Received: tables={tables!r}, test={test!r}."
        )
    metrics = json_values("metrics", metrics, nulls=True)
    data_fingerprint = json_values("data_fingerprint", data_fingerprint, nulls=True)
    check_order("export", model, spec, path)
    path = folder_of_versions(local_path("path", path))
    check_model(model, spec)
    check_fingerprint(model, getattr(test, "spec", None), "`test`")
    order_by = spec.outputs[0] if order_by is None else one_of("order_by", order_by, spec.outputs)
    rates = checked_rates(model, spec, positive_weight, negative_rate, raw, rates)
    model = rates.model(model)
    int8 = Int8Tables(model) if tables == "int8" else None
    in_floats = float32_outputs(model)
    live = in_floats if int8 is None else int8.outputs
    with new_version(path, keep) as version:
        with float32_inference(model) if int8 is None else int8.in_use():
            write(model, spec, version.folder, version.scratch, order_by)
        warmup = write_warmup(version.folder, spec)
        with without_tensor_float32():
            parity = check_parity(version.folder, spec, live, order_by)
            lost = {} if int8 is None else quantization_report(spec, in_floats, live, test)
            half = half_precision(model, spec, in_floats)
        write_description(
            version.folder,
            model,
            spec,
            parity=parity,
            warmup=warmup,
            metrics=metrics,
            data_fingerprint=data_fingerprint,
            tables={"dtype": tables} | lost,
            half_precision=half,
            outputs=rates.to_json(),
            order_by=order_by,
        )
    if rates.is_assumed:
        print(rates.describe(), flush=True)
    if warmup["file"] is None:
        warnings.warn(
            f"{version.published} has no warm-up requests, so a server's first answers are slow: "
            f"{warmup['missing']} is not installed (`pip install 'keras_din[serving]'`).",
            stacklevel=2,
        )
    return version.published


def write(
    model: keras.Model, spec: FeatureSpec, folder, scratch, order_by: str | None = None
) -> None:
    """Writes the SavedModel: both signatures, the variables that they read and the vocabularies.

    Args:
        model: The model.
        spec: Its `FeatureSpec`.
        folder: Where the SavedModel goes.
        scratch: A folder for files that are needed while it is written.
        order_by: Name of the output that `rank` orders by. Defaults to the first.
    """
    module = tf.Module()
    module.raw_values = RawValues(spec, scratch)
    variables: dict = {}
    functions = {
        "serving_default": signatures.serving_default(model, spec, module.raw_values),
        "rank": signatures.rank(model, spec, module.raw_values, order_by),
    }
    for name, function in functions.items():
        inputs = signatures.input_specs(spec, name)
        with tracing(custom_gradients=False):
            functions[name] = tf.function(function).get_concrete_function(**inputs)
        # Of the variables that were read while it was traced, those that are still read.
        read = {id(handle) for handle in functions[name].captured_inputs}
        variables |= {
            id(variable): variable
            for variable in functions[name].graph.variables
            if id(variable.handle) in read
        }
    module.weights = list(variables.values())
    # What the version makes of raw values, for `serving.skew`; a server does not offer it.
    encode = tf.function(lambda **inputs: signatures.model_inputs(spec, module.raw_values, inputs))
    module.encode = encode.get_concrete_function(**signatures.input_specs(spec, "rank"))
    # Gradients of functions would be saved with them.
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    tf.saved_model.save(module, str(folder), functions, options)
