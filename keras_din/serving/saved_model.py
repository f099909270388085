"""Writes a model as a version that TensorFlow Serving answers from."""

import contextlib
import datetime
import io
import json
import pathlib

import keras
import numpy as np
import tensorflow as tf

from keras_din.feature_spec import FeatureSpec
from keras_din.serving.parity import check_parity
from keras_din.serving.signatures import input_signature, model_inputs, serving_default
from keras_din.serving.version import new_version
from keras_din.version import __version__


def export(model: keras.Model, spec: FeatureSpec, path, *, metrics: dict | None = None):
    """Writes a new version below `path`, whole or not at all.

    The version is a SavedModel with the signature `serving_default`: inputs named as the spec
    names them, context and target `(batch,)`, behaviours `(batch, time)`, int64 indices and
    float32 numbers; output `ctr` `(batch,)`. An index out of range is read as
    out-of-vocabulary. `keras_din.json` beside it says what it is.

    Before it is published, a process with TensorFlow alone scores it and must agree with the
    live model to 1e-5.

    Args:
        model: A model of the zoo, or any functional model with the spec's inputs and the output
            `(batch, candidates)`.
        spec: The `FeatureSpec` that the model was built from.
        path: Folder of the versions, such as `"exported_models/din"`. Made where it is missing.
        metrics: What to remember of the model's quality, such as the result of `evaluate`.

    Returns:
        The folder of the version, a `pathlib.Path`. Its name is a number that grows.

    Raises:
        ValueError: When the model's inputs are not those of the spec, named one by one.
        RuntimeError: When the SavedModel and the live model disagree, or on another backend
            than TensorFlow. Nothing is published then.
        OSError: When the folder can't be written. Older versions are untouched.
    """
    if keras.backend.backend() != "tensorflow":
        raise RuntimeError(
            "`export` needs the TensorFlow backend. Received: KERAS_BACKEND="
            f"{keras.backend.backend()}. Load the weights in a process with it."
        )
    check_inputs(model, spec)
    with new_version(path) as (folder, published):
        archive = keras.export.ExportArchive()
        archive.track(model)
        archive.add_endpoint(
            "serving_default", serving_default(model, spec), [input_signature(spec)]
        )
        # Older Keras prints the temporary folder's name, whatever `verbose` says.
        with contextlib.redirect_stdout(io.StringIO()):
            archive.write_out(str(folder), verbose=False)
        difference = check_parity(folder, spec, lambda rows: score(model, spec, rows))
        description = describe(model, spec, metrics, {"serving_default": difference})
        text = json.dumps(description, indent=1, ensure_ascii=False)
        (folder / "keras_din.json").write_text(text, encoding="utf-8")
    return published[0]


def score(model, spec: FeatureSpec, rows: dict) -> np.ndarray:
    """`ctr` `(batch,)` of the live model for rows as a client sends them."""
    x = model_inputs(spec, {name: tf.constant(rows[name]) for name in spec.inputs})
    for feature in spec.target:
        x[feature.name] = x[feature.name][:, tf.newaxis]
    return np.asarray(model.predict_on_batch(x))[:, 0]


def check_inputs(model, spec: FeatureSpec) -> None:
    """Raises a `ValueError` that names each input that model and spec do not share."""
    has, wants = {tensor.name for tensor in model.inputs}, set(spec.inputs)
    if has != wants:
        raise ValueError(
            "The model's inputs must be those of the spec. "
            f"The spec has, the model lacks: {sorted(wants - has)}. "
            f"The model has, the spec lacks: {sorted(has - wants)}."
        )


def describe(model, spec: FeatureSpec, metrics: dict | None, parity: dict) -> dict:
    """What a version is, for `keras_din.json`."""
    return {
        "format": 1,
        "model": model.name,
        "parameters": model.count_params(),
        "created": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "spec": json.loads(spec.to_json()),
        "metrics": metrics or {},
        "largest_difference": parity,
        "versions": {
            "keras_din": __version__,
            "keras": keras.__version__,
            "tensorflow": tf.__version__,
        },
    }


def read_description(version) -> dict:
    """What `keras_din.json` of a version says."""
    text = (pathlib.Path(version) / "keras_din.json").read_text(encoding="utf-8")
    return json.loads(text)
