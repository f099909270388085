"""What workers compare before they train a run, and the folder that they must share."""

import json
import threading

import pytest

import keras_din as kd
from keras_din.data.sharded.shard_names import shards_of_users
from keras_din.training import calibrate_run, several_workers, train
from keras_din.training.monitor_choice import choose_monitor, has_both_labels
from keras_din.training.progress import Progress
from keras_din.training.ranking import check_ranking
from tests.data.sharded.shared import COLUMNS, random_log
from tests.distributed.in_threads import run_workers

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
        for change in changes if isinstance(other, dict) else ():
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
    several_workers.check_same_run(data, "of rows", ARGUMENTS, Progress(1, 2))
    another_worker.append(change)
    with pytest.raises(ValueError, match=r"All workers must have the same .* epoch and step"):
        several_workers.check_same_run(data, "of rows", ARGUMENTS, Progress(1, 2))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Shards of a log in which only users of the second of two workers like something."""
    folder = tmp_path_factory.mktemp("shards") / "data"
    log = random_log(4, 400, 30)
    second = shards_of_users(log["who"], 4) % 2 == 1
    log["like"] = log["click"].where(second, 0)
    columns = COLUMNS | {"label": "like", "bags": [], "target": ["item"], "max_bad": 0.3}
    kd.data.prepare_shards(log, folder, 4, **columns)
    return folder


def test_workers_with_their_own_shards_decide_together(folder, monkeypatch):
    def of_worker(index):
        data = kd.data.load_shards(folder, index, 2)
        valid = data.parts["valid"]
        arguments = ARGUMENTS | {"loss": "pairwise_logistic", "by_request": False}
        check_ranking(data, arguments)
        found = several_workers.fingerprint_of_workers(data)
        several_workers.check_same_run(data, found, arguments, Progress())
        has_likes = has_both_labels(*valid.labels.values(), valid.group)
        return has_likes, choose_monitor("gauc", data, verbose=False)

    assert run_workers(monkeypatch, of_worker) == [(False, "gauc"), (True, "gauc")]
    alone = kd.data.load_shards(folder, 0, 2)
    with pytest.raises(ValueError, match=r"with both labels 0 and 1.*no such user in [0-9,]+ rows"):
        check_ranking(alone, ARGUMENTS | {"loss": "jrc", "by_request": False})


@pytest.mark.parametrize(
    "second, received",
    [((0, 1), "count=1 and choice='strided'"), ((1, 2, "contiguous"), "count=2 and choice='cont")],
)
def test_workers_with_overlapping_shards(folder, monkeypatch, second, received):
    def of_worker(index):
        loaded = second if index else (0, 2)
        data = kd.data.load_shards(folder, *loaded[:2], choice=(*loaded, "strided")[2])
        several_workers.fingerprint_of_workers(data)

    with pytest.raises(ValueError, match="or each its own shards, with the same `count`") as raised:
        run_workers(monkeypatch, of_worker)
    assert received in str(raised.value)


def test_a_process_alone_does_not_take_the_part_of_a_worker(folder, tmp_path):
    """Else the run would pass for that of all rows."""
    options = {"model": "lr", "epochs": 1, "mini_batch_aware_l2": 0.0, "verbose": 0}
    run = train(kd.data.load_shards(folder), tmp_path / "run", **options)
    part = kd.data.load_shards(folder, 0, 2)
    for folder_of_run, resume in (("new", False), ("run", True)):
        with pytest.raises(ValueError, match=r"`train` needs the rows of all workers: .* alone\."):
            train(part, tmp_path / folder_of_run, **options, resume=resume)
    with pytest.raises(ValueError, match=r"`calibrate_run` requires the rows of all users"):
        calibrate_run(run, part)
    assert not (tmp_path / "new").exists()


def test_another_number_of_workers_in_the_middle_of_an_epoch(folder, monkeypatch):
    def of_worker(index):
        data = kd.data.load_shards(folder, index, 2)
        several_workers.check_same_run(data, "", ARGUMENTS, Progress(1, 0, workers=3))
        progress = Progress(1, 5, workers=2)
        several_workers.check_same_run(data, "", ARGUMENTS, progress)
        progress.workers = 3
        several_workers.check_same_run(data, "", ARGUMENTS, progress)

    with pytest.raises(ValueError, match=r"Received: 2 instead of 3, after 5 steps of an epoch\."):
        run_workers(monkeypatch, of_worker)


def test_a_worker_without_rows_of_a_part(tmp_path, monkeypatch):
    """All workers raise the error, so that none waits."""
    log = random_log(4, 200, 12)
    columns = COLUMNS | {"bags": [], "target": ["item"], "max_bad": 0.5}
    split = kd.data.ByTime(test_from=int(log["at"].max()) + 1, time_unit="s")
    log.loc[shards_of_users(log["who"], 4) % 2 == 1, "at"] += 10_000_019  # The second worker.
    kd.data.prepare_shards(log, tmp_path / "data", 4, **columns, split=split)
    errors = []

    def of_worker(index):
        data = kd.data.load_shards(tmp_path / "data", index, 2)
        try:
            several_workers.check_same_run(data, "", ARGUMENTS, Progress())
        except ValueError as error:
            errors.append(str(error))

    run_workers(monkeypatch, of_worker)
    assert len(errors) == 2
    for error in errors:
        assert "Received: a worker without rows of ['train', 'test'], of 2 workers." in error


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
