"""The coordinator, workers and servers of a cluster, from arguments or from `TF_CONFIG`."""

import dataclasses
import json
import os
from collections.abc import Sequence
from typing import Any

from keras_din.distributed.cluster import TF_CONFIG, split_address

__all__ = ["COORDINATOR", "SERVER", "WORKER", "ServerCluster", "read_server_cluster"]

# The names of TensorFlow for the tasks.
COORDINATOR, WORKER, SERVER = "chief", "worker", "ps"
_TASKS = (COORDINATOR, WORKER, SERVER)


@dataclasses.dataclass(frozen=True)
class ServerCluster:
    """The tasks of a cluster, and which one this process is.

    Attributes:
        coordinator: `"HOST:PORT"` of the process that calls `fit_on_servers`.
        workers: `"HOST:PORT"` of each worker, which computes steps.
        servers: `"HOST:PORT"` of each parameter server, which keeps variables.
        task: `"chief"` for the coordinator, `"worker"` or `"ps"`.
        index: The number of the worker or server, from 0.

    Example:

    ```python
    cluster = kd.distributed.experimental.ServerCluster(
        "127.0.0.1:4000", ("127.0.0.1:4001",), ("127.0.0.1:4002",), task="ps", index=0
    )
    cluster.address  # ("127.0.0.1", 4002)
    ```
    """

    coordinator: str
    workers: tuple
    servers: tuple
    task: str
    index: int

    @property
    def jobs(self) -> dict:
        """Task -> its addresses, as TensorFlow reads them."""
        return {
            COORDINATOR: [self.coordinator],
            WORKER: list(self.workers),
            SERVER: list(self.servers),
        }

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of this process."""
        return split_address(self.jobs[self.task][self.index])


def read_server_cluster(
    coordinator: str | None = None,
    workers: Sequence[str] | str | None = None,
    servers: Sequence[str] | str | None = None,
    task: str | None = None,
    index: int | None = None,
) -> ServerCluster:
    """Returns the cluster of the arguments, or without arguments that of `TF_CONFIG`.

    Args:
        coordinator: `"HOST:PORT"` of the coordinator.
        workers: `"HOST:PORT"` of each worker: a list, or a string with commas.
        servers: `"HOST:PORT"` of each parameter server: a list, or a string with commas.
        task: `"chief"` for the coordinator, `"worker"` or `"ps"`.
        index: The number of the worker or server, from 0. For the coordinator it is 0.

    Returns:
        A `ServerCluster`.

    Raises:
        ValueError: If an argument is missing or invalid, or `TF_CONFIG` is, or has no `"chief"`,
            no `"worker"` or no `"ps"`.

    Example:

    ```python
    cluster = kd.distributed.experimental.read_server_cluster(
        "127.0.0.1:4000", "127.0.0.1:4001,127.0.0.1:4002", "127.0.0.1:4003", "worker", 1
    )
    cluster.address  # ("127.0.0.1", 4002)
    ```
    """
    given: dict[str, Any] = {
        "coordinator": coordinator,
        "workers": workers,
        "servers": servers,
        "task": task,
        "index": index,
    }
    if all(value is None for value in given.values()):
        given = _of_environment()
    elif task == COORDINATOR and index is None:
        given["index"] = 0
    missing = [name for name, value in given.items() if value is None]
    if missing:
        raise ValueError(
            "`coordinator`, `workers`, `servers`, `task` and `index` must be given together, or "
            f"none of them, for {TF_CONFIG}. Received: no {', '.join(missing)}."
        )
    jobs = {
        COORDINATOR: _addresses("coordinator", given["coordinator"]),
        WORKER: _addresses("workers", given["workers"]),
        SERVER: _addresses("servers", given["servers"]),
    }
    if len(jobs[COORDINATOR]) != 1:
        raise ValueError(
            f"There must be one coordinator. Received: coordinator={given['coordinator']!r}."
        )
    together = [address for job in jobs.values() for address in job]
    twice = sorted({address for address in together if together.count(address) > 1})
    if twice:
        raise ValueError(f"All addresses must be distinct. Received: {twice[0]!r} more than once.")
    task, index = given["task"], given["index"]
    if task not in jobs:
        raise ValueError(
            f"`task` must be one of {', '.join(map(repr, _TASKS))}. Received: task={task!r}."
        )
    count = len(jobs[task])
    if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < count:
        raise ValueError(
            f"`index` must be a number from 0 to {count - 1}, since there are {count} tasks "
            f"{task!r}. Received: index={index!r}."
        )
    return ServerCluster(
        jobs[COORDINATOR][0], tuple(jobs[WORKER]), tuple(jobs[SERVER]), task, index
    )


def _addresses(name: str, addresses) -> list:
    """Returns the addresses of an argument as a list."""
    if isinstance(addresses, str):
        addresses = [each.strip() for each in addresses.split(",")]
    elif not isinstance(addresses, Sequence):
        raise ValueError(
            f'`{name}` must be a list of "HOST:PORT", or a string with commas. '
            f"Received: {name}={addresses!r}."
        )
    if not addresses:
        raise ValueError(f'`{name}` must name at least one "HOST:PORT". Received: none.')
    for address in addresses:
        split_address(address, name)
    return list(addresses)


def _of_environment() -> dict:
    """Returns the arguments that `TF_CONFIG` contains."""
    text = os.environ.get(TF_CONFIG, "")
    required = (
        f'The environment variable {TF_CONFIG} must be JSON like {{"cluster": {{"chief": '
        '["HOST:PORT"], "worker": ["HOST:PORT", ...], "ps": ["HOST:PORT", ...]}, "task": '
        '{"type": "worker", "index": 0}}'
    )
    try:
        content = json.loads(text)
        jobs, task = dict(content["cluster"]), content["task"]
        kind, index = task["type"], task["index"]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(f"{required}. Received: {text!r}.") from None
    unknown = sorted(set(jobs) - set(_TASKS))
    missing = [name for name in _TASKS if not jobs.get(name)]
    if unknown or missing:
        found = f"no {', '.join(map(repr, missing))}" if missing else f"the task {unknown[0]!r}"
        raise ValueError(f"{required}. Received: {found} in {text!r}.")
    return {
        "coordinator": jobs[COORDINATOR],
        "workers": jobs[WORKER],
        "servers": jobs[SERVER],
        "task": kind,
        "index": index,
    }
