"""`export`: writes a model as a SavedModel for TensorFlow Serving."""

import os
import pathlib
import warnings
from collections.abc import Sequence

import keras
import tensorflow as tf

from keras_din.checks import json_values, local_path, one_of, positive_integer
from keras_din.click_rates import ClickRates
from keras_din.features import FeatureSpec, SnapshotCount
from keras_din.serving.checks.export_arguments import (
    check_model,
    check_order,
    resolve_click_rates,
    served_model,
)
from keras_din.serving.checks.parity import check_parity
from keras_din.serving.checks.tensor_float32 import without_tensor_float32
from keras_din.serving.graph import signatures
from keras_din.serving.graph.encoding import FeatureEncoder
from keras_din.serving.graph.float32_layers import (
    float32_inference,
    float32_outputs,
    half_precision_report,
)
from keras_din.serving.graph.int8_tables import Int8Tables, quantization_report
from keras_din.serving.graph.joined_tables import joined_tables
from keras_din.serving.graph.order_formula import OrderFormula
from keras_din.serving.version.description import describe_position, write_description
from keras_din.serving.version.folders import check_versions_folder, new_version
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
    snapshots: Sequence[SnapshotCount] = (),
) -> pathlib.Path:
    """Writes a new version to a folder in `path`. A version is written completely or not at all.

    The version is a SavedModel that needs only TensorFlow. Inputs have the names of the spec and
    take the values of the log: strings or int64 if a feature has a vocabulary or hash buckets,
    int32 indices if it has only a size, and float32 numbers. Unknown values and indices out of
    range are out-of-vocabulary. There are two signatures:

    - `serving_default`, one row per candidate: context and target `(batch,)`, behaviors
      `(batch, time)` -> `ctr` `(batch,)`.
    - `rank`, one row per user: target `(batch, candidates)` -> `ctr` `(batch, candidates)` and
      `order`, int32 positions of the candidates, the best first.

    If features are computed from times (`Elapsed`, `Calendar`), both signatures have the inputs
    `time`, int64 `(batch,)`, the time of the request, and `{sequence}_time`, int64 `(batch, time)`,
    the times of the behaviors. They count from 1970 in the `time_unit` of the features. There is
    no default for `time`: with the clock of the server, the same request would give other outputs.

    With a `Position` in the spec, the outputs are those without the factor of the position, see
    `keras_din.without_position`: a version has no input of it. `position` in `keras_din.json` has
    the learned factors.

    A spec with several labels has one output per label instead of `ctr`. Candidates are ordered by
    the first output, or by `order_by`. A label with `given` also has the output of its factor, such
    as `cvr_given_ctr`.

    The empty string is a missing value. With int64 hash buckets it is -2**63, since every other
    number has a bucket.

    Behaviors and candidates are padded, at either end, with the empty string or 0 in their first
    `Categorical`. If 0 is in an int64 vocabulary, padding is the first of -1, -2, ... that is not.
    Padding candidates come last, with a `ctr` of 0. `(batch, 0)` is an empty history. Of a history
    longer than `max_length` the most recent behaviors are used. A `Bag` has one more axis, the
    last, with its values, padded at any position. Of a bag with more than `max_values` values the
    first ones are used.

    Before the version is published, a process with only TensorFlow scores sample rows with both
    signatures. It must agree with the model to 1e-5. `keras_din.json` in the folder describes the
    version and contains the differences. If `tensorflow-serving-api` is installed (the extra
    `keras_din[serving]`), a version has warm-up requests, which a server runs when it loads the
    version. Otherwise a warning reports that they are missing.

    `ctr` is the click rate of the log: the changes of the odds by a `positive_weight` of the loss
    and by `data.downsample_negatives` are undone. Both numbers are read from the model's compiled
    `keras_din.losses.BinaryCrossentropy`, unless they are given. If one is unknown, it is assumed
    to be 1, and a printed line reports this. `raw=True` exports the output of the model without a
    change. `outputs` in `keras_din.json` describes each output.

    A model in mixed precision is exported in float32, and compared with its own results in
    float32. `half_precision` in `keras_din.json` contains the difference to the results in mixed
    precision.

    A table with several shards becomes one variable of the version, so the tables must fit into the
    free memory of the machine that exports the model.

    Other threads may train and export other models at the same time. The weights of this model
    must not change until the call returns.

    Args:
        model: A model of `keras_din.MODELS`, or any functional model with the spec's inputs and
            the output `(batch, candidates)`.
        spec: The `FeatureSpec` of the model. It is compared with the fingerprint in the model; for
            your own models see `keras_din.CTRModel`.
        path: Folder of the versions, such as `"exported_models/din"`. It is created if necessary.
        metrics: Metrics of the model for `keras_din.json`, such as the result of `evaluate`: JSON
            values and NumPy scalars. NaN and infinity are written as null.
        data_fingerprint: A fingerprint of the training data for `keras_din.json`.
        keep: Number of versions to keep in `path`, with the new one. Older versions are removed,
            with their deltas. A warning lists versions that cannot be removed. By default all
            versions are kept.
        tables: `"float32"`, or `"int8"` for embeddings in int8 with one scale per row, which are
            converted to floats when they are looked up. The model itself does not change. The
            version must agree to 1e-5 with the model with such tables, and `keras_din.json`
            contains the differences to the model itself.
        test: With int8 tables, a dataset of `keras_din.data.dataset` without shuffling, for
            computing the difference of the GAUC.
        positive_weight: The positive weight of the training loss. With several outputs it can be a
            dict by their names.
        negative_rate: The fraction of the log's negatives in the training data, such as
            `data.negative_rate`.
        raw: Whether `ctr` is the output of the model without a change.
        rates: The `ClickRates` of a run, instead of these three arguments: the result of
            `keras_din.training.run_click_rates`.
        order_by: Name of the output or label by which `rank` orders candidates, or a formula
            over them, such as `"click * buy ** 0.3"`: names, numbers, `+ - * / **` and
            parentheses. A divisor must not be able to be 0, and an exponent is a number from -10
            to 10. The value is computed in float64; a formula whose value may exceed 1e305, for
            outputs of up to 1e30, is an error. Candidates whose value is not finite come after the
            others. Defaults to the first label.
        snapshots: The result of `data.count_snapshots()`. The version looks these `Count` features
            up by item or category, and has no inputs of them. Without it, clients send all counts.

    Returns:
        The folder of the version, a `pathlib.Path`. Its name is a number that increases.

    Raises:
        ValueError: If the inputs of the model differ from the spec, if the model was built with
            other values, if `path` is an address such as `gs://bucket/din` or the folder of a
            version, if a table for int8 is not finite, if tables with shards do not fit into the
            free memory, or if another argument is invalid.
        RuntimeError: If the SavedModel and the model disagree, or if the backend is not
            TensorFlow. Nothing is published.
        OSError: If the folder cannot be written. Older versions do not change.

    Example:

    ```python
    spec = kd.FeatureSpec(target=[kd.Categorical("item_id", 100, dim=2)])
    version = kd.export(kd.build_lr(spec), spec, "exported_models/lr", raw=True)
    ```
    """
    if keras.backend.backend() != "tensorflow":
        raise RuntimeError(
            "The backend of `export` must be TensorFlow. Received: KERAS_BACKEND="
            f"{keras.backend.backend()}. Load the weights in a process with that backend."
        )
    if keep is not None:
        keep = positive_integer("keep", keep)
    one_of("tables", tables, ("float32", "int8"))
    if test is not None and (tables != "int8" or getattr(test, "groups", None) is None):
        raise ValueError(
            '`test` must be given with `tables="int8"`, and must be a dataset with `groups`, such '
            "as `PreparedData.dataset` without `shuffle`. "
            f"Received: tables={tables!r}, test={test!r}."
        )
    metrics = json_values("metrics", metrics, nulls=True)
    data_fingerprint = json_values("data_fingerprint", data_fingerprint, nulls=True)
    check_order("export", model, spec, path)
    path = check_versions_folder(local_path("path", path))
    check_model(model, spec)
    check_fingerprint(model, getattr(test, "spec", None), "`test`")
    formula = OrderFormula(order_by, spec)
    spec = spec.with_snapshots(snapshots) if snapshots else spec
    rates = resolve_click_rates(model, spec, positive_weight, negative_rate, raw, rates)
    position = describe_position(model, spec)
    model, spec = served_model(model, spec, rates)
    int8 = Int8Tables(model) if tables == "int8" else None
    live_float32 = float32_outputs(model)
    live = live_float32 if int8 is None else int8.outputs
    with new_version(path, keep) as version:
        with float32_inference(model) if int8 is None else int8.in_use(), joined_tables(model):
            write(model, spec, version.folder, version.scratch, formula)
        warmup = write_warmup(version.folder, spec)
        with without_tensor_float32():
            parity = check_parity(version.folder, spec, live, formula)
            lost = {} if int8 is None else quantization_report(spec, live_float32, live, test)
            half = half_precision_report(model, spec, live_float32)
        write_description(
            version.folder,
            model,
            spec.with_shards(1),  # The version has each table as one variable.
            parity=parity,
            warmup=warmup,
            metrics=metrics,
            data_fingerprint=data_fingerprint,
            tables={"dtype": tables} | lost,
            half_precision=half,
            outputs=rates.to_json(),
            order_by=formula.text,
            position=position,
        )
    if rates.is_assumed:
        print(rates.describe(), flush=True)
    if warmup["file"] is None:
        warnings.warn(
            f"{version.published} has no warm-up requests, so first requests will be slow: "
            f"{warmup['missing']} is not installed (`pip install 'keras_din[serving]'`).",
            stacklevel=2,
        )
    return version.published


def write(
    model: keras.Model, spec: FeatureSpec, folder, scratch, order_by: OrderFormula | None = None
) -> None:
    """Writes the SavedModel: both signatures, the variables that they read, and vocabularies.

    Args:
        model: The model.
        spec: Its `FeatureSpec`.
        folder: Folder for the SavedModel.
        scratch: Folder for files that are needed only while it is written.
        order_by: The formula by which `rank` orders candidates. Defaults to the first output.
    """
    module = tf.Module()
    module.encoder = FeatureEncoder(spec, scratch)
    variables: dict = {}
    functions = {
        "serving_default": signatures.serving_default(model, spec, module.encoder),
        "rank": signatures.rank(model, spec, module.encoder, order_by),
    }
    for name, function in functions.items():
        inputs = signatures.input_specs(spec, name)
        with tracing(custom_gradients=False):
            functions[name] = tf.function(function).get_concrete_function(**inputs)
        # Of the variables that were read during tracing, keep those that the graph still reads.
        read = {id(handle) for handle in functions[name].captured_inputs}
        variables |= {
            id(variable): variable
            for variable in functions[name].graph.variables
            if id(variable.handle) in read
        }
    # A graph has no order of its variables. With one, unchanged bytes stay where they were.
    module.weights = sorted(variables.values(), key=lambda variable: variable.name)
    # The encoded inputs, for `find_skew`. This function is not a signature of the server.
    encode = tf.function(lambda **inputs: signatures.model_inputs(spec, module.encoder, inputs))
    module.encode = encode.get_concrete_function(**signatures.input_specs(spec, "rank"))
    # Otherwise the gradients of the functions would be saved too.
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    tf.saved_model.save(module, str(folder), functions, options)
