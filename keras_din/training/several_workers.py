"""A run of several workers: checks that all of them train the same run."""

import json
import pathlib
import time

from keras_din.training.data_fingerprint import fingerprint
from keras_din.training.progress import Progress
from keras_din.workers import gather_from_workers, has_rows_of_its_own, worker_of

__all__ = ["check_same_run", "wait_for_file"]

_VISIBLE_WITHIN = 60.0  # Seconds after which a network file system shows a new file everywhere.


def check_same_run(data, arguments: dict, progress: Progress) -> None:
    """Waits until all workers have checked their arguments, and compares what they train.

    Args:
        data: The `PreparedData`.
        arguments: The arguments of the run.
        progress: The progress that this worker found in the folder of the run.

    Raises:
        ValueError: If a worker has other data, arguments or progress, or if an argument cannot be
            used with several workers.
    """
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
        rows = data.report["rows_of_smallest_worker"]
        empty = [part for part, smallest in rows.items() if not smallest]
        if empty:
            raise ValueError(
                "Each worker must have rows of each part: use fewer workers. "
                f"Received: a worker without rows of {empty}, of {count} workers."
            )
    own = {"arguments": arguments, "data": fingerprint(data), "workers of data": data.worker[1]}
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
