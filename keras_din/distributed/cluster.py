"""The workers of a cluster, from arguments or from the environment variable `TF_CONFIG`."""

import dataclasses
import json
import os
from collections.abc import Sequence

__all__ = ["TF_CONFIG", "Cluster", "read_cluster"]

TF_CONFIG = "TF_CONFIG"


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The workers, and which one this process is.

    Attributes:
        workers: `"HOST:PORT"` of each worker. The first is the chief, which writes files.
        index: The number of this worker, from 0.

    Example:

    ```python
    cluster = kd.distributed.Cluster(("127.0.0.1:4000", "127.0.0.1:4001"), index=0)
    cluster.tf_config()  # The value of TF_CONFIG of this worker
    ```
    """

    workers: tuple
    index: int

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of this worker."""
        return split_address(self.workers[self.index])

    def tf_config(self) -> str:
        """Returns the value of `TF_CONFIG` for TensorFlow."""
        task = {"type": "worker", "index": self.index}
        return json.dumps(
            {"cluster": {"worker": list(self.workers)}, "task": task}, allow_nan=False
        )


def read_cluster(
    workers: Sequence[str] | str | None = None, index: int | None = None
) -> Cluster | None:
    """Returns the cluster of the arguments or of `TF_CONFIG`, `None` if there is neither.

    Args:
        workers: `"HOST:PORT"` of each worker, in the same order on all workers: a list, or a
            string with commas. Defaults to the workers and the index of `TF_CONFIG`.
        index: The number of this worker, from 0.

    Returns:
        A `Cluster`. A task `"chief"` of `TF_CONFIG` is the first worker.

    Raises:
        ValueError: If an address or the index is invalid, or `TF_CONFIG` has no worker.

    Example:

    ```python
    cluster = kd.distributed.read_cluster(["127.0.0.1:4000", "127.0.0.1:4001"], index=1)
    cluster.address  # ("127.0.0.1", 4001)
    ```
    """
    text = os.environ.get(TF_CONFIG, "")
    if workers is None:
        if index is not None:
            raise ValueError(
                f"`index` must be given with `workers`. Received: index={index!r}, workers=None."
            )
        if not text.strip():
            return None
        workers, index = _of_environment(text)
    elif index is None:
        raise ValueError(
            "`workers` must be given with the `index` of this worker. "
            f"Received: workers={workers!r}, index=None."
        )
    if isinstance(workers, str):
        workers = [each.strip() for each in workers.split(",")]
    elif not isinstance(workers, Sequence):
        raise ValueError(
            '`workers` must be a list of "HOST:PORT", or a string with commas. '
            f"Received: workers={workers!r}."
        )
    workers = tuple(workers)
    if not workers:
        raise ValueError('`workers` must name at least one "HOST:PORT". Received: none.')
    for worker in workers:
        split_address(worker)
    if len(set(workers)) < len(workers):
        raise ValueError(f"`workers` must be distinct. Received: workers={list(workers)}.")
    if not _is_integer(index) or not 0 <= index < len(workers):
        raise ValueError(
            f"`index` must be a number from 0 to {len(workers) - 1}, since there are "
            f"{len(workers)} workers. Received: index={index!r}."
        )
    return Cluster(workers, int(index))


def split_address(address, name: str = "workers") -> tuple[str, int]:
    """Returns the host and the port of `"HOST:PORT"`, one of the argument `name`."""
    host, _, port = str(address).rpartition(":")
    if not host or host.split() != [host] or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise ValueError(
            f'`{name}` must be "HOST:PORT" each, with a port from 1 to 65535. '
            f"Received: {address!r}."
        )
    return host.strip("[]"), int(port)


def _is_integer(value) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _of_environment(text: str) -> tuple:
    """Returns the workers and the index of the value of `TF_CONFIG`."""
    required = (
        f'The environment variable {TF_CONFIG} must be JSON like {{"cluster": {{"worker": '
        '["HOST:PORT", ...]}, "task": {"type": "worker", "index": 0}}'
    )
    try:
        content = json.loads(text)
        jobs, task = content["cluster"], content["task"]
        chiefs, workers = list(jobs.get("chief", ())), list(jobs.get("worker", ()))
        kind, index = task["type"], task["index"]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(f"{required}. Received: {text!r}.") from None
    if not chiefs + workers or len(chiefs) > 1:
        raise ValueError(f"{required}, with at least one worker. Received: {text!r}.")
    if kind not in ("worker", "chief") or set(jobs) - {"worker", "chief"}:
        raise ValueError(
            f"{required}. For parameter servers see `keras_din.distributed.experimental`. "
            f"Received: {text!r}."
        )
    if not _is_integer(index) or not 0 <= index < len(jobs.get(kind, ())):
        raise ValueError(
            f"{required}, whose index is that of one of its addresses. Received: {text!r}."
        )
    return chiefs + workers, index + (len(chiefs) if kind == "worker" else 0)
