"""What workers compare before they train a run, and the folder that they must share."""

import json
import threading

import pytest

import keras_din as kd
from keras_din.training import calibrate_run, several_workers, train
from keras_din.training.progress import Progress

ARGUMENTS = {"model": "din", "calibrate": None}


@pytest.fixture(scope="module")
def data():
    return kd.data.synthetic_log(60, 16, interests=2, categories=4, held_out=4, dim=2)


@pytest.fixture
def another_worker(monkeypatch):
    """Returns the list of changes that make the data of another worker from that of this one."""
    changes: list = []

    def gather(text):
        other = json.loads(text) if text else None
        for change in changes:
            change(other)
        return [text, json.dumps(other, sort_keys=True).encode()]

    monkeypatch.setattr(several_workers, "worker_of", lambda: (0, 2))
    monkeypatch.setattr(several_workers, "gather_from_workers", gather)
    return changes


@pytest.mark.parametrize(
    "change",
    [
        lambda own: own["arguments"].update(model="lr"),
        lambda own: own.update(data="another"),
        lambda own: own.update(progress=[1, 3]),
    ],
    ids=["arguments", "data", "progress"],
)
def test_workers_that_differ_raise(data, another_worker, change):
    several_workers.check_same_run(data, ARGUMENTS, Progress(1, 2))
    another_worker.append(change)
    with pytest.raises(ValueError, match=r"All workers must have the same .* epoch and step"):
        several_workers.check_same_run(data, ARGUMENTS, Progress(1, 2))


def test_a_run_keeps_its_calibration_if_workers_differ(data, another_worker, tmp_path, monkeypatch):
    with monkeypatch.context() as alone:
        alone.setattr(several_workers, "worker_of", lambda: (0, 1))
        run = train(data, tmp_path / "run", model="lr", epochs=1, verbose=0)
    run = calibrate_run(run, data, "platt")
    another_worker.append(lambda own: own["arguments"].update(seed=1))
    with pytest.raises(ValueError, match="All workers must have the same"):
        train(data, run.folder, resume=True, verbose=0)
    assert (run.folder / "calibration.json").is_file()


def test_a_folder_that_is_not_shared_raises(another_worker, tmp_path, monkeypatch):
    monkeypatch.setattr(several_workers, "_VISIBLE_WITHIN", 0.2)
    with pytest.raises(FileNotFoundError, match="a file system that all workers share"):
        several_workers.wait_for_file(tmp_path / "run.json")


def test_a_file_may_become_visible_late(another_worker, tmp_path):
    file = tmp_path / "run.json"
    timer = threading.Timer(0.2, file.write_text, ["{}"])
    timer.start()
    several_workers.wait_for_file(file)
    timer.join()
    assert file.is_file()
