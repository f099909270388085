"""Days of behaviors that are appended, against dicts and loops over the whole log."""

import bisect
import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import keras_din as kd
from keras_din.data import (
    PreparedData,
    append_to_folder,
    prepare_interactions,
)
from keras_din.data.prepare.scoring import log_to_samples
from tests.data.prepare.shared import DAY
from tests.sequences.whole_log import OOV, Entries

COLUMNS = {"user": "user", "time": "time", "dim": 2, "max_length": 3}


def clicks(day, rows=24, users=5, items=12, seed=0):
    """Random behaviors of one day, with ties. `number` is a number that tells the item."""
    rng = np.random.default_rng([seed, day])
    item = rng.integers(2 * day, 2 * day + items, rows)
    hours = np.sort(rng.integers(24, size=rows))
    return pd.DataFrame(
        {
            "user": [f"u{user}" for user in rng.integers(users, size=rows)],
            "time": 1_600_000_000 + day * DAY + hours * 3600,
            "item": item,
            "category": [f"c{i // 3}" for i in item],
            "number": item.astype(float),
            "segment": rng.integers(3, size=rows),
        }
    )


def all_rows(user, position, count, time):
    """A split with training rows only."""
    return np.zeros(len(user), int)


def prepared(log, **options):
    columns = {"target": ["item", "number"], "numeric": ["number"], "split": all_rows}
    return prepare_interactions(log, **COLUMNS | columns | options)


def numbers(column):
    return np.asarray(column).astype(int).tolist()


class WholeLog:
    """All behaviors so far, the vocabulary of items and the items that can be drawn."""

    def __init__(self, min_count, max_length, ties):
        self.min_count, self.max_length, self.ties = min_count, max_length, ties
        self.events, self.catalog, self.order = [], {}, 0

    def start(self, data, log):
        """The log of `prepare`, whose negatives are those of the data."""
        self.entries = Entries(data.spec.features["item"].vocabulary, self.min_count)
        now = log["time"].max()
        self.entries.see([*log["item"], *self.check(data.parts["train"], data, log)], now)
        self.catalog = dict.fromkeys(log["item"], now)

    def append(self, data, log, listed, max_age=None, max_values=None, evict=None):
        """A further log, whose negatives are those of the data."""
        now, day = log["time"].max(), data.days[-1]
        for item in {*log["item"], *listed}:
            self.catalog[item] = max(now, self.catalog.get(item, 0))
        if max_age is not None:
            oldest = now - max_age * DAY
            self.catalog = {i: time for i, time in self.catalog.items() if time >= oldest}
        by_count = evict == "least_frequent"
        limits = (max_age, max_values, by_count)
        left = self.entries.append([*log["item"]], now, day.number, *limits, in_use=listed)
        self.catalog = {i: time for i, time in self.catalog.items() if i not in left}
        self.events = [(*e[:4], OOV if e[3] in left else e[4]) for e in self.events]
        drawn = self.check(day.samples, data.day(-1), log)
        assert set(drawn) <= set(self.catalog)
        self.entries.draw(drawn, now, day.number, max_values)

    def check(self, samples, data, log) -> list:
        """Compares rows with the log. Returns the items of their negatives."""
        first = self.order
        for row in log.itertuples():
            self.events.append((row.user, row.time, self.order, row.item, None))
            self.order += 1
        of_user = {}
        for user, time, order, item, _ in sorted(self.events, key=lambda e: e[1:3]):
            of_user.setdefault(user, []).append((time, order, item))
        expected = {}
        for user, behaviors in of_user.items():
            for i, (time, order, item) in enumerate(behaviors[1:], 1):
                tied = self.ties == "order"
                before = [b[2] for b in behaviors[:i] if tied or b[0] < time]
                if order >= first:
                    expected[order - first] = (user, time, item, before[-self.max_length :])
        found, met = {}, {user: {b[2] for b in of_user[user]} for user in of_user}
        items, drawn = numbers(samples.columns["number"]), []
        behaviors, (start, end) = data.behaviors["hist"], samples.history["hist"]
        for row in range(len(samples)):
            user = data.user_values[samples.group[row]]
            place = slice(max(start[row], end[row] - self.max_length), end[row])
            history = numbers(behaviors.columns["number"][place])
            time, line = samples.time[row] // 1_000_000, samples.line[row]
            if samples.label[row] == 1:
                assert line not in found
                found[line] = (user, time, items[row], history)
            else:
                assert found[line][:2] == (user, time)
                assert found[line][3] == history
                assert items[row] not in met[user]
                drawn.append(items[row])
        assert found == expected
        return drawn

    def check_vocabulary(self, data):
        entries, state = data.spec.features["item"].vocabulary, data.vocabularies["item"]
        assert list(entries) == self.entries.entries
        for index, value in enumerate(entries, 2):
            assert state.count[index] == (0 if value is None else self.entries.count[value])
        waiting = {v: c for v, c in self.entries.count.items() if v not in entries}
        assert state.waiting["count"].to_dict() == waiting
        assert set(data.catalog.items) == set(self.catalog)

    def check_indices(self, data):
        """Candidates and behaviors have the index of their item, or that of unknown ones."""
        entries = [None, OOV, *data.spec.features["item"].vocabulary]
        for day in (data, *(data.day(i) for i in range(len(data.days)))):
            for rows in (*day.parts.values(), day.behaviors["hist"]):
                pairs = zip(rows.columns["item"], numbers(rows.columns["number"]), strict=True)
                assert all(entries[index] in (OOV, item) for index, item in pairs)


EVICTIONS = [
    {},
    {"max_age": 1.5},
    {"max_values": 30},
    {"max_values": 31, "evict": "least_frequent"},
    {"max_age": 2.5, "max_values": 33},
]


def check_days(seed, shifts, listed, eviction, min_count, ties, by):
    """Appends days. A shift of 1 is the next day, 0 the same and -1 the day before.

    Args:
        listed: Whether each log comes with a table of items.
    """
    sizes, day = {"users": 6, "items": 25}, 10
    log, options = clicks(day, seed=seed, **sizes), {"min_count": min_count, "ties": ties}
    data = prepared(log, negatives_by=by, negatives=2, **options)
    whole = WholeLog(min_count, 3, ties)
    whole.start(data, log)
    for i, (shift, has_table) in enumerate(zip(shifts, listed, strict=True)):
        day += shift
        log = clicks(day + 1, seed=seed + i + 1, **sizes)
        items, table = [], None
        if has_table:
            items = range(2 * day, 2 * day + 40)
            table = pd.DataFrame({"item": items, "number": map(float, items)})
        data = data.append(log, items=table, **eviction)
        whole.append(data, log, items, **eviction)
        whole.check_vocabulary(data)
        whole.check_indices(data)


@pytest.mark.parametrize("eviction", EVICTIONS)
def test_days_match_the_whole_log(eviction):
    shifts, listed = (1, 1, 1, 1, 0, -1, 1), (0, 1, 0, 0, 1, 0, 0)
    check_days(3, shifts, listed, eviction, min_count=1, ties="exclude", by="uniform")


@settings(max_examples=6, deadline=None)
@given(st.data())
def test_random_days_match_the_whole_log(draw):
    length = draw.draw(st.integers(1, 4))
    check_days(
        draw.draw(st.integers(0, 10**6)),
        draw.draw(st.lists(st.sampled_from([1, 1, 1, 0, -1]), min_size=length, max_size=length)),
        draw.draw(st.lists(st.booleans(), min_size=length, max_size=length)),
        draw.draw(st.sampled_from(EVICTIONS)),
        draw.draw(st.integers(1, 3)),
        draw.draw(st.sampled_from(["exclude", "order"])),
        draw.draw(st.sampled_from(["uniform", "popularity"])),
    )


FEATURES = {
    "target": ["item", "category", "number", kd.Count("item_rows", of="item")],
    "context": ["segment", kd.Count("user_rows", of="user")],
    "numeric": ["number"],
}


@pytest.fixture(scope="module")
def three_days():
    data = prepared(clicks(0), **FEATURES)
    return data.append(clicks(1)).append(clicks(2))


def rows_by_positive(samples, data):
    """`(user, time, item)` of each positive -> its features, and its history."""
    found, behaviors = {}, data.behaviors["hist"]
    start, end = samples.history["hist"]
    for row in np.flatnonzero(samples.label == 1):
        key = (
            data.user_values[samples.group[row]],
            samples.time[row],
            samples.columns["number"][row],
        )
        entries = data.spec.features["category"].vocabulary
        history = zip(
            numbers(behaviors.columns["number"][start[row] : end[row]])[-3:],
            [entries[i - 2] for i in behaviors.columns["category"][start[row] : end[row]]][-3:],
            strict=True,
        )
        counts = [samples.columns[name][row] for name in ("item_rows", "user_rows")]
        value = (entries[samples.columns["category"][row] - 2], counts, list(history))
        found.setdefault(key, []).append(value)
    return {key: sorted(values) for key, values in found.items()}


def test_days_equal_one_log_of_all_days(three_days):
    """But for the draws: the same positives, counts, histories, behaviors and values."""
    logs = [clicks(day) for day in range(3)]
    whole = prepared(pd.concat(logs, ignore_index=True), **FEATURES)
    found = rows_by_positive(three_days.parts["train"], three_days)
    for i in range(2):
        day = three_days.day(i)
        for key, values in rows_by_positive(day.parts["train"], day).items():
            found[key] = sorted([*found.get(key, []), *values])
    assert found == rows_by_positive(whole.parts["train"], whole)
    for name in ("item", "category", "segment"):
        assert set(three_days.spec.features[name].vocabulary) == set(
            whole.spec.features[name].vocabulary
        )
    assert set(three_days.catalog.items) == set(whole.catalog.items)
    assert dict(zip(three_days.catalog.items, three_days.catalog.count, strict=True)) == dict(
        zip(whole.catalog.items, whole.catalog.count, strict=True)
    )
    own = [day.is_own["hist"] for day in three_days.days]
    assert len(three_days.behaviors["hist"]) + int(np.concatenate(own).sum()) == len(
        whole.behaviors["hist"]
    )


def arrays(data):
    """All arrays of prepared data."""
    found = {f"part {n}/{a}": v for n, p in data.parts.items() for a, v in p.arrays().items()}
    found |= {f"log/{name}": v for name, v in data.behaviors["hist"].arrays().items()}
    for i, day in enumerate(data.days):
        found |= {f"day {i}/{name}": v for name, v in day.samples.arrays().items()}
        found |= {f"log {i}/{name}": v for name, v in day.behaviors["hist"].arrays().items()}
        found |= {f"own {i}": day.is_own["hist"]}
    for name in ("key", "last_seen", "count"):
        found[f"catalog/{name}"] = getattr(data.catalog, name)
    found |= {f"catalog/{name}": np.asarray(v) for name, v in data.catalog.values.items()}
    return found | {f"met {n}": v for n, v in data.known_met_items.arrays.items()}


def assert_equal(one, other):
    assert one.spec == other.spec
    assert one.deliveries == other.deliveries
    assert one.log_format == other.log_format
    assert arrays(one).keys() == arrays(other).keys()
    for name, values in arrays(one).items():
        np.testing.assert_array_equal(values, arrays(other)[name], err_msg=name)


def test_a_saved_folder_grows_like_the_data(tmp_path, three_days):
    prepared(clicks(0), **FEATURES).save(tmp_path / "data")
    append_to_folder(tmp_path / "data", clicks(1))
    append_to_folder(tmp_path / "data", clicks(2))
    loaded = PreparedData.load(tmp_path / "data")
    assert_equal(loaded, three_days)
    after = append_to_folder(tmp_path / "data", clicks(3), max_values=14)
    assert_equal(PreparedData.load(tmp_path / "data"), after)
    assert_equal(three_days.append(clicks(3), max_values=14), after)
    loaded.save(tmp_path / "copy")
    assert_equal(PreparedData.load(tmp_path / "copy"), loaded)
    assert_equal(append_to_folder(tmp_path / "copy", clicks(3), max_values=14), after)


def test_bags_and_weights_of_items_are_stored(tmp_path):
    def log(day):
        tags = [(f"t{i % 4}", f"t{i % 3 + 4}") for i in clicks(day)["item"]]
        weights = [(float(i), 0.5) for i in clicks(day)["item"]]
        return clicks(day).assign(tags=tags, weight=weights, text=["|".join(t) for t in tags])

    target = ["item", kd.Bag("tags", weights="weight"), "text"]
    options = {"target": target, "bags": {"text": "|"}, "numeric": ()}
    prepared(log(0), **options).save(tmp_path / "data")
    data = append_to_folder(tmp_path / "data", log(1))
    samples, spec = data.days[0].samples, data.spec
    item, tags = spec.features["item"].vocabulary, spec.features["tags"].vocabulary
    text = spec.features["text"].vocabulary
    for row in range(len(samples)):
        known = item[samples.columns["item"][row] - 2]
        expected = [f"t{known % 4}", f"t{known % 3 + 4}"]
        assert [tags[i - 2] for i in samples.columns["tags"].values_of(row)] == expected
        assert [text[i - 2] for i in samples.columns["text"].values_of(row)] == expected
        assert list(samples.columns["weight"].values_of(row)) == [known, 0.5]


def test_the_same_log_twice_changes_nothing(three_days, capsys):
    assert three_days.append(clicks(1).sample(frac=1, random_state=0)) is three_days
    assert three_days.append(clicks(0)) is three_days
    assert "read before: the log\nnothing changed\n" in capsys.readouterr().out


def test_late_rows(three_days):
    with pytest.raises(
        ValueError, match=r"late='refuse'\. Received: 24 earlier rows, such as 2020"
    ):
        three_days.append(clicks(1, seed=3), late="refuse")
    assert three_days.append(clicks(1, seed=3)).days[-1].report["rows_late"] == 24


def test_negatives_depend_on_the_seed_and_the_number_of_the_append(three_days):
    def drawn(data):
        samples = data.days[-1].samples
        return samples.columns["number"][samples.label == 0].tolist()

    again = prepared(clicks(0), **FEATURES).append(clicks(1)).append(clicks(2))
    assert drawn(again) == drawn(three_days)
    other = prepared(clicks(0), **FEATURES, seed=1).append(clicks(1)).append(clicks(2))
    assert drawn(other) != drawn(three_days)
    # A day in two pieces has the same positives and histories, but other negatives.
    pieces = prepared(clicks(0), **FEATURES).append(clicks(1).head(10)).append(clicks(1).tail(14))
    found: dict = {}
    for i in range(2):
        found |= rows_by_positive(pieces.day(i).parts["train"], pieces.day(i))
    one = prepared(clicks(0), **FEATURES).append(clicks(1)).day(0)
    assert found.keys() == rows_by_positive(one.parts["train"], one).keys()


@pytest.mark.parametrize("by", ["uniform", "popularity"])
def test_negatives_are_those_of_the_whole_lists_of_users(by):
    """They are what each user draws alone, from all behaviors of the user until then."""
    logs = [clicks(day, items=18) for day in range(5)]
    data = prepared(logs[0], negatives_by=by, negatives=2, seed=7)
    for number in range(1, len(logs)):
        data = data.append(logs[number])
        samples, met = data.days[-1].samples, pd.concat(logs[: number + 1])
        order = np.argsort(data.catalog.key)
        items, count = data.catalog.items[order], data.catalog.count[order]
        in_order = logs[number].sort_values(["user", "time"], kind="stable")
        position = in_order.groupby("user").cumcount().sort_index().to_numpy()
        expected = []
        for line in samples.line[samples.label == 1]:
            user = logs[number]["user"][line]
            of_user = set(met["item"][met["user"] == user])
            for i in range(2):
                draws = alone(user, [7, number], int(position[line]) * 2 + i)
                if by == "uniform":
                    drawn = (items[int(next(draws) * len(items))] for _ in range(10_000))
                else:
                    ends = count.cumsum()
                    drawn = (items[bisect.bisect(ends, next(draws) * ends[-1])] for _ in range(999))
                expected.append(next(item for item in drawn if item not in of_user))
        assert numbers(samples.columns["number"][samples.label == 0]) == expected


def alone(user, seed, number):
    """Yields output `number` of the generators of a user, with Python's integers."""
    start = int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0])
    start = mix(start ^ int(pd.util.hash_array(np.array([user], object), categorize=False)[0]))
    for round_ in itertools.count():
        yield (mix(mix(start + round_) + (number + 1) * 0x9E3779B97F4A7C15) >> 11) / 2**53


def mix(bits):
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1)):
        bits %= 2**64
        bits = (bits ^ bits >> shift) * factor
    return bits


def test_given_negatives():
    def log(day):
        return clicks(day).assign(other=np.roll(clicks(day)["item"], 1))

    data = prepared(log(0), negatives="other").append(log(1), max_age=0.5)
    data = data.append(log(2), max_age=0.5)
    for i in range(2):
        samples, rows = data.days[i].samples, log(i + 1)
        given = samples.line[samples.label == 0]
        assert numbers(samples.columns["number"][samples.label == 0]) == list(rows["other"][given])
    first = clicks(3, rows=2).assign(user=["new", "other"])
    for missing in ([np.nan, np.nan], pd.array([5, None], "Int64")):  # They are no positives.
        assert data.append(first.assign(other=missing)).days[-1].report["rows_kept"] == 2
    with pytest.raises(ValueError, match=r"'other' must hold an item of the catalog .* 999 in row"):
        data.append(clicks(3).assign(other=999))


def test_an_item_that_comes_back_is_not_drawn_for_users_who_met_it():
    def log(day, users, items):
        columns = {"user": list(users), "time": clicks(0)["time"].max() + day * DAY}
        return pd.DataFrame(columns | {"item": items, "number": np.array(items, float)})

    first = clicks(0)
    user, item = first["user"].iloc[0], int(first["item"].iloc[0])
    data = prepared(first, negatives=20).append(log(9, "bcd", [100, 101, 102]), max_age=2)
    assert set(data.catalog.items) == {100, 101, 102}
    day = data.append(log(10, ["e", user], [item, 103])).days[-1]
    samples = day.samples
    assert samples.label.sum() == 1
    assert set(numbers(samples.columns["number"][samples.label == 0])) == {100, 101, 102}


def test_items_of_a_table_are_drawn_and_replace_features():
    """Also in later logs without the table, until they are too old."""
    listed = pd.DataFrame({"item": [0, 1, 500], "number": [100.0, 1.0, 500.0]})
    data = prepared(clicks(0)).append(clicks(1), items=listed).append(clicks(2))
    samples = [day.samples for day in data.days]
    for each in samples:
        assert 500 in numbers(each.columns["number"][each.label == 0])
    known = dict(zip(data.catalog.items, data.catalog.values["number"], strict=True))
    assert (known[0], known[1], known[500]) == (100.0, 1.0, 500.0)
    assert 500 not in data.append(clicks(4), max_age=1).catalog.items
    assert 500 in data.append(clicks(4), items=listed, max_age=1).catalog.items
    with_table = prepared(
        clicks(0).drop(columns="number"), items=clicks(0)[["item", "number"]].drop_duplicates()
    )
    with pytest.raises(ValueError, match=r"Columns \['number'\] must be in the log, .* `items`"):
        with_table.append(clicks(1).drop(columns="number"))


@pytest.mark.parametrize(
    "change, message",
    [
        (
            {"item": lambda log: log["item"].map("{:03d}".format)},
            "Column 'item' must have the type",
        ),
        ({"user": lambda log: range(len(log))}, r"Column 'user' .* text, .* Received: integers"),
        ({"category": lambda log: log["item"]}, "Column 'category' must have the type"),
        ({"number": lambda log: "dear"}, "number"),
        (
            {"time": lambda log: pd.to_datetime(log["time"], unit="s")},
            "numbers, .* Received: dates",
        ),
    ],
)
def test_columns_of_another_type_are_refused(three_days, change, message):
    log = clicks(3)
    log = log.assign(**{name: function(log) for name, function in change.items()})
    with pytest.raises(ValueError, match=message):
        three_days.append(log)


def test_a_day_of_new_users_has_no_samples(tmp_path):
    new = clicks(1, rows=3).assign(user=["x", "y", "z"])
    prepared(clicks(0)).save(tmp_path / "data")
    data = append_to_folder(tmp_path / "data", new)
    assert len(data.days[0].samples) == 0
    later = append_to_folder(tmp_path / "data", new.assign(time=new["time"] + DAY))
    samples = later.days[1].samples
    assert len(samples) == 2 * 3
    start, end = samples.history["hist"]
    assert (end - start == 1).all()


def test_a_log_is_scored_with_the_behaviors_of_all_days(three_days):
    log = clicks(3)
    scored = log_to_samples(log, three_days.spec, three_days, user="user", time="time")
    behaviors, (start, end) = scored.behaviors["hist"], scored.samples.history["hist"]
    whole = pd.concat([clicks(day) for day in range(3)])
    for row, line in enumerate(scored.samples.line):
        user, item = log["user"].iloc[line], log["item"].iloc[line]
        expected = whole["number"][whole["user"] == user]
        history = slice(start[row], end[row])
        assert numbers(behaviors.columns["number"][history]) == numbers(expected)
        counts = (whole["item"] == item).sum(), (whole["user"] == user).sum()
        found = [scored.samples.columns[name][row] for name in ("item_rows", "user_rows")]
        assert found == list(counts)


def test_snapshots_count_all_days(three_days):
    (snapshot,) = three_days.count_snapshots()
    whole = pd.concat([clicks(day) for day in range(3)])["item"].value_counts()
    entries = three_days.spec.features["item"].vocabulary
    assert snapshot.values[2 : 2 + len(entries)].tolist() == [whole.get(i, 0) for i in entries]
