"""`keras-din sample-request`: a version accepts the requests that are printed."""

import dataclasses
import json
import warnings

import numpy as np
import pytest
import tensorflow as tf

import keras_din as kd
from keras_din.cli import main
from keras_din.cli.sample_request import _SIGNATURES
from keras_din.serving import sample_request
from keras_din.serving.graph.signatures import SIGNATURES
from tests.serving.specs import SPEC


def printed(capsys, *words):
    assert main(["sample-request", *map(str, words)]) == 0
    return json.loads(capsys.readouterr().out, parse_constant=pytest.fail)


def check_requests(requests, signatures):
    """Checks that a version accepts the requests for 2 rows of 4 candidates."""
    assert list(requests) == list(SIGNATURES) == list(_SIGNATURES)
    for name, rows, shape in (("serving_default", 8, (8,)), ("rank", 2, (2, 4))):
        signature = signatures[name]
        inputs = signature.structured_input_signature[1]
        columns = requests[name]["column"]["inputs"]
        instances = requests[name]["row"]["instances"]
        assert {each["signature_name"] for each in requests[name].values()} == {name}
        assert columns.keys() == inputs.keys()
        assert len(instances) == rows
        assert columns == {key: [row[key] for row in instances] for key in columns}
        x = {key: tf.constant(value, inputs[key].dtype) for key, value in columns.items()}
        ctr = signature(**x)["ctr"].numpy()
        assert ctr.shape == shape
        assert (ctr > 0).all()  # The output of padding is 0.
        assert (ctr < 1).all()


def test_the_version_accepts_both_forms(exports, capsys):
    _, version = exports["lr"]
    capsys.readouterr()  # What the export printed.
    requests = printed(capsys, version, "--rows", 2, "--candidates", 4, "--time", 6)
    check_requests(requests, exports.signatures("lr"))
    # The first row has padding, at the end. The last one has a history of full width.
    first, last = requests["rank"]["column"]["inputs"]["hist_item"]
    assert first == sorted(first, key=lambda value: value == "")
    assert ("" in first, "" in last) == (True, False)


@pytest.mark.slow
def test_all_kinds_of_inputs(tmp_path, unchecked):
    tags = kd.Bag("tags", vocabulary=["a", "b"], weights="scores", dim=2)
    query = kd.Vector("query", size=3, project_to=2)
    hist, shops = SPEC.sequences
    hist = dataclasses.replace(hist, side_features=(*hist.side_features, kd.Elapsed("ago", dim=2)))
    spec = dataclasses.replace(
        SPEC,
        context=(*SPEC.context, tags, query, kd.Calendar("hour_of_day", dim=2)),
        target=(*SPEC.target, kd.Bucketized("size", boundaries=[1, 5], dim=2)),
        sequences=(hist, shops),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # The warning about missing warm-up requests.
        version = kd.export(kd.build_lr(spec), spec, tmp_path)
    requests = sample_request(version, candidates=4)
    json.dumps(requests, allow_nan=False)
    inputs = requests["rank"]["column"]["inputs"]
    for items, times in zip(inputs["hist_item"], inputs["hist_time"], strict=True):
        behaviors = [time for item, time in zip(items, times, strict=True) if item != ""]
        assert behaviors == sorted(behaviors) == times[: len(behaviors)]
    for values, scores in zip(inputs["tags"], inputs["scores"], strict=True):
        known = sum(value != "" for value in values)
        assert "" not in values[:known]
        assert not any(scores[known:])
    check_requests(requests, tf.saved_model.load(str(version)).signatures)


def test_one_request_is_the_body_for_a_server(exports, capsys):
    words = [exports["lr"][1].parent, "--rows", "1", "--candidates", "100", "--seed", "3"]
    found = printed(capsys, *words, "--signature", "rank")
    assert found["signature_name"] == "rank"
    assert np.shape(found["inputs"]["item"]) == (1, 100)
    rows = printed(capsys, *words, "--signature", "rank", "--form", "row")
    assert rows["instances"] == [{name: values[0] for name, values in found["inputs"].items()}]


def test_wrong_options(exports, capsys):
    for words, message in (
        (["--form", "row"], "`--form` must be given with `--signature`"),
        (["--rows", "0"], "`rows` must be a positive integer. Received: rows=0"),
        (["--time", "-1"], "`time` must be a positive integer. Received: time=-1"),
    ):
        assert main(["sample-request", str(exports["lr"][1]), *words]) == 1
        printed = capsys.readouterr()
        assert printed.out == ""
        assert message in printed.err
