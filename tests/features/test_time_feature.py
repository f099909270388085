"""`Elapsed` and `Calendar` from a `DataFrame` to an exported version."""

import datetime
import functools

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import keras_din as kd
from keras_din.cli.inspect import screen
from keras_din.data import PreparedData, dataset
from keras_din.data.pipeline.raw_times import raw_times
from keras_din.features import id_feature
from keras_din.serving.checks.skew import find_skew, raw_rows
from keras_din.serving.portable import index_spec
from keras_din.serving.version.description import read_description

HOUR = kd.Calendar("hour_of_day", dim=2, time_zone="Europe/Berlin", time_unit="s")
AGO = kd.Elapsed("ago", dim=2, time_unit="s")
EPOCHS = [
    datetime.datetime(1969, 12, 31, 20),  # Around 1970.
    datetime.datetime(2024, 3, 31, 0),  # Around the changes of the offset.
    datetime.datetime(2024, 10, 27, 0),
]


def a_log():
    """Several rows per half hour around three moments, some of a user at the same time."""
    rng = np.random.default_rng(0)
    rows = 120
    starts = [start.replace(tzinfo=datetime.timezone.utc).timestamp() for start in EPOCHS]
    time = np.concatenate([start + 450 * np.arange(rows // 3) for start in starts])
    log = pd.DataFrame(
        {
            "user": rng.integers(0, 8, rows),
            "time": time.astype(np.int64),
            "item": rng.integers(100, 130, rows),
            "click": rng.integers(0, 2, rows),
        }
    )
    equal = log.iloc[::7].assign(item=117)
    return pd.concat([log, equal], ignore_index=True)


@functools.cache
def prepared(kind):
    columns = {
        "user": "user",
        "time": "time",
        "time_unit": "s",
        "target": ["item", HOUR],
        "side_features": [AGO],
        "max_length": 4,
        "dim": 2,
    }
    if kind == "impressions":
        return kd.data.prepare_impressions(a_log(), label="click", **columns)
    items = pd.DataFrame({"item": range(100, 160)})
    log = a_log().drop(columns="click")
    return kd.data.prepare_interactions(log, items=items, ties="order", **columns)


@pytest.mark.parametrize("kind", ["impressions", "interactions"])
def test_batches_are_computed_from_the_log(kind):
    data = prepared(kind)
    log, samples = data.behaviors["hist"], data.parts["train"]
    assert set(log.columns) == {"item"}
    assert set(samples.columns) == {"item"}
    for name in ("ago", "hour_of_day"):
        assert data.feature_counts()[name].sum() > 0
    ((x, *_),) = data.dataset("train", batch_size=len(samples)).as_numpy_iterator()
    start, end = samples.history["hist"]
    zone = datetime.timezone.utc
    seen = set()
    for row in range(len(samples)):
        first = max(start[row], end[row] - 4)
        for place, event in enumerate(range(first, end[row])):
            seconds = int(samples.time[row] - log.time[event]) // 1_000_000
            assert x["hist_ago"][row, place] == 2 + min(seconds.bit_length(), 27)
            seen.add(min(seconds, 1))
            epoch = datetime.datetime(1970, 1, 1, tzinfo=zone)
            moment = epoch + datetime.timedelta(microseconds=int(log.time[event]))
            local = pd.Timestamp(moment).tz_convert("Europe/Berlin")
            assert x["hist_hour_of_day"][row, place] == 2 + local.hour
        assert not x["hist_ago"][row, end[row] - first :].any()
    assert seen == ({1} if kind == "impressions" else {0, 1})  # Equal times with ties="order".


def test_from_a_data_frame_to_an_exported_version(tmp_path, checked_by_one_process):
    data = prepared("interactions")
    data.save(tmp_path / "data")
    data = PreparedData.load(tmp_path / "data")
    spec = data.spec
    assert spec == prepared("interactions").spec

    model = kd.build_lr(spec)
    model.compile(kd.optimizers.LazyAdam(0.3), kd.losses.BinaryCrossentropy(), run_eagerly=True)
    model.fit(data.dataset("train", batch_size=512), shuffle=False, verbose=0)
    weights = model.get_layer("weight_hist_ago").get_weights()[0]
    assert np.unique(weights).size > 3  # Several buckets were learned.
    model.save(tmp_path / "model.keras")
    model = keras.models.load_model(tmp_path / "model.keras")
    version = kd.export(model, spec, tmp_path / "exported", raw=True)  # Checks parity.

    rank = tf.saved_model.load(str(version)).signatures["rank"]
    inputs = rank.structured_input_signature[1]
    assert {name for name, tensor in inputs.items() if tensor.dtype == tf.int64} == {
        "item",
        "hist_item",
        "time",
        "hist_time",
    }
    arguments = spec, data.behaviors, data.parts["train"], 512
    batches = [
        (raw_rows(spec, x, times), x)
        for (x, *_), times in zip(
            dataset(*arguments, by_request=True).as_numpy_iterator(),
            raw_times(*arguments, by_request=True),
            strict=True,
        )
    ]
    live = lambda x: model(x, training=False).numpy()  # noqa: E731
    skew = find_skew(version, spec, live, batches)
    assert not skew.found
    assert skew.rows > 50

    late = [(raw | {"hist_time": raw["hist_time"] - 7200}, x) for raw, x in batches]
    skew = find_skew(version, spec, live, late)
    assert set(skew.inputs) == {"hist_ago", "hist_hour_of_day"}
    assert skew.inputs["hist_ago"].raw == late[0][0]["hist_time"][skew.inputs["hist_ago"].row, 0]

    with pytest.raises(TypeError, match="time"):  # The clock of the server is not used.
        rank(**{n: tf.constant(v) for n, v in batches[0][0].items() if n != "time"})
    with pytest.raises(ValueError, match="`times` must hold the raw input 'time'"):
        raw_rows(spec, batches[0][1])

    text = screen(version, read_description(version), {})
    assert "hist_time  int64    (batch, time)    (batch, time)" in text
    assert "time       int64    (batch,)         (batch,)" in text
    assert "seconds since, 28 buckets from 1 to 67108864" in text
    assert "hour_of_day in the time zone Europe/Berlin" in text


def test_index_spec_has_the_inputs_of_the_model():
    spec = prepared("impressions").spec
    found = index_spec(spec)
    assert list(found.raw_inputs) == list(spec.inputs)
    assert id_feature(found.target).name == "item"
    assert found.features["ago"].table.values.size == 30
