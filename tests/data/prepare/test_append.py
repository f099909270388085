"""Days that are appended to prepared data, against a brute-force model of the whole log."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import keras_din as kd
from keras_din.data import PreparedData, append_to_folder, prepare_impressions
from keras_din.data.prepare.scoring import log_to_samples
from keras_din.data.store.bags import Bags
from tests.data.prepare.shared import DAY, a_day

COLUMNS = {"user": "user", "time": "time", "label": "click", "target": ["item"]}
OOV = "?"


def prepared(log, **options):
    return prepare_impressions(log, **COLUMNS | {"dim": 4, "max_length": 3} | options)


class WholeLog:
    """A vocabulary and histories by dicts and loops over all rows so far."""

    def __init__(self, entries, min_count, max_length):
        self.entries, self.min_count, self.max_length = list(entries), min_count, max_length
        self.count, self.last, self.events, self.order = {}, {}, [], 0

    def see(self, log):
        for value in log["item"]:
            self.count[value] = self.count.get(value, 0) + 1
            self.last[value] = max(log["time"].max(), self.last.get(value, 0))  # Days may be late.
        for row in log.itertuples():
            self.order += 1
            if row.click:
                self.events.append((row.user, row.time, self.order, row.item))

    def append(self, log, max_age=None, max_values=None, least_frequent=False):
        today, now = set(log["item"]), log["time"].max()
        self.see(log)
        known = [value for value in self.entries if value is not None]
        new = [v for v in today if v not in known and self.count[v] >= self.min_count]
        new.sort(key=lambda value: (-self.count[value], value))
        leave = set()
        if max_age is not None:
            old = [v for v, time in self.last.items() if time < now - max_age * DAY]
            leave = {value for value in old if value in known}
            for value in set(old) - leave:  # They waited too long.
                del self.count[value], self.last[value]
        if max_values is not None:
            rest = [v for v in known if v not in today and v not in leave]
            key = (self.count, self.last) if least_frequent else (self.last, self.count)
            rest.sort(key=lambda v: (key[0][v], key[1][v], self.entries.index(v)))
            while rest and len(known) - len(leave) + len(new) > max_values:
                leave.add(rest.pop(0))
            new = new[: max(0, max_values - len(known) + len(leave))]
        if not new and leave == set(known):
            leave = set()
        for value in leave:
            self.entries[self.entries.index(value)] = None
            del self.count[value], self.last[value]
            # The value of these behaviors is not known any more, even if it comes back.
            self.events = [(*e[:3], OOV if e[3] == value else e[3]) for e in self.events]
        for value in new:
            if None in self.entries:
                self.entries[self.entries.index(None)] = value
            else:
                self.entries.append(value)
        # The behaviors of a log keep the indices that they got when it was appended.
        self.events = [
            (*e[:3], e[3] if e[3] in self.entries or e[2] <= self.order - len(log) else OOV)
            for e in self.events
        ]

    def history(self, user, time):
        before = sorted((e[1], e[2], e[3]) for e in self.events if e[0] == user and e[1] < time)
        return [item for _, _, item in before[-self.max_length :]]


def decoded(data, column):
    entries = data.spec.features["item"].vocabulary
    return [OOV if index == 1 else entries[index - 2] for index in column]


def check_histories(data, day, whole):
    """The histories of an appended day are those of the whole log."""
    samples, log = day.samples, day.behaviors["hist"]
    start, end = samples.history["hist"]
    for row in range(len(samples)):
        items = log.columns["item"][max(start[row], end[row] - whole.max_length) : end[row]]
        user, time = day.users[samples.group[row]], samples.time[row] // 1_000_000
        assert decoded(data, items) == whole.history(user, time), (row, user, time)


@settings(max_examples=12)
@given(st.data())
def test_days_match_the_whole_log(draw):
    min_count = draw.draw(st.integers(1, 3))
    seed = draw.draw(st.integers(0, 10**6))
    options = draw.draw(
        st.sampled_from(
            [
                {},
                {"max_age": 1.5},
                {"max_values": 5},
                {"max_values": 6, "evict": "least_frequent"},
                {"max_age": 2.5, "max_values": 7},
            ]
        )
    )
    shifts = draw.draw(st.lists(st.sampled_from([1, 1, 1, 0, -1]), min_size=1, max_size=4))
    first = a_day(10, seed=seed)
    data = prepared(first, min_count=min_count, split=kd.data.LastFraction(0.0, 0.1))
    whole = WholeLog(data.spec.features["item"].vocabulary, min_count, 3)
    whole.see(first)
    known = set(whole.entries)
    whole.events = [(*e[:3], e[3] if e[3] in known else OOV) for e in whole.events]
    day = 10
    for i, shift in enumerate(shifts):
        day += shift  # A day may be earlier than the last one.
        log = a_day(day + 1, seed=seed + i + 1)
        before = data.spec.features["item"].vocabulary
        data = data.append(log, **options)
        whole.append(
            log,
            options.get("max_age"),
            options.get("max_values"),
            options.get("evict") == "least_frequent",
        )
        assert list(data.spec.features["item"].vocabulary) == whole.entries
        for old, new in zip(before, data.spec.features["item"].vocabulary, strict=False):
            assert old == new or old is None or old not in data.spec.features["item"].vocabulary
        check_histories(data, data.days[-1], whole)
        state = data.vocabularies["item"]
        for index, value in enumerate(whole.entries, 2):
            assert state.count[index] == (0 if value is None else whole.count[value])
        waiting = {v: c for v, c in whole.count.items() if v not in whole.entries}
        assert state.waiting["count"].to_dict() == waiting


@pytest.fixture(scope="module")
def two_days():
    columns = {"target": ["item", "tags", "price"], "bags": ["tags"]}
    return prepared(a_day(0), **columns).append(a_day(1))


def same(one, other):
    """Whether two prepared data have equal specs, rows, behaviors and days."""
    assert one.spec == other.spec
    pairs = [(one.day(i), other.day(i)) for i in range(-1, len(one.days) - 1)] if one.days else []
    for a, b in [(one, other), *pairs]:
        assert a.parts.keys() == b.parts.keys()
        logs = [(a.behaviors[n], b.behaviors[n]) for n in a.behaviors]
        for x, y in [*((a.parts[n], b.parts[n]) for n in a.parts), *logs]:
            assert x.arrays().keys() == y.arrays().keys()
            for name, array in x.arrays().items():
                other_array = y.arrays()[name]
                if isinstance(array, Bags):
                    rows = range(len(array))
                    assert [list(array.values_of(r)) for r in rows] == [
                        list(other_array.values_of(r)) for r in rows
                    ]
                else:
                    np.testing.assert_array_equal(array, other_array)
        assert list(a.user_values) == list(b.user_values)
    for name, state in one.vocabularies.items():
        for field in ("count", "last_seen", "since"):
            np.testing.assert_array_equal(
                getattr(state, field), getattr(other.vocabularies[name], field)
            )
        pd.testing.assert_frame_equal(state.waiting, other.vocabularies[name].waiting)
    assert one.deliveries == other.deliveries
    assert one.log_format == other.log_format
    return True


def test_a_day_is_data_of_its_own(two_days):
    day = two_days.day(-1)
    assert day.spec == two_days.spec
    x, y = next(iter(day.dataset("train", batch_size=64)))
    assert len(y) == len(a_day(1))
    assert x["tags"].shape[0] == len(y)
    with pytest.raises(IndexError, match=r"of 1\. Received: 1"):
        two_days.day(1)


def test_old_rows_and_indices_do_not_change(two_days):
    before = prepared(a_day(0), target=["item", "tags", "price"], bags=["tags"])
    assert same(
        PreparedData(before.spec, before.behaviors, before.parts, users=before.users),
        PreparedData(before.spec, two_days.behaviors, two_days.parts, users=two_days.users),
    )
    for name in ("item", "tags"):
        old = before.spec.features[name].vocabulary
        assert two_days.spec.features[name].vocabulary[: len(old)] == old
    assert two_days.spec.features["price"] == before.spec.features["price"]


def test_columns_are_not_read_again_unless_values_were_evicted():
    before = prepared(a_day(0))
    grown = before.append(a_day(1))
    assert grown.spec != before.spec
    assert grown.behaviors is before.behaviors
    assert grown.parts is before.parts
    assert grown.append(a_day(2)).days[0].samples is grown.days[0].samples
    evicted = grown.append(a_day(2), max_values=5)
    assert evicted.behaviors is not before.behaviors


def test_a_saved_folder_grows_like_the_data(tmp_path, two_days):
    prepared(a_day(0), target=["item", "tags", "price"], bags=["tags"]).save(tmp_path / "data")
    append_to_folder(tmp_path / "data", a_day(1))
    loaded = PreparedData.load(tmp_path / "data")
    assert same(loaded, two_days)
    after = append_to_folder(tmp_path / "data", a_day(2), max_values=7)
    assert after.vocabularies["item"].evicted_after(0).any()
    loaded = PreparedData.load(tmp_path / "data")
    assert same(loaded, after)
    assert same(loaded, two_days.append(a_day(2), max_values=7))
    loaded.save(tmp_path / "copy")
    assert same(PreparedData.load(tmp_path / "copy"), loaded)
    append_to_folder(tmp_path / "copy", a_day(3))
    append_to_folder(tmp_path / "data", a_day(3))
    assert same(PreparedData.load(tmp_path / "copy"), PreparedData.load(tmp_path / "data"))


def test_the_order_of_rows_changes_nothing(two_days):
    log = a_day(2).drop_duplicates(["user", "time"])
    one, other = two_days.append(log), two_days.append(log.sample(frac=1, random_state=3))
    assert one.spec == other.spec
    assert one.deliveries == other.deliveries


def test_the_same_log_twice_changes_nothing(two_days, capsys):
    again = two_days.append(a_day(1).sample(frac=1, random_state=0))
    assert again is two_days
    assert "read before: the log\nnothing changed\n" in capsys.readouterr().out


def test_late_rows_can_be_refused(two_days):
    with pytest.raises(
        ValueError, match=r"late='refuse'\. Received: 16 earlier rows, such as 2020-"
    ):
        two_days.append(a_day(0, seed=5), late="refuse")
    assert two_days.append(a_day(2), late="refuse").days[-1].report["rows_late"] == 0
    assert two_days.append(a_day(0, seed=5)).days[-1].report["rows_late"] == 16


@pytest.mark.parametrize(
    "change, message",
    [
        (
            {"item": lambda log: log["item"].map("{:03d}".format)},
            "Column 'item' must have the type",
        ),
        ({"item": lambda log: log["item"] + 0.5}, "Column 'item'|The item"),
        ({"user": lambda log: range(len(log))}, r"Column 'user' .* text, .* Received: integers"),
        ({"tags": lambda log: log["item"].map(lambda i: (i,))}, "Column 'tags' must have the type"),
        ({"click": lambda log: 2}, "at least one good row|neither 0 nor 1"),
        ({"price": lambda log: "dear"}, "price"),
    ],
)
def test_columns_of_another_type_are_refused(two_days, change, message):
    log = a_day(2)
    log = log.assign(**{name: function(log) for name, function in change.items()})
    with pytest.raises(ValueError, match=message):
        two_days.append(log)


def test_missing_columns_and_other_data_are_refused(two_days):
    with pytest.raises(ValueError, match="price"):
        two_days.append(a_day(2).drop(columns="price"))
    with pytest.raises(ValueError, match="`append` requires data that `prepare_impressions`"):
        kd.data.synthetic_log(20, 8, interests=2, categories=4, held_out=1).append(a_day(2))
    with pytest.raises(ValueError, match=r"`late` must be"):
        two_days.append(a_day(2), late="drop")


def test_csv_files_keep_text_as_it_was(tmp_path):
    """Users and items that are digits in a later file stay text."""
    log = a_day(0).assign(item=lambda log: log["item"].map("{:03d}".format))
    log.to_csv(tmp_path / "0.csv", index=False)
    a_day(1).assign(item=100, user=7).to_csv(tmp_path / "1.csv", index=False)
    data = prepared(tmp_path / "0.csv").append(tmp_path / "1.csv")
    assert data.spec.features["item"].vocabulary[-1] == "100"
    assert list(data.days[0].users) == ["7"]


def test_a_log_is_scored_with_the_behaviors_of_all_days(two_days):
    log = a_day(2)
    data = two_days.append(log)
    scored = log_to_samples(
        log.drop(columns="click"), data.spec, two_days, user="user", time="time", bags=["tags"]
    )
    rows, entries = scored.samples, data.spec.features["item"].vocabulary
    start, end = rows.history["hist"]
    known = [set(prepared(a_day(0)).spec.features["item"].vocabulary), set(entries)]
    for row in range(len(rows)):
        expected = []
        for day in (0, 1):
            clicks = a_day(day)[lambda log: log["click"] == 1]
            clicks = clicks[clicks["user"] == log["user"].iloc[rows.line[row]]]
            expected += [item if item in known[day] else OOV for item in clicks["item"]]
        items = scored.behaviors["hist"].columns["item"][start[row] : end[row]]
        assert [OOV if i == 1 else entries[i - 2] for i in items] == expected
    assert scored.report["users_without_data"] == 0


NUMBERS, DATES = (lambda time: time), (lambda time: pd.to_datetime(time, unit="s").astype(str))
ZONED = lambda time: pd.to_datetime(time, unit="s", utc=True)  # noqa: E731
ELSEWHERE = lambda time: ZONED(time).dt.tz_convert("Asia/Tokyo").astype(str)  # noqa: E731
BOTH = lambda time: DATES(time).where(time % 2 == 0, ELSEWHERE(time))  # noqa: E731


@pytest.mark.parametrize(
    "before, after, error",
    [
        (DATES, DATES, None),
        (DATES, ELSEWHERE, "dates without a time zone, .* Received: dates with a time zone, such"),
        (DATES, ZONED, "dates without a time zone, .* Received: dates with a time zone, such as"),
        (ZONED, DATES, "dates with a time zone, .* Received: dates without a time zone, such as"),
        (ZONED, ELSEWHERE, None),
        (DATES, BOTH, "without a time zone, .* Received: dates with and without a time zone, such"),
        (BOTH, DATES, None),
        (BOTH, NUMBERS, "dates with and without a time zone, .* Received: numbers, such as 16"),
        (NUMBERS, DATES, "numbers, .* Received: dates without a time zone, such as '2020-"),
    ],
)
def test_the_form_of_times_stays(before, after, error):
    log = lambda day, times: a_day(day).assign(time=lambda log: times(log["time"]))  # noqa: E731
    data = prepared(log(0, before))
    if error is None:
        assert len(data.append(log(1, after)).days) == 1
    else:
        with pytest.raises(ValueError, match=error):
            data.append(log(1, after))


@pytest.mark.parametrize(
    "times, options",
    [
        (lambda time: pd.to_datetime(time, unit="s"), {}),
        (lambda time: pd.to_datetime(time, unit="s").astype(str), {}),
        (lambda time: pd.to_datetime(time, unit="s").dt.tz_localize("UTC"), {}),
        (
            lambda time: pd.to_datetime(time, unit="s").dt.strftime("%d.%m.%Y %H:%M:%S"),
            {"time_format": "%d.%m.%Y %H:%M:%S"},
        ),
        (lambda time: time * 1000, {}),
        (lambda time: time * 1000, {"time_unit": "ms"}),
        (lambda time: time, {"order": "time", "time": None}),
    ],
)
@pytest.mark.parametrize("file", [None, "csv", "parquet"])
def test_times_of_every_form(times, options, file, tmp_path, two_days):
    def log(day):
        frame = a_day(day).assign(time=lambda log: times(log["time"]))
        if file is None:
            return frame
        getattr(frame, f"to_{file}")(tmp_path / f"{day}.{file}", index=False)
        return tmp_path / f"{day}.{file}"

    data = prepared(log(0), **options).append(log(1))
    np.testing.assert_array_equal(
        data.days[0].samples.columns["item"], two_days.days[0].samples.columns["item"]
    )
    unit = 1 if "order" in options else 1_000_000
    assert sorted(data.days[0].samples.time // unit) == a_day(1)["time"].tolist()
    data.save(tmp_path / "data")
    assert len(append_to_folder(tmp_path / "data", log(2)).days) == 2


@pytest.mark.parametrize("as_file", [False, True])
def test_numbers_in_another_notation_are_refused(tmp_path, as_file):
    data = prepared(a_day(0), target=["item", "price"])
    log = a_day(1)
    log["price"] = [*log["price"].head(15).map("{:.2f}".format), "12,5"]
    if as_file:
        log.to_csv(tmp_path / "log.csv", index=False)
        log = tmp_path / "log.csv"
    with pytest.raises(ValueError, match=r"'price' must hold numbers .* Received: '12,5' in line"):
        data.append(log)


def test_errors_tell_which_arguments_append_does_not_have(two_days):
    log = a_day(2).assign(click=2)
    with pytest.raises(ValueError, match=r"`label_map` is an argument of the function that prep"):
        two_days.append(log)
    twice = pd.concat([a_day(2)] * 2)
    data = prepared(a_day(0), duplicates=None, request="user")
    with pytest.raises(ValueError, match=r"`duplicates` is an argument .*change the log, or prep"):
        data.append(twice)
    with pytest.raises(ValueError, match="max_bad") as error:
        two_days.append(log.assign(click=[0, 1] * 4 + [7] * 8))
    assert "`max_bad` is an argument" not in str(error.value)  # `append` has it.


def test_a_last_time_in_the_future_is_printed(two_days, capsys):
    two_days.append(a_day(2))
    assert "in the future" not in capsys.readouterr().out
    far = two_days.append(a_day(2).assign(time=2**32))
    assert "last time of the log is in the future, 2106-02-07" in capsys.readouterr().out
    assert far.append(a_day(3)).days[-1].report["rows_late"] == 16
    assert "in the future" not in capsys.readouterr().out
