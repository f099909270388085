"""The cluster with servers, of arguments or of `TF_CONFIG`, and errors for invalid ones."""

import json
import socket

import pytest

from keras_din.distributed import experimental
from keras_din.distributed.experimental import read_server_cluster

CHIEF, WORKERS, SERVERS = "10.0.0.1:4000", ["10.0.0.1:4001", "host:4002"], ["host:4003"]
JOBS = {"chief": [CHIEF], "worker": WORKERS, "ps": SERVERS}


def config(monkeypatch, jobs=JOBS, kind="worker", index=1):
    content = {"cluster": jobs, "task": {"type": kind, "index": index}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(content))


def test_arguments_and_environment(monkeypatch):
    cluster = read_server_cluster(CHIEF, WORKERS, SERVERS, "worker", 1)
    assert (cluster.jobs, cluster.address) == (JOBS, ("host", 4002))
    assert read_server_cluster(CHIEF, ", ".join(WORKERS), SERVERS[0], "worker", 1) == cluster
    assert read_server_cluster(CHIEF, WORKERS, SERVERS, "chief").address == ("10.0.0.1", 4000)
    config(monkeypatch)
    assert read_server_cluster() == cluster
    config(monkeypatch, kind="ps", index=0)
    assert read_server_cluster().address == ("host", 4003)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((CHIEF, WORKERS, None, "ps", 0), r"must be given together, .* Received: no servers\."),
        ((CHIEF, WORKERS, [], "ps", 0), r"`servers` must name at least one .* Received: none\."),
        ((CHIEF, WORKERS, ["host"], "ps", 0), r"`servers` must be \"HOST:PORT\" each.*'host'"),
        ((CHIEF, WORKERS, 3, "ps", 0), r"`servers` must be a list of .* Received: servers=3\."),
        ((WORKERS, ["h:1"], SERVERS, "ps", 0), r"must be one coordinator\. Received: coordinator="),
        (
            (CHIEF, WORKERS, [CHIEF], "ps", 0),
            r"must be distinct\. Received: '10\.0\.0\.1:4000' more",
        ),
        (
            (CHIEF, WORKERS, SERVERS, "server", 0),
            r"`task` must be one of .* Received: task='server'",
        ),
        ((CHIEF, WORKERS, SERVERS, "ps", 1), r"from 0 to 0, .* 1 tasks 'ps'\. Received: index=1\."),
        ((CHIEF, WORKERS, SERVERS, "ps", True), r"Received: index=True\."),
    ],
)
def test_invalid_arguments_raise(arguments, message):
    with pytest.raises(ValueError, match=message):
        read_server_cluster(*arguments)


@pytest.mark.parametrize(
    "jobs, received",
    [
        ({"chief": [CHIEF], "worker": WORKERS}, "no 'ps' in"),
        ({"worker": WORKERS}, "no 'chief', 'ps' in"),
        (JOBS | {"server": ["h:1"]}, "the task 'server' in"),
        (None, "Received: ''"),
    ],
)
def test_invalid_environment_raises(monkeypatch, jobs, received):
    config(monkeypatch, jobs)
    if jobs is None:
        monkeypatch.delenv("TF_CONFIG")
    with pytest.raises(ValueError, match=r"TF_CONFIG must be JSON like .* Received: ") as error:
        read_server_cluster()
    assert received in str(error.value)


def test_wrong_processes_raise(monkeypatch):
    """A wrong task, a port in use, and a worker that does not start."""
    with pytest.raises(ValueError, match=r"`task` must be \"worker\" or \"ps\": .* task='chief'"):
        experimental.run_task(CHIEF, WORKERS, SERVERS, "chief", 0)
    config(monkeypatch)
    with pytest.raises(ValueError, match=r"called by the coordinator, .* the task 'worker' of TF_"):
        experimental.connect_to_servers()
    with (
        socket.create_server(("127.0.0.1", 0)) as used,
        socket.create_server(("127.0.0.1", 0)) as server,
    ):
        of = lambda each: f"127.0.0.1:{each.getsockname()[1]}"  # noqa: E731
        with socket.create_server(("127.0.0.1", 0)) as ended:
            free, gone = of(ended), "127.0.0.1:1"
        with pytest.raises(OSError, match=r"The task 'ps' 0 must be able to listen on the port"):
            experimental.run_task(gone, [free], [of(used)], "ps", 0)
        with pytest.raises(OSError, match=r"The coordinator must be able to listen on the port"):
            experimental.connect_to_servers(of(used), [gone], [free])
        with pytest.raises(
            TimeoutError, match=r"nothing listens for the task 'worker' 0 at .*:1\."
        ):
            experimental.connect_to_servers(free, [gone], [of(server)], timeout=0.2)
