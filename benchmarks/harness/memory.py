"""Memory of this process, in bytes."""

import pathlib
import resource
import threading


def resident_memory() -> int:
    """Returns the current memory of the process."""
    return _status("VmRSS")


def peak_memory() -> int:
    """Returns the peak of the process so far."""
    return _status("VmHWM")


def anonymous_memory() -> int:
    """Returns the current memory of the process, without the pages of mapped files.

    The system can take the pages of files back at any time.
    """
    return _status("RssAnon")


class PeakAnonymousMemory:
    """A context that records the peak of `anonymous_memory` in its attribute `bytes`."""

    def __enter__(self):
        self.bytes = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *error):
        self._ended.set()
        self._thread.join()

    def _watch(self):
        while not self._ended.wait(0.01):
            self.bytes = max(self.bytes, anonymous_memory())


def _status(field: str) -> int:
    """Returns a field of `/proc/self/status`, or the peak so far if there is no `/proc`."""
    file = pathlib.Path("/proc/self/status")
    if not file.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    fields = dict(line.split(":", 1) for line in file.read_text().splitlines())
    return int(fields[field].split()[0]) * 1024
