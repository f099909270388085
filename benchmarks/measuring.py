"""How everything here is measured, ours and the peers' alike. NumPy and the standard library."""

import pathlib
import resource
import time

import numpy as np


def seconds_a_step(steps, seconds: float = 1.5, runs: int = 3, warm_up: int = 2) -> float:
    """The median over runs of the time of a step, after a warm-up.

    Args:
        steps: Function of a number: does so many steps, and returns when they are done.
        seconds: About how long a run takes; a step that is longer is a run.
        runs: Number of runs.
        warm_up: Steps before, which compile what there is to compile.
    """
    steps(warm_up)
    number, taken = 1, _clock(steps, 1)
    while taken < seconds / 4:
        number *= 2
        taken = _clock(steps, number)
    number = max(1, round(number * seconds / taken))
    return float(np.median([_clock(steps, number) / number for _ in range(runs)]))


def seconds_in_turn(functions, seconds: float = 1.5, runs: int = 5) -> list:
    """`seconds_a_step` of each of some functions, run in turn, since a machine's speed drifts."""
    taken = [[seconds_a_step(steps, seconds, 1) for steps in functions] for _ in range(runs)]
    return np.median(taken, axis=0).tolist()


def latencies(call, seconds: float = 1.5) -> dict:
    """`latencies_in_turn` of one call alone."""
    return latencies_in_turn({"call": call}, seconds)["call"]


def latencies_in_turn(
    calls: dict, seconds: float = 1.5, in_a_row: int = 10, warm_up: int = 3
) -> dict:
    """How long calls take, in turn, in seconds: name -> `{"p50", "p99", "calls"}`.

    Args:
        calls: Name -> function without arguments that returns when the answer is there. Each is
            called at least 20 times.
        seconds: About how long to go on for each, warm-up aside.
        in_a_row: How often each is called before it is the next one's turn. A server that has one
            model finds its data in the cache, and not that of another.
        warm_up: Calls before, which compile what there is to compile.
    """
    for _ in range(warm_up):
        for call in calls.values():
            call()
    taken = {name: [] for name in calls}
    end = time.perf_counter() + seconds * len(calls)
    while len(taken[next(iter(calls))]) < 20 or time.perf_counter() < end:
        for name, call in calls.items():
            for _ in range(in_a_row):
                start = time.perf_counter()
                call()
                taken[name].append(time.perf_counter() - start)
    return {name: _percentiles(each) for name, each in taken.items()}


def _percentiles(taken: list) -> dict:
    p50, p99 = np.percentile(taken, [50, 99])
    return {"p50": float(p50), "p99": float(p99), "calls": len(taken)}


def steps_a_call(batch_size: int) -> int:
    """`steps_per_execution` of every library of Keras: small batches gain much by it."""
    return max(1, min(16, 4096 // batch_size))


def memory() -> int:
    """Bytes of memory that this process holds now."""
    return _status("VmRSS")


def peak_memory() -> int:
    """The most bytes of memory that this process has held."""
    return _status("VmHWM")


def anonymous_memory() -> int:
    """Bytes of memory that this process holds for itself, without pages of files."""
    return _status("RssAnon")


def _clock(steps, number: int) -> float:
    start = time.perf_counter()
    steps(number)
    return time.perf_counter() - start


def _status(word: str) -> int:
    """A figure of /proc; where there is none, the peak so far stands for both."""
    status = pathlib.Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return int(fields[word].split()[0]) * 1024
