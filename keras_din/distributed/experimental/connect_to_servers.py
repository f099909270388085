"""`connect_to_servers`: the strategy of the coordinator, after workers and servers have started."""

import socket
import threading
import time
from collections.abc import Sequence

from keras_din.checks import positive_number
from keras_din.distributed.cluster import split_address
from keras_din.distributed.experimental.server_cluster import (
    COORDINATOR,
    SERVER,
    WORKER,
    ServerCluster,
    read_server_cluster,
)
from keras_din.distributed.handshake import listen

__all__ = ["connect_to_servers"]


def connect_to_servers(
    coordinator: str | None = None,
    workers: Sequence[str] | str | None = None,
    servers: Sequence[str] | str | None = None,
    *,
    timeout: float = 120.0,
):
    """Connects the coordinator with its workers and parameter servers. Call it before any model.

    Each variable that is created in the scope of the strategy lies on one of the servers. They take
    turns. The slots of an optimizer lie on the server of their variable.

    Args:
        coordinator: `"HOST:PORT"` of this process, see `read_server_cluster`. Without arguments
            `TF_CONFIG` is read.
        workers: `"HOST:PORT"` of each worker, a process of `run_task`.
        servers: `"HOST:PORT"` of each parameter server, a process of `run_task`.
        timeout: Seconds within which all workers and servers must start and answer.

    Returns:
        A `tf.distribute.ParameterServerStrategy`, for `fit_on_servers`.

    Raises:
        ValueError: If an argument or `TF_CONFIG` is invalid, or this process has another task.
        OSError: If the port of the coordinator is in use.
        TimeoutError: If a worker or server does not start in time, or does not answer.

    Example:

    ```python
    # strategy = kd.distributed.experimental.connect_to_servers(
    #     "127.0.0.1:4000", "127.0.0.1:4001,127.0.0.1:4002", "127.0.0.1:4003"
    # )
    ```
    """
    timeout = positive_number("timeout", timeout)
    given = (coordinator, workers, servers)
    task = None if all(each is None for each in given) else COORDINATOR
    cluster = read_server_cluster(*given, task)
    if cluster.task != COORDINATOR:
        raise ValueError(
            "`connect_to_servers` must be called by the coordinator, the task "
            f"{COORDINATOR!r}. Workers and servers call `run_task`. "
            f"Received: the task {cluster.task!r} of TF_CONFIG."
        )
    listen(cluster.address, "The coordinator").close()
    deadline = time.monotonic() + timeout
    _wait_for_ports(cluster, deadline, timeout)
    return _strategy(cluster, deadline, timeout)


def _wait_for_ports(cluster: ServerCluster, deadline: float, timeout: float) -> None:
    """Waits until something listens at the address of each worker and server."""
    missing = [
        (task, index, address)
        for task in (WORKER, SERVER)
        for index, address in enumerate(cluster.jobs[task])
    ]
    while True:
        missing = [each for each in missing if not _listens(each[2])]
        if not missing:
            return
        if time.monotonic() > deadline:
            names = ", ".join(f"{task!r} {index} at {address}" for task, index, address in missing)
            raise TimeoutError(
                f"All workers and servers must start within {timeout:g} seconds. "
                f"Received: nothing listens for the task {names}."
            )
        time.sleep(0.1)


def _listens(address: str) -> bool:
    try:
        socket.create_connection(split_address(address), timeout=2).close()
    except OSError:
        return False
    return True


def _strategy(cluster: ServerCluster, deadline: float, timeout: float):
    """Creates the strategy in a thread: TensorFlow would wait without end for a wrong process."""
    import tensorflow as tf

    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec(cluster.jobs), task_type=COORDINATOR, task_id=0, rpc_layer="grpc"
    )
    found: dict = {}

    def create():
        try:
            found["strategy"] = tf.distribute.ParameterServerStrategy(resolver)
        except Exception as error:
            found["error"] = error

    thread = threading.Thread(target=create, daemon=True)
    thread.start()
    thread.join(max(deadline - time.monotonic(), 1))
    if "strategy" in found:
        return found["strategy"]
    remedy = (
        "Each address must be that of `run_task` with this cluster, task and index, and with the "
        "same version of TensorFlow."
    )
    if thread.is_alive():
        raise TimeoutError(
            f"All workers and servers must answer within {timeout:g} seconds. {remedy} "
            f"Received: no answer from one of {cluster.jobs}."
        )
    raise ConnectionError(
        f"The coordinator must be able to connect to all workers and servers. {remedy} "
        f"Received: {found['error']}"
    ) from found["error"]
