"""`PreparedData`: atomic saves, and loading gives the same data."""

import dataclasses
import json
import os
import pathlib
import shutil
import stat

import numpy as np
import pandas as pd
import pytest

import keras_din as kd
from keras_din.data import BehaviorLog, PreparedData, Samples
from keras_din.data.store import arrays


def prepared(label=1):
    item = kd.Categorical("item", 10, dim=4)
    spec = kd.FeatureSpec(target=[item], sequences=[kd.Sequence("hist", of=[item])])
    samples = Samples(
        columns={"item": [2, 3]},
        history={"hist": ([0, 0], [1, 2])},
        labels=[label, 0],
        group=[0, 0],
    )
    log = BehaviorLog([0, 2], {"item": [4, 5]}, [1, 2])
    return PreparedData(
        spec, {"hist": log}, {"train": samples, "test": samples[:1]}, {"rows": np.int64(2)}
    )


def only(folder: pathlib.Path) -> list:
    return sorted(path.name for path in folder.iterdir())


def test_save_and_load(tmp_path):
    data = prepared()
    data.save(tmp_path / "a" / "data")
    loaded = PreparedData.load(tmp_path / "a" / "data")
    assert loaded.spec == data.spec
    assert loaded.report == {"rows": 2}
    assert list(loaded.parts) == ["train", "test"]
    np.testing.assert_array_equal(loaded.behaviors["hist"].columns["item"], [4, 5])
    ((x, y),) = loaded.dataset("train")
    np.testing.assert_array_equal(x["hist_item"], [[4, 0], [4, 5]])
    np.testing.assert_array_equal(y, [[1], [0]])
    assert only(tmp_path / "a") == ["data"]
    assert repr(loaded) == "PreparedData(rows of {train: 2, test: 1}, events of {hist: 2})"


def test_bad_rows_are_saved_and_loaded(tmp_path):
    data = prepared()
    texts = ["p\rq", "p\r12", "a\nb", 'a "b"', "", "é,", "NA"]
    bad = pd.DataFrame({"line": range(7), "reason": "the row is bad", "user": texts, "time": None})
    dataclasses.replace(data, bad_rows=bad).save(tmp_path / "data")
    loaded = PreparedData.load(tmp_path / "data").bad_rows
    assert loaded["line"].tolist() == list(range(7))
    assert loaded["user"].tolist() == texts


def of_requests(requests=400, candidates=5):
    """Requests of one positive and its negatives. The item is the number of the row."""
    rows = np.arange(requests * candidates)
    item = kd.Categorical("item", len(rows) + 2, dim=4)
    samples = Samples(
        columns={"item": rows + 2},
        history={},
        labels=rows % candidates == 0,
        group=rows // candidates,
        request=rows // candidates,
    )
    spec = kd.FeatureSpec(target=[item])
    return PreparedData(spec, {}, {"train": samples, "valid": samples})


def test_downsample_negatives():
    data = of_requests()
    thin = data.downsample_negatives(0.25)
    kept = thin.parts["train"]
    items = kept.columns["item"]
    assert (np.diff(items) > 0).all()  # Kept rows are unchanged and in their order.
    rows = items - 2
    np.testing.assert_array_equal(kept.label, rows % 5 == 0)
    np.testing.assert_array_equal(kept.request, rows // 5)
    assert kept.label.sum() == 400
    assert 1600 * 0.25 - 80 < (kept.label == 0).sum() < 1600 * 0.25 + 80
    assert thin.parts["valid"] is data.parts["valid"]
    assert thin.report == {"negative_rate": 0.25}
    assert thin.downsample_negatives(0.5).report == {"negative_rate": 0.125}
    again, other = data.downsample_negatives(0.25), data.downsample_negatives(0.25, seed=1)
    np.testing.assert_array_equal(again.parts["train"].columns["item"], items)
    assert other.parts["train"].columns["item"].tolist() != items.tolist()
    assert len(data.downsample_negatives(1).parts["train"]) == len(data.parts["train"]) == 2000
    labels = [y for _, y, *_ in thin.dataset("train", 50, by_request=True)]
    assert sum(len(y) for y in labels) == 400
    assert sum(float(np.sum(y)) for y in labels) == 400


@pytest.mark.parametrize("rate", [0, -0.5, 1.5, float("nan")])
def test_downsample_negatives_raises(rate):
    with pytest.raises(ValueError, match=r"`negative_rate` must be in \(0, 1\]. Received"):
        of_requests(2).downsample_negatives(rate)


DAY = 86_400_000_000  # Microseconds.


def with_times(days, **changes):
    data = of_requests(len(days), candidates=1)
    time = (np.asarray(days) * DAY).astype(np.int64)
    samples = dataclasses.replace(data.parts["train"], time=time, **changes)
    return dataclasses.replace(data, parts={"train": samples, "valid": samples[:2]})


def test_taken_rows_have_only_the_behaviors_that_they_read():
    data = dataclasses.replace(prepared(), report={"negative_rate": 0.5})
    log = BehaviorLog([0, 2], {"item": [4, 5]})  # Without times.
    for each in (data, dataclasses.replace(data, behaviors={"hist": log})):
        taken = each.take("train", [1, 0])
        assert list(taken.parts) == ["train"]
        assert taken.negative_rate == 0.5
        ((x, y),) = taken.dataset("train")
        np.testing.assert_array_equal(x["item"], [[3], [2]])
        np.testing.assert_array_equal(x["hist_item"], [[4, 5], [4, 0]])
        np.testing.assert_array_equal(y, [[0], [1]])
        few = each.take("train", [0])
        assert len(few.behaviors["hist"]) == 1
    assert len(data.take("test", []).parts["test"]) == 0
    for rows, message in (
        ([2], r"`rows` must be numbers of the part 'train', from 0 to 1. Received: 2"),
        ([-1], "Received: -1"),
        ([0.5], r"`rows` must be a list of integers. Received: rows=\[0.5\]"),
        (1, "`rows` must be a list of integers"),
    ):
        with pytest.raises(ValueError, match=message):
            data.take("train", rows)
    with pytest.raises(ValueError, match="`part` must be"):
        data.take("valid", [0])


def test_weight_by_recency(tmp_path):
    data = with_times([100, 104, 102, 96])
    weighted = data.weight_by_recency(4)
    assert weighted.report == {"half_life": 4.0}
    assert weighted.parts["valid"] is data.parts["valid"]
    weighted.save(tmp_path / "data")
    ((_, _, weight),) = PreparedData.load(tmp_path / "data").dataset("train")
    np.testing.assert_allclose(weight[:, 0], [0.5, 1, 0.5**0.5, 0.25], rtol=1e-6)
    assert len(weighted.dataset("valid").element_spec) == 2
    assert weighted.weight_by_recency(4).report == {"half_life": 2.0}
    again = with_times([100, 104, 102, 96], weight=[2, 3, 0, 1]).weight_by_recency(2)
    np.testing.assert_allclose(again.parts["train"].weight, [0.5, 3, 0, 0.0625], rtol=1e-6)


def test_the_loss_of_weighted_rows():
    data = with_times([100, 104, 102, 96], labels=[1, 0, 1, 1], weight=[2, 3, 0, 1])
    model = kd.build_popularity(data.spec)
    model.compile(loss=kd.losses.BinaryCrossentropy())
    model.set_weights([np.linspace(-1, 1, weight.size)[:, None] for weight in model.get_weights()])
    p = model.predict(data.dataset("train"), verbose=0)[:, 0]
    of_rows = -np.log([p[0], 1 - p[1], p[2], p[3]])
    loss = model.evaluate(data.weight_by_recency(4).dataset("train"), verbose=0)
    np.testing.assert_allclose(loss, np.average(of_rows, weights=[1, 3, 0, 0.25]), rtol=1e-6)
    of_nothing = with_times([100, 104, 102, 96], labels=[1, 0, 1, 1], weight=[0, 0, 0, 0])
    assert model.evaluate(of_nothing.dataset("train"), verbose=0) == 0


def test_weight_by_recency_raises():
    with pytest.raises(ValueError, match=r"`half_life` must be a positive number. Received: .*=0"):
        with_times([1, 2]).weight_by_recency(0)
    with pytest.raises(ValueError, match=r"'train' must have times to weight its rows. Received"):
        of_requests(2).weight_by_recency(3)


def test_permissions_follow_the_umask(tmp_path):
    (tmp_path / "by_hand").mkdir()
    prepared().save(tmp_path / "data")
    mode = lambda name: stat.S_IMODE((tmp_path / name).stat().st_mode)  # noqa: E731
    assert mode("data") == mode("by_hand")


def test_save_to_an_empty_or_a_full_folder(tmp_path):
    (tmp_path / "data").mkdir()
    prepared().save(tmp_path / "data")
    with pytest.raises(FileExistsError, match=r"must be new or empty\. .* overwrite=True"):
        prepared().save(tmp_path / "data")
    prepared(label=0).save(tmp_path / "data", overwrite=True)
    assert PreparedData.load(tmp_path / "data").parts["train"].label[0] == 0
    assert only(tmp_path) == ["data"]


def test_save_to_a_symbolic_link(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there")
    prepared().save(tmp_path / "link")
    prepared(label=0).save(tmp_path / "link", overwrite=True)
    assert PreparedData.load(tmp_path / "there").parts["train"].label[0] == 0
    assert (tmp_path / "link").is_symlink()
    assert only(tmp_path) == ["link", "there"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_other_folders_are_never_replaced(tmp_path, overwrite):
    (tmp_path / "thesis.txt").write_text("years")
    with pytest.raises(FileExistsError, match="`folder` must be"):
        prepared().save(tmp_path, overwrite=overwrite)
    with pytest.raises(FileExistsError, match="`folder` must be"):
        prepared().save(tmp_path / "thesis.txt", overwrite=overwrite)
    assert only(tmp_path) == ["thesis.txt"]


def fails_at(number, function):
    """Returns `function`, except that its call with this number raises, once."""
    calls = 0

    def call(*args, **kwargs):
        nonlocal calls
        calls += 1
        if calls == number:
            raise OSError(28, "No space left on device")
        return function(*args, **kwargs)

    return call


@pytest.mark.parametrize("number", [1, 3, 5])
def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch, number):
    monkeypatch.setattr(arrays.np, "save", fails_at(number, np.save))
    with pytest.raises(OSError, match="No space left on device"):
        prepared().save(tmp_path / "data")
    assert only(tmp_path) == []


@pytest.mark.parametrize("number", [1, 2])
def test_failed_rename_keeps_the_old_data(tmp_path, monkeypatch, number):
    prepared(label=0).save(tmp_path / "data")
    monkeypatch.setattr(os, "rename", fails_at(number, os.rename))
    with pytest.raises(OSError, match="No space left on device"):
        prepared(label=1).save(tmp_path / "data", overwrite=True)
    assert only(tmp_path) == ["data"]
    assert PreparedData.load(tmp_path / "data").parts["train"].label[0] == 0


def test_interrupted_save_keeps_the_old_data(tmp_path, monkeypatch):
    prepared(label=0).save(tmp_path / "data")

    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(arrays.np, "save", interrupt)
    with pytest.raises(KeyboardInterrupt):
        prepared(label=1).save(tmp_path / "data", overwrite=True)
    assert only(tmp_path) == ["data"]
    assert PreparedData.load(tmp_path / "data").parts["train"].label[0] == 0


def test_loading_other_folders_raises(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"must be one that `PreparedData.save` or .* wrote"
    ):
        PreparedData.load(tmp_path)
    prepared().save(tmp_path / "data")
    (tmp_path / "data" / "prepared.json").write_text('{"format": 99}')
    with pytest.raises(ValueError, match=r"must be of format 1\. Received: format=99"):
        PreparedData.load(tmp_path / "data")


def test_missing_files_are_named(tmp_path):
    """Without weights, or times, the rest would be data of another meaning."""
    data = prepared()
    train = data.parts["train"]
    train = dataclasses.replace(train, weight=np.ones(len(train), "float32"))
    dataclasses.replace(data, parts=data.parts | {"train": train}).save(tmp_path / "data")
    weight = tmp_path / "data" / "parts" / "train" / "weight.npy"
    weight.rename(tmp_path / "away.npy")
    with pytest.raises(ValueError, match=r"complete: .* without parts/train/weight\.npy\.$"):
        PreparedData.load(tmp_path / "data")
    (tmp_path / "away.npy").rename(weight)
    PreparedData.load(tmp_path / "data")
    shutil.rmtree(tmp_path / "data" / "parts" / "test")
    with pytest.raises(ValueError, match=r"without parts/test/.*\.npy and [0-9]+ others\."):
        PreparedData.load(tmp_path / "data")


def test_invalid_parts_raise():
    data = prepared()
    with pytest.raises(ValueError, match=r"a log for each sequence: \['hist'\]\. Received: \[\]"):
        PreparedData(data.spec, {}, data.parts)
    with pytest.raises(ValueError, match=r"`parts` must be some of .* Received: \['dev'\]"):
        PreparedData(data.spec, data.behaviors, {"dev": data.parts["train"]})
    with pytest.raises(ValueError, match=r"JSON serializable. Received: a value of type object"):
        PreparedData(data.spec, data.behaviors, data.parts, {"x": object()})
    with pytest.raises(ValueError, match=r"JSON serializable. Received: .*not JSON compliant"):
        PreparedData(data.spec, data.behaviors, data.parts, {"x": np.nan})
    with pytest.raises(ValueError, match=r"`part` must be one of 'train', 'test'\. .*'valid'"):
        data.dataset("valid")


def test_features_are_saved_with_the_data(tmp_path):
    entries = {"ago": {"type": "Elapsed", "in": ["side_features"]}}
    prepared().save(tmp_path / "data", entries=entries)
    assert json.loads((tmp_path / "data" / "features.json").read_text()) == entries
    with pytest.raises(TypeError, match="not JSON serializable"):  # Together or not at all.
        prepared(label=0).save(tmp_path / "data", overwrite=True, entries={"ago": object()})
    assert PreparedData.load(tmp_path / "data").parts["train"].label[0] == 1
    assert json.loads((tmp_path / "data" / "features.json").read_text()) == entries
