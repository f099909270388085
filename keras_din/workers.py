"""The workers of a `tf.distribute` strategy: which one this process is, and values of all."""

import io

import keras
import numpy as np

__all__ = [
    "check_has_all_users",
    "check_in_scope",
    "gather_arrays",
    "gather_from_workers",
    "has_rows_of_its_own",
    "is_chief",
    "max_over_workers",
    "sum_over_workers",
    "worker_of",
]


def worker_of(strategy=None) -> tuple[int, int]:
    """Returns `(index, count)`: the number of this worker, from 0, and the number of workers.

    Args:
        strategy: A `tf.distribute` strategy. Defaults to that of the current scope. Without a
            strategy of several workers, the result is `(0, 1)`.
    """
    if keras.backend.backend() != "tensorflow":
        return 0, 1
    import tensorflow as tf

    strategy = tf.distribute.get_strategy() if strategy is None else strategy
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return 0, 1
    resolver = strategy.cluster_resolver
    count = len(resolver.cluster_spec().as_dict().get("worker", ()))
    return (resolver.task_id, count) if count > 1 else (0, 1)


def is_chief() -> bool:
    """Returns whether this process writes files: it is the worker 0, or the only one.

    Example:

    ```python
    if kd.distributed.is_chief():
        print("This process writes the files.")
    ```
    """
    return worker_of()[0] == 0


def gather_from_workers(data: bytes) -> list:
    """Returns the data of each worker, in their order. All workers must call it together."""
    if worker_of()[1] == 1:
        return [data]
    import tensorflow as tf

    strategy = tf.distribute.get_strategy()
    gather = lambda values: strategy.gather(tf.constant(values), axis=0).numpy()  # noqa: E731
    sizes = gather(np.array([len(data)], np.int64))
    # TensorFlow gathers numbers of four bytes, not single bytes, and crashes if there are none.
    numbers = sizes // 4 + 1
    together = gather(np.frombuffer(data.ljust(4 * (len(data) // 4 + 1), b"\0"), np.int32))
    parts = np.split(together, np.cumsum(numbers)[:-1])
    return [part.tobytes()[:size] for part, size in zip(parts, sizes, strict=True)]


def gather_arrays(arrays: dict) -> list[dict]:
    """Returns the dict of arrays of each worker, in their order. All workers must call it together.

    Args:
        arrays: Name -> an array of numbers.
    """
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    parts = []
    for data in gather_from_workers(stream.getvalue()):
        with np.load(io.BytesIO(data)) as content:
            parts.append(dict(content))
    return parts


def has_rows_of_its_own(worker: tuple[int, int]) -> bool:
    """Returns whether this process is one of several workers that each have rows of their own.

    Args:
        worker: `(index, count)` of the worker that the rows are for; `(0, 1)` if all workers have
            the same rows.

    Raises:
        ValueError: If the rows are those of another worker.
    """
    index, count = worker_of()
    if count == 1 or worker[1] == 1:
        return False
    if tuple(worker) != (index, count):
        raise ValueError(
            "Each worker must read its own shards: "
            f"`kd.data.load_shards(folder, index={index}, count={count})`. Received: data of "
            f"index={worker[0]} and count={worker[1]} on this worker."
        )
    return True


def check_in_scope(worker: tuple[int, int], what: str) -> None:
    """Raises a `ValueError` if a process alone computes what needs the rows of all workers.

    Args:
        worker: See `has_rows_of_its_own`.
        what: The name of what is computed.
    """
    if worker[1] > 1 and worker_of()[1] == 1:
        raise ValueError(
            f"`{what}` needs the rows of all workers: call it on each of them, in the scope of the "
            "strategy of `kd.distributed.connect`, or load all shards with "
            f"`kd.data.load_shards(folder)`. Received: data of index={worker[0]} and "
            f"count={worker[1]} in a process alone."
        )


def check_has_all_users(worker: tuple[int, int], what: str) -> None:
    """Raises a `ValueError` if rows are those of one of several workers.

    Args:
        worker: See `has_rows_of_its_own`.
        what: The name of what is computed.
    """
    if worker[1] > 1:
        raise ValueError(
            f"`{what}` requires the rows of all users: load all shards with "
            f"`kd.data.load_shards(folder)`. Received: data of index={worker[0]} and "
            f"count={worker[1]}."
        )


def sum_over_workers(arrays: dict, worker: tuple[int, int]) -> dict:
    """Returns the sums of arrays over all workers, if each has rows of its own.

    All workers must then call it together.

    Args:
        arrays: Name -> a number or an array, the same names on all workers.
        worker: See `has_rows_of_its_own`.
    """
    return _reduce(np.sum, arrays, worker)


def max_over_workers(arrays: dict, worker: tuple[int, int]) -> dict:
    """Same as `sum_over_workers` with the maximum."""
    return _reduce(np.max, arrays, worker)


def _reduce(function, arrays: dict, worker: tuple[int, int]) -> dict:
    if not has_rows_of_its_own(worker):
        return arrays
    parts = gather_arrays(arrays)
    return {name: function([part[name] for part in parts], axis=0) for name in arrays}
