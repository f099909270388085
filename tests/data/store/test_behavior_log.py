"""`BehaviorLog`: validation, order, and behaviors before a time."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from keras_din.data import BehaviorLog
from keras_din.data.store import arrays


def a_log(**changes):
    arguments = {
        "offsets": [0, 2, 2, 5],
        "columns": {"item": [2, 3, 4, 5, 6], "price": [0.5, 1.0, 2.0, 3.0, 4.0]},
        "time": [10, 20, 5, 5, 7],
    }
    return BehaviorLog(**(arguments | changes))


def test_columns_are_converted():
    log = a_log()
    assert (log.users, len(log)) == (3, 5)
    assert log.offsets.dtype == np.int64
    assert log.time.dtype == np.int64
    assert log.columns["item"].dtype == np.int32
    assert log.columns["price"].dtype == np.float32
    assert repr(log) == "BehaviorLog(3 users, 5 events, ['item', 'price'], with time)"


@pytest.mark.parametrize(
    "changes, message",
    [
        (
            {"offsets": [1, 2, 2, 5]},
            r"must start at 0 and never decrease\. Received: offsets=\[1 2",
        ),
        ({"offsets": [0, 3, 2, 5]}, "must start at 0 and never decrease"),
        ({"offsets": []}, "must start at 0"),
        ({"offsets": [0.0, 5.0]}, r"`offsets` must be a vector of integers\. Received: dtype=fl"),
        ({"offsets": [0, 4]}, r"as many entries as `offsets` end at, 4\. Received lengths: .*5"),
        ({"time": [1, 2]}, r"Received lengths: \{'item': 5, 'price': 5, 'time': 2\}"),
        ({"time": [10, 20, 5, 4, 7]}, r"Received: 5, then 4 for user 2 at event 3\."),
        ({"time": [20, 10, 5, 5, 7]}, r"Received: 20, then 10 for user 0 at event 1\."),
        ({"columns": {}}, r"`columns` must hold at least one column\. Received: none"),
        ({"columns": {"item": ["a"] * 5}}, "Column 'item' must be a vector of integers or floats"),
        ({"columns": {"item": [2**31] * 5}}, r"must hold 32-bit indices\. Received: 2147483648"),
    ],
)
@pytest.mark.parametrize("rows_at_once", [2**20, 2])
def test_invalid_log_raises(changes, message, rows_at_once, monkeypatch):
    monkeypatch.setattr(arrays, "_ROWS_AT_ONCE", rows_at_once)
    with pytest.raises(ValueError, match=message):
        a_log(**changes)


@pytest.mark.parametrize("rows_at_once", [2**20, 2, 1])
def test_time_may_decrease_between_users(rows_at_once, monkeypatch):
    monkeypatch.setattr(arrays, "_ROWS_AT_ONCE", rows_at_once)
    BehaviorLog([0, 0, 2, 2, 3, 3], {"item": [2, 3, 4]}, [10, 20, 5])
    BehaviorLog([0], {"item": []})
    BehaviorLog([0, 0, 0], {"item": []}, [])


def test_from_events_sorts_by_user_and_time_and_keeps_ties_in_order():
    log = BehaviorLog.from_events([1, 0, 1, 1], {"item": [2, 3, 4, 5]}, time=[7, 9, 5, 7], users=4)
    np.testing.assert_array_equal(log.offsets, [0, 1, 4, 4, 4])
    np.testing.assert_array_equal(log.columns["item"], [3, 4, 2, 5])
    np.testing.assert_array_equal(log.time, [9, 5, 7, 7])
    without_time = BehaviorLog.from_events([1, 0, 1], {"item": [2, 3, 4]})
    np.testing.assert_array_equal(without_time.columns["item"], [3, 2, 4])
    assert BehaviorLog.from_events([], {"item": []}).users == 0


def test_from_events_raises_for_unknown_users():
    with pytest.raises(ValueError, match=r"must hold numbers from 0 to 1\. Received: 0 to 2"):
        BehaviorLog.from_events([0, 2], {"item": [2, 3]}, users=2)


@hypothesis.given(st.data())
@hypothesis.settings(max_examples=60, deadline=None)
def test_before_is_strictly_before(data):
    numbers = st.integers(0, 6)  # Few distinct times, so there are many ties.
    events = data.draw(st.lists(st.tuples(st.integers(0, 3), numbers), max_size=30))
    queries = data.draw(st.lists(st.tuples(st.integers(0, 3), st.integers(-1, 7)), max_size=10))
    user, time = np.array(events, np.int64).reshape(-1, 2).T
    log = BehaviorLog.from_events(user, {"item": np.arange(len(user))}, time, users=4)
    users, at = np.array(queries, np.int64).reshape(-1, 2).T
    start, end = log.before(users, at)
    for i, (who, when) in enumerate(queries):
        history = log.columns["item"][start[i] : end[i]]
        expected = sorted((t, k) for k, (u, t) in enumerate(events) if u == who and t < when)
        assert list(history) == [k for _, k in expected]


def test_before_requires_times_and_known_users():
    with pytest.raises(ValueError, match=r"requires a log with `time`\. Received: time=None"):
        a_log(time=None).before([0], [1])
    with pytest.raises(ValueError, match=r"must hold numbers from 0 to 2\. Received: 3 to 3"):
        a_log().before([3], [1])


@pytest.mark.parametrize("log", [a_log(), a_log(time=None), BehaviorLog([0, 0], {"item": []}, [])])
def test_save_and_load(log, tmp_path):
    log.save(tmp_path / "log")
    loaded = BehaviorLog.load(tmp_path / "log")
    np.testing.assert_array_equal(loaded.offsets, log.offsets)
    assert list(loaded.columns) == sorted(log.columns)
    for name, values in log.columns.items():
        np.testing.assert_array_equal(loaded.columns[name], values)
        assert loaded.columns[name].dtype == values.dtype
    assert (loaded.time is None) == (log.time is None)
    if log.time is not None:
        np.testing.assert_array_equal(loaded.time, log.time)


def test_loaded_log_stays_on_disk(tmp_path):
    a_log().save(tmp_path / "log")
    column = BehaviorLog.load(tmp_path / "log").columns["item"]
    while not isinstance(column, np.memmap):
        column = column.base
        assert column is not None


def test_invalid_folder_raises(tmp_path):
    with pytest.raises(FileExistsError):
        a_log().save(tmp_path)
    with pytest.raises(FileNotFoundError, match="`folder` must be a folder of arrays"):
        BehaviorLog.load(tmp_path / "nothing")
