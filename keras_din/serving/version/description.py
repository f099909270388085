"""`keras_din.json`: the description of a version."""

import datetime
import json
import pathlib

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from keras_din.checks import json_values, local_path
from keras_din.click_rates import calibration_of
from keras_din.features import (
    DEFAULT_LABEL,
    DEFAULT_OUTPUT,
    NUM_RESERVED,
    Count,
    EmbeddedFeature,
    FeatureSpec,
    SnapshotCount,
    Vocabulary,
    id_feature,
)
from keras_din.serving.graph.lookup_tables import vocabulary_file
from keras_din.serving.graph.signatures import SIGNATURES
from keras_din.serving.sample_rows import raw_from_indices
from keras_din.serving.version.folders import DESCRIPTION_FILE, versions
from keras_din.version import __version__
from keras_din.without_position import position_bias_of

_FORMAT = 2
_FORMAT_WITHOUT_OUTPUTS = 1  # The format of 0.1, whose only output was `ctr`.


def write_description(
    folder,
    model,
    spec: FeatureSpec,
    *,
    parity: dict,
    warmup: dict,
    metrics=None,
    data_fingerprint=None,
    tables: dict,
    half_precision: dict | None = None,
    outputs: dict,
    order_by: str | None = None,
    position: dict | None = None,
) -> None:
    """Writes `keras_din.json` into a version that already contains its SavedModel.

    A vocabulary that is stored in the assets is referenced by its file. `removed` lists the
    positions of its removed values, which are not in the file. NaN is written as null.
    """
    content = {
        "format": _FORMAT,
        "model": model.name,
        "parameters": model.count_params(),
        "created": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "metrics": metrics or {},
        "data_fingerprint": data_fingerprint,
        "outputs": {
            label.output: {
                "label": label.name,
                **outputs[label.output],
                "calibration": _calibration(model, spec, str(label.output)),
            }
            for label in spec.labels
        },
        **_factors(model, spec),
        **({} if position is None else {"position": position}),
        "order_by": spec.outputs[0] if order_by is None else order_by,
        "largest_difference": parity,
        "tables": tables,
        "half_precision": half_precision,
        "warmup": warmup,
        "versions": {
            "keras_din": __version__,
            "keras": keras.__version__,
            "tensorflow": tf.__version__,
        },
        "vocabulary_sizes": {
            name: feature.table.values.size
            for name, feature in spec.features.items()
            if feature.table is not None
        },
        "padding": _padding(spec),
        "counts": _counts(spec),
        "signatures": _signatures(folder),
        "spec": json.loads(spec.to_json()),
    }
    for entry in content["spec"]["tables"]:
        name = vocabulary_file(spec.tables[entry["name"]])
        if name is not None:
            removed = [i for i, value in enumerate(entry["vocabulary"]) if value is None]
            entry |= {"removed": removed} if removed else {}
            entry["vocabulary"] = f"assets/{name}"
    # GAUC is NaN if no group has both classes.
    content = json_values("content", content, nulls=True)
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    (pathlib.Path(folder) / DESCRIPTION_FILE).write_text(text, encoding="utf-8")


def find_version(path) -> pathlib.Path:
    """Returns `path` if it is a version, or the newest version in it.

    Raises:
        FileNotFoundError: If there is no version.
    """
    path = local_path("version", path)
    folder = path
    if not (path / DESCRIPTION_FILE).is_file() and versions(path):
        folder = path / str(versions(path)[-1])
    lacking = [
        name for name in (DESCRIPTION_FILE, "saved_model.pb") if not (folder / name).is_file()
    ]
    if lacking:
        raise FileNotFoundError(
            "`version` must be a folder that `export` wrote, or one of such folders. "
            f"Received: {path}, and in {folder} there is no {' and no '.join(lacking)}."
        )
    return folder


def read_description(version) -> dict:
    """Returns the content of `keras_din.json`, with full paths of vocabulary files.

    `FeatureSpec.from_json(json.dumps(description["spec"]))` is the spec.

    Raises:
        ValueError: If the file differs from what `export` writes.
    """
    version = pathlib.Path(version)
    try:
        content = json.loads((version / DESCRIPTION_FILE).read_text(encoding="utf-8"))
        if content["format"] == _FORMAT_WITHOUT_OUTPUTS:
            content["outputs"] = _outputs_of_0_1(content.pop("ctr", None))
            content["order_by"] = DEFAULT_OUTPUT
        elif content["format"] != _FORMAT:
            raise ValueError(f"format {content['format']!r}")
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{version / DESCRIPTION_FILE} must be as `export` of this version of keras_din wrote "
            f"it. Received text in which this is wrong: {error!r}."
        ) from error
    # 0.1 wrote vocabularies into features, and used another field name.
    for sequence in content["spec"]["sequences"]:
        if "side" in sequence:
            sequence["side_features"] = sequence.pop("side")
    for entry in [*content["spec"].get("tables", ()), *content["spec"]["features"]]:
        if isinstance(entry.get("vocabulary"), str):
            entry["vocabulary"] = str(version / entry["vocabulary"])
            if "removed" in entry:
                entry["vocabulary"] = _with_removed(entry, entry.pop("removed"))
    return content


def _with_removed(entry: dict, removed: list) -> list:
    """Returns the entries of a vocabulary from its file and the positions of removed values."""
    known = Vocabulary(entry["vocabulary"], entry["dtype"]).entries
    positions, values = set(removed), iter(known)
    size = len(known) + len(removed)
    return [None if position in positions else next(values) for position in range(size)]


def _outputs_of_0_1(ctr: dict | None) -> dict:
    """Returns the entry `outputs` of a version that 0.1 wrote.

    If there is no entry `ctr`, the version does not correct the click rate.
    """
    if ctr is None:
        ctr = {
            "is": "the output of the model",
            "raw": True,
            "positive_weight": 1.0,
            "negative_rate": 1.0,
            "known_from": {},
        }
    return {DEFAULT_OUTPUT: {"label": DEFAULT_LABEL, **ctr}}


def describe_position(model, spec: FeatureSpec) -> dict | None:
    """Returns the entry `position`: the `Position` that a version leaves out, or `None`.

    Args:
        model: The model with the position.
        spec: Its `FeatureSpec`.
    """
    if spec.position is None:
        return None
    layer = position_bias_of(model)
    return {
        "is": f"outputs are those at {spec.position.name} 1, no input",
        "feature": spec.position.name,
        "seen": [] if layer is None else layer.probabilities().tolist(),
    }


def _factors(model, spec: FeatureSpec) -> dict:
    """Returns the entry `factors`: name -> the outputs and labels of the product that has it."""
    labels = {label.name: label for label in spec.labels}
    is_calibrated = any(calibration_of(model, name, spec.outputs) for name in spec.outputs)
    found = {
        factor: {
            "is": f"the probability of {label.name} given {label.given}"
            + ", before calibration" * is_calibrated,
            "product": label.output,
            "given": labels[str(label.given)].output,
        }
        for factor, label in spec.factors.items()
    }
    return {"factors": found} if found else {}


def _calibration(model, spec: FeatureSpec, output: str) -> dict | None:
    """Returns the curves of an output, and the report of their fit; `None` without calibration.

    A curve connects `calibrated` logits at `logits`. Those of values of a feature have the raw
    value, or `None` if it is unknown or a bucket.
    """
    layer = calibration_of(model, output, spec.outputs)
    if layer is None:
        return None
    curves = [{"logits": x, "calibrated": y} for x, y in layer.curves]
    values: list = [None] * len(layer.indices)
    feature = None if layer.by is None else spec.features[layer.by]
    if isinstance(feature, EmbeddedFeature) and not feature.takes_indices:
        raw = raw_from_indices(feature, np.array(layer.indices))
        values = [
            None if index < NUM_RESERVED else value
            for index, value in zip(layer.indices, raw.tolist(), strict=True)
        ]
    return {
        "method": layer.method,
        "by": layer.by,
        "report": layer.report,
        **curves[0],
        "values": [
            {"index": index, "value": value, **curve}
            for index, value, curve in zip(layer.indices, values, curves[1:], strict=True)
        ],
    }


def _counts(spec: FeatureSpec) -> dict:
    """Returns name of each `Count` -> whether a client sends it, or the time of its snapshot."""
    found: dict[str, dict] = {}
    for name, feature in spec.features.items():
        if isinstance(feature, SnapshotCount):
            time = str(pd.Timestamp(feature.taken_at, unit="us"))
            found[name] = {"from": "snapshot", "key": feature.key, "time": time}
        elif isinstance(feature, Count):
            found[name] = {"from": "request"}
    return found


def _padding(spec: FeatureSpec) -> dict:
    """Returns input name -> padding value of candidates, behaviors and values of bags."""
    first = id_feature(spec.target)
    found = {first.name: first.padding_value}
    for sequence in spec.sequences:
        first = id_feature(sequence.of)
        found[sequence.input_name(first)] = first.padding_value
    return found | {
        name: info.feature.padding_value
        for name, info in spec.raw_inputs.items()
        if info.feature.max_values is not None
    }


def _signatures(folder) -> dict:
    """Returns dtype, shape and tensor name of all inputs and outputs, by signature."""
    saved = saved_model_pb2.SavedModel()
    saved.ParseFromString((pathlib.Path(folder) / "saved_model.pb").read_bytes())
    (graph,) = saved.meta_graphs
    return {
        signature: {
            direction: {
                name: _tensor(info)
                for name, info in sorted(getattr(graph.signature_def[signature], direction).items())
            }
            for direction in ("inputs", "outputs")
        }
        for signature in SIGNATURES
    }


def _tensor(info) -> dict:
    return {
        "dtype": tf.as_dtype(info.dtype).name,
        "shape": [dim.size for dim in info.tensor_shape.dim],
        "tensor": info.name,
    }
