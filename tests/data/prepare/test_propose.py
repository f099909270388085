"""Proposals of features: in Python, as text and as a file, and from the training part alone."""

import json

import numpy as np
import pandas as pd
import pytest

import keras_din as kd
from keras_din.data import (
    ByTime,
    LeaveOneOut,
    prepare_impressions,
    prepare_interactions,
    propose_features,
)
from tests.data.prepare.shared import DAY, a_day

LOG = pd.concat([a_day(day) for day in range(9)], ignore_index=True)
COLUMNS = {"user": "user", "time": "time", "target": ["item"], "dim": 4}
IMPRESSIONS = COLUMNS | {"label": "click"}


def test_proposed_features_are_used():
    data = prepare_impressions(LOG, **IMPRESSIONS, split=LeaveOneOut())
    proposal = propose_features(data, time_zone="Europe/Berlin")
    kinds = {name: entry["type"] for name, entry in proposal.entries.items()}
    assert kinds == {
        "elapsed": "Elapsed",
        "hour_of_day": "Calendar",
        "day_of_week": "Calendar",
        "item_in_hist": "Match",
        "last_item_in_hist": "LastMatch",
    }
    arguments = proposal.added_to(IMPRESSIONS | {"side_features": "price"})
    boundaries = proposal.entries["elapsed"]["boundaries"]
    hour, day = (
        kd.Calendar(part, dim=4, time_zone="Europe/Berlin")
        for part in ("hour_of_day", "day_of_week")
    )
    ago = kd.Elapsed("elapsed", dim=4, boundaries=boundaries)
    assert arguments["side_features"] == ["price", ago, hour, day]
    assert arguments["context"] == [hour, day]
    words = {"of": "item", "in_": "hist"}
    last = kd.LastMatch("last_item_in_hist", **words, elapsed="elapsed", dim=4)
    assert arguments["target"] == ["item", kd.Match("item_in_hist", **words), last]
    data = prepare_impressions(LOG, **arguments)
    model = kd.build_deepfm(data.spec)  # Which requires one width of all features.
    assert "hist_elapsed" in [each.name for each in model.inputs]


def test_proposed_transforms_replace_columns():
    tail = np.where(LOG.index == 20, 1e4, LOG.index % 9)
    log = LOG.assign(price=tail + 0.5, size=tail.astype(int))
    columns = IMPRESSIONS | {"target": ["item", "price"], "context": "size", "numeric": "size"}
    proposal = propose_features(prepare_impressions(log, **columns))
    assert [n for n, entry in proposal.entries.items() if entry["type"] == "Numeric"] == [
        "size",
        "price",
    ]
    text = repr(proposal)
    assert "\n  price (Numeric): a training value is " in text
    arguments = proposal.added_to(columns)
    assert arguments["numeric"] == []
    price = kd.Numeric("price", transform=proposal.entries["price"]["transform"])
    assert arguments["target"][:2] == ["item", price]
    spec = prepare_impressions(log, **arguments).spec
    assert spec.features["price"].transform == price.transform
    assert spec.features["size"].transform is not None
    assert [each.name for each in spec.context][:2] == ["size", "hour_of_day"]


def test_text_has_the_reasons():
    short = LOG[LOG["time"] < LOG["time"].min() + 3 * DAY]
    proposal = propose_features(prepare_impressions(short, **IMPRESSIONS))
    lines = repr(proposal).splitlines()
    assert lines[0] == "features proposed:"
    assert lines[1].startswith("  elapsed (Elapsed in side_features): ")
    assert lines[2].startswith("  hour_of_day (Calendar in context and side_features): the train")
    assert lines[2].endswith("time zone UTC, a guess; `time_zone` (--time-zone) sets it")
    left_out = next(line for line in lines if line.startswith("  left out"))
    assert left_out.startswith("  left out: day_of_week: the training rows span 2.")
    columns = COLUMNS | {"time": None, "order": "time"}
    proposal = propose_features(prepare_interactions(LOG, **columns))
    assert repr(proposal).splitlines() == [
        "features proposed: none",
        *(
            f"  left out: {name}: the log has an order instead of times"
            for name in ("elapsed", "hour_of_day", "day_of_week")
        ),
        "  left out: item_in_hist: negatives are drawn from outside of the user's list, so it "
        "would tell the label",
        "  left out: counts: negatives were not shown, so counts would tell how they were chosen",
    ]


def test_file(tmp_path):
    proposal = propose_features(prepare_impressions(LOG, **IMPRESSIONS))
    proposal.save(tmp_path / "features.json")
    assert json.loads((tmp_path / "features.json").read_text()) == proposal.entries


def test_only_the_training_part_decides():
    first = int(LOG["time"].iloc[-30])
    expected = propose_features(
        prepare_impressions(LOG, **IMPRESSIONS, split=ByTime(test_from=first))
    )
    later = LOG["time"] >= first
    other = LOG.copy()
    rng = np.random.default_rng(0)
    other.loc[later, "time"] = first + rng.integers(400 * DAY, size=later.sum())
    other.loc[later, "user"] = rng.permutation(LOG["user"][later])
    other.loc[later, "item"] = rng.permutation(LOG["item"][later])
    data = prepare_impressions(other, **IMPRESSIONS, split=ByTime(test_from=first))
    found = propose_features(data)
    assert found == expected
    assert len(data.parts["test"]) == later.sum()


def test_features_of_the_data_are_not_proposed_again():
    ago = kd.Elapsed("elapsed", dim=4)
    data = prepare_interactions(LOG, **COLUMNS, side_features=[ago])
    proposal = propose_features(data)
    assert list(proposal.entries) == ["hour_of_day", "day_of_week"]
    assert proposal.left_out["elapsed"] == "the data has a feature of this name"


def test_invalid_arguments_raise():
    data = prepare_impressions(LOG, **IMPRESSIONS)
    with pytest.raises(ValueError, match=r"`time_zone` of Calendar .* Received: .*'Europe/Bern'"):
        propose_features(data, time_zone="Europe/Bern")
    test = kd.data.PreparedData(data.spec, data.behaviors, {"test": data.parts["test"]})
    with pytest.raises(ValueError, match=r"must have the part 'train'.*\['test'\]"):
        propose_features(test)


RATE = {"of": "item", "event": "click", "kind": "rate"}


def a_log_of_items(days=12):
    log = pd.concat([a_day(day, rows=40) for day in range(days)], ignore_index=True)
    return log.assign(item=log["item"] % 6)


def test_features_of_another_name_are_not_proposed_again():
    features = {
        "context": [kd.Calendar("hour_of_day", name="hour", dim=4)],
        "side_features": [kd.Elapsed("ago", dim=4)],
        "target": [
            "item",
            kd.Count("ctr_so_far", **RATE, window="7d"),
            kd.Match("seen", of="item", in_="hist"),
        ],
    }
    data = prepare_impressions(a_log_of_items(), **IMPRESSIONS | features)
    proposal = propose_features(data)
    known = {"elapsed": "ago", "hour_of_day": "hour", "item_rate": "ctr_so_far"}
    known["item_in_hist"] = "seen"
    assert {name: proposal.left_out[name] for name in known} == {
        name: f"the data has it as {other!r}" for name, other in known.items()
    }
    assert set(proposal.entries) == {
        "day_of_week",
        "last_item_in_hist",
        "item_rows",
        "item_age",
    }


def test_columns_with_the_same_values():
    log = a_log_of_items()
    date = pd.to_datetime(log["time"], unit="s")
    log = log.assign(hour=date.dt.hour, weekday=date.dt.day_of_week.map("day {}".format))
    rows = log.groupby("item").cumcount()  # Times are in order, and no two rows share one.
    shown = {"seen_before": rows.astype(float), "other": np.random.default_rng(0).random(len(log))}
    log = log.assign(**shown)
    columns = IMPRESSIONS | {"context": ["hour", "weekday"], "target": ["item", *shown]}
    short = log[log["time"] < log["time"].min() + 6.9 * DAY]  # Without a window.
    for part, expected in ((log, {"hour_of_day", "day_of_week"}), (short, {"hour_of_day"})):
        split = ByTime(test_from=int(part["time"].iloc[-30]))
        proposal = propose_features(prepare_impressions(part, **columns, split=split))
        same = {name for name, why in proposal.left_out.items() if "has its values" in why}
        assert same == expected | ({"item_rows"} if part is short else set())
    assert proposal.left_out["item_rows"] == (
        "the column 'seen_before' has its values in training rows"
    )
    # In another time zone the hour is the same feature: one hour determines the other.
    proposal = propose_features(prepare_impressions(log, **columns), time_zone="+05:00")
    assert "hour_of_day" in proposal.left_out
    assert "day_of_week" in proposal.entries


def test_names_of_other_columns_are_not_used():
    log = a_log_of_items().rename(columns={"click": "item_rate", "time": "hour_of_day"})
    log = log.assign(elapsed=np.arange(len(log)) % 7 / 3)
    columns = {"user": "user", "time": "hour_of_day", "label": "item_rate", "dim": 4}
    columns |= {"target": ["item", "elapsed"]}
    proposal = propose_features(prepare_impressions(log, **columns))
    assert {"item_rate_", "hour_of_day_", "elapsed_"} <= set(proposal.entries)
    assert proposal.entries["last_item_in_hist"]["elapsed"] == "elapsed_"
    assert proposal.reasons["item_rate_"].endswith(
        "; the data has a column or an input 'item_rate'"
    )
    spec = prepare_impressions(log, **proposal.added_to(columns)).spec
    assert spec.features["item_rate_"].event == "item_rate"
    assert set(proposal.entries) < set(spec.features)
