"""Versions that contain snapshots of counts: values, inputs, description and check for skew."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import keras_din as kd
from keras_din.serving.checks.skew import find_skew, raw_rows
from keras_din.serving.version.description import read_description
from tests.serving.one_process import check_exports_with

LOG = pd.DataFrame(
    {
        "user": ["ann", "bob"] * 20,
        "time": pd.Timestamp("2026-03-01") + pd.to_timedelta(range(40), unit="h"),
        "item": list("aabcabdaeb") * 4,
        "tab": [1, 2, 2, 3] * 10,
        "click": [1, 0, 0, 1, 1, 0, 1, 0] * 5,
    }
)
COUNTS = [
    kd.Count("clicks", of="item", event="click", window="10h"),
    kd.Count("rate", of="item", event="click", kind="rate", prior=2),
    kd.Count("age", of="item", kind="age"),
    kd.Count("of_pair", of=["user", "item"]),
    kd.Count("of_user", of="user"),
]


def prepared(log=LOG):
    return kd.data.prepare_impressions(
        log,
        user="user",
        time="time",
        label="click",
        target=["item", *COUNTS],
        context=["user", "tab", kd.Count("of_tab", of="tab")],
        split=kd.data.ByTime(),
        dim=2,
    )


@pytest.fixture(scope="module")
def exported(tmp_path_factory, one_process):
    data = prepared(LOG[:30]).append(LOG[30:])
    model = kd.build_base(data.spec, hidden_units=[4])
    path = tmp_path_factory.mktemp("versions")
    with check_exports_with(one_process):
        version = kd.export(model, data.spec, path, raw=True, snapshots=data.count_snapshots())
    return data, model, version


def test_values_are_those_after_the_last_row(exported):
    data, _, _ = exported
    found = {each.name: each for each in data.count_snapshots()}
    assert list(found) == ["of_tab", "clicks", "rate", "age"]
    last = LOG["time"].max()
    items = data.spec.features["item"].vocabulary
    for index, item in enumerate([None, None, *items]):
        rows = LOG[LOG["item"] == item]
        recent = rows[rows["time"] > last - pd.Timedelta("10h")]
        rate, clicked = data.spec.features["rate"], rows["click"].sum()
        assert found["clicks"].values[index] == recent["click"].sum()
        assert found["rate"].values[index] == pytest.approx(
            (clicked + 2 * rate.base) / (len(rows) + 2)
        )
        age = (last - rows["time"].min()).total_seconds() if len(rows) else 0
        assert found["age"].values[index] == pytest.approx(age)
    tabs = data.spec.features["tab"].vocabulary
    assert found["of_tab"].values[2:].tolist() == [(LOG["tab"] == tab).sum() for tab in tabs]


def test_version_has_no_inputs_of_snapshots(exported):
    data, model, version = exported
    description = read_description(version)
    inputs = ["user", "tab", "item", "of_pair", "of_user", "hist_item"]
    assert sorted(description["signatures"]["rank"]["inputs"]) == sorted(inputs)
    at = "2026-03-02 15:00:00.000001"
    assert description["counts"] == {
        "of_tab": {"from": "snapshot", "key": "tab", "time": at},
        "clicks": {"from": "snapshot", "key": "item", "time": at},
        "rate": {"from": "snapshot", "key": "item", "time": at},
        "age": {"from": "snapshot", "key": "item", "time": at},
        "of_pair": {"from": "request"},
        "of_user": {"from": "request"},
    }
    raw = {
        "user": ["ann"],
        "tab": [3],
        "item": [["b", "new"]],
        "of_pair": [[3.0, 0.0]],
        "of_user": [[7.0, 7.0]],
        "hist_item": [["a", "d"]],
    }
    served = tf.saved_model.load(str(version)).signatures["rank"](
        **{
            name: tf.constant(values, tf.int64 if name == "tab" else None)
            for name, values in raw.items()
        }
    )
    indices = {name: data.spec.features[name].vocabulary for name in ("user", "tab", "item")}
    index = lambda name, value: 2 + list(indices[name]).index(value)  # noqa: E731
    b, tab = index("item", "b"), index("tab", 3)
    values = {each.name: each.values for each in data.count_snapshots()}
    x = {
        "user": np.array([index("user", "ann")]),
        "tab": np.array([tab]),
        "of_tab": values["of_tab"][[tab]],
        "item": np.array([[b, 1]]),
        **{name: values[name][[[b, 1]]] for name in ("clicks", "rate", "age")},
        "of_pair": np.array([[3.0, 0.0]], np.float32),
        "of_user": np.array([[7.0, 7.0]], np.float32),
        "hist_item": np.array([[index("item", "a"), index("item", "d")]]),
    }
    np.testing.assert_allclose(served["ctr"], model(x), atol=1e-6)


def test_skew_is_found_in_everything_but_snapshots(exported):
    data, model, version = exported
    x = next(iter(data.dataset("train", 64)))[0]
    x = {name: values.numpy() for name, values in x.items()}
    raw = raw_rows(data.spec, x)
    assert not find_skew(version, data.spec, model, [(raw, x)]).found
    wrong = raw | {"of_pair": raw["of_pair"] + 1}
    assert list(find_skew(version, data.spec, model, [(wrong, x)]).inputs) == ["of_pair"]


def test_snapshots_of_other_data_are_refused(exported, tmp_path):
    data, model, _ = exported
    renamed = prepared(LOG[:30].assign(item=LOG["item"] + "x")).count_snapshots()
    with pytest.raises(ValueError, match="must have the values of 'item' in the spec"):
        kd.export(model, data.spec, tmp_path, raw=True, snapshots=renamed)
    changed = [dataclasses.replace(each, event="other") for each in data.count_snapshots()]
    with pytest.raises(ValueError, match="Each snapshot must be of a Count of the spec"):
        kd.export(model, data.spec, tmp_path, raw=True, snapshots=changed)


def test_specs_with_snapshots(exported):
    data, _, _ = exported
    spec = data.spec.with_snapshots(data.count_snapshots())
    read = kd.FeatureSpec.from_json(spec.to_json())
    assert read == spec
    assert read.without_snapshots() == data.spec
    snapshot = spec.features["clicks"]
    with pytest.raises(ValueError, match=r"`key` of .* must be a feature of `context` with one"):
        kd.FeatureSpec(context=[snapshot], target=[data.spec.features["item"]])


@pytest.mark.parametrize("view", [kd.data.PreparedData.joined, lambda data: data.day(0)])
def test_data_without_the_rows_of_the_log(exported, view):
    with pytest.raises(ValueError, match=r"Snapshots of counts require the rows of the log: call"):
        view(exported[0]).count_snapshots()


def test_order_instead_of_times(tmp_path):
    data = kd.data.prepare_impressions(
        LOG.assign(time=range(40)),
        user="user",
        order="time",
        label="click",
        target=["item", COUNTS[1]],
        split=kd.data.LastFraction(valid=0),
    )
    with pytest.raises(ValueError, match="Snapshots of counts require data with times"):
        data.count_snapshots()
