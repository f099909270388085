"""Memory of this process, and of its children, in bytes."""

import contextlib
import os
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


def tree_memory() -> int:
    """Returns the proportional set size of this process and all its descendants.

    Pages that several processes share are counted once.
    """
    total = 0
    for process in _tree():
        with contextlib.suppress(OSError):  # The process has ended.
            text = pathlib.Path(f"/proc/{process}/smaps_rollup").read_text()
            sizes = [line.split()[1] for line in text.splitlines() if line.startswith("Pss:")]
            total += 1024 * sum(map(int, sizes))
    return total


def tree_cpu_seconds() -> float:
    """Returns the seconds of CPU of this process and its descendants, also of those that ended."""
    ticks = sum(sum(map(int, fields[11:15])) for fields in _tree().values())
    return ticks / os.sysconf("SC_CLK_TCK")


def _tree() -> dict:
    """This process and its descendants -> the fields of `/proc/PID/stat` from the state on."""
    stats = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            stats[int(stat.parent.name)] = stat.read_text().rpartition(")")[2].split()
    found, ahead = {}, [os.getpid()]
    while ahead:
        process = ahead.pop()
        found[process] = stats.get(process, ["0"] * 15)
        ahead += [child for child, fields in stats.items() if int(fields[1]) == process]
    return found


class PeakAnonymousMemory:
    """A context that records the peak of `anonymous_memory` in its attribute `bytes`."""

    _memory, _seconds = staticmethod(anonymous_memory), 0.01

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
        while not self._ended.wait(self._seconds):
            self.bytes = max(self.bytes, self._memory())


class PeakTreeMemory(PeakAnonymousMemory):
    """A context that records the peak of `tree_memory` in its attribute `bytes`."""

    _memory, _seconds = staticmethod(tree_memory), 0.1


def _status(field: str) -> int:
    """Returns a field of `/proc/self/status`, or the peak so far if there is no `/proc`."""
    file = pathlib.Path("/proc/self/status")
    if not file.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    fields = dict(line.split(":", 1) for line in file.read_text().splitlines())
    return int(fields[field].split()[0]) * 1024
