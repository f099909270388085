"""Ranks candidates by a server over gRPC and prints them, the best first.

python grpc_client.py exported_models/shop/1795578995/keras_din.json users.json --model shop

It requires tensorflow-serving-api. keras_din.json describes the inputs. It may be that of another
version with the same features: the server uses the version that it has loaded.
"""

import argparse
import contextlib
import json

import grpc
import tensorflow as tf
from rank_request import print_ranking, rank_inputs, read_description
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc


@contextlib.contextmanager
def connect(address: str):
    """Connects to the server at `host:port`. Any number of threads may use the service."""
    with grpc.insecure_channel(address) as channel:
        yield prediction_service_pb2_grpc.PredictionServiceStub(channel)


def rank(service, model: str, description: dict, users: list, timeout: float = 10.0) -> dict:
    """Returns the outputs, such as `ctr`, and `order` of each user's candidates as nested lists.

    Raises:
        grpc.RpcError: With the error of the server, or if the response takes longer than `timeout`
            seconds.
    """
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    request.model_spec.signature_name = "rank"
    inputs = description["signatures"]["rank"]["inputs"]
    for name, values in rank_inputs(description, users).items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(values, inputs[name]["dtype"]))
    answer = service.Predict(request, timeout, wait_for_ready=True)
    return {name: tf.make_ndarray(tensor).tolist() for name, tensor in answer.outputs.items()}


def main(words=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("description", help="keras_din.json of a version")
    parser.add_argument("users", help="JSON file with a list of users")
    parser.add_argument("--model", required=True, help="name of the model on the server")
    parser.add_argument("--address", default="localhost:8500")
    options = parser.parse_args(words)
    description = read_description(options.description)
    with open(options.users, encoding="utf-8") as file:
        users = json.load(file)
    with connect(options.address) as service:
        answer = rank(service, options.model, description, users)
    print_ranking(description, users, answer)


if __name__ == "__main__":
    main()
