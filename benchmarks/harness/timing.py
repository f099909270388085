"""Measures times of our models and of the peers. Requires only NumPy."""

import time

import numpy as np


def seconds_per_step(steps, seconds: float = 1.5, runs: int = 3, warm_up: int = 2) -> float:
    """Returns the median over some runs of the mean time of a step.

    Args:
        steps: Function of a number. It does that many steps and returns when they are done.
        seconds: About how long a run takes. A run has at least one step.
        runs: Number of runs.
        warm_up: Steps before the first run. They compile the functions.
    """
    steps(warm_up)
    number, taken = 1, _time(steps, 1)
    while taken < seconds / 4:
        number *= 2
        taken = _time(steps, number)
    number = max(1, round(number * seconds / taken))
    return float(np.median([_time(steps, number) / number for _ in range(runs)]))


def alternating_seconds_per_step(functions, seconds: float = 1.5, runs: int = 5) -> list:
    """Returns `seconds_per_step` of each function.

    The functions take turns, because the speed of a machine drifts.
    """
    taken = [[seconds_per_step(steps, seconds, 1) for steps in functions] for _ in range(runs)]
    return np.median(taken, axis=0).tolist()


def latencies(call, seconds: float = 1.5) -> dict:
    """Returns `alternating_latencies` of one function."""
    return alternating_latencies({"call": call}, seconds)["call"]


def alternating_latencies(
    calls: dict, seconds: float = 1.5, calls_per_turn: int = 10, warm_up: int = 3
) -> dict:
    """Measures how long calls of some functions take. The functions take turns.

    Args:
        calls: Name -> function without arguments, which returns when its result is ready. Each is
            called at least 20 times.
        seconds: About how long to measure each function.
        calls_per_turn: Calls of a function before the next one's turn. With several calls per turn
            a function finds its data in the cache, as in a server that has one model.
        warm_up: Calls before the first measured one. They compile the functions.

    Returns:
        Name -> dict with `p50` and `p99` in seconds, and `calls`, their number.
    """
    for _ in range(warm_up):
        for call in calls.values():
            call()
    taken = {name: [] for name in calls}
    end = time.perf_counter() + seconds * len(calls)
    while len(taken[next(iter(calls))]) < 20 or time.perf_counter() < end:
        for name, call in calls.items():
            for _ in range(calls_per_turn):
                start = time.perf_counter()
                call()
                taken[name].append(time.perf_counter() - start)
    return {name: _percentiles(each) for name, each in taken.items()}


def steps_per_execution(batch_size: int) -> int:
    """Returns the `steps_per_execution` of all Keras models. It matters for small batches."""
    return max(1, min(16, 4096 // batch_size))


def _percentiles(taken: list) -> dict:
    p50, p99 = np.percentile(taken, [50, 99])
    return {"p50": float(p50), "p99": float(p99), "calls": len(taken)}


def _time(steps, number: int) -> float:
    start = time.perf_counter()
    steps(number)
    return time.perf_counter() - start
