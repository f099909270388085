"""Deltas: the version that they make is the exported one, and others are refused."""

import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

import keras_din as kd
from keras_din.serving import apply_delta, make_delta, rollback
from keras_din.serving.version import delta as module
from keras_din.serving.version.delta import read_delta
from keras_din.serving.version.folders import versions
from tests.serving.version.two_versions import contents, fake_delta, two_versions, write_version


@pytest.fixture
def trainer(tmp_path):
    """The versions 5 and 7, and the delta between them."""
    base, new = two_versions(tmp_path / "trainer")
    fake_delta(tmp_path / "trainer" / "7.delta", base, new)
    return tmp_path / "trainer"


@pytest.fixture
def server(trainer, tmp_path):
    """The folder of a server with version 5."""
    shutil.copytree(trainer / "5", tmp_path / "server" / "5")
    return tmp_path / "server"


def refused(server, delta, message, version=None, error=ValueError):
    """Checks that an error is raised, and that nothing is written."""
    before = contents(server)
    with pytest.raises(error, match=message):
        apply_delta(server if version is None else version, delta)
    assert contents(server) == before


@pytest.mark.parametrize("of_version", [False, True])
def test_the_next_version_is_made(server, trainer, of_version, monkeypatch):
    version = apply_delta(server / "5" if of_version else server, trainer / "7.delta")
    assert version == server / "7"
    assert contents(version) == contents(trainer / "7")
    assert {path.name for path in server.iterdir()} == {"5", "7"}


def test_the_current_folder_and_links(server, trainer, monkeypatch):
    (server.parent / "current").symlink_to(server / "5")
    monkeypatch.chdir(server / "5")
    assert apply_delta(".", trainer / "7.delta") == server / "7"
    shutil.rmtree(server / "7")
    assert apply_delta(server.parent / "current", trainer / "7.delta") == server / "7"


def test_keep_removes_older_versions_with_their_deltas(server, trainer):
    write_version(server / "4", {})
    # A process that was killed has left a part of a delta.
    for name in ("4.delta", ".partial-4.delta", "5.delta", "7.delta"):
        shutil.copyfile(trainer / "7.delta", server / name)
    apply_delta(server, server / "7.delta", keep=2)
    assert {path.name for path in server.iterdir()} == {"5", "5.delta", "7", "7.delta"}
    with pytest.raises(ValueError, match="`keep` must be a positive integer"):
        apply_delta(server, server / "7.delta", keep=0)


def test_a_delta_is_applied_once(server, trainer):
    delta = trainer / "7.delta"
    apply_delta(server, delta)
    for version in (server, server / "5", server / "7"):
        refused(server, delta, r"applied once\. Received: .*version 7 exists already", version)


def test_gaps_and_the_wrong_order(server, trainer):
    write_version(trainer / "9", {"variables/data": b"9"})
    delta = fake_delta(trainer / "9.delta", trainer / "7", trainer / "9")
    message = r"from version 7 to version 9 must be applied to version 7\. Received: version 5\. "
    refused(server, delta, message + "Apply the deltas in between first")
    refused(server, delta, message + "Apply", server / "5")
    shutil.copytree(trainer / "9", server / "9")
    refused(server, trainer / "7.delta", "before there is a newer version.*with version 9")
    shutil.rmtree(server / "9")
    write_version(server / "6", {})
    message = r"to version 5\. Received: version 6\. Make a delta from that version"
    refused(server, trainer / "7.delta", message, server / "6")
    # Of two deltas with the same base the second one makes the later version.
    assert contents(apply_delta(server, trainer / "7.delta")) == contents(trainer / "7")
    assert contents(apply_delta(server, delta)) == contents(trainer / "9")


def test_a_rollback_on_the_server(server, trainer):
    delta = trainer / "7.delta"
    apply_delta(server, delta)
    copy = rollback(server)  # To version 5, under a new number.
    write_version(trainer / "9", {"variables/data": b"9"})
    early = fake_delta(trainer / "9.delta", trainer / "7", trainer / "9")
    message = rf"version {copy.name}, which `rollback` made\. Export again, and make a delta"
    refused(server, early, message)
    later = (trainer / "9").rename(trainer / str(int(copy.name) + 1))
    version = apply_delta(server, fake_delta(trainer / "later.delta", trainer / "7", later))
    assert contents(version) == contents(later)


@pytest.mark.parametrize("name", ["variables/data", "keras_din.json", "empty"])
def test_an_edited_base_is_refused(server, trainer, name):
    content = (server / "5" / name).read_bytes()
    message = "to version 5 as `make_delta` found it.*Copy the full version"
    for edited, difference in ((content[:-1] + b"x", "other content of"), (None, "no")):
        (server / "5" / name).unlink()
        if edited is not None:
            (server / "5" / name).write_bytes(edited)
        refused(server, trainer / "7.delta", message.replace("it", f"it.*{difference} {name}", 1))
    (server / "5" / name).write_bytes(content)
    (server / "5" / "notes.txt").write_text("a note")
    refused(server, trainer / "7.delta", r"with in addition notes\.txt\. Copy the full version")


def test_a_base_of_another_model_is_refused(server, trainer):
    shutil.rmtree(server / "5")
    write_version(server / "5", {"variables/data": b"1", "keras_din.json": b"{}"})
    refused(server, trainer / "7.delta", "other content of keras_din.json, variables/data; no")
    shutil.rmtree(server / "5")
    refused(server, trainer / "7.delta", "without a version", error=FileNotFoundError)


def test_a_damaged_delta_is_refused(server, trainer):
    content = bytearray((trainer / "7.delta").read_bytes())
    content[len(content) // 2] ^= 1
    (server / "damaged").write_bytes(content)
    refused(server, server / "damaged", "complete and unchanged")


def test_another_result_is_not_published(server, trainer, monkeypatch):
    """Such as after a fault of the disk."""
    checksums = module.checksums
    found = lambda folder: checksums(folder) | ({"same": "0"} if folder.name != "5" else {})  # noqa: E731
    monkeypatch.setattr(module, "checksums", found)
    refused(server, trainer / "7.delta", "other content of same", error=RuntimeError)
    assert versions(server) == [5]


def test_a_version_that_appears_meanwhile_is_kept(server, trainer, monkeypatch):
    base_of = module._base

    def late(path, header):
        found = base_of(path, header)
        write_version(server / "7", {"other": b"1"})
        return found

    monkeypatch.setattr(module, "_base", late)
    with pytest.raises(FileExistsError, match="a version must not exist yet"):
        apply_delta(server, trainer / "7.delta")
    assert (server / "7" / "other").is_file()
    assert versions(server) == [5, 7]


# Children that die at their n-th operation on files.
KILLED = """
import builtins, os, pathlib, shutil, signal, sys

sys.argv[0] = "keras-din"  # Without TensorFlow, whose threads do not survive a fork.
from keras_din.serving.version.delta import apply_delta, read_delta
from keras_din.serving.version.folders import versions
from tests.serving.version.two_versions import contents, fake_delta

trainer, server = map(pathlib.Path, sys.argv[1:])
assert "tensorflow" not in sys.modules

def in_a_child(function, kill_at):
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    left = [kill_at]
    def dies(function):
        def call(*arguments, **options):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **options)
        return call
    for owner, names in {
        os: ["mkdir", "rename", "replace", "unlink", "rmdir", "fsync", "open"],
        builtins: ["open"],
        shutil: ["copyfile"],
    }.items():
        for name in names:
            setattr(owner, name, dies(getattr(owner, name)))
    try:
        function()
        os._exit(0)
    except BaseException as error:
        print(repr(error), file=sys.stderr, flush=True)
        os._exit(1)

def kill_everywhere(function, check):
    kills = 0
    while True:
        kills += 1
        status = in_a_child(function, kills)
        check()
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0
            return kills - 1
        assert os.WTERMSIG(status) == signal.SIGKILL

delta, new = server / "new.delta", contents(trainer / "7")

def check_delta():
    if delta.exists():
        assert read_delta(delta)["version"] == 7
        assert delta.read_bytes() == (trainer / "7.delta").read_bytes()
        delta.unlink()

def check_version():
    assert versions(server) in ([5], [5, 7])
    if (server / "7").exists():
        assert contents(server / "7") == new
        shutil.rmtree(server / "7")

of_make = kill_everywhere(lambda: fake_delta(delta, trainer / "5", trainer / "7"), check_delta)
shutil.copyfile(trainer / "7.delta", delta)
of_apply = kill_everywhere(lambda: apply_delta(server, delta), check_version)
left = {path.name for path in server.iterdir()}
assert left == {"5", "new.delta"}, left
print(of_make, of_apply)
"""


def test_a_kill_leaves_no_half_version_or_delta(server, trainer):
    words = [sys.executable, "-c", KILLED, str(trainer), str(server)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    of_make, of_apply = map(int, done.stdout.split())
    assert of_make >= 10
    assert of_apply >= 40


def spec_of(items, words):
    item = kd.Categorical("item", vocabulary=items, dim=4)
    word = kd.Categorical("word", vocabulary=words, capacity=20, dim=2)
    return kd.FeatureSpec(
        context=[word, kd.Numeric("age")],
        target=[item],
        sequences=[kd.Sequence("hist", of=[item], max_length=8)],
    )


def randomize(variable, rng, rows):
    """Changes some rows of a weight."""
    values = variable.numpy()
    values[rows] += rng.normal(size=values[rows].shape).astype(values.dtype)
    variable.assign(values)


@pytest.mark.parametrize("tables", ["float32", "int8"])
def test_a_sequence_of_exports(tmp_path, tables, checked_by_one_process):
    """A model that grows, with values that are removed and weights that change."""
    rng = np.random.default_rng(0)
    items, words = [f"item {i}" for i in range(300)], [*range(1, 11)]
    spec = spec_of(items, words)
    model = kd.build_din(spec, hidden_units=[8], attention_units=[4])
    path, server = tmp_path / "din", tmp_path / "server"
    base = kd.export(model, spec, path, raw=True, tables=tables)
    shutil.copytree(base, server / base.name)
    changed = []
    for day in range(2):
        items = [*items, *(f"day {day}, {i}" for i in range(5 * day))]
        words = [None if word == day + 1 else word for word in words] + [100 + day]
        new_spec = spec_of(items, words)
        model = kd.grow(model, spec, new_spec)
        (table,) = (v for v in model.variables if v.path == "embedding_item/embeddings")
        randomize(table, rng, [3, 17 + day])
        values = table.numpy()
        values[200] = (0.0, -0.0)[day]  # Equal numbers with other bytes.
        table.assign(values)
        randomize(model.trainable_variables[-1], rng, ...)
        new = kd.export(model, new_spec, path, raw=True, tables=tables)
        delta = make_delta(base, new)
        assert delta == path / f"{new.name}.delta"
        facts = read_delta(delta)
        assert facts["values"] == {
            "item": {"new": 5 * day, "removed": 0},
            "word": {"new": 1, "removed": 1},
        }
        of_item = facts["tables"]["embedding_item"]
        assert of_item["added"] == 5 * day
        assert of_item["rows"] == len(items) + 2
        made = apply_delta(server, delta)
        assert contents(made) == contents(new)
        assert facts["bytes"] < facts["bytes_of_version"]
        base, spec = new, new_spec
        changed.append(of_item["changed"])
    loaded = tf.saved_model.load(str(made))
    assert set(loaded.signatures) == {"serving_default", "rank"}
    assert changed == ([3, 3] if tables == "float32" else [3, 2])
    # From the first version to the last one, without those in between.
    numbers = versions(path)
    first = tmp_path / "first"
    shutil.copytree(path / str(numbers[0]), first / str(numbers[0]))
    delta = make_delta(path / str(numbers[0]), base, tmp_path / "all.delta")
    assert contents(apply_delta(first, delta)) == contents(base)
    assert read_delta(delta)["values"]["word"] == {"new": 2, "removed": 2}


def test_versions_of_different_models(tmp_path, checked_by_one_process):
    """The delta is large then, and exact."""
    spec = spec_of(["a", "b"], [1, 2])
    other = kd.FeatureSpec(target=[kd.Categorical("shop", hash_buckets=9, dim=2)])
    base = kd.export(kd.build_lr(spec), spec, tmp_path / "din", raw=True)
    new = kd.export(kd.build_base(other, hidden_units=[4]), other, tmp_path / "din", raw=True)
    delta = make_delta(base, new, tmp_path / "other.delta")
    assert read_delta(delta)["values"] == {}
    assert read_delta(delta)["tables"] == {}
    before = contents(new)
    shutil.rmtree(new)
    assert contents(apply_delta(tmp_path / "din", delta)) == before


def test_what_must_be_versions(trainer):
    for names in (("trainer", "7"), ("5", "none"), ("5", "5/variables")):
        base, version = ((trainer if n == "trainer" else trainer / n) for n in names)
        with pytest.raises(
            FileNotFoundError, match="must be the folder of a version that `export`"
        ):
            make_delta(base, version)
    for base, version in ((7, 5), (7, 7)):
        message = re.escape(f"Received: version {version}, base {base}.")
        with pytest.raises(ValueError, match=f"must be newer than `base`.*{message}"):
            make_delta(trainer / str(base), trainer / str(version))
