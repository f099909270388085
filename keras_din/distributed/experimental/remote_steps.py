"""Steps that workers compute: scheduled by the coordinator, finished in the same order."""

import collections
import contextlib
import queue
import threading

__all__ = ["RemoteSteps"]


class RemoteSteps:
    """The steps that workers compute now.

    A step whose worker ends is computed again by another worker.

    Args:
        strategy: The `tf.distribute.ParameterServerStrategy`.
        function: A `tf.function` from an iterator of the columns and a batch's row numbers to its
            loss. A worker runs it.
        columns: Function without arguments that creates the dataset of the columns on a worker.
        timeout: Seconds within which a step must finish.
    """

    def __init__(self, strategy, function, columns, timeout: float):
        import tensorflow as tf

        self._coordinator = tf.distribute.coordinator.ClusterCoordinator(strategy)
        self._function, self._timeout = function, timeout
        with _errors_of_servers():
            dataset = self._coordinator.create_per_worker_dataset(columns)
            self._iterator = iter(dataset)
        self._running: collections.deque = collections.deque()
        # `fetch` waits without end if all workers have ended, so another thread calls it.
        self._to_fetch: queue.SimpleQueue = queue.SimpleQueue()
        self._fetched: queue.SimpleQueue = queue.SimpleQueue()
        threading.Thread(target=self._fetch, daemon=True).start()

    def __len__(self) -> int:
        """The number of steps that have not been finished."""
        return len(self._running)

    def schedule(self, rows, note) -> None:
        """Schedules a step for the next free worker. `finish` returns its `note`."""
        with _errors_of_servers():
            value = self._coordinator.schedule(self._function, args=(self._iterator, rows))
        self._running.append(note)
        self._to_fetch.put(value)

    def finish(self) -> tuple:
        """Waits for the step that was scheduled first. Returns its loss and its note.

        Raises:
            TimeoutError: If it does not finish in time.
            ConnectionError: If a server has ended.
        """
        try:
            loss, error = self._fetched.get(timeout=self._timeout)
        except queue.Empty:
            raise TimeoutError(
                f"A step must finish within {self._timeout:g} seconds. Received: no step, so all "
                "workers have ended, or a server does not answer. Start them again, then this "
                "process: it continues from its `backup_dir`."
            ) from None
        if error is not None:
            with _errors_of_servers():
                raise error
        return loss, self._running.popleft()

    def close(self) -> None:
        """Ends the thread of this object."""
        self._to_fetch.put(None)

    def _fetch(self):
        while (value := self._to_fetch.get()) is not None:
            try:
                self._fetched.put((float(value.fetch()), None))
            except Exception as error:
                self._fetched.put((None, error))
                return


@contextlib.contextmanager
def _errors_of_servers():
    """Context manager that turns the errors of TensorFlow about lost servers into a clear one."""
    try:
        yield
    except Exception as error:
        clear = _clear_error(error)
        if clear is None:
            raise
        raise clear from error


def _clear_error(error: Exception) -> Exception | None:
    """Returns the error of this library for an error of TensorFlow, or `None`."""
    import tensorflow as tf

    # The coordinator wraps the errors of what a step reads.
    error = getattr(error, "original_exception", error)
    lines = str(error).strip().splitlines() or [repr(error)]
    if isinstance(error, tf.errors.NotFoundError):
        line = next((line for line in lines if "No such file" in line), lines[0])
        return FileNotFoundError(
            "All workers must see the files of the data at the same paths as the coordinator. "
            f"Received: {line.strip()}"
        )
    lost = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError)
    if isinstance(error, lost):
        return ConnectionError(
            "All parameter servers must run until the end. Received: a server has ended, and its "
            "variables are lost. Start the servers again, then this process: it continues from its "
            f"`backup_dir`. TensorFlow: {lines[0]}"
        )
    return None
