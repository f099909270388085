"""Steps that workers compute: scheduled by the coordinator, finished in the same order."""

import collections
import concurrent.futures
import dataclasses
import queue
import threading
import time
from typing import Any

from keras_din.distributed.experimental.server_marks import ServerMarks, first_lines

__all__ = ["RemoteSteps"]

_REPEATS = 10  # How often a step is repeated after errors, without a finished step in between.
_SECONDS_BETWEEN_REPEATS = 1.0


@dataclasses.dataclass
class _Step:
    """A step that has not been finished."""

    rows: Any
    note: Any
    loss: concurrent.futures.Future = dataclasses.field(default_factory=concurrent.futures.Future)

    def failed(self) -> bool:
        return self.loss.done() and self.loss.exception() is not None


class RemoteSteps:
    """The steps that workers compute now.

    A step whose worker ends is computed again by another worker. TensorFlow does so itself, unless
    its error names a server, which exchanged data with the worker. It then cancels all steps. If
    all servers still have their variables, these steps are scheduled again.

    Args:
        coordinator: The `tf.distribute.coordinator.ClusterCoordinator`.
        servers: The `ServerMarks` of its servers.
        function: A `tf.function` from an iterator of the columns and a batch's row numbers to its
            loss. A worker runs it.
        columns: Function without arguments that creates the dataset of the columns on a worker.
        timeout: Seconds within which a step must finish.
    """

    def __init__(self, coordinator, servers: ServerMarks, function, columns, timeout: float):
        self._coordinator, self._servers = coordinator, servers
        self._function, self._timeout = function, timeout
        self._dataset = coordinator.create_per_worker_dataset(columns)
        self._iterator = iter(self._dataset)
        self._running: collections.deque[_Step] = collections.deque()
        # `fetch` waits without end if all workers have ended, so another thread calls it.
        self._to_fetch: queue.SimpleQueue = queue.SimpleQueue()
        threading.Thread(target=self._fetch, daemon=True).start()

    def __len__(self) -> int:
        """The number of steps that have not been finished."""
        return len(self._running)

    def schedule(self, rows, note) -> None:
        """Schedules a step for the next free worker. `finish` returns its `note`."""
        step = _Step(rows, note)
        self._running.append(step)
        self._start(step)

    def finish(self) -> tuple:
        """Waits for the step that was scheduled first. Returns its loss and its note.

        Raises:
            TimeoutError: If it does not finish in time.
            ConnectionError: If a server has ended, or workers and servers do not reach each other.
            FileNotFoundError: If a worker does not see a file.
        """
        step = self._running[0]
        deadline = time.monotonic() + self._timeout
        repeats = 0
        while True:
            wait = max(deadline - time.monotonic(), 0)
            if not concurrent.futures.wait([step.loss], wait).done:
                raise self._timeout_error()
            error = step.loss.exception()
            if error is None:
                self._running.popleft()
                return step.loss.result(), step.note
            repeats += 1
            self._check(error, repeats)
            self._repeat(error, deadline)

    def close(self) -> None:
        """Ends the thread of this object."""
        self._to_fetch.put(None)

    def _start(self, step: _Step) -> None:
        step.loss = concurrent.futures.Future()
        try:
            value = self._coordinator.schedule(self._function, args=(self._iterator, step.rows))
        except Exception as error:  # Of this step, or of an earlier one: then all are canceled.
            step.loss.set_exception(error)
        else:
            self._to_fetch.put((value, step.loss))

    def _fetch(self):
        while (item := self._to_fetch.get()) is not None:
            value, loss = item
            try:
                loss.set_result(float(value.fetch()))
            except Exception as error:
                loss.set_exception(error)

    def _check(self, error: BaseException, repeats: int) -> None:
        """Raises an error if the step must not be repeated."""
        import tensorflow as tf

        # The coordinator wraps the errors of what a step reads.
        original = getattr(error, "original_exception", error)
        if not isinstance(original, tf.errors.OpError) and not _is_lost_connection(original):
            raise error
        if isinstance(original, tf.errors.NotFoundError) and "No such file" in str(original):
            line = next(line for line in str(original).splitlines() if "No such file" in line)
            raise FileNotFoundError(
                "All workers must see the files of the data at the same paths as the coordinator. "
                f"Received: {line.strip()}"
            ) from error
        self._servers.check(original)
        if not _is_lost_connection(original):
            raise error
        if repeats > _REPEATS:
            raise ConnectionError(
                "Workers and servers must be able to reach each other. Received: all servers "
                f"answer the coordinator, but a step has failed {repeats} times. "
                f"TensorFlow: {first_lines(original)}"
            ) from error

    def _repeat(self, error: BaseException, deadline: float) -> None:
        """Schedules all steps again that have failed."""
        # It raises the error once more and cancels all steps, or it has done so before. It waits
        # for those that workers compute now.
        canceled = threading.Thread(target=_cancel, args=(self._coordinator,), daemon=True)
        canceled.start()
        canceled.join(max(deadline - time.monotonic(), 0))
        if canceled.is_alive():
            raise self._timeout_error() from error
        time.sleep(_SECONDS_BETWEEN_REPEATS)
        if hasattr(error, "original_exception"):  # The iterator of a worker could not be created.
            self._iterator = iter(self._dataset)
        for step in self._running:
            if step.failed():
                self._start(step)

    def _timeout_error(self) -> TimeoutError:
        return TimeoutError(
            f"A step must finish within {self._timeout:g} seconds. Received: no step, so all "
            "workers have ended, or a server does not answer. Start them again, then this "
            "process: it continues from its `backup_dir`."
        )


def _cancel(coordinator) -> None:
    """Cancels all steps if the coordinator has an error that it did not raise yet."""
    import tensorflow as tf

    try:
        coordinator.done()
    except Exception as error:
        tf.get_logger().info("Canceled all steps: %s", first_lines(error))


def _is_lost_connection(error: BaseException) -> bool:
    """Whether TensorFlow reports by an error that a process did not reach another one."""
    import tensorflow as tf

    lost = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError)
    if isinstance(error, lost):
        return True
    # Of a worker that was started again before its end was seen.
    words = ("unknown device", "Unable to find the relevant tensor remote_handle")
    if isinstance(error, tf.errors.InvalidArgumentError):
        return any(each.lower() in str(error).lower() for each in words)
    # Of an iterator on a worker that has ended.
    return isinstance(error, TypeError) and "GRPC error information" in str(error)
