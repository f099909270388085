"""A simple replacement of TensorFlow Serving: Predict over gRPC and REST, on localhost.

It runs the SavedModel with TensorFlow only. JSON is converted to tensors by the rules of the
server's REST API (https://www.tensorflow.org/tfx/serving/api_rest, and `json_tensor.cc` of
TensorFlow Serving for details): the dtype of an input is that of the signature, lists must have
equal lengths, and integer inputs must be integers.
"""

import contextlib
import http.server
import json
import threading
from concurrent import futures

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc


class InvalidRequest(Exception):
    """A request that a server rejects with INVALID_ARGUMENT or 400."""


class Served:
    """One model: its signatures and their inputs."""

    def __init__(self, name, version):
        self.name = name
        self.signatures = tf.saved_model.load(str(version)).signatures
        self.requests = []  # The received requests, arrays by name.

    def inputs(self, signature):
        if signature not in self.signatures:
            raise InvalidRequest(f'Serving signature key "{signature}" not found.')
        return self.signatures[signature].structured_input_signature[1]

    def run(self, signature, inputs):
        specs = self.inputs(signature)
        if inputs.keys() != specs.keys():
            raise InvalidRequest(f"Missing or extra inputs: {sorted(inputs.keys() ^ specs.keys())}")
        for name, values in inputs.items():
            if values.dtype != specs[name].dtype or values.ndim != specs[name].shape.rank:
                raise InvalidRequest(
                    f"{name} must be {specs[name]}, got {values.dtype} {values.shape}"
                )
        self.requests.append({name: values.numpy() for name, values in inputs.items()})
        answer = self.signatures[signature](**inputs)
        return {name: values.numpy() for name, values in answer.items()}


def tensors_from_json(content, specs):
    """Returns the tensors in the body of `:predict`, and the key of the response."""
    if ("instances" in content) == ("inputs" in content):
        raise InvalidRequest("Expecting one of 'inputs' or 'instances'")
    if "inputs" in content:
        columns = content["inputs"]
        if not isinstance(columns, dict):
            raise InvalidRequest("inputs is a plain value/list, but expecting an object")
        if not specs.keys() <= columns.keys():
            raise InvalidRequest(f"Missing named inputs: {sorted(specs.keys() - columns.keys())}")
        return {name: _tensor(columns[name], specs[name].dtype) for name in specs}, "outputs"
    rows = content["instances"]
    if not isinstance(rows, list) or not rows:
        raise InvalidRequest("Expecting 'instances' to be a list with values")
    for row in rows:
        if not isinstance(row, dict) or row.keys() != specs.keys():
            raise InvalidRequest(f"keys must be equal to: {list(specs)}")
    columns = {name: [row[name] for row in rows] for name in specs}
    return {name: _tensor(columns[name], specs[name].dtype) for name in specs}, "predictions"


def _tensor(value, dtype):
    shape, inner = [], value
    while isinstance(inner, list):
        shape.append(len(inner))
        inner = inner[0] if inner else None
    flat = []
    _collect(value, shape, dtype, flat)
    array = np.array(flat, object if dtype == tf.string else dtype.as_numpy_dtype)
    return tf.constant(array.reshape(shape), dtype)


def _collect(value, shape, dtype, flat):
    if isinstance(value, list):
        if not shape or len(value) != shape[0]:
            raise InvalidRequest(f"Encountered list at unexpected size: {len(value)}")
        for item in value:
            _collect(item, shape[1:], dtype, flat)
        return
    if shape:
        raise InvalidRequest("JSON Value found at incorrect level")
    types = {tf.string: str, tf.float32: (int, float)}.get(dtype, int)
    if not isinstance(value, types) or isinstance(value, bool):
        raise InvalidRequest(f"JSON Value: {value!r} is not of expected type: {dtype.name}")
    flat.append(value)


def json_from_tensors(answer, key):
    """Returns the body of the response, by rows or by outputs. A single output has no name."""
    answer = {name: values.tolist() for name, values in answer.items()}
    if key == "predictions":
        rows = [
            dict(zip(answer, values, strict=True)) for values in zip(*answer.values(), strict=True)
        ]
        return {key: rows if len(answer) > 1 else [next(iter(row.values())) for row in rows]}
    return {key: answer if len(answer) > 1 else next(iter(answer.values()))}


class _Predict(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, served):
        self.served = served

    def Predict(self, request, context):
        if request.model_spec.name != self.served.name:
            context.abort(grpc.StatusCode.NOT_FOUND, "Servable not found for request")
        inputs = {
            name: tf.constant(tf.make_ndarray(value), value.dtype)
            for name, value in request.inputs.items()
        }
        signature = request.model_spec.signature_name or "serving_default"
        try:
            answer = self.served.run(signature, inputs)
        except InvalidRequest as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        response = predict_pb2.PredictResponse()
        for name, values in answer.items():
            response.outputs[name].CopyFrom(tf.make_tensor_proto(values))
        return response


def _handler(served):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self):
            content = self.rfile.read(int(self.headers["Content-Length"]))
            try:
                if self.path != f"/v1/models/{served.name}:predict":
                    self.answer(404, {"error": f"Servable not found for request: {self.path}"})
                    return
                content = json.loads(content)
                signature = content.get("signature_name", "serving_default")
                inputs, key = tensors_from_json(content, served.inputs(signature))
                self.answer(200, json_from_tensors(served.run(signature, inputs), key))
            except (InvalidRequest, json.JSONDecodeError) as error:
                self.answer(400, {"error": str(error)})

        def answer(self, status, content):
            text = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *arguments):
            pass

    return Handler


@contextlib.contextmanager
def stand_in(name, version):
    """Serves a version as the model `name`: yields `(served, grpc_address, rest_address)`."""
    served = Served(name, version)
    over_grpc = grpc.server(futures.ThreadPoolExecutor(4))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(_Predict(served), over_grpc)
    port = over_grpc.add_insecure_port("127.0.0.1:0")
    over_grpc.start()
    over_http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(served))
    thread = threading.Thread(target=over_http.serve_forever)
    thread.start()
    try:
        yield served, f"127.0.0.1:{port}", f"127.0.0.1:{over_http.server_address[1]}"
    finally:
        over_grpc.stop(None).wait()
        over_http.shutdown()
        over_http.server_close()
        thread.join()
