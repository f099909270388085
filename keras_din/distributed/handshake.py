"""Before TensorFlow starts, workers check that all of them are there and have the same versions.

TensorFlow itself would wait without end for a worker that does not start.
"""

import contextlib
import errno
import json
import select
import socket
import sys
import time

from keras_din.distributed.cluster import Cluster, split_address
from keras_din.version import __version__

__all__ = ["Peers", "listen", "meet", "versions"]

_LONGEST = 65536  # Bytes of a message.


class Peers:
    """The connections of a worker to the others: the chief has one to each, others to the chief.

    Args:
        cluster: The cluster.
        connections: Number of a worker -> its socket.
    """

    def __init__(self, cluster: Cluster, connections: dict):
        self._cluster = cluster
        self._connections = connections
        self._started: set = set()  # Others that have started, and need no more checks.

    def check(self) -> None:
        """Raises a `ConnectionError` if a worker has ended."""
        watched = {i: each for i, each in self._connections.items() if i not in self._started}
        readable, _, _ = select.select(list(watched.values()), [], [], 0)
        for index, connection in watched.items():
            if connection in readable:
                if not _receive_some(connection):
                    raise _has_ended(self._cluster, index)
                self._started.add(index)

    def close(self, started: bool) -> None:
        """Closes the connections, after telling the others whether this worker has started."""
        for connection in self._connections.values():
            if started:
                _send(connection, {})
            connection.close()


def versions() -> dict:
    """Returns the versions that all workers must have in common."""
    import keras
    import tensorflow as tf

    return {
        "keras_din": __version__,
        "keras": keras.__version__,
        "tensorflow": tf.__version__,
        "python": "{}.{}".format(*sys.version_info),
    }


def meet(cluster: Cluster, of_worker: dict, timeout: float) -> Peers:
    """Waits until all workers are there.

    Args:
        cluster: The cluster.
        of_worker: What must be equal on all workers: name -> text, such as `versions()`.
        timeout: Seconds.

    Returns:
        Connections that end if a worker ends.

    Raises:
        OSError: If the port of this worker is in use.
        TimeoutError: If a worker does not start in time.
        ConnectionError: If a worker ends, or could not start.
        ValueError: If workers differ in `of_worker` or in their list of workers.
    """
    hello = {"workers": list(cluster.workers), "index": cluster.index, "of_worker": of_worker}
    deadline = time.monotonic() + timeout
    with listen(cluster.address, f"Worker {cluster.index}", len(cluster.workers)) as listener:
        if cluster.index:
            return _join(cluster, hello, deadline, timeout)
        return _gather(cluster, hello, listener, deadline, timeout)


def listen(address: tuple[str, int], process: str, backlog: int = 1):
    """Returns a socket on the port of this process, which TensorFlow will use next.

    Args:
        address: Host and port.
        process: The name of this process, for the error.
        backlog: Number of connections that may wait.

    Raises:
        OSError: If the port is in use, or cannot be used.
    """
    host, port = address
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        try:
            listener.bind((host, port))
        except OSError as error:
            if error.errno != errno.EADDRNOTAVAIL and not isinstance(error, socket.gaierror):
                raise
            listener.bind(("", port))  # The name is that of a proxy, as in Kubernetes.
        listener.listen(backlog)
    except OSError as error:
        listener.close()
        raise OSError(
            f"{process} must be able to listen on the port {port} of {host}: choose "
            f"another port, or end the process that uses it. Received: {error.strerror}."
        ) from error
    return listener


def _gather(cluster, hello, listener, deadline, timeout) -> Peers:
    """The chief waits for the others, compares them with itself, and answers all of them."""
    greetings: dict = {}
    connections: dict = {}
    with contextlib.ExitStack() as stack:
        error: Exception | None = None
        while len(connections) < len(cluster.workers) - 1:
            missing = [i for i in range(1, len(cluster.workers)) if i not in connections]
            left = deadline - time.monotonic()
            ready, _, _ = select.select([listener, *connections.values()], [], [], max(left, 0))
            if not ready:
                error = _did_not_start(cluster, missing, timeout)
                break
            for connection in ready:
                if connection is listener:
                    new, _ = listener.accept()
                    stack.callback(new.close)
                    greeting = _receive(new, min(deadline, time.monotonic() + 5))
                    index = (greeting or {}).get("index")
                    if index in connections:
                        error = ValueError(
                            "Each worker must have its own index. "
                            f"Received: two workers with the index {index}."
                        )
                        _send(new, {"error": str(error)})
                    elif isinstance(index, int):
                        greetings[index], connections[index] = greeting, new
                    else:
                        new.close()  # Not a worker.
                else:
                    index = next(i for i, each in connections.items() if each is connection)
                    error = _has_ended(cluster, index)
                    del connections[index]
            if error is not None:
                break
        error = error or _difference(hello, greetings)
        for connection in connections.values():
            _send(connection, {} if error is None else {"error": str(error)})
        if error is not None:
            raise error
        stack.pop_all()  # The connections stay open.
    return Peers(cluster, connections)


def _join(cluster, hello, deadline, timeout) -> Peers:
    """A worker greets the chief, and waits for its answer."""
    address = split_address(cluster.workers[0])
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            raise _did_not_start(cluster, [0], timeout)
        try:
            connection = socket.create_connection(address, timeout=min(left, 5))
            break
        except OSError:  # The chief has not started yet.
            time.sleep(0.1)
    with contextlib.ExitStack() as stack:
        stack.callback(connection.close)
        _send(connection, hello)
        # The chief may have started just now: it waits as long as this worker does, and answers.
        answer = _receive(connection, time.monotonic() + timeout + 5)
        if answer is None:
            raise _has_ended(cluster, 0)
        if "error" in answer:
            raise ConnectionError(f"The workers could not start. Received: {answer['error']}")
        stack.pop_all()
    return Peers(cluster, {0: connection})


def _difference(hello: dict, greetings: dict) -> ValueError | None:
    """Returns the error if a worker differs from the chief."""
    for index, greeting in greetings.items():
        if greeting.get("workers") != hello["workers"]:
            return ValueError(
                "All workers must have the same list of workers. Received: "
                f"{hello['workers']} on worker 0 and {greeting.get('workers')} on worker {index}."
            )
        if greeting.get("of_worker") != hello["of_worker"]:
            return ValueError(
                "All workers must have the same versions and data. Received: "
                f"{hello['of_worker']} on worker 0 and {greeting.get('of_worker')} on worker "
                f"{index}."
            )
    return None


def _did_not_start(cluster, missing, timeout) -> TimeoutError:
    names = ", ".join(f"{index} at {cluster.workers[index]}" for index in missing)
    return TimeoutError(
        f"All workers must start within {timeout:g} seconds. Received: nothing from worker {names}."
    )


def _has_ended(cluster, index) -> ConnectionError:
    return ConnectionError(
        "All workers must run until the end. Received: worker "
        f"{index} at {cluster.workers[index]} has ended during the start. Start all workers again."
    )


def _send(connection, content) -> None:
    # If the other side has ended, this is found where its next message is read.
    with contextlib.suppress(OSError):
        connection.sendall(json.dumps(content, allow_nan=False).encode() + b"\n")


def _receive(connection, deadline) -> dict | None:
    """Returns a line of JSON, or `None` if the other side ends or sends something else."""
    data = b""
    while not data.endswith(b"\n") and len(data) < _LONGEST:
        connection.settimeout(max(deadline - time.monotonic(), 0.001))
        try:
            received = _receive_some(connection)
        except TimeoutError:
            return None
        if not received:
            return None
        data += received
    try:
        content = json.loads(data)
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def _receive_some(connection) -> bytes:
    try:
        return connection.recv(4096)
    except ConnectionError:
        return b""
