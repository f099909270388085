"""`keras_din.json`: what a version says of itself."""

import datetime
import json
import pathlib

import keras
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from keras_din.feature_spec import Categorical, FeatureSpec
from keras_din.serving.raw_values import asset, padding_value
from keras_din.serving.signatures import SIGNATURES, tells_padding
from keras_din.version import __version__

FILE = "keras_din.json"


def write_description(
    folder, model, spec: FeatureSpec, *, parity: dict, metrics=None, data_fingerprint=None
) -> None:
    """Writes `keras_din.json` into a version that holds its SavedModel already.

    A vocabulary that is a file among the assets is named, not repeated.
    """
    content = {
        "format": 1,
        "model": model.name,
        "parameters": model.count_params(),
        "created": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "metrics": metrics or {},
        "data_fingerprint": data_fingerprint,
        "largest_difference": parity,
        "versions": {
            "keras_din": __version__,
            "keras": keras.__version__,
            "tensorflow": tf.__version__,
        },
        "vocabulary_sizes": {
            name: feature.vocabulary_size
            for name, feature in spec.features.items()
            if isinstance(feature, Categorical)
        },
        "padding": _padding(spec),
        "signatures": _signatures(folder),
        "spec": json.loads(spec.to_json()),
    }
    for entry in content["spec"]["features"]:
        name = asset(spec.features[entry["name"]])
        if name is not None:
            entry |= {"vocabulary": f"assets/{name}", "dtype": spec.features[entry["name"]].dtype}
    text = json.dumps(content, indent=1, ensure_ascii=False)
    (pathlib.Path(folder) / FILE).write_text(text, encoding="utf-8")


def read_description(version) -> dict:
    """What `keras_din.json` of a version says; vocabulary files by their whole paths.

    `FeatureSpec.from_json(json.dumps(description["spec"]))` is the spec.
    """
    version = pathlib.Path(version)
    content = json.loads((version / FILE).read_text(encoding="utf-8"))
    for entry in content["spec"]["features"]:
        if isinstance(entry.get("vocabulary"), str):
            entry["vocabulary"] = str(version / entry["vocabulary"])
    return content


def _padding(spec: FeatureSpec) -> dict:
    """Input name -> the value that makes a candidate or a behaviour padding."""
    first = tells_padding(spec.target)
    found = {first.name: padding_value(first)}
    for sequence in spec.sequences:
        first = tells_padding(sequence.of)
        found[sequence.input_name(first)] = padding_value(first)
    return found


def _signatures(folder) -> dict:
    """Signature -> inputs and outputs -> type, shape and the name of the graph's tensor."""
    saved = saved_model_pb2.SavedModel()
    saved.ParseFromString((pathlib.Path(folder) / "saved_model.pb").read_bytes())
    (graph,) = saved.meta_graphs
    return {
        signature: {
            side: {name: _tensor(info) for name, info in sorted(getattr(described, side).items())}
            for side in ("inputs", "outputs")
        }
        for signature, described in graph.signature_def.items()
        if signature in SIGNATURES
    }


def _tensor(info) -> dict:
    return {
        "dtype": tf.as_dtype(info.dtype).name,
        "shape": [dim.size for dim in info.tensor_shape.dim],
        "tensor": info.name,
    }
