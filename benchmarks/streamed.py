"""A log larger than memory: written in bounded memory, then read by the pipeline from disk.

    python benchmarks/streamed.py                  # 50 M events, some minutes and 3 GB of disk
    python benchmarks/streamed.py --users 100000   # 4 M events

Anonymous memory is what a process holds for itself; pages of files, which the system takes back
when it needs them, are not in it. Each figure comes from a process of its own.
"""

import argparse
import pathlib
import sys
import tempfile
import threading
import time

from measuring import anonymous_memory
from process import answer, ask

USERS, IMPRESSIONS = 1_250_000, 40


class Peak:
    """The most anonymous memory, in bytes, that this process holds while a block runs."""

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


def write(folder: str, users: int) -> dict:
    """Writes the log: the time, and anonymous memory before and at its peak."""
    from keras_din.data import write_synthetic_log

    before = anonymous_memory()
    start = time.perf_counter()
    with Peak() as peak:
        write_synthetic_log(folder, users, IMPRESSIONS)
    taken = time.perf_counter() - start
    size = sum(file.stat().st_size for file in pathlib.Path(folder).rglob("*"))
    return {"seconds": taken, "before": before, "peak": peak.bytes, "size": size}


def read(folder: str, batch_size: int, batches: int) -> dict:
    """Loads the log and goes through shuffled batches of it."""
    from keras_din.data import PreparedData

    before = anonymous_memory()
    start = time.perf_counter()
    with Peak() as peak:
        rows = iter(PreparedData.load(folder).dataset("train", batch_size, shuffle=True).repeat())
        next(rows)
        ready = time.perf_counter() - start
        for _ in range(batches):
            next(rows)
    taken = time.perf_counter() - start - ready
    return {
        "ready": ready,
        "rate": batches * batch_size / taken,
        "before": before,
        "peak": peak.bytes,
    }


def measure(quick: bool = False, users: int | None = None) -> list:
    """The rows of the benchmark: what, events or samples a second, and memory in MB."""
    users = users or (20_000 if quick else USERS)
    events = users * IMPRESSIONS
    samples = users * (IMPRESSIONS - 8)
    megabytes = lambda size: size / 1e6  # noqa: E731
    with tempfile.TemporaryDirectory() as scratch:
        folder = f"{scratch}/log"
        written = ask("streamed", "write", folder=folder, users=users, timeout=900)
        lines = [
            {
                "what": f"write {events:,} events",
                "a second": events / written["seconds"],
                "anonymous memory before, MB": megabytes(written["before"]),
                "at its peak, MB": megabytes(written["peak"]),
                "on disk, MB": megabytes(written["size"]),
            }
        ]
        for size in (1024, 32):
            batches = min(4096, samples // size)
            got = ask("streamed", "read", folder=folder, batch_size=size, batches=batches)
            lines.append(
                {
                    "what": f"shuffled batches of {size} of {samples:,} samples",
                    "a second": got["rate"],
                    "anonymous memory before, MB": megabytes(got["before"]),
                    "at its peak, MB": megabytes(got["peak"]),
                    "until the first batch, s": got["ready"],
                }
            )
    return lines


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="0.8 M events")
    parser.add_argument("--users", type=int, help=f"number of users, of {IMPRESSIONS} events each")
    words = parser.parse_args()
    for line in measure(words.quick, words.users):
        figures = [f"{name}: {line[name]:,.1f}" for name in list(line)[1:]]
        print(f"{line['what']}: {', '.join(figures)}")


if __name__ == "__main__":
    # A process of `ask` is told its task in JSON.
    if sys.argv[1:] and sys.argv[1].startswith("{"):
        answer(write=write, read=read)
    else:
        main()
