"""Whether all parameter servers still run, with the variables of this training."""

import contextlib
import re
import threading
import time

from keras_din.distributed.experimental.server_cluster import SERVER

__all__ = ["ServerMarks", "first_lines"]

_READS = 3  # A single read may fail, for example while workers are connected again.
_SECONDS_BETWEEN_READS = 0.5
_SECONDS_OF_ALL_READS = 15.0


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
                    raise _lost_error([name], error) from error

    def lost(self) -> list:
        """Returns the names of the servers that do not answer or were started again."""
        answered: set = set()
        threads = [
            threading.Thread(target=_read, args=(name, mark, answered), daemon=True)
            for name, mark in self._marks.items()
        ]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + _SECONDS_OF_ALL_READS
        for thread in threads:
            thread.join(max(deadline - time.monotonic(), 0))
        return [name for name in self._marks if name not in answered]

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
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [repr(error)]
    roots = [line for line in lines[1:] if re.match(r"\(\d+\) ", line)]
    return " ".join([lines[0], *roots] if "root error(s) found" in lines[0] else lines[:1])


def _read(name: str, mark, answered: set) -> None:
    """Adds the name of a server to `answered` if its variable can be read."""
    import tensorflow as tf

    for _ in range(_READS):
        try:
            mark.read_value().numpy()
        except tf.errors.OpError:
            time.sleep(_SECONDS_BETWEEN_READS)
        else:
            answered.add(name)
            return


def _lost_error(lost: list, error: BaseException) -> ConnectionError:
    return ConnectionError(
        "All parameter servers must run until the end. Received: a server that has ended or was "
        f"started again, so its variables are lost: {', '.join(lost)}. Start the servers again, "
        "then this process: it continues from its `backup_dir`. "
        f"TensorFlow: {first_lines(error)}"
    )
