"""An append to a folder that is killed, meets another one or finds a full disk."""

import errno
import subprocess
import sys

import numpy as np
import pytest

from keras_din.data import (
    PreparedData,
    append_to_folder,
    prepare_impressions,
    prepare_interactions,
)
from keras_din.data.prepare import days_folder
from keras_din.data.prepare.day import Day
from keras_din.data.prepare.met_items import MetItems
from tests.data.prepare.shared import a_day

COLUMNS = {"user": "user", "time": "time", "label": "click", "target": ["item"], "dim": 4}

# Only its children use pandas and Arrow, whose threads do not survive a fork.
KILLED = """
import os, pathlib, pickle, shutil, signal, sys

import numpy as np
from keras_din.data import (
    PreparedData, append_to_folder, prepare_impressions, prepare_interactions
)
from tests.data.prepare import shared

folder = pathlib.Path(sys.argv[1])
columns = {"user": "user", "time": "time", "target": ["item"], "dim": 4}

def a_day(day):
    if sys.argv[2] == "impressions":
        return shared.a_day(day)
    return shared.a_day(day, items=12)[["user", "time", "item"]]

def prepared():
    if sys.argv[2] == "impressions":
        return prepare_impressions(a_day(0), label="click", **columns)
    return prepare_interactions(a_day(0), **columns)

def contents(data):
    rows = [len(day.samples) for day in data.days]
    events = [len(day.behaviors["hist"]) for day in data.days]
    entries = data.spec.features["item"].vocabulary
    counts = data.vocabularies["item"].count.sum()
    items = None
    if data.catalog is not None:
        items = data.catalog.items.tolist(), data.catalog.key.tolist()
        met = data.known_met_items.arrays
        items = *items, {number: array.tolist() for number, array in met.items()}
    return rows, events, entries, int(counts), data.deliveries, items

def in_a_child(function):
    child = os.fork()
    if child == 0:
        try:
            os._exit(int(not function()))
        except BaseException as error:
            print(type(error).__name__, error, file=sys.stderr, flush=True)
            os._exit(3)
    return os.waitpid(child, 0)[1]

def prepare():
    prepared().save(folder / "data")
    append_to_folder(folder / "data", a_day(1))
    return True

def append(kill_at):
    # Dies at its n-th operation on files.
    left = [kill_at]
    def dies(function):
        def call(*arguments, **options):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **options)
        return call
    np.save, os.replace, os.mkdir = dies(np.save), dies(os.replace), dies(os.mkdir)
    pathlib.Path.write_text = dies(pathlib.Path.write_text)
    os.rmdir, os.unlink = dies(os.rmdir), dies(os.unlink)
    append_to_folder(folder / "data", a_day(2), max_values=6)
    return True

def expect():
    before = prepared().append(a_day(1))
    after = before.append(a_day(2), max_values=6)
    (folder / "expected.pickle").write_bytes(pickle.dumps((contents(before), contents(after))))
    return True

def check():
    before, after = pickle.loads((folder / "expected.pickle").read_bytes())
    found = contents(PreparedData.load(folder / "data"))
    assert found in (before, after), found
    return found == after

assert in_a_child(prepare) == in_a_child(expect) == 0
shutil.copytree(folder / "data", folder / "start")
kills = 0
while True:
    kills += 1 if sys.argv[2] == "impressions" else 4
    status = in_a_child(lambda: append(kills))
    done = in_a_child(check)
    assert os.WIFEXITED(done) and os.WEXITSTATUS(done) in (0, 1), done
    if os.WIFEXITED(status):
        assert os.WEXITSTATUS(status) == 0
        break
    assert os.WTERMSIG(status) == signal.SIGKILL
    if os.WEXITSTATUS(done) == 0:  # It had appended before it was killed: once more from before.
        shutil.rmtree(folder / "data")
        shutil.copytree(folder / "start", folder / "data")
print(kills - 1)
"""


@pytest.mark.parametrize("kind", ["impressions", "behaviors"])
def test_an_append_that_is_killed_leaves_the_old_or_the_new_data(tmp_path, kind):
    words = [sys.executable, "-c", KILLED, str(tmp_path), kind]
    done = subprocess.run(words, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout) >= 30


@pytest.fixture
def folder(tmp_path):
    prepare_impressions(a_day(0), **COLUMNS).save(tmp_path / "data")
    return tmp_path / "data"


@pytest.mark.parametrize("what", ["Day.save", "save_growth", "_write_header"])
def test_a_full_disk_leaves_the_old_data(folder, monkeypatch, what):
    append_to_folder(folder, a_day(1))
    before = sorted(path.relative_to(folder) for path in folder.rglob("*"))

    def fails(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        owner = Day if what == "Day.save" else days_folder
        patch.setattr(owner, what.rpartition(".")[2], fails)
        with pytest.raises(OSError, match="No space left"):
            append_to_folder(folder, a_day(2))
    assert sorted(path.relative_to(folder) for path in folder.rglob("*")) == before
    assert len(PreparedData.load(folder).days) == 1
    assert len(append_to_folder(folder, a_day(2)).days) == 2


def some_clicks(day):
    return a_day(day, items=12)[["user", "time", "item"]]


@pytest.fixture
def folder_of_behaviors(tmp_path):
    columns = {name: COLUMNS[name] for name in ("user", "time", "target", "dim")}
    prepare_interactions(some_clicks(0), **columns).save(tmp_path / "behaviors")
    return tmp_path / "behaviors"


def test_a_full_disk_leaves_the_items_that_users_have_met(folder_of_behaviors, monkeypatch):
    folder = folder_of_behaviors
    before = {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def fails(data, folder, numbers):
        (folder / "met_items-000001.npy").write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(MetItems, "save", fails)
        with pytest.raises(OSError, match="No space left"):
            append_to_folder(folder, some_clicks(1))
    found = {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert found == before | {".append.lock": b""}
    assert list(append_to_folder(folder, some_clicks(1)).known_met_items.arrays) == [1]
    assert [path.name for path in folder.glob("days/met_items-*")] == ["met_items-000001.npy"]


def test_the_items_that_users_have_met_change_while_they_are_loaded(
    folder_of_behaviors, monkeypatch
):
    load = MetItems.load

    def slow(path, numbers):
        monkeypatch.undo()
        append_to_folder(folder_of_behaviors, some_clicks(1))  # It removes the array of before.
        return load(path, numbers)

    monkeypatch.setattr(MetItems, "load", slow)
    data = PreparedData.load(folder_of_behaviors)
    assert len(data.days) == 1
    assert list(data.known_met_items.arrays) == [1]


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_append_while_the_data_is_loaded(folder, monkeypatch, when):
    append_to_folder(folder, a_day(1))
    load = days_folder.load_growth

    def slow(path):
        monkeypatch.undo()
        found = load(path) if when == "after" else None
        append_to_folder(folder, a_day(2))  # It removes `path`.
        return found or load(path)

    monkeypatch.setattr(days_folder, "load_growth", slow)
    data = PreparedData.load(folder)
    assert len(data.days) == 2
    assert data.spec == PreparedData.load(folder).spec


@pytest.mark.parametrize("kind", ["folder", "folder_of_behaviors"])
def test_each_missing_file_is_an_error_that_names_it(request, tmp_path, kind):
    folder = request.getfixturevalue(kind)
    append_to_folder(folder, some_clicks(1) if kind == "folder_of_behaviors" else a_day(1))
    PreparedData.load(folder)
    files = [path for path in folder.rglob("*") if path.is_file()]
    may_be_removed = {"bad_rows.csv", ".append.lock"}
    assert len(files) > 30
    for file in files:
        if file.name in may_be_removed:
            continue
        file.rename(tmp_path / "away")
        with pytest.raises((ValueError, FileNotFoundError)) as raised:
            PreparedData.load(folder)
        known = file.name if file.name != "prepared.json" else "must be one that"
        assert known in str(raised.value)
        (tmp_path / "away").rename(file)
    for name in may_be_removed:
        for file in folder.rglob(name):
            file.unlink()
    assert len(PreparedData.load(folder).days) == 1


def test_a_second_append_at_the_same_time_is_refused(folder):
    message = r"No other process may append .* wait=True"
    with (
        days_folder.append_lock(folder, wait=False),
        pytest.raises(BlockingIOError, match=message),
    ):
        append_to_folder(folder, a_day(1))
    assert len(append_to_folder(folder, a_day(1)).days) == 1


def test_a_second_append_waits_for_the_first(folder):
    with days_folder.append_lock(folder, wait=False):
        words = ["-c", WAITING, str(folder)]
        other = subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, text=True)
        try:
            assert other.stdout.readline() == "waits\n"
            assert len(PreparedData.load(folder).days) == 0
        except BaseException:
            other.kill()
            raise
    assert other.communicate(timeout=120)[0] == "1\n"
    assert len(append_to_folder(folder, a_day(2)).days) == 2


WAITING = """
import sys
from keras_din.data import append_to_folder
from tests.data.prepare.shared import a_day
print("waits", flush=True)
print(len(append_to_folder(sys.argv[1], a_day(1), wait=True).days))
"""


def test_other_folders_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"PreparedData\.save"):
        append_to_folder(tmp_path, a_day(1))
    assert list(tmp_path.iterdir()) == []


def test_an_append_reads_no_column_of_the_log_as_a_whole(tmp_path):
    """Otherwise its cost would grow with the log. So it does not see values that became invalid."""
    folder = tmp_path / "data"
    prepare_impressions(a_day(0), **COLUMNS).save(folder)
    part = next((folder / "parts").iterdir())
    for file, value in ((part / "labels" / "click.npy", np.inf), (part / "time.npy", 2**62)):
        values = np.load(file)
        values[0] = value
        np.save(file, values)
    with pytest.raises(ValueError, match=r"must be a finite number, .*Received: inf in row 0"):
        PreparedData.load(folder)
    for day in (1, 2):
        data = append_to_folder(folder, a_day(day))
        assert data.days[-1].report["rows_late"] == 0
