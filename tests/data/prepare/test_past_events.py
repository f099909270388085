"""Counts strictly before a time, against loops over all rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_din.data.prepare.past_events import NEVER, Keys, PastEvents, sort_rows

TIMES = st.integers(-6, 6)
ROWS = st.lists(st.tuples(st.integers(0, 3), TIMES, st.integers(0, 1)), max_size=24)


def sorted_rows(rows, hashes=(30, 10, 40, 20)):
    key, time, _ = np.array(rows, np.int64).reshape(-1, 3).T
    return sort_rows(Keys(key, np.array(hashes, np.uint64)), time)


def past_of(rows):
    return PastEvents.of_rows(sorted_rows(rows), {"click": np.array([row[2] for row in rows])})


def brute_force(rows, queries, event, window):
    return [
        sum(
            click if event else 1
            for key, time, click in rows
            if key == wanted and time < at and (window is None or time >= at - window)
        )
        for wanted, at, _ in queries
    ]


@settings(max_examples=60, deadline=None)
@given(ROWS, ROWS, st.sampled_from([None, "click"]), st.sampled_from([None, 1, 3, 100]))
def test_counts_equal_brute_force(rows, queries, event, window):
    past, queried = past_of(rows), sorted_rows(queries)
    assert past.count(queried, event, window).tolist() == brute_force(rows, queries, event, window)
    own = past.count(sorted_rows(rows), event, window)
    assert own.tolist() == brute_force(rows, rows, event, window)


@settings(max_examples=40, deadline=None)
@given(ROWS, st.sampled_from([None, "click"]))
def test_first_equals_brute_force(rows, event):
    firsts = past_of(rows).first(np.array([10, 20, 30, 40], np.uint64), event)
    for key, first in zip((1, 3, 0, 2), firsts.tolist(), strict=True):
        times = [time for k, time, click in rows if k == key and (click or event is None)]
        assert first == min(times, default=NEVER)


@settings(max_examples=60, deadline=None)
@given(ROWS, st.data())
def test_later_rows_change_no_count_bit_for_bit(rows, data):
    """Everything at or after a row's time is changed, shuffled or deleted."""
    if not rows:
        return
    at = data.draw(TIMES)
    earlier = [row for row in rows if row[1] < at]
    later = data.draw(st.lists(st.tuples(st.integers(0, 3), st.integers(at, 9), st.integers(0, 1))))
    other = data.draw(st.permutations([*earlier, *later]))
    queries = sorted_rows([(key, at, 0) for key in range(4)])
    for event in (None, "click"):
        for window in (None, 2):
            counts = [past_of(log).count(queries, event, window) for log in (rows, other)]
            assert counts[0].tobytes() == counts[1].tobytes()


def test_keys_of_other_logs():
    past = PastEvents.of_rows(sorted_rows([(0, 1, 1), (1, 1, 1)]), {})
    keys = np.array([5, 10, 15, 30, 99], np.uint64)
    queries = sort_rows(Keys(np.arange(5), keys), np.full(5, 2))
    assert past.count(queries).tolist() == [0, 1, 0, 1, 0]
    assert past.first(keys).tolist() == [NEVER, 1, NEVER, 1, NEVER]


@pytest.mark.parametrize("window", [None, 5])
def test_extreme_times(window):
    low, high = np.iinfo(np.int64).min, np.iinfo(np.int64).max
    rows = sort_rows(Keys(np.zeros(3, int), np.array([1], np.uint64)), np.array([low, 0, high]))
    expected = [0, 1, 2] if window is None else [0, 0, 0]
    assert PastEvents.of_rows(rows, {}).count(rows, window=window).tolist() == expected


def test_save_and_load(tmp_path):
    past = past_of([(0, 3, 1), (1, 2, 0), (0, 1, 0)])
    past.save(tmp_path / "past")
    loaded = PastEvents.load(tmp_path / "past")
    queries = sorted_rows([(0, 4, 0), (1, 4, 0)])
    assert loaded.count(queries, "click").tolist() == [1, 0]
    assert loaded.count(queries).tolist() == [2, 1]
