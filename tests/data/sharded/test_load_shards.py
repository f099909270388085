"""Workers together have all rows, each once."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

import keras_din as kd
from keras_din.data.sharded.shard_names import shards_of_users
from keras_din.training import fingerprint
from tests.data.sharded.shared import comparable_rows, random_log, union
from tests.distributed.in_threads import run_workers

COLUMNS = {"user": "who", "time": "at", "label": "click", "target": ["item"], "dim": 4}
COLUMNS |= {"request": "request", "max_bad": 0.2}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards") / "data"
    kd.data.prepare_shards(random_log(4, rows=300, users=40), folder, 7, **COLUMNS)
    return folder


@pytest.mark.parametrize("choice", ["strided", "contiguous"])
@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_workers_have_all_rows_once(folder, choice, count):
    one = kd.data.prepare_impressions(random_log(4, rows=300, users=40), **COLUMNS)
    workers = [kd.data.load_shards(folder, i, count, choice=choice) for i in range(count)]
    assert union([comparable_rows(each, False) for each in workers]) == comparable_rows(one, False)
    shards = [each.report["shards"] for each in workers]
    assert sorted(np.concatenate(shards)) == list(range(7))
    assert (shards[0][:2] == [0, 1]) == (choice == "contiguous" or count == 1) or count == 7
    for each in workers:
        assert each.report["rows_of_smallest_worker"] == {
            part: min(len(w.parts.get(part, ())) for w in workers) for part in one.parts
        }


def test_a_worker_trains(folder):
    data = kd.data.load_shards(folder, 1, 2)
    steps = data.report["rows_of_smallest_worker"]["train"] // 16
    batches = data.dataset("train", 16, shuffle=True)
    assert len(list(batches.take(steps))) == steps > 2
    (single,) = kd.data.load_shards(folder, 0, 7).report["shards"]
    assert single == 0


@pytest.mark.parametrize("count", [2, 3])
def test_batches_of_workers_have_the_rows_of_one_batch(folder, count):
    """Each has its part of `batch_size` rows, and all of its own rows in an epoch."""
    for shuffle in (False, True):
        sizes = []
        for index in range(count):
            data = kd.data.load_shards(folder, index, count)
            batches = data.dataset("train", 16, shuffle=shuffle, shard=(index, count))
            sizes.append([len(y) for _, y in batches])
            assert sum(sizes[-1]) == len(data.parts["train"])
            assert (batches.worker, batches.batch_part) == ((index, count), (0, 1))
        assert sum(of_worker[0] for of_worker in sizes) == 16
    with pytest.raises(
        ValueError, match=r"must be that of the data: .* shard=\(0, 5\) and data of"
    ):
        data.dataset("train", 16, shard=(0, 5))
    with pytest.raises(ValueError, match=r"a count of at most `batch_size=1`"):
        data.dataset("train", 1, shard=(count - 1, count))


def test_batches_of_workers_have_one_structure(tmp_path):
    """Also if only one of them has missing labels, or requests of several sizes."""
    log = random_log(4, rows=300, users=40)
    missing = (shards_of_users(log["who"], 4) % 2 == 1) & (log["click"] == 0)
    log["like"] = log["like"].fillna(0).mask(missing)
    log["request"] = np.where(missing, log["request"], [f"r{row}" for row in range(len(log))])
    columns = COLUMNS | {"label": ["click", "like"]}
    kd.data.prepare_shards(log, tmp_path / "data", 4, **columns)
    for by_request in (False, True):
        specs = []
        for index in (0, 1):
            data = kd.data.load_shards(tmp_path / "data", index, 2)
            has_missing = np.isnan(data.parts["train"].labels["like"]).any()
            assert has_missing == (index == 1)
            batches = data.dataset("train", 8, by_request=by_request)
            specs.append(batches.element_spec)
            assert batches.spec is data.spec
            assert len(batches.groups) == sum(len(x["item"]) for x, *_ in batches)
        tf.nest.assert_same_structure(*specs)
        assert set(specs[0][2]) == set(specs[0][1]) == {"ctr", "like"}
    single = kd.data.PreparedData.load(tmp_path / "data" / "shard-00000-of-00004")
    of_worker = dataclasses.replace(single, report=single.report | {"worker": [0, 4]})
    for (*_, y), (*_, y_of_worker, weight) in zip(
        single.dataset("train", 8), of_worker.dataset("train", 8), strict=True
    ):
        for output, labels in y.items():
            np.testing.assert_array_equal(y_of_worker[output], labels)
            np.testing.assert_array_equal(weight[output], np.ones_like(labels))


def test_what_needs_the_rows_of_all_workers(folder, monkeypatch):
    """Counts, weights by time, and the age of items."""
    whole = kd.data.load_shards(folder)

    def of_worker(index):
        data = kd.data.load_shards(folder, index, 2)
        return data.feature_counts(), data.weight_by_recency(2).parts["train"].weight

    counts, weights = zip(*run_workers(monkeypatch, of_worker), strict=True)
    for name, expected in whole.feature_counts().items():
        for of_one in counts:
            np.testing.assert_array_equal(of_one[name], expected)
    expected = whole.weight_by_recency(2).parts["train"].weight
    np.testing.assert_array_equal(np.sort(np.concatenate(weights)), np.sort(expected))
    alone = kd.data.load_shards(folder, 0, 2)
    for call in (alone.feature_counts, lambda: alone.weight_by_recency(2)):
        with pytest.raises(ValueError, match=r"needs the rows of all workers: .* index=0 and coun"):
            call()
    for name, argument in (("item_ages", "test"), ("item_groups", "item"), ("joined", 0)):
        with pytest.raises(ValueError, match=f"`{name}` requires the rows of all users: load all"):
            getattr(alone, name)(argument)
    with pytest.raises(ValueError, match="`append` requires the rows of all users"):
        alone.append(random_log(9))
    assert alone.take("test", [0]).worker == (0, 2)
    alone.report["rows_of_smallest_worker"]["valid"] = 0
    with pytest.raises(
        ValueError, match=r"use fewer workers\. Received: part 'valid', of which one"
    ):
        alone.dataset("valid")


def test_the_fingerprint_is_that_of_all_rows(folder, tmp_path, monkeypatch):
    """It does not depend on the number of workers, and changes with each row."""
    whole = kd.data.load_shards(folder)
    found = fingerprint(whole)
    for count in (2, 3):

        def of_worker(index, count=count):
            data = kd.data.load_shards(folder, index, count)
            changed = fingerprint(data.downsample_negatives(0.5))
            return fingerprint(data), changed

        (both,) = set(run_workers(monkeypatch, of_worker, count))
        assert both[0] == found != both[1]
    changes = [whole.downsample_negatives(0.5, seed) for seed in (1, 2)]
    changes += [whole.weight_by_recency(2)]
    train = whole.parts["train"]
    columns = {**train.columns, "item": train.columns["item"][::-1]}
    for samples in (
        train[np.arange(len(train) - 1)],
        dataclasses.replace(train, columns=columns),
        dataclasses.replace(train, time=train.time + 1),
    ):
        changes.append(dataclasses.replace(whole, parts=whole.parts | {"train": samples}))
    changes += [whole.take("train", [0, 1]), whole.take("train", [0, 2])]
    prints = [fingerprint(data) for data in [whole, *changes]]
    assert len(set(prints)) == len(prints)
    kd.data.load_shards(folder, 1, 2).save(tmp_path / "part")
    part = kd.data.load_shards(tmp_path / "part")
    assert (part.worker, part.report["choice"]) == ((1, 2), "strided")
    with pytest.raises(ValueError, match=r"`fingerprint` needs the rows of all workers"):
        fingerprint(part)


def test_a_single_shard_is_mapped_and_not_copied(folder):
    data = kd.data.load_shards(folder, 3, 7)
    assert isinstance(data.parts["train"].columns["item"].base, np.memmap)
    assert isinstance(data.behaviors["hist"].time.base, np.memmap)
    assert data.user_values is not None


def test_prepared_data_counts_as_one_shard(tmp_path):
    one = kd.data.prepare_impressions(random_log(4), **COLUMNS)
    one.save(tmp_path / "data")
    loaded = kd.data.load_shards(tmp_path / "data")
    assert comparable_rows(loaded) == comparable_rows(one)
    assert loaded.report["rows_of_smallest_worker"]["train"] == len(one.parts["train"])
    with pytest.raises(ValueError, match=r"2 workers for 1 shard of .*Pass `shard=.index, count"):
        kd.data.load_shards(tmp_path / "data", 0, 2)


def test_errors(folder, tmp_path):
    with pytest.raises(ValueError, match=r"as many shards as workers. Received: 8 workers"):
        kd.data.load_shards(folder, 0, 8)
    with pytest.raises(ValueError, match="`index` must be the number of a worker, from 0 to 1"):
        kd.data.load_shards(folder, 2, 2)
    with pytest.raises(ValueError, match="choice"):
        kd.data.load_shards(folder, choice="random")
    with pytest.raises(FileNotFoundError, match=r"must have a sharded.json, which `finish_shards`"):
        kd.data.load_shards(tmp_path)


def test_shards_that_changed_since_the_header(folder, tmp_path):
    copy = tmp_path / "data"
    shutil.copytree(folder, copy)
    path = copy / "shard-00002-of-00007"
    header = json.loads((path / "shard.json").read_text())
    (path / "shard.json").write_text(json.dumps(header | {"hash": "other"}))
    with pytest.raises(ValueError, match="must have the spec and options of the header"):
        kd.data.load_shards(copy)
    kd.data.load_shards(copy, 1, 7)  # Another shard.
    shutil.rmtree(path)
    with pytest.raises(
        ValueError, match=r"must be complete. Received: .*shard-00002-of-00007 with"
    ):
        kd.data.load_shards(copy)


def test_a_header_that_is_not_complete_or_newer(folder, tmp_path):
    text = (folder / "sharded.json").read_text()
    newer = text.replace('"format": 1', '"format": 9')
    errors = {text[:50]: "must be complete. Received: .*Call `finish_shards`"}
    errors |= {
        "[]": "must be complete",
        newer: "of format 9, written by .*Read them with",
    }
    for content, error in errors.items():
        (tmp_path / "sharded.json").write_text(content)
        with pytest.raises(ValueError, match=error):
            kd.data.load_shards(tmp_path)


def test_a_worker_without_rows(tmp_path):
    log = random_log(4, users=2)
    kd.data.prepare_shards(log, tmp_path / "data", 30, **COLUMNS)
    header = json.loads((tmp_path / "data" / "sharded.json").read_text())
    empty = header["users"].index(0)
    with pytest.raises(ValueError, match="The shards of a worker must have rows"):
        kd.data.load_shards(tmp_path / "data", empty, 30)
    assert kd.data.load_shards(tmp_path / "data").report["shards"] == list(range(30))
