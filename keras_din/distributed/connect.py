"""`connect`: the strategy of a worker, after all workers are there."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Sequence

from keras_din.checks import positive_number
from keras_din.distributed.cluster import TF_CONFIG, Cluster, read_cluster
from keras_din.distributed.handshake import Peers, meet, versions
from keras_din.workers import worker_of

__all__ = ["connect", "scope_of"]


def connect(
    workers: Sequence[str] | str | None = None, index: int | None = None, *, timeout: float = 120.0
):
    """Connects this process with the other workers. Call it first, before a model is built.

    Start the same program on each machine, with the same `workers` and another `index`, or with the
    environment variable `TF_CONFIG`, which Kubernetes operators and Ray set. Each process uses one
    device: for several GPUs, start one process per GPU with its own `CUDA_VISIBLE_DEVICES`.

    Args:
        workers: `"HOST:PORT"` of each worker, see `read_cluster`. The first is the chief.
        index: The number of this worker, from 0.
        timeout: Seconds within which all workers must start.

    Returns:
        A `tf.distribute.MultiWorkerMirroredStrategy`. Without workers and without `TF_CONFIG`, or
        with one worker, the default strategy of TensorFlow, so the same program runs alone too.

    Raises:
        ValueError: If an argument or `TF_CONFIG` is invalid, or if workers have another version of
            a library or another list of workers.
        OSError: If the port of this worker is in use.
        TimeoutError: If a worker does not start in time.
        ConnectionError: If a worker ends while the others start.

    Example:

    ```python
    strategy = kd.distributed.connect()  # TF_CONFIG is not set: this process runs alone
    strategy.num_replicas_in_sync  # 1
    ```
    """
    timeout = positive_number("timeout", timeout)
    cluster = read_cluster(workers, index)
    import tensorflow as tf

    if cluster is None or len(cluster.workers) == 1:
        return tf.distribute.get_strategy()
    os.environ[TF_CONFIG] = cluster.tf_config()
    peers = meet(cluster, versions(), timeout)
    strategy = None
    try:
        strategy = _strategy(cluster, peers, timeout)
    finally:
        peers.close(started=strategy is not None)
    return strategy


def scope_of(strategy):
    """Returns the scope of a strategy of several workers, else a context that changes nothing.

    Args:
        strategy: The result of `connect`.

    Returns:
        A context manager, in which a model is built and compiled.

    Example:

    ```python
    strategy = kd.distributed.connect()
    with kd.distributed.scope_of(strategy):
        spec = kd.FeatureSpec(target=[kd.Categorical("item_id", 10, dim=2)])
        model = kd.build_lr(spec)
    ```
    """
    return strategy.scope() if worker_of(strategy)[1] > 1 else contextlib.nullcontext()


def _strategy(cluster: Cluster, peers: Peers, timeout: float):
    """Creates the strategy in a thread: TensorFlow would wait without end for a worker."""
    import tensorflow as tf

    found: dict = {}

    def create():
        try:
            found["strategy"] = tf.distribute.MultiWorkerMirroredStrategy()
        except Exception as error:
            found["error"] = error

    thread = threading.Thread(target=create, daemon=True)
    thread.start()
    deadline = time.monotonic() + timeout
    while thread.is_alive():
        peers.check()
        if time.monotonic() > deadline:
            raise TimeoutError(
                f"TensorFlow must connect the workers within {timeout:g} seconds. Received: no "
                f"connection between {', '.join(cluster.workers)}."
            )
        thread.join(0.2)
    if "error" in found:
        raise found["error"]
    if threading.current_thread() is threading.main_thread():
        # TensorFlow has replaced the handler, and would ignore that a worker has to end.
        signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM) or signal.SIG_DFL)
    return found["strategy"]
