"""streamed: 50 million events written to disk and read from there, in bounded memory.

A synthetic log is written in chunks of users, then read memory-mapped, in shuffled batches; each
figure comes from a process of its own. It takes 3 GB of disk. Anonymous memory leaves out the pages
of mapped files, which the system can take back at any time.
"""

import pathlib
import time

from harness.memory import PeakAnonymousMemory, anonymous_memory
from harness.process import run_task, task_main
from harness.table import Line

USERS, QUICK_USERS, EVENTS_PER_USER = 1_250_000, 20_000, 40
SAMPLES_PER_USER = EVENTS_PER_USER - 8
MAX_BATCHES = 4096


def lines(runner):
    users = QUICK_USERS if runner.quick else USERS
    folder, samples = runner.folder / "streamed", users * SAMPLES_PER_USER
    written = run_task("rows.streamed", "write", folder=folder, users=users, timeout=900)
    events = users * EVENTS_PER_USER
    yield _line(f"write {events:,} events per second", events / written["seconds"], written)
    for size in (1024, 32):
        options = {"batch_size": size, "batches": min(MAX_BATCHES, samples // size)}
        read = run_task("rows.streamed", "read", folder=folder, **options)
        case = f"shuffled batches of {size} of {samples:,} samples, samples/s"
        yield _line(case, read["rate"], read)


def _line(case: str, rate: float, memory: dict) -> Line:
    before, peak = memory["before"] / 1e6, memory["peak"] / 1e6
    result = f"anonymous memory {before:,.0f} MB before, {peak:,.0f} at its peak"
    return Line("streamed", case, f"{rate:,.0f}", result=result, goal="bounded memory")


def write(folder: str, users: int) -> dict:
    """Writes the log.

    Returns:
        A dict with `seconds`, and anonymous memory `before` and at its `peak`, in bytes.
    """
    from keras_din.data import write_synthetic_log

    before = anonymous_memory()
    start = time.perf_counter()
    with PeakAnonymousMemory() as peak:
        write_synthetic_log(pathlib.Path(folder), users, EVENTS_PER_USER)
    return {"seconds": time.perf_counter() - start, "before": before, "peak": peak.bytes}


def read(folder: str, batch_size: int, batches: int) -> dict:
    """Loads the log and reads shuffled batches of it.

    Returns:
        A dict with `rate`, samples per second after the first batch, and anonymous memory `before`
        and at its `peak`, in bytes.
    """
    from keras_din.data import PreparedData

    before = anonymous_memory()
    with PeakAnonymousMemory() as peak:
        data = PreparedData.load(folder)
        rows = iter(data.dataset("train", batch_size, shuffle=True).repeat())
        next(rows)
        start = time.perf_counter()
        for _ in range(batches):
            next(rows)
        taken = time.perf_counter() - start
    return {"rate": batches * batch_size / taken, "before": before, "peak": peak.bytes}


if __name__ == "__main__":
    task_main(write=write, read=read)
