"""Warm-up requests: TensorFlow Serving runs them when it loads a version, before any client."""

import importlib.util
import pathlib

import numpy as np
import tensorflow as tf

from keras_din.features import FeatureSpec, id_feature
from keras_din.serving.graph.signatures import input_specs
from keras_din.serving.sample_rows import one_candidate_per_row, sample_rows

FILE = "assets.extra/tf_serving_warmup_requests"  # The path that TensorFlow Serving reads.
PACKAGE = "tensorflow-serving-api"

# Signature -> numbers of rows and of candidates per row, one pair per request.
SIZES = {
    "serving_default": ((1, None), (8, None), (64, None)),
    "rank": ((1, 1), (1, 10), (1, 100), (8, 10), (64, 10)),
}


def warmup_requests(spec: FeatureSpec) -> list:
    """Returns pairs of a signature and its inputs, arrays of raw values by name.

    The rows are those of `sample_rows`, the longest histories first. They are repeated if a
    request has more rows.
    """
    raw = sample_rows(spec).raw
    found = []
    for signature, sizes in SIZES.items():
        source = raw if signature == "rank" else one_candidate_per_row(spec, raw)
        for rows, candidates in sizes:
            inputs = {}
            for name, values in source.items():
                values = np.take(values, -1 - np.arange(rows), axis=0, mode="wrap")
                if candidates is not None and spec.raw_inputs[name].role == "target":
                    values = np.take(values, np.arange(candidates), axis=1, mode="wrap")
                inputs[name] = values
            found.append((signature, inputs))
    return found


def write_warmup(folder, spec: FeatureSpec) -> dict:
    """Writes the warm-up requests into a version that already contains its SavedModel.

    The file is a TFRecord file of `PredictionLog`. A server reads it when it loads the version.

    Returns:
        The entry in `keras_din.json`: the file, and the requests, each with its signature and the
        shape of a target's input. If `tensorflow-serving-api` is not installed, no file is
        written and `file` is `None`.
    """
    if importlib.util.find_spec("tensorflow_serving") is None:
        return {"file": None, "requests": [], "missing": PACKAGE}
    from tensorflow_serving.apis import prediction_log_pb2

    path = pathlib.Path(folder, FILE)
    path.parent.mkdir(exist_ok=True)
    requests = []
    with tf.io.TFRecordWriter(str(path)) as file:
        for signature, inputs in warmup_requests(spec):
            log = prediction_log_pb2.PredictionLog()
            request = log.predict_log.request
            request.model_spec.signature_name = signature
            for name, tensor in input_specs(spec, signature).items():
                request.inputs[name].CopyFrom(tf.make_tensor_proto(inputs[name], tensor.dtype))
            file.write(log.SerializeToString(deterministic=True))
            requests.append([signature, *inputs[id_feature(spec.target).name].shape])
    return {"file": FILE, "requests": requests}
