"""Shared modules of the benchmarks: operations, time, memory and processes."""

import time

import numpy as np
import pytest


def test_training_operations_by_hand():
    from harness.roofline import training_operations

    # Two behaviors of width 4, attention 3-2, top 5: a behavior 2*4*3 + 3*2 + 2*1 = 32, the
    # candidate 4*3 = 12, the top 8*5 + 5*1 = 45; 3 passes, 2 operations per multiply-add.
    assert training_operations(2, 4, attention=(3, 2), top=(5,)) == 6 * (2 * 32 + 12 + 45)


def test_ranking_operations_by_hand():
    from harness.roofline import ranking_operations

    # Each of two users has 3 candidates and 2 behaviors. Operations: a key once per behavior
    # 4*3 = 12, a query once per candidate 12, a pair 12 + 3*2 + 2*1 = 20.
    one_user = 2 * 12 + 3 * (12 + 45 + 2 * 20)
    assert ranking_operations(2, 2, 3, 4, attention=(3, 2), top=(5,)) == 2 * 2 * one_user


def test_seconds_per_step_exclude_the_warm_up(monkeypatch):
    from harness import timing

    now, calls = [0.0], []

    def steps(number):
        calls.append(number)
        now[0] += number * (0.1 if len(calls) > 1 else 60)  # The first steps compile.

    monkeypatch.setattr(timing.time, "perf_counter", lambda: now[0])
    assert timing.seconds_per_step(steps, seconds=2.0) == pytest.approx(0.1)
    assert calls == [2, 1, 2, 4, 8, 20, 20, 20]
    twice = lambda number: steps(2 * number)  # noqa: E731
    taken = timing.alternating_seconds_per_step([steps, twice], 2.0)
    assert taken == pytest.approx([0.1, 0.2])


def test_latencies_are_measured_alternately(monkeypatch):
    from harness import timing

    now, calls = [0.0], []

    def function(name, seconds):
        def call():
            calls.append(name)
            now[0] += seconds

        return call

    monkeypatch.setattr(timing.time, "perf_counter", lambda: now[0])
    functions = {"a": function("a", 0.1), "b": function("b", 0.2)}
    taken = timing.alternating_latencies(functions, seconds=0.01, calls_per_turn=10, warm_up=1)
    assert "".join(calls) == "ab" + 2 * (10 * "a" + 10 * "b")
    assert taken["a"] == {"p50": pytest.approx(0.1), "p99": pytest.approx(0.1), "calls": 20}
    assert taken["b"]["p50"] == pytest.approx(0.2)


def test_memory_of_an_array():
    from harness.memory import PeakAnonymousMemory, anonymous_memory, peak_memory, resident_memory

    size = 2**28
    resident, anonymous = resident_memory(), anonymous_memory()
    with PeakAnonymousMemory() as peak:
        held = np.ones(size // 8)
        assert resident_memory() - resident > size * 0.9
        for _ in range(1000):  # Memory is sampled every 10 ms.
            if peak.bytes - anonymous > size * 0.9:
                break
            time.sleep(0.01)
        del held
    assert peak.bytes - anonymous > size * 0.9
    assert peak_memory() - resident > size * 0.9


def test_failed_process_has_a_reason():
    from harness.process import TaskFailed, run_task

    with pytest.raises(TaskFailed, match="No module named nothing"):
        run_task("nothing", "train")
    with pytest.raises(TaskFailed, match="took longer than 0 s"):
        run_task("harness.process", "train", timeout=0.001)
