"""The first times of users in several days."""

import numpy as np
import pandas as pd

from keras_din.data.prepare.recent_behaviors import DayBehaviors, first_times
from keras_din.data.store.arrays import without_checks_of_values
from keras_din.data.store.behavior_log import BehaviorLog

NEVER = np.iinfo(np.int64).max


def day_of(times: dict) -> DayBehaviors:
    """The behaviors of a day: user -> times."""
    offsets = np.cumsum([0, *map(len, times.values())])
    time = np.concatenate([np.array(each, np.int64) for each in times.values()])
    log = BehaviorLog(offsets, {"item": np.ones(len(time), np.int32)}, time)
    return DayBehaviors(pd.Index(list(times)), log, None)


def test_first_times_are_looked_up_until_one_is_early_enough():
    days = [day_of({"a": [1, 2], "b": [3], "c": [4]}), day_of({"b": [9], "a": [5, 6]})]
    days.append(day_of({"a": [11, 12], "d": [13]}))
    users = pd.Index(["d", "b", "a", "c", "e"])
    assert first_times(days, users, np.full(5, 20)).tolist() == [13, 9, 11, 4, NEVER]
    assert first_times(days, users, np.full(5, 7)).tolist() == [13, 3, 5, 4, NEVER]
    assert first_times(days, users, np.full(5, 0)).tolist() == [13, 3, 1, 4, NEVER]
    assert first_times([], users, np.zeros(5)).tolist() == [NEVER] * 5


def test_first_times_read_one_behavior_per_user_of_the_last_days_only():
    with without_checks_of_values():  # As in an append. The second time of a user is too early.
        days = [None, day_of({"a": [5, 1, 7], "b": [6, 2]})]
    assert first_times(days, pd.Index(["b", "a"]), np.array([6, 8])).tolist() == [6, 5]


def test_users_without_behaviors_are_in_earlier_days():
    days = [day_of({"a": [1]}), day_of({"a": [], "b": [3]})]
    assert first_times(days, pd.Index(["a", "b"]), np.array([9, 9])).tolist() == [1, 3]
