"""The workers of a `tf.distribute` strategy: which one this process is, and values of all."""

import keras
import numpy as np

__all__ = ["gather_from_workers", "is_chief", "worker_of"]


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
