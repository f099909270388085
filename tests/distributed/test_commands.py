"""`keras-din train` on two workers: one run, which resumes after one of them was killed."""

import signal
import time

import numpy as np
import pytest

import keras_din as kd
from keras_din.training import load_run
from tests.distributed.shared import free_addresses, started, wait_for

OPTIONS = [
    *("--model", "din", "--option", "hidden_units=[4]", "--option", "attention_units=[4]"),
    *("--batch-size", "16", "--epochs", "3", "--patience", "9", "--evaluate-freq", "3", "--quiet"),
]
LOST = "All workers must run until the end. Received:"
WITHIN = 30  # Seconds in which the others end.


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("workers")
    data = kd.data.synthetic_log(30, 9, interests=2, categories=5, held_out=2, dim=4)
    data.save(folder / "data")
    return folder


def commands(folder, run, *options):
    addresses = ",".join(free_addresses(2))
    command = ["-m", "keras_din", "train", folder / "data", folder / run, *OPTIONS, *options]
    return [[*command, "--workers", addresses, "--index", index] for index in range(2)]


def train(folder, run, *options):
    with started(commands(folder, run, *options)) as processes:
        codes, outputs = wait_for(processes)
    assert codes == [0, 0], outputs
    assert "written: " in outputs[0]
    assert "written: " not in outputs[1]


def train_and_kill(folder, run, killed, by, checkpoint, *options):
    """Ends a worker by a signal after a checkpoint of the chief. The other one ends soon."""
    with started(commands(folder, run, *options)) as processes:
        end = time.monotonic() + 400
        while not any((folder / run).glob(checkpoint)):
            assert all(process.poll() is None for process in processes), "A worker has ended."
            assert time.monotonic() < end
            time.sleep(0.02)
        processes[killed].send_signal(by)
        begin = time.monotonic()
        other = processes[1 - killed]
        output = other.communicate(timeout=100)[0]
        assert processes[killed].wait(timeout=WITHIN) == -by
    assert time.monotonic() - begin < WITHIN
    assert other.returncode != 0
    return output


def test_killed_workers_resume_bit_for_bit(folder):
    train(folder, "whole")
    output = train_and_kill(folder, "run", 1, signal.SIGKILL, "epoch-0001*")
    assert LOST in output
    train_and_kill(folder, "run", 0, signal.SIGTERM, "epoch-0002*", "--resume")
    train(folder, "run", "--resume")
    whole, resumed = load_run(folder / "whole"), load_run(folder / "run")
    assert resumed.result == whole.result
    for value, other in zip(whole.model.get_weights(), resumed.model.get_weights(), strict=True):
        np.testing.assert_array_equal(other, value)
    assert (folder / "run/metrics.csv").read_text() == (folder / "whole/metrics.csv").read_text()


def test_a_worker_with_other_arguments(folder):
    first, second = commands(folder, "other")
    with started([first, [*second, "--seed", "3"]]) as processes:
        codes, outputs = wait_for(processes)
    assert codes == [1, 1]
    for output in outputs:
        assert "All workers must have the same arguments and the same data, and must" in output
    assert not (folder / "other").exists()
