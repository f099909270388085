"""`run_task`: the process of a worker or of a parameter server."""

from collections.abc import Sequence

from keras_din.distributed.experimental.server_cluster import COORDINATOR, read_server_cluster
from keras_din.distributed.handshake import listen

__all__ = ["run_task"]


def run_task(
    coordinator: str | None = None,
    workers: Sequence[str] | str | None = None,
    servers: Sequence[str] | str | None = None,
    task: str | None = None,
    index: int | None = None,
) -> None:
    """Runs a worker or a parameter server until the process is ended.

    The process keeps variables or computes steps for the coordinator, which calls
    `connect_to_servers`. It runs what the coordinator sends, without a password: its port must be
    open to the machines of the cluster only. All processes need the same version of TensorFlow.

    Args:
        coordinator: `"HOST:PORT"` of the coordinator, see `read_server_cluster`. Without arguments
            `TF_CONFIG` is read.
        workers: `"HOST:PORT"` of each worker.
        servers: `"HOST:PORT"` of each parameter server.
        task: `"worker"` or `"ps"`, a parameter server.
        index: The number of this worker or server, from 0.

    Raises:
        ValueError: If an argument or `TF_CONFIG` is invalid, or the task is that of the
            coordinator.
        OSError: If the port of this process is in use.

    Example:

    ```console
    python -c 'import keras_din as kd; kd.distributed.experimental.run_task(
        "127.0.0.1:4000", "127.0.0.1:4001,127.0.0.1:4002", "127.0.0.1:4003", "worker", 0)'
    ```
    """
    cluster = read_server_cluster(coordinator, workers, servers, task, index)
    if cluster.task == COORDINATOR:
        raise ValueError(
            '`task` must be "worker" or "ps": the coordinator calls `connect_to_servers`. '
            f"Received: task={cluster.task!r}."
        )
    listen(cluster.address, f"The task {cluster.task!r} {cluster.index}").close()
    import tensorflow as tf

    server = tf.distribute.Server(
        tf.train.ClusterSpec(cluster.jobs), job_name=cluster.task, task_index=cluster.index
    )
    server.join()
