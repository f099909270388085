"""The clients of the examples: from raw values of users to sorted candidates."""

import contextlib
import http.client
import importlib
import json
import re
import subprocess
import sys
import time
import types

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import keras_din as kd
from keras_din.features import id_feature
from keras_din.serving import saved_model
from keras_din.serving.sample_rows import sample_rows
from keras_din.serving.version.warmup import warmup_requests
from tests.serving.specs import SPEC

grpc = pytest.importorskip("grpc", reason="grpcio is not installed")
pytest.importorskip("tensorflow_serving", reason="tensorflow-serving-api is not installed")

from google.protobuf import (  # noqa: E402
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
    wrappers_pb2,
)
from tensorflow_serving.config import model_server_config_pb2  # noqa: E402

from tests.serving.model_server import EXAMPLES, model_server, why_not  # noqa: E402
from tests.serving.stand_in import InvalidRequest, stand_in, tensors_from_json  # noqa: E402

NAMES = ("rank_request", "grpc_client", "rest_client", "load")


@pytest.fixture(scope="module")
def clients():
    sys.path.insert(0, str(EXAMPLES))
    yield types.SimpleNamespace(**{name: importlib.import_module(name) for name in NAMES})
    sys.path.remove(str(EXAMPLES))
    for name in NAMES:
        del sys.modules[name]


@pytest.fixture(scope="module")
def description(exports, clients):
    return clients.rank_request.read_description(exports["din"][1] / "keras_din.json")


@pytest.fixture(scope="module", params=["stand-in", "TensorFlow Serving"])
def addresses(request, exports, tmp_path_factory):
    """The gRPC and REST addresses of a server with the version."""
    version = exports["din"][1]
    if request.param == "stand-in":
        with stand_in("din", version) as (_, over_grpc, over_rest):
            yield over_grpc, over_rest
        return
    if why_not():
        pytest.skip(why_not())
    with model_server("din", version, tmp_path_factory.mktemp("server")) as found:
        yield found


def users_and_ctr(model, rows=24, seed=5):
    """Returns users in raw values, without padding, and the live model's scores for each."""
    raw, indices = sample_rows(SPEC, rows=rows, seed=seed)
    live = model.predict_on_batch(indices)
    real = {"target": indices[id_feature(SPEC.target).name] != 0}
    for sequence in SPEC.sequences:
        first = id_feature(sequence.of)
        real[sequence.name] = raw[sequence.input_name(first)] != first.padding_value
    users = []
    for i in range(rows):
        user = {}
        for name, info in SPEC.inputs.items():
            values = raw[name][i]
            if info.role != "context":
                values = values[real[info.sequence.name if info.sequence else "target"][i]]
            user[name] = values.tolist() if hasattr(values, "tolist") else values
        users.append(user)
    return users, [live[i][real["target"][i]] for i in range(rows)]


def check(clients, users, answer, expected):
    for user, ctr, order, live in zip(users, answer["ctr"], answer["order"], expected, strict=True):
        ranking = clients.rank_request.best_first(user, "item", order)
        assert sorted(ranking) == list(range(len(live)))
        values = [ctr[index] for index in ranking]
        assert values == pytest.approx([live[index] for index in ranking], abs=1e-5)
        assert values == sorted(values, reverse=True)


def rank_functions(clients, addresses, description):
    """Yields the functions that rank users, one per protocol and form."""
    over_grpc, over_rest = addresses
    with clients.grpc_client.connect(over_grpc) as service:
        yield lambda users: clients.grpc_client.rank(service, "din", description, users)
    if over_rest is not None:
        with clients.rest_client.connect(over_rest) as connection:
            for form in ("inputs", "instances"):
                yield lambda users, form=form: clients.rest_client.rank(
                    connection, "din", description, users, form
                )


def test_ranking_agrees_with_the_live_model(exports, clients, description, addresses):
    users, expected = users_and_ctr(exports["din"][0])
    lengths = [len(user["hist_item"]) for user in users]
    assert min(lengths) == 0
    assert max(lengths) > 12
    assert {type(user["shop"][0]) for user in users if user["shop"]} == {int}
    for rank in rank_functions(clients, addresses, description):
        check(clients, users, rank(users), expected)
        check(clients, users[-1:], rank(users[-1:]), expected[-1:])


def test_user_without_behaviors(exports, clients, description, addresses):
    users, expected = users_and_ctr(exports["din"][0])
    (i,) = [i for i, user in enumerate(users) if not user["hist_item"]][:1]
    assert not users[i]["shops_shop"]
    for rank in rank_functions(clients, addresses, description):
        check(clients, [users[i]], rank([users[i]]), [expected[i]])


def test_errors_of_a_server_are_reported(clients, description, addresses):
    over_grpc, over_rest = addresses
    users, _ = users_and_ctr(kd.build_popularity(SPEC), rows=2)
    refused = pytest.raises(grpc.RpcError, match="NOT_FOUND")
    with clients.grpc_client.connect(over_grpc) as service, refused:
        clients.grpc_client.rank(service, "dinn", description, users)
    if over_rest is None:
        return
    wrong = [user | {"age": "old"} for user in users]
    with clients.rest_client.connect(over_rest) as connection:
        with pytest.raises(RuntimeError, match=r"must answer with status 200\. Received: 404"):
            clients.rest_client.rank(connection, "dinn", description, users)
        with pytest.raises(RuntimeError, match=r"Received: 400: .*not of expected type"):
            clients.rest_client.rank(connection, "din", description, wrong)


def test_invalid_users(clients, description):
    (user, other), _ = users_and_ctr(kd.build_popularity(SPEC), rows=2)
    inputs = clients.rank_request.rank_inputs
    with pytest.raises(ValueError, match=r"user 1 must have the inputs \['age', .*Received"):
        inputs(description, [user, {name: other[name] for name in ("age", "item")}])
    message = r"user 0: lists must have equal lengths. Received: {'hist_item': 1, 'hist_shop': 0"
    with pytest.raises(ValueError, match=message):
        inputs(description, [user | {"hist_item": ["té 1"], "hist_shop": []}])
    for value in ("té 1", ["té 1", ["té 2"]], 3):
        message = r"user 1: hist_item must be .* lists of values, .* Received: "
        with pytest.raises(ValueError, match=message + re.escape(repr(value))):
            inputs(description, [user, other | {"hist_item": value}])
    with pytest.raises(ValueError, match=r"user 0: age must be a value, .* Received: \[1.0\]"):
        inputs(description, [user | {"age": [1.0]}])
    with pytest.raises(
        ValueError, match=r"equal lengths. Received: {'price': 3, 'item': 2, 'shop': "
    ):
        inputs(description, [other | {"price": [1.0, 2.0, 3.0], "item": ["a", "b"]}])


def test_lists_are_padded_to_the_same_shape(clients):
    tensors = {
        "age": ("float32", [-1]),
        "tags": ("string", [-1, -1]),
        "item": ("int64", [-1, -1]),
        "parts": ("string", [-1, -1, -1]),
        "hist_item": ("int64", [-1, -1]),
    }
    description = {
        "padding": {"item": -1, "hist_item": -1},
        "spec": {
            "target": ["item", "parts"],
            "sequences": [{"name": "hist", "of": ["item"], "side_features": []}],
        },
        "signatures": {
            "rank": {"inputs": {n: {"dtype": d, "shape": s} for n, (d, s) in tensors.items()}}
        },
    }
    users = [
        {"age": 1, "tags": ["x"], "item": [5], "parts": [["p", "q"]], "hist_item": [7, 8]},
        {"age": 2, "tags": [], "item": [3, 4], "parts": [["r"], []], "hist_item": []},
    ]
    assert clients.rank_request.rank_inputs(description, users) == {
        "age": [1, 2],
        "tags": [["", "x"], ["", ""]],
        "item": [[5, -1], [3, 4]],
        "parts": [[["", "p", "q"], ["", "", ""]], [["", "", "r"], ["", "", ""]]],
        "hist_item": [[-1, 7, 8], [-1, -1, -1]],
    }


@pytest.mark.parametrize("client_pads_in_front", [True, False])
def test_requests_that_a_server_batches(exports, clients, description, client_pads_in_front):
    """`pad_variable_length_inputs` pads a request at its end with its first value."""
    model, version = exports["din"]
    users, expected = users_and_ctr(model)
    users, expected = users[::4], expected[::4]
    requests = [clients.rank_request.rank_inputs(description, [user]) for user in users]
    specs = description["signatures"]["rank"]["inputs"]
    joined = {}
    for name, tensor in specs.items():
        arrays = [np.array(request[name], object) for request in requests]
        if not client_pads_in_front and SPEC.inputs[name].role == "behavior":
            arrays = [array[:, 1:] if array.shape[1] > 1 else array for array in arrays]
        widths = np.max([array.shape for array in arrays], axis=0)
        for i, array in enumerate(arrays):
            padding = [(0, width - size) for width, size in zip(widths, array.shape, strict=True)]
            arrays[i] = np.pad(array, padding, constant_values=array.flat[0])
        joined[name] = tf.constant(np.concatenate(arrays).tolist(), tensor["dtype"])
    answer = tf.saved_model.load(str(version)).signatures["rank"](**joined)
    answer = {name: values.numpy().tolist() for name, values in answer.items()}
    if client_pads_in_front:
        check(clients, users, answer, expected)
    else:
        with pytest.raises(AssertionError):
            check(clients, users, answer, expected)


def test_json_is_converted_to_tensors_as_by_the_server():
    specs = {
        "item": tf.TensorSpec([None, None], tf.string),
        "shop": tf.TensorSpec([None, None], tf.int64),
        "age": tf.TensorSpec([None], tf.float32),
    }
    columns = {"item": [["té", ""]], "shop": [[2**62 + 1, -1]], "age": [30]}
    rows = [{"item": ["té", ""], "shop": [2**62 + 1, -1], "age": 30}]
    for content, key in [({"inputs": columns}, "outputs"), ({"instances": rows}, "predictions")]:
        tensors, found = tensors_from_json(json.loads(json.dumps(content)), specs)
        assert found == key
        assert tensors["item"].numpy().tolist() == [["té".encode(), b""]]
        assert tensors["shop"].numpy().tolist() == [[2**62 + 1, -1]]
        assert tensors["shop"].dtype == tf.int64
        assert tensors["age"].numpy().tolist() == [30.0]
    two = [rows[0], {"item": ["a"], "shop": [1], "age": 1}]
    for content, message in [
        ({"inputs": columns, "instances": rows}, "one of"),
        ({"instances": two}, "unexpected size: 1"),
        ({"instances": [{"item": ["a"]}]}, "keys must be"),
        ({"inputs": columns | {"shop": [[1.0, 2]]}}, "not of expected type: int64"),
        ({"inputs": columns | {"age": ["30"]}}, "not of expected type: float32"),
        ({"inputs": {"age": [1]}}, "Missing named inputs: .*item"),
    ]:
        with pytest.raises(InvalidRequest, match=message):
            tensors_from_json(content, specs)


def test_one_output_has_no_name_over_rest(exports):
    model, version = exports["din"]
    raw, indices = sample_rows(SPEC, rows=6, candidates=1)
    live = np.where(indices["item"] != 0, model.predict_on_batch(indices), 0)[:, 0]
    rows = {
        name: values[:, 0] if values.shape[1:] == (1,) else values for name, values in raw.items()
    }
    rows = {name: values.tolist() for name, values in rows.items()}
    instances = [{name: values[i] for name, values in rows.items()} for i in range(6)]
    with stand_in("din", version) as (_, _, address):
        connection = http.client.HTTPConnection(address)
        for content, key in [
            ({"inputs": rows}, "outputs"),
            ({"instances": instances}, "predictions"),
        ]:
            connection.request("POST", "/v1/models/din:predict", json.dumps(content))
            answer = json.loads(connection.getresponse().read())
            np.testing.assert_allclose(answer[key], live, rtol=0, atol=1e-5)
        connection.close()


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A version for the small log of the README and users.json."""
    log = pd.DataFrame(
        {
            "user": ["ann", "ann", "ann", "bob", "bob", "bob"],
            "item": ["tea", "pot", "cup", "pot", "tea", "cup"],
            "price": [3.0, 20.0, 4.5, 20.0, 3.0, 4.5],
            "time": ["2026-11-01 10:00", "2026-11-01 11:00", "2026-11-03 09:00"] * 2,
            "click": [1, 0, 1, 1, 0, 1],
        }
    )
    columns = {"user": "user", "time": "time", "label": "click", "target": ["item", "price"]}
    data = kd.data.prepare_impressions(log, **columns, split=kd.data.LeaveOneOut(valid=0))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(saved_model, "check_parity", lambda *arguments: {})
        return kd.export(kd.build_din(data.spec), data.spec, tmp_path_factory.mktemp("shop"))


@pytest.mark.parametrize(
    "words", [["grpc_client.py"], ["rest_client.py"], ["rest_client.py", "--form", "instances"]]
)
def test_commands_print_sorted_candidates(shop, words):
    with stand_in("shop", shop) as (_, over_grpc, over_rest):
        address = over_grpc if words[0] == "grpc_client.py" else over_rest
        options = [str(shop / "keras_din.json"), "users.json", "--model", "shop"]
        done = subprocess.run(
            [sys.executable, *words, *options, "--address", address],
            cwd=EXAMPLES,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [lines[0], lines[4]] == ["user 0", "user 1"]
    ctr = [float(line.split()[0]) for line in lines[1:4]]
    assert ctr == sorted(ctr, reverse=True)
    assert {line.split("  ", 2)[2] for line in lines[1:4]} == {
        "item=tea  price=3.0",
        "item=pot  price=20.0",
        "item=cup  price=4.5",
    }
    assert len(lines) == 7


@pytest.mark.parametrize("protocol", ["grpc", "rest"])
def test_load(shop, clients, protocol, capsys):
    with stand_in("shop", shop) as (served, *addresses):
        address = addresses[protocol == "rest"]
        words = [str(shop / "keras_din.json"), str(EXAMPLES / "users.json"), "--model", "shop"]
        words += ["--protocol", protocol, "--address", address, "--threads", "2"]
        clients.load.main([*words, "--seconds", "0.3"])
        assert len(served.requests) > 4
        assert all(len(request["item"]) == 1 for request in served.requests)
        with pytest.raises((grpc.RpcError, RuntimeError), match=r"404|NOT_FOUND"):
            clients.load.main([*words, "--model", "other"])
    assert capsys.readouterr().out.startswith(f"{protocol}, 2 threads: ")


def test_load_counts(clients):
    made = []

    def connect():
        made.append(1)
        return contextlib.nullcontext(lambda user: time.sleep(0.01))

    found = clients.load.measure(connect, ["a", "b"], threads=3, seconds=0.2)
    assert len(made) == 3
    assert 10 <= found["p50_ms"] <= found["p99_ms"]
    assert found["requests_per_second"] == pytest.approx(found["requests"] / 0.2)
    assert found["requests"] <= 63


def batching_parameters():
    """The message `BatchingParameters` of `session_bundle_config.proto`, which is in no package."""
    file = descriptor_pb2.FileDescriptorProto(name="batching.proto", package="batching")
    file.syntax = "proto3"
    file.dependency.append(wrappers_pb2.DESCRIPTOR.name)
    message = file.message_type.add(name="BatchingParameters")
    numbers = ("max_batch_size", "batch_timeout_micros", "max_enqueued_batches")
    for number, name in enumerate([*numbers, "num_batch_threads"], 1):
        field = message.field.add(name=name, number=number, label=1, type=11)
        field.type_name = ".google.protobuf.Int64Value"
    message.field.add(name="pad_variable_length_inputs", number=7, label=1, type=8)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    found = pool.FindMessageTypeByName("batching.BatchingParameters")
    return message_factory.GetMessageClass(found)()


def test_batching_parameters():
    text = (EXAMPLES / "batching_parameters.txt").read_text(encoding="utf-8")
    parameters = text_format.Parse(text, batching_parameters())
    assert parameters.pad_variable_length_inputs
    # A server rejects a version if one of its warm-up requests has more rows.
    assert parameters.max_batch_size.value >= max(rows for _, rows, *_ in warmup_sizes())


def warmup_sizes():
    return [[signature, *inputs["item"].shape] for signature, inputs in warmup_requests(SPEC)]


def test_models_config():
    text = (EXAMPLES / "models.config").read_text(encoding="utf-8")
    config = text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    (model,) = config.model_config_list.config
    assert (model.name, model.base_path) == ("shop", "/models/shop")
    assert model.model_platform == "tensorflow"
