"""Runs TensorFlow Serving for tests, or connects to a server at a given address."""

import contextlib
import os
import pathlib
import shutil
import socket
import subprocess
import time

import grpc
from tensorflow_serving.apis import get_model_status_pb2, model_service_pb2_grpc

from keras_din.serving.version.folders import new_version

EXAMPLES = pathlib.Path(__file__).parent.parent.parent / "examples" / "serving"
ADDRESS, FOLDER = "KERAS_DIN_TF_SERVING", "KERAS_DIN_TF_SERVING_FOLDER"
PROGRAM = "tensorflow_model_server"


def why_not() -> str | None:
    """Returns why no server can be used here, or `None`."""
    if os.environ.get(ADDRESS):
        if os.environ.get(FOLDER):
            return None
        return f"{ADDRESS} is set, but not {FOLDER}, the folder of versions that this server polls"
    if shutil.which(PROGRAM):
        return None
    return f"no TensorFlow Serving: {PROGRAM} is not on the PATH, and {ADDRESS} is not set"


@contextlib.contextmanager
def model_server(name, version, scratch):
    """Yields gRPC and REST address of a server that has loaded a version as the model `name`.

    The REST address is `None` if only the gRPC address was given.
    """
    if os.environ.get(ADDRESS):
        host, port, *rest = os.environ[ADDRESS].split(":")
        with new_version(os.environ[FOLDER]) as copy:
            shutil.copytree(version, copy.folder, dirs_exist_ok=True)
        _wait(f"{host}:{port}", name, int(copy.published.name), 60)
        yield f"{host}:{port}", f"{host}:{rest[0]}" if rest else None
        return
    models = (EXAMPLES / "models.config").read_text(encoding="utf-8")
    models = models.replace('"shop"', f'"{name}"').replace("/models/shop", str(version.parent))
    (scratch / "models.config").write_text(models, encoding="utf-8")
    over_grpc, over_rest = _free_port(), _free_port()
    words = [
        PROGRAM,
        f"--port={over_grpc}",
        f"--rest_api_port={over_rest}",
        f"--model_config_file={scratch / 'models.config'}",
        "--enable_batching",
        f"--batching_parameters_file={EXAMPLES / 'batching_parameters.txt'}",
    ]
    with open(scratch / "log", "w") as log:
        server = subprocess.Popen(words, stdout=log, stderr=log)
        try:
            _wait(f"127.0.0.1:{over_grpc}", name, int(version.name), 60, server)
            yield f"127.0.0.1:{over_grpc}", f"127.0.0.1:{over_rest}"
        finally:
            server.terminate()
            server.wait()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def _wait(address, name, version, seconds, server=None):
    """Waits until the server responds with this version."""
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = name
    end = time.monotonic() + seconds
    with grpc.insecure_channel(address) as channel:
        service = model_service_pb2_grpc.ModelServiceStub(channel)
        while True:
            try:
                states = service.GetModelStatus(request, 5.0).model_version_status
            except grpc.RpcError as error:
                states = str(error)
            else:
                if any(s.version == version and s.state == s.AVAILABLE for s in states):
                    return
            assert server is None or server.poll() is None, "the server has ended; see its log"
            assert time.monotonic() < end, f"no version {version} of {name}: {states}"
            time.sleep(0.2)
