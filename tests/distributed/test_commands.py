"""`keras-din train` on two workers: one run, which resumes after one of them was killed."""

import signal
import time

import numpy as np
import pytest

import keras_din as kd
from keras_din.training import calibrate_run, load_run
from tests.data.sharded.shared import COLUMNS, random_log
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
    columns = COLUMNS | {"target": ["item"], "bags": [], "max_bad": 0.2}
    kd.data.prepare_shards(random_log(2, 700, 40), folder / "shards", 5, **columns)
    return folder


def commands(folder, run, *options, data="data"):
    addresses = ",".join(free_addresses(2))
    command = ["-m", "keras_din", "train", folder / data, folder / run, *OPTIONS, *options]
    return [[*command, "--workers", addresses, "--index", index] for index in range(2)]


def train(folder, run, *options, data="data"):
    with started(commands(folder, run, *options, data=data)) as processes:
        codes, outputs = wait_for(processes)
    assert codes == [0, 0], outputs
    assert "written: " in outputs[0]
    assert "written: " not in outputs[1]


def train_and_kill(folder, run, killed, by, checkpoint, *options, data="data"):
    """Ends a worker by a signal after a checkpoint of the chief. The other one ends soon."""
    with started(commands(folder, run, *options, data=data)) as processes:
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


def assert_equal(folder, run, whole):
    one, other = load_run(folder / whole), load_run(folder / run)
    assert other.result == one.result
    for value, resumed in zip(one.model.get_weights(), other.model.get_weights(), strict=True):
        np.testing.assert_array_equal(resumed, value)
    assert (folder / run / "metrics.csv").read_text() == (
        folder / whole / "metrics.csv"
    ).read_text()


def test_killed_worker_resumes_bit_for_bit(folder):
    train(folder, "whole")
    output = train_and_kill(folder, "run", 1, signal.SIGKILL, "epoch-0001*")
    assert LOST in output
    train(folder, "run", "--resume")
    assert_equal(folder, "run", "whole")


def test_killed_chief_of_shards_resumes_bit_for_bit(folder):
    """Each worker has its own shards. The commands that follow read all of them."""
    train(folder, "of_shards", data="shards")
    train_and_kill(folder, "part", 0, signal.SIGTERM, "epoch-0002*", data="shards")
    train(folder, "part", "--resume", data="shards")
    assert_equal(folder, "part", "of_shards")
    run, data = load_run(folder / "part"), kd.data.load_shards(folder / "shards")
    for part in ("valid", "test"):
        found = kd.evaluate(run.model, data.dataset(part))
        assert found["rows"] == len(data.parts[part])
        assert run.result[part] == pytest.approx(found, rel=1e-5)
    calibrated = calibrate_run(run, data, "isotonic")
    assert calibrated.result["calibration"]["method"] == "isotonic"


def test_a_worker_with_other_arguments(folder):
    first, second = commands(folder, "other")
    with started([first, [*second, "--seed", "3"]]) as processes:
        codes, outputs = wait_for(processes)
    assert codes == [1, 1]
    for output in outputs:
        assert "All workers must have the same arguments and the same data, and must" in output
    assert not (folder / "other").exists()
