"""Batches from row numbers equal those of `dataset`, also from files."""

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import keras_din as kd
from tests.data.pipeline.shared import numpy_batches

ROWS = 37
OPTIONS = [{"shuffle": True, "seed": 3}, {"batch_by": "user"}, {"by_request": True}]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Data with an index, a bag with weights, a number, a vector, a time and requests."""
    rng = np.random.default_rng(0)
    request = np.sort(rng.integers(0, 12, ROWS))
    log = pd.DataFrame(
        {
            "user": request % 4,
            "request": request,
            "time": pd.Timestamp("2026-11-20") + pd.to_timedelta(request, "h"),
            "item": rng.integers(0, 9, ROWS),
            "tags": [list(range(n)) for n in rng.integers(0, 3, ROWS)],
            "scores": None,
            "price": rng.random(ROWS),
            "query": list(rng.random((ROWS, 2))),
            "click": rng.integers(0, 2, ROWS),
        }
    )
    log["scores"] = [[0.5] * len(tags) for tags in log["tags"]]
    tags = kd.Bag("tags", weights="scores", max_values=2)
    ago = kd.Elapsed("ago", dim=2)
    data = kd.data.prepare_impressions(
        log, user="user", time="time", request="request", label="click",
        target=["item", tags, "price", kd.Vector("query", size=2)],
        side_features=[ago], numeric=["price"], dim=2,
    )  # fmt: skip
    path = tmp_path_factory.mktemp("remote") / "data"
    data.save(path)
    return path


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: next(iter(options)))
def test_batches_from_row_numbers_are_those_of_dataset(folder, options):
    data = kd.data.PreparedData.load(folder)
    batches = data.remote_batches("train", 12, **options)
    columns = next(iter(batches.columns()))
    expected = data.dataset("train", 12, **options)
    assert batches.steps == len(expected)
    assert any(file.endswith("item.npy") for file in batches.files)
    for epoch in range(2):
        for step, element in enumerate(numpy_batches(expected)):
            found = batches.batch(columns, batches.rows_of(epoch, step))
            tf.nest.map_structure(np.testing.assert_array_equal, found, element)


def test_columns_in_memory_are_sent(folder):
    data = kd.data.PreparedData.load(folder)
    copied = data.downsample_negatives(0.5)
    assert copied.remote_batches("train").negative_rate == 0.5
    kept = copied.remote_batches("train", 5)
    (element, *_) = numpy_batches(copied.dataset("train", 5))
    found = kept.batch(next(iter(kept.columns())), kept.rows_of(0, 0))
    tf.nest.map_structure(np.testing.assert_array_equal, found, element)
    assert not any("samples" in file for file in kept.files)


def test_shards_are_sent_and_read_from_files_after_save(tmp_path):
    rng = np.random.default_rng(1)
    log = pd.DataFrame(
        {"user": np.arange(30) % 6, "time": np.arange(30), "item": rng.integers(0, 9, 30)}
    )
    log["click"] = rng.integers(0, 2, 30)
    columns = {"user": "user", "time": "time", "label": "click", "target": ["item"]}
    kd.data.prepare_shards(log, tmp_path / "shards", 2, split=kd.data.ByTime(), **columns, dim=2)
    joined = kd.data.load_shards(tmp_path / "shards")
    assert joined.report["shards"] == [0, 1]
    joined.save(tmp_path / "data")
    saved = kd.data.PreparedData.load(tmp_path / "data")
    options = {"shuffle": True, "seed": 3}
    expected = numpy_batches(joined.dataset("train", 5, **options))
    assert len(expected) > 2
    for data in (joined, saved):
        batches = data.remote_batches("train", 5, **options)
        columns = next(iter(batches.columns()))
        for step, element in enumerate(expected):
            found = batches.batch(columns, batches.rows_of(0, step))
            tf.nest.map_structure(np.testing.assert_array_equal, found, element)
        assert any(file.endswith("item.npy") for file in batches.files) == (data is saved)


def test_a_missing_file_raises(folder, tmp_path):
    kd.data.PreparedData.load(folder).save(tmp_path / "data")
    batches = kd.data.PreparedData.load(tmp_path / "data").remote_batches("train", 5)
    (tmp_path / "data").rename(tmp_path / "moved")
    with pytest.raises(tf.errors.NotFoundError, match="data"):
        next(iter(batches.columns()))


def test_settings_tell_other_batches_apart(folder):
    data = kd.data.PreparedData.load(folder)
    settings = [data.remote_batches("train", 5, **each).settings() for each in OPTIONS]
    settings.append(data.remote_batches("train", 6).settings())
    assert all(one != other for i, one in enumerate(settings) for other in settings[:i])
    with pytest.raises(ValueError, match="`part` must be one of"):
        data.remote_batches("unknown")
