"""Jobs that append, update, export and apply deltas are killed at random moments and lose nothing.

Processes of their own would spend seconds on the import of TensorFlow per kill. So one process
imports it and starts each job in a child, before TensorFlow has any threads. Half of the kills
come after a random time, mostly in TensorFlow's work. The other half come before a random change of
a file, which takes too little time to be hit by the clock.
"""

import collections
import functools
import json
import os
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_din.data import PreparedData
from keras_din.serving.version.delta import read_delta
from keras_din.serving.version.folders import versions
from keras_din.training import load_run
from tests.sequences.daily_job import DAYS, days_of_version
from tests.sequences.random_logs import KINDS
from tests.serving.version.two_versions import contents

# A long run: `KERAS_DIN_KILLS=300 python -m pytest -m slow tests/sequences/test_kills.py -s`.
KILLS = int(os.environ.get("KERAS_DIN_KILLS", "18"))
SEED = int(os.environ.get("KERAS_DIN_SEED", "0"))


@pytest.fixture(scope="module")
def run_job(tmp_path_factory):
    """A function that runs a job in a child of one process, see `daily_job.answer`."""
    errors = tmp_path_factory.mktemp("jobs") / "errors.txt"
    with (
        open(errors, "w") as stderr,
        subprocess.Popen(
            [sys.executable, "-m", "tests.sequences.daily_job"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        ) as process,
    ):

        def run(root, days, *, kind, **kill):
            request = {"root": str(root), "days": days, "kind": kind} | kill
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
            answer = process.stdout.readline()
            assert answer, errors.read_text()[-3000:]
            return json.loads(answer)

        yield run
        process.stdin.close()


def data_state(root):
    """All of the prepared data, after it was loaded."""
    data = PreparedData.load(root / "data")
    state = {"spec": data.spec.to_json(), "deliveries": data.deliveries}
    for i, day in enumerate(data.days):
        arrays = [day.samples, *day.behaviors.values()]
        state[f"day {i}"] = [(k, v.tolist()) for each in arrays for k, v in each.arrays().items()]
        state[f"users {i}"] = list(day.users)
    for name, of_table in data.vocabularies.items():
        for field in ("count", "last_seen", "since", "evicted"):
            state[f"{name} {field}"] = getattr(of_table, field).tolist()
        state[f"{name} waiting"] = of_table.waiting.to_dict()
    if data.catalog is not None:
        state["items"] = data.catalog.items.tolist()
        for field in ("key", "last_seen", "count"):
            state[f"items {field}"] = getattr(data.catalog, field).tolist()
        state["met"] = {n: each.tolist() for n, each in data.known_met_items.arrays.items()}
    return len(data.days), state


def run_state(root):
    """All weights of the run, the state of its optimizer and its metrics."""
    run = load_run(root / "run")
    variables = [*run.model.variables, *run.model.optimizer.variables]
    state = {"spec": run.spec.to_json()}
    for i, variable in enumerate(variables):
        state[f"{i} {variable.path}"] = keras.ops.convert_to_numpy(variable).tobytes()
    state["days"] = [{k: v for k, v in day.items() if k != "seconds"} for day in run.days]
    return len(run.days), state


def version_state(version):
    """The weights and the values of a version."""
    file = str(version / "variables" / "variables")
    names = [name for name, _ in tf.train.list_variables(file) if name.startswith("weights")]
    weights = {name: tf.train.load_variable(file, name).tobytes() for name in names}
    assert weights
    assets = {path.name: path.read_bytes() for path in (version / "assets").iterdir()}
    assert (version / "saved_model.pb").stat().st_size
    return days_of_version(version), weights | assets


class Checks:
    """Compares the folders after a kill with those of jobs that were not killed."""

    def __init__(self):
        self.expected = {}  # (what, days) -> state

    def record(self, root):
        """Stores the folders after a day."""
        for name, days, state in self._states(root):
            self.expected[name, days] = state

    def _states(self, root):
        yield "data", *data_state(root)
        yield "run", *run_state(root)
        for name in ("trainer", "server"):
            for number in versions(root / name):
                yield "version", *version_state(root / name / str(number))

    def compare(self, root, before):
        """Checks all folders. Returns how many days each has, which never become fewer."""
        found = {"data": 0, "run": 0, "served": 0}
        for name, days, state in self._states(root):
            assert state == self.expected[name, days], (name, days)
            if name in found:
                found[name] = days
        trainer, server = root / "trainer", root / "server"
        for number in versions(server):
            if (trainer / str(number)).exists():
                assert contents(server / str(number)) == contents(trainer / str(number))
        for file in trainer.glob("[0-9]*.delta"):
            assert read_delta(file)["version"] == int(file.stem)
        found["served"] = days_of_version(server / str(versions(server)[-1]))
        for name, days in before.items():
            assert found[name] >= days, name
        return found


def predictions(version):
    """Scores of a version for some known and unknown items."""
    serve = tf.saved_model.load(str(version)).signatures["serving_default"]
    items = np.arange(-2, 20)
    history = np.stack([items, items[::-1]], axis=1)
    return serve(item=tf.constant(items), hist_item=tf.constant(history))["ctr"].numpy()


def check_nothing_is_left(root, reference):
    """The next day removes what killed jobs left."""
    for name in ("data/days", "run"):
        found, expected = (
            {path.relative_to(folder / name) for path in (folder / name).rglob("*")}
            for folder in (root, reference)
        )
        assert found == expected, name
    for name in ("trainer", "server"):
        left = {path.name for path in (root / name).iterdir()}
        assert {entry for entry in left if entry.startswith(".")} == set()
        assert len(versions(root / name)) == 2


class Reference:
    """Jobs with a kind of log that were not killed.

    Args:
        root: A new folder.
        run_job: See the fixture.
        kind: The kind of the log.
    """

    def __init__(self, root, run_job, kind):
        self.folder, self.run_job = root / "reference", functools.partial(run_job, kind=kind)
        self.folder.mkdir(parents=True)
        self.run_job(self.folder, None)
        self.start = shutil.copytree(self.folder, root / "start")
        self.checks = Checks()
        self.checks.record(self.folder)
        durations = []
        for day in range(1, DAYS + 1):
            durations.append(self.run_job(self.folder, day))
            self.checks.record(self.folder)
        # Early enough that most jobs do not end before.
        self.seconds = 0.6 * np.mean([each["seconds"] for each in durations])
        self.changes = int(0.6 * max(each["changes"] for each in durations))


def test_nothing_is_lost_by_kills(tmp_path, run_job):
    references = [Reference(tmp_path / kind, run_job, kind) for kind in KINDS]
    rng = np.random.default_rng(SEED)
    killed, moments, sequences = 0, collections.Counter(), 0
    while killed < KILLS or sequences < len(references):
        root, days = tmp_path / f"sequence {sequences}", {}
        reference = references[sequences % len(references)]  # Of one kind and then of the other.
        shutil.copytree(reference.start, root)
        sequences += 1
        done = {"killed": True}
        while done["killed"]:
            kill = {}
            if killed < KILLS and rng.random() < 0.5:
                kill = {"seconds": float(rng.uniform(0, reference.seconds))}
            elif killed < KILLS:
                kill = {"operation": int(rng.integers(1, reference.changes + 1))}
            done = reference.run_job(root, DAYS - 1, **kill)
            days = reference.checks.compare(root, days)
            if done["killed"]:
                killed += 1
                change = done["change"].partition(" ")[0] if "operation" in kill else "by time"
                moments[done["step"], change] += 1
        reference.run_job(root, DAYS)
        days = reference.checks.compare(root, days)
        assert days == {"data": DAYS, "run": DAYS, "served": DAYS}
        check_nothing_is_left(root, reference.folder)
        newest = [
            folder / "server" / str(versions(folder / "server")[-1])
            for folder in (root, reference.folder)
        ]
        np.testing.assert_array_equal(*map(predictions, newest))
        shutil.rmtree(root)
    print(f"\n{killed} kills in {sequences} sequences")
    for (step, change), count in sorted(moments.items()):
        print(f"{step:8} {change:16} {count}")
    assert len({step for step, _ in moments}) >= 3
