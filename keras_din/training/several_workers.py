"""A run of several workers: checks that all of them train the same run."""

import json
import pathlib
import time

from keras_din.count_text import count_text
from keras_din.training.data_fingerprint import fingerprint
from keras_din.training.progress import Progress
from keras_din.workers import (
    check_in_scope,
    gather_from_workers,
    has_rows_of_its_own,
    worker_of,
)

__all__ = ["check_same_run", "fingerprint_of_workers", "wait_for_file"]

_VISIBLE_WITHIN = 60.0  # Seconds after which a network file system shows a new file everywhere.


def fingerprint_of_workers(data) -> str:
    """Waits until all workers have checked their arguments, and returns the `fingerprint` of data.

    Raises:
        ValueError: If only some workers have rows of their own, or their shards were chosen in
            different ways, or the data is that of one of several workers in a process alone.
    """
    check_in_scope(data.worker, "train")
    index, count = worker_of()
    if count > 1:
        own = [data.worker[1], data.report.get("choice")]
        for other, received in enumerate(gather_from_workers(json.dumps(own).encode())):
            if json.loads(received) != own:
                raise ValueError(
                    "Either all workers must have the same data, or each its own shards, with the "
                    "same `count` and `choice` of `load_shards`. Received: "
                    f"{_describe(own)} on worker {index} and {_describe(json.loads(received))} on "
                    f"worker {other}."
                )
    return fingerprint(data)


def _describe(own: list) -> str:
    return f"count={own[0]} and choice={own[1]!r}"


def check_same_run(data, found: str, arguments: dict, progress: Progress) -> None:
    """Compares what all workers train.

    Args:
        data: The `PreparedData`.
        found: Its fingerprint.
        arguments: The arguments of the run.
        progress: The progress that this worker found in the folder of the run.

    Raises:
        ValueError: If a worker has other data, arguments or progress, if an argument cannot be
            used with several workers, or a run continues in the middle of an epoch with another
            number of workers that have rows of their own.
    """
    if progress.steps and progress.workers != data.worker[1]:
        raise ValueError(
            "A run of shards must resume with the same number of workers, unless an epoch has just "
            f"ended: each worker reads its own rows. Received: {data.worker[1]} instead of "
            f"{progress.workers}, after {count_text(progress.steps, 'step')} of an epoch."
        )
    progress.workers = data.worker[1]
    index, count = worker_of()
    if count == 1:
        return
    for name, wrong in (("model", "popularity"), ("calibrate", arguments["calibrate"])):
        if wrong is not None and arguments[name] == wrong:
            raise ValueError(
                f"`{name}` must be another one with several workers: {wrong!r} is computed by one "
                f"process. Received: {name}={wrong!r} and {count} workers."
            )
    if has_rows_of_its_own(data.worker):
        rows = data.report.get("rows_of_smallest_worker", {})
        empty = [part for part, smallest in rows.items() if not smallest]
        if empty:
            raise ValueError(
                "Each worker must have rows of each part: use fewer workers. "
                f"Received: a worker without rows of {empty}, of {count} workers."
            )
    own = {"arguments": arguments, "data": found}
    own["progress"] = [progress.epochs, progress.steps]
    text = json.dumps(own, sort_keys=True, default=str).encode()
    for other, received in enumerate(gather_from_workers(text)):
        if received != text:
            raise ValueError(
                "All workers must have the same arguments and the same data, and must resume the "
                "same run from the same epoch and step. Received: "
                f"{text.decode()} on worker {index} and {received.decode()} on worker {other}."
            )


def wait_for_file(file: pathlib.Path) -> None:
    """Waits until the chief has written a file that all workers read next.

    Raises:
        FileNotFoundError: If this worker does not find it.
    """
    if worker_of()[1] == 1:
        return
    gather_from_workers(b"")
    end = time.monotonic() + _VISIBLE_WITHIN
    while not file.is_file():
        if time.monotonic() < end:
            time.sleep(0.1)
            continue
        raise FileNotFoundError(
            "The folder of a run must be on a file system that all workers share. "
            f"Received: {file.parent}, without the file {file.name!r} that the chief wrote."
        )
