"""`Count` features of prepared logs, against loops over all rows."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import keras_din as kd
from keras_din.data import ByTime, prepare_impressions, prepare_interactions, prepare_rows
from keras_din.data.prepare.scoring import log_to_samples
from tests.data.prepare.shared import DAY, a_day

GIVEN = {"mean": 0.0, "std": 1.0}
COUNTS = {
    "shown": kd.Count("shown", of="item", **GIVEN),
    "clicks": kd.Count("clicks", of="item", event="click", window="1d", **GIVEN),
    "of_user": kd.Count("of_user", of="user", event="click", window="12h", **GIVEN),
    "of_pair": kd.Count("of_pair", of=["user", "kind"], window="3d", **GIVEN),
    "rate": kd.Count("rate", of="kind", event="like", kind="rate", prior=3, base=0.25, **GIVEN),
    "age": kd.Count("age", of="item", kind="age", **GIVEN),
    "liked_since": kd.Count("liked_since", of="item", event="like", kind="age", **GIVEN),
}
COLUMNS = {
    "user": "user",
    "time": "time",
    "label": "click",
    "target": ["item", *(COUNTS[name] for name in COUNTS if name != "of_user")],
    "context": [COUNTS["of_user"]],
    "split": ByTime(),
    "dim": 2,
}


def a_log(days, seed=0, rows=20):
    """Rows of several days with ties in time, which are in requests of two rows."""
    log = pd.concat([a_day(day, rows, seed=seed) for day in days], ignore_index=True)
    rng = np.random.default_rng([seed, *days])
    log["time"] -= log["time"] % 7200  # Ties.
    log["kind"] = log["item"].map(lambda item: None if item % 5 == 0 else f"kind {item % 2}")
    log["like"] = rng.integers(2, size=len(log))
    first_of_pair = log.index // 2 * 2
    log["user"] = log["user"].to_numpy()[first_of_pair]
    log["request"] = log["time"].astype(str) + "/" + first_of_pair.astype(str)
    return log


def brute_force(log, feature, shown_at, queries=None):
    """The value for each row of `queries`, shown at a time in seconds, by a loop over the log."""
    values = []
    queries = log if queries is None else queries
    names = list(feature.of)
    keys = ["/".join(map(str, row)) for row in log[names].to_numpy()]
    wanted = ["/".join(map(str, row)) for row in queries[names].to_numpy()]
    for key, at in zip(wanted, shown_at, strict=True):
        before = log[(np.array(keys) == key) & (log["time"] < at)]
        if feature.window is not None:
            before = before[before["time"] >= at - feature.window]
        is_event = np.ones(len(before)) if feature.flag is None else before[feature.flag]
        if feature.kind == "age":
            value = max(at - before["time"][is_event == 1].min(), 0) if is_event.any() else 0
        elif feature.kind == "rate":
            prior = feature.prior
            value = (is_event.sum() + prior * feature.base) / (len(before) + prior)
        else:
            value = is_event.sum()
        values.append(value)
    return np.array(values, np.float32)


def by_line(samples, name):
    return samples.columns[name][np.argsort(samples.line)]


@pytest.mark.parametrize("request_column", [None, "request"])
def test_values_equal_brute_force(request_column):
    log = a_log([0, 1, 2]).sample(frac=1, random_state=0, ignore_index=True)
    shown_at = log["time"]
    if request_column:  # One row of each request was logged later.
        log["time"] += np.arange(len(log)) % 2 * 3600
        shown_at = log.groupby("request")["time"].transform("min")
    data = prepare_impressions(log, request=request_column, duplicates="keep", **COLUMNS)
    for name, feature in COUNTS.items():
        values = by_line(data.parts["train"], name)
        assert len(set(values.tolist())) > 2, name
        np.testing.assert_array_equal(values, brute_force(log, feature, shown_at), name)
    assert list(data.spec.sequences[0].of) == [data.spec.features["item"]]


@settings(max_examples=12, deadline=None)
@given(st.data())
def test_no_row_depends_on_rows_at_or_after_its_time(draw):
    """Everything at or after a time is changed, shuffled or deleted: earlier rows stay equal."""
    log = a_log([0, 1], seed=draw.draw(st.integers(0, 99)), rows=12)
    cut = log["time"].iloc[draw.draw(st.integers(6, len(log) - 1))]
    is_later = log["time"] >= cut
    later = log[is_later].sample(frac=draw.draw(st.sampled_from([0.3, 1])), random_state=1)
    later["click"] = 1 - later["click"]
    later["like"] = 1
    later["item"] = later["item"].to_numpy()[::-1]
    later["time"] += draw.draw(st.sampled_from([0, 3600]))
    # The rows whose values are compared include those at the time of the cut.
    asked = log[log["time"] == cut].assign(click=0, like=0)
    earlier = pd.concat([log[~is_later].assign(asked=1), asked.assign(asked=1)])
    found = []
    for rest in (log[is_later & (log["time"] > cut)], later):
        rows = pd.concat([earlier, rest.assign(asked=0)], ignore_index=True)
        samples = prepare_impressions(rows, **COLUMNS, weight="asked").parts["train"]
        asked_rows = samples[samples.line < len(earlier)]
        found.append([by_line(asked_rows, name).tobytes() for name in COUNTS])
    assert found[0] == found[1]


def test_base_rate_is_that_of_the_training_part():
    log = a_log([0, 1, 2])
    rate = dataclasses.replace(COUNTS["rate"], base=None)
    columns = COLUMNS | {"target": ["item", rate]}
    cut = int(log["time"].iloc[40])
    data = prepare_impressions(log, **columns | {"split": ByTime(test_from=cut)})
    base = data.spec.features["rate"].base
    assert base == log["like"][log["time"] < cut].mean() != log["like"].mean()
    values = brute_force(log, data.spec.features["rate"], log["time"])
    is_test = (log["time"] >= cut).to_numpy()
    np.testing.assert_array_equal(by_line(data.parts["test"], "rate"), values[is_test])


def test_mean_and_std_are_those_of_the_training_part():
    log = a_log([0, 1, 2])
    names = ("clicks", "rate", "age")
    learned = [dataclasses.replace(COUNTS[name], mean=None, std=None) for name in names]
    cut = int(log["time"].iloc[40])
    words = COLUMNS | {"target": ["item", *learned], "split": ByTime(test_from=cut)}
    data = prepare_impressions(log, **words)
    for name in names:
        values = data.parts["train"].columns[name].astype(float)
        if name != "rate":
            values = np.log1p(values)
        feature = data.spec.features[name]
        assert feature.mean == pytest.approx(values.mean(), rel=1e-5)
        assert feature.std == pytest.approx(values.std(), rel=1e-5)


@pytest.mark.parametrize("saved", [False, True])
def test_appended_days_equal_one_preparation(tmp_path, saved):
    days = [a_log([day]) for day in range(4)]
    late = days[1].sample(5, random_state=0).assign(time=lambda rows: rows["time"] - DAY)
    days[3] = pd.concat([days[3], late], ignore_index=True)
    data = prepare_impressions(pd.concat(days[:2]), **COLUMNS)
    if saved:
        data.save(tmp_path / "data")
        for day in days[2:]:
            kd.data.append_to_folder(tmp_path / "data", day)
        data = kd.data.PreparedData.load(tmp_path / "data")
    else:
        data = data.append(days[2]).append(days[3])
    for number, day in enumerate(days[2:]):
        # Late rows are known from the day on in which they were appended.
        known = pd.concat(days[: number + 3])
        for name, feature in COUNTS.items():
            values = by_line(data.days[number].samples, name)
            expected = brute_force(known, feature, day["time"], day)
            np.testing.assert_array_equal(values, expected, name)


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 10_000), mixed=st.booleans())
def test_rows_of_any_delivery_count_all_earlier_deliveries(seed, mixed):
    """Rows of random days are delivered in any order: all but the first are late, or ties."""
    rng = np.random.default_rng(seed)
    log = a_log([0, 1], seed=seed, rows=16)
    log["delivery"] = rng.integers(3, size=len(log)) if mixed else np.arange(len(log)) // 11
    deliveries = [log[log["delivery"] == number] for number in range(3)]
    if deliveries[0]["click"].nunique() < 2 or not all(map(len, deliveries)):
        return
    data = prepare_impressions(deliveries[0], **COLUMNS)
    samples = [data.parts["train"]]
    for delivery in deliveries[1:]:
        data = data.append(delivery)
        samples.append(data.days[-1].samples)
    for number, delivery in enumerate(deliveries):
        known = pd.concat(deliveries[: number + 1])
        for name, feature in COUNTS.items():
            expected = brute_force(known, feature, delivery["time"], delivery)
            np.testing.assert_array_equal(by_line(samples[number], name), expected, name)


def test_scored_logs_count_the_rows_of_the_data():
    days = [a_log([day]) for day in range(3)]
    data = prepare_impressions(days[0], **COLUMNS).append(days[1])
    scored = log_to_samples(
        days[2].drop(columns=["click", "like"]), data.spec, data, user="user", time="time"
    )
    known = pd.concat(days[:2])
    for name, feature in COUNTS.items():
        expected = brute_force(known, feature, days[2]["time"], days[2])
        np.testing.assert_array_equal(by_line(scored.samples, name), expected, name)
    with pytest.raises(ValueError, match="must be the prepared data of the log before, with the"):
        log_to_samples(days[2], data.spec, user="user", time="time")


def test_rows_have_a_column():
    rows = pd.DataFrame({"item": list("abab"), "clicks": [0, 3, 1, 2], "click": [0, 1, 0, 1]})
    words = {"label": "click", "target": ["item", COUNTS["clicks"]], "sequences": ()}
    data = prepare_rows(rows, **words)
    assert data.parts["train"].columns["clicks"].tolist() == [0, 3, 1, 2]
    _, samples = kd.data.rows_to_samples(rows, data.spec, "click")
    assert samples.columns["clicks"].tolist() == [0, 3, 1, 2]
    with pytest.raises(ValueError, match="clicks"):
        prepare_rows(rows.drop(columns="clicks"), **words)


def test_keys_of_tables():
    log = pd.DataFrame(
        {"user": [1, 2, 1], "time": [1, 2, 3], "item": [7, 8, 9], "click": [0, 1, 0]}
    )
    items = pd.DataFrame({"item": [7, 8, 9], "brand": ["x", "x", "y"]})
    users = pd.DataFrame({"user": [1, 2], "city": ["p", "p"]})
    brand = kd.Count("of_brand", of="brand", **GIVEN)
    city = kd.Count("of_city", of=["city"], event="click", **GIVEN)
    words = COLUMNS | {"target": ["item", brand], "context": [city]}
    data = prepare_impressions(log, items=items, users=users, **words)
    assert by_line(data.parts["train"], "of_brand").tolist() == [0, 1, 0]
    assert by_line(data.parts["train"], "of_city").tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    "count, options, match",
    [
        ({"of": "nothing"}, {}, r"Columns \['nothing'\] must be in the log"),
        ({"of": "item", "event": "none"}, {}, r"Columns \['none'\] must be in the log"),
        ({"of": "click"}, {}, "known before the impression. Received: 'click'"),
        ({"of": "tags"}, {"bags": ["tags"]}, "one value per row. Received: 'tags', which has"),
        ({"of": "item", "event": "price"}, {}, "price"),
        ({"of": "item", "window": "1d"}, {"order": "time"}, "requires a log with times. Received"),
        ({"of": "item", "kind": "age"}, {"order": "time"}, "requires a log with times. Received"),
    ],
)
def test_invalid_columns(count, options, match):
    words = COLUMNS | {"target": ["item", kd.Count("n", **count)], "context": []}
    if "bags" in options:
        words["context"] = ["tags"]
    if "order" in options:
        words = {**words, "time": None, "split": None}
    with pytest.raises(ValueError, match=match):
        prepare_impressions(a_log([0]), **words, **options)


@pytest.mark.parametrize("name", ["user", "time", "request"])
def test_a_count_must_not_replace_another_column(name):
    # Otherwise the counts would identify the rows of a log that is appended again.
    count = kd.Count(name, of="item")
    words = COLUMNS | {"target": ["item", count], "context": [], "request": "request"}
    with pytest.raises(ValueError, match=f"another role.* Received: Count.* column '{name}'"):
        prepare_impressions(a_log([0]), **words)


def test_a_feature_as_object_and_as_name():
    words = COLUMNS | {"target": ["item", "n", kd.Count("n", of="item")], "context": []}
    with pytest.raises(ValueError, match=r"either as an object or as a name. Received: Count.*'n'"):
        prepare_impressions(a_log([0]), **words)


def test_counts_of_an_order():
    words = COLUMNS | {"target": ["item", COUNTS["shown"]], "context": [], "time": None}
    log = a_log([0])
    data = prepare_impressions(
        log, **words | {"split": kd.data.LastFraction(valid=0)}, order="time"
    )
    samples = [data.parts[part] for part in ("train", "test")]
    lines = np.concatenate([each.line for each in samples])
    values = np.concatenate([each.columns["shown"] for each in samples])[np.argsort(lines)]
    np.testing.assert_array_equal(values, brute_force(log, COUNTS["shown"], log["time"]))


INTERACTIONS = {
    "user": "user",
    "time": "time",
    "target": ["item", "kind", COUNTS["shown"], COUNTS["of_pair"]],
    "context": [kd.Count("of_user", of="user", kind="age", **GIVEN)],
    "split": ByTime(),
    "negatives": 2,
    "dim": 2,
}


def test_interactions_count_behaviors_of_candidates():
    log = a_log([0, 1, 2])
    data = prepare_interactions(log, **INTERACTIONS)
    samples = data.parts["train"]
    assert samples.labels["click"].mean() == pytest.approx(1 / 3)
    kind_of_item = log.groupby("item")["kind"].first()
    items = [data.spec.features["item"].vocabulary[i - 2] for i in samples.columns["item"]]
    asked = pd.DataFrame({"user": log["user"].to_numpy()[samples.line], "item": items}).assign(
        kind=lambda rows: kind_of_item.reindex(rows["item"]).to_numpy()
    )
    for name in ("shown", "of_pair", "of_user"):
        feature = data.spec.features[name]
        expected = brute_force(log, feature, log["time"].to_numpy()[samples.line], asked)
        np.testing.assert_array_equal(samples.columns[name], expected, name)
        assert len(set(expected.tolist())) > 2, name


@pytest.mark.parametrize(
    "count, match",
    [
        ({"of": "item", "event": "click"}, "must be 'row' in `prepare_interactions`"),
        ({"of": ["user", "tags"]}, r"keys of negatives are not in the log. Received: \['tags'\]"),
        ({"of": "item", "window": "1d"}, "requires a log with times"),
    ],
)
def test_invalid_columns_of_interactions(count, match):
    words = INTERACTIONS | {"target": ["item", kd.Count("n", **count)], "context": []}
    if "window" in count:
        words |= {"order": words["time"], "time": None}
    with pytest.raises(ValueError, match=match):
        prepare_interactions(a_log([0]), **words)
