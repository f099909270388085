"""Whether all parameter servers still run, with the variables of this training."""

import contextlib
import queue
import re
import threading
import time

from keras_din.distributed.experimental.server_cluster import SERVER

__all__ = ["ServerMarks", "first_lines"]

_READS = 3  # A single read may fail, for example while workers are connected again.
_SECONDS_BETWEEN_READS = 0.5
_SECONDS_OF_AN_ANSWER = 60.0


class ServerMarks:
    """A small variable on each parameter server, by which lost servers are found.

    An error of TensorFlow may name a server although only a worker that exchanged data with it has
    ended. A server that answers with its variable is the same process, with all its variables. One
    that was started again is empty.

    Raises:
        ConnectionError: If a server does not answer.
    """

    def __init__(self):
        import tensorflow as tf

        self._marks: dict = {}
        for device in tf.config.list_logical_devices("CPU"):  # Each server has one.
            found = re.search(rf"/job:{SERVER}/.*/task:(\d+)/", device.name)
            if found is not None:
                name = f"{SERVER!r} {found[1]}"
                try:
                    with tf.device(device.name):
                        self._marks[name] = tf.Variable(int(found[1]), trainable=False)
                except tf.errors.OpError as error:
                    raise _lost_error({name: first_lines(error)}, error) from error

    def lost(self) -> dict:
        """Returns the name of each server that was found to be lost -> the reason.

        A dead or empty server answers with an error at once. A busy one may take longer.
        """
        answers: queue.SimpleQueue = queue.SimpleQueue()
        for name, mark in self._marks.items():
            threading.Thread(target=_read, args=(name, mark, answers), daemon=True).start()
        deadline = time.monotonic() + _SECONDS_OF_AN_ANSWER
        missing = set(self._marks)
        failed: dict = {}
        while missing and not failed:
            try:
                name, reason = answers.get(timeout=max(deadline - time.monotonic(), 0))
            except queue.Empty:
                return dict.fromkeys(missing, f"no answer in {_SECONDS_OF_AN_ANSWER:g} seconds")
            missing.remove(name)
            if reason is not None:
                failed[name] = reason
        return failed

    def check(self, error: BaseException) -> None:
        """Raises a `ConnectionError` from an error of TensorFlow if a server is lost."""
        lost = self.lost()
        if lost:
            raise _lost_error(lost, error) from error

    @contextlib.contextmanager
    def checked(self):
        """Context manager that checks the servers after an error of TensorFlow."""
        import tensorflow as tf

        try:
            yield
        except tf.errors.OpError as error:
            self.check(error)
            raise


def first_lines(error: BaseException) -> str:
    """Returns the start of an error of TensorFlow: all root errors, if it lists several."""
    lines = [line for line in str(error).splitlines() if line.strip()] or [repr(error)]
    roots = [line.strip() for line in lines if re.match(r"\s*\(\d+\) ", line)]
    if lines[0].startswith("Graph execution error"):
        # The lines of Python where an operation was created are indented.
        of_code = ("Graph execution error", "Detected at node")
        lines = [x for x in lines if x.lstrip() == x and not x.startswith(of_code)] or lines
    first = lines[0].strip()
    return " ".join([first, *roots]) if "root error(s) found" in first else first


def _read(name: str, mark, answers: queue.SimpleQueue) -> None:
    """Puts the name of a server, and the error if its variable cannot be read."""
    import tensorflow as tf

    reason: str | None = None
    for _ in range(_READS):
        try:
            mark.read_value().numpy()
        except tf.errors.OpError as error:
            reason = first_lines(error)
            time.sleep(_SECONDS_BETWEEN_READS)
        else:
            reason = None
            break
    answers.put((name, reason))


def _lost_error(lost: dict, error: BaseException) -> ConnectionError:
    found = ", ".join(f"{name} ({reason})" for name, reason in lost.items())
    return ConnectionError(
        "All parameter servers must run until the end. Received: a server that has ended or was "
        f"started again, so its variables are lost: {found}. Start the servers again, "
        "then this process: it continues from its `backup_dir`. "
        f"TensorFlow: {first_lines(error)}"
    )
