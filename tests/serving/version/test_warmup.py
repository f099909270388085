"""Warm-up requests: a server runs them when it loads a version, and they succeed."""

import json
import sys

import numpy as np
import pytest
import tensorflow as tf

import keras_din as kd
from keras_din.serving import saved_model
from keras_din.serving.sample_rows import one_candidate_per_row, sample_rows
from keras_din.serving.version.description import read_description
from keras_din.serving.version.warmup import FILE, warmup_requests, write_warmup
from tests.models.shared import score
from tests.serving.specs import SPEC

REQUESTS = [
    ["serving_default", 1],
    ["serving_default", 8],
    ["serving_default", 64],
    ["rank", 1, 1],
    ["rank", 1, 10],
    ["rank", 1, 100],
    ["rank", 8, 10],
    ["rank", 64, 10],
]


def read_requests(version):
    """Reads pairs of a signature and its tensors, like a server."""
    prediction_log_pb2 = pytest.importorskip(
        "tensorflow_serving.apis.prediction_log_pb2",
        reason="tensorflow-serving-api is not installed",
    )
    for record in tf.data.TFRecordDataset(str(version / FILE)).as_numpy_iterator():
        log = prediction_log_pb2.PredictionLog.FromString(record)
        assert log.WhichOneof("log_type") == "predict_log"
        request = log.predict_log.request
        inputs = {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}
        yield request.model_spec.signature_name, inputs


def test_requests_give_the_outputs_of_the_live_model(exports):
    model, version = exports["din"]
    signatures = exports.signatures("din")
    indices = sample_rows(SPEC).indices
    found = []
    for signature, inputs in read_requests(version):
        rows, *candidates = inputs["item"].shape
        found.append([signature, rows, *candidates])
        answer = signatures[signature](
            **{name: tf.constant(values) for name, values in inputs.items()}
        )
        source = indices if candidates else one_candidate_per_row(SPEC, indices)
        last = [-1 - i % len(source["item"]) for i in range(rows)]
        x = {name: values[last] for name, values in source.items()}
        for name in ("item", "shop", "price"):
            x[name] = x[name][:, [i % 3 for i in range(candidates[0])] if candidates else None]
        real = x["item"] != 0
        live = np.where(real, score(model, x), 0)
        live = live if candidates else live[:, 0]
        assert np.isfinite(answer["ctr"].numpy()).all()
        np.testing.assert_allclose(answer["ctr"], live, rtol=0, atol=1e-5)
    assert found == REQUESTS
    assert len(found) <= 1000  # A server rejects a version with more requests.


def test_entry_in_the_description(exports):
    assert read_description(exports["din"][1])["warmup"] == {"file": FILE, "requests": REQUESTS}


def test_the_longest_histories_come_first():
    requests = dict(reversed(warmup_requests(SPEC)))
    lengths = (requests["serving_default"]["hist_item"] != "").sum(axis=1)
    assert lengths[0] == 22
    (signature, inputs) = warmup_requests(SPEC)[-1]
    assert signature == "rank"
    np.testing.assert_array_equal(inputs["hist_item"][0], inputs["hist_item"][24])
    np.testing.assert_array_equal(inputs["item"][0, :3], inputs["item"][0, 3:6])


def test_the_same_spec_gives_the_same_file(tmp_path):
    pytest.importorskip(
        "tensorflow_serving", reason="tensorflow-serving-api is not installed: no file to write"
    )
    for name in "ab":
        (tmp_path / name).mkdir()
        write_warmup(tmp_path / name, SPEC)
    assert (tmp_path / "a" / FILE).read_bytes() == (tmp_path / "b" / FILE).read_bytes()


def test_without_the_package(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_serving", None)
    monkeypatch.setattr(saved_model, "check_parity", lambda *arguments: {})
    message = r"\d+ has no warm-up requests.*: tensorflow-serving-api is not installed"
    with pytest.warns(UserWarning, match=message):
        version = kd.export(kd.build_popularity(SPEC), SPEC, tmp_path)
    warmup = json.loads((version / "keras_din.json").read_text(encoding="utf-8"))["warmup"]
    assert warmup == {"file": None, "requests": [], "missing": "tensorflow-serving-api"}
    assert not (version / "assets.extra").exists()
