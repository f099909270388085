"""Features of times in prepared data: appended days, later logs, and logs without times."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

import keras_din as kd
from keras_din.cli.predict import _table_of_part
from keras_din.data import ByTime, prepare_impressions, prepare_interactions
from keras_din.data.prepare.scoring import log_to_samples
from keras_din.data.store.feature_counts import count_features
from keras_din.features import NO_TIME, OOV_INDEX
from tests.data.pipeline.shared import numpy_batches
from tests.data.prepare.shared import a_day

AGO = kd.Elapsed("ago", dim=2, boundaries=[3600, 86_400])
HOUR = kd.Calendar("hour_of_day", dim=2)
FEATURES = {
    "target": ["item", HOUR],
    "context": [kd.Calendar("day_of_week", dim=2)],
    "side_features": [AGO],
    "dim": 2,
}
COLUMNS = {"user": "user", "time": "time", **FEATURES}
DAYS = [a_day(day) for day in range(4)]


def prepared(days, **options):
    log = pd.concat(DAYS[:days], ignore_index=True)
    return prepare_impressions(log, label="click", **COLUMNS, **options)


def rows(spec, behaviors, samples):
    """The indices of each row that are computed from times, sorted by the time of the row."""
    samples = samples[np.lexsort((samples.group, samples.time))]
    ((x, *_),) = numpy_batches(kd.data.dataset(spec, behaviors, samples, len(samples)))
    found = {"time": samples.time.tolist()}
    for name in ("hour_of_day", "day_of_week", "hist_ago", "hist_hour_of_day"):
        values = x[name].reshape(len(samples), -1)
        found[name] = [[index for index in row if index] for row in values.tolist()]
    return found


def test_appended_day_and_scored_log_continue_the_times():
    base = prepared(3, split=ByTime(test_from=2e9), allow_empty_parts=True)
    first = int(DAYS[3]["time"].min())
    whole = prepared(4, split=ByTime(test_from=first))
    expected = rows(whole.spec, whole.behaviors, whole.parts["test"])
    assert {index for row in expected["hist_ago"] for index in row} == {2, 3, 4}

    day = base.append(DAYS[3]).day(0)
    assert rows(day.spec, day.behaviors, day.parts["train"]) == expected

    arguments = {"user": "user", "time": "time", "sequences": {"hist": "click"}}
    scored = log_to_samples(DAYS[3], base.spec, base, **arguments)
    assert rows(base.spec, scored.behaviors, scored.samples) == expected
    alone = log_to_samples(DAYS[3], base.spec, user="user", time="time")
    assert not any(rows(base.spec, alone.behaviors, alone.samples)["hist_ago"])


def test_report_and_columns():
    data = prepared(1)
    types = {name: facts["type"] for name, facts in data.report["columns"].items()}
    expected = {"hour_of_day": "calendar", "day_of_week": "calendar", "ago": "elapsed"}
    assert types == {"item": "categorical", **expected}
    assert data.report["columns"]["ago"]["reason"] == "given as an Elapsed"
    assert list(data.report["parts"]["train"]["rows_with_unseen"]) == []
    table = _table_of_part(data, "train")
    assert table.column_names == ["line", "user", "item", "time", "label"]


def test_order_instead_of_times_raises():
    words = {"user": "user", "order": "time", **FEATURES}
    match = r"require a log with times. Received: Calendar\(.* and an order instead"
    with pytest.raises(ValueError, match=match):
        prepare_impressions(DAYS[0], label="click", **words)
    with pytest.raises(ValueError, match=match):
        prepare_interactions(DAYS[0], **words)
    data = prepared(1)
    with pytest.raises(ValueError, match=match):
        dataclasses.replace(data, report=data.report | {"time_unit": "order"})


def test_behaviors_without_times_have_the_index_of_unknown_values():
    prior = DAYS[0][["user", "item"]]
    data = prepare_impressions(DAYS[1], label="click", prior_history={"hist": prior}, **COLUMNS)
    log = data.behaviors["hist"]
    first = np.asarray(log.time)[log.offsets[:-1]]
    assert (first == NO_TIME).all()
    rows = data.dataset("train", len(data.parts["train"]))
    x, _ = next(iter(rows))
    start, end = data.parts["train"].history["hist"]
    for row in range(len(start)):
        known = np.asarray(log.time)[start[row] : end[row]] != NO_TIME
        for name in ("hist_ago", "hist_hour_of_day"):
            index = x[name].numpy()[row, : len(known)]
            assert ((index == OOV_INDEX) == ~known).all()
    model = kd.build_base(data.spec, hidden_units=(4,))
    counts = count_features(data.spec, data.behaviors, data.parts["train"])
    assert counts["ago"][OOV_INDEX] == sum(
        (np.asarray(log.time)[s:e] == NO_TIME).sum() for s, e in zip(start, end, strict=True)
    )
    assert np.isfinite(model(x).numpy()).all()


def test_rows_may_lack_the_times_of_their_first_behaviors():
    spec = prepared(1).spec
    rows = pd.DataFrame({"time": [9], "item": ["a"], "hist_item": [["a", "b"]]})
    behaviors, _ = kd.data.rows_to_samples(rows.assign(hist_time=[[None, 7]]), spec, None)
    assert behaviors["hist"].time.tolist() == [NO_TIME, 7]
    with pytest.raises(ValueError, match="must be in ascending order"):
        kd.data.rows_to_samples(rows.assign(hist_time=[[7, None]]), spec, None)


def test_grown_model_keeps_the_tables_of_times():
    base = prepared(3)
    model = kd.build_lr(base.spec)
    weights = model.get_layer("weight_hist_ago")
    weights.set_weights([np.arange(5.0)[:, None]])
    grown = kd.grow(model, base.spec, base.append(DAYS[3]).spec)
    assert grown.get_layer("weight_hist_ago").get_weights()[0].ravel().tolist() == [0, 1, 2, 3, 4]
