"""The recent behaviors of users in earlier days, which the next day's histories start with."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from keras_din.data.prepare.build_behavior_log import concat_behaviors
from keras_din.data.store.behavior_log import BehaviorLog
from keras_din.data.store.order import argsort_events, ranges


class DayBehaviors(NamedTuple):
    """The behaviors of one sequence in the base data or in one day.

    Attributes:
        users: The raw values of its users by number.
        log: Their `BehaviorLog`.
        is_own: Which events happened in this day, bool `(events,)`. The others were copied from
            earlier days. `None` if all are its own.
    """

    users: pd.Index
    log: BehaviorLog
    is_own: np.ndarray | None


def with_recent(
    days: list, users: pd.Index, first: np.ndarray, new: tuple, max_length: int
) -> tuple:
    """Creates the behavior log of a day: recent behaviors of its users, and the day's own.

    The histories of the day's rows are those of one log of all days. Of most users the last
    `max_length` behaviors are copied from the last day that has them, so the cost depends on the
    day and not on the log. Of users with late rows, which are earlier than a behavior that is
    known already, all behaviors are copied.

    Args:
        days: `DayBehaviors` of the base data and of each day, the oldest first.
        users: The raw values of the day's users by number.
        first: int64 `(users,)`, the time of the first row of each.
        new: `(user, columns, time)` of the day's own behaviors.
        max_length: The largest number of behaviors that a model reads.

    Returns:
        `(log, is_own)`: the `BehaviorLog`, and which of its events are the day's own.
    """
    pieces, late_users = [], [np.zeros(0, np.int64)]
    remaining = np.arange(len(users))
    for day in reversed(days):
        place = day.users.get_indexer(users[remaining])
        found = place >= 0
        number, place, remaining = remaining[found], place[found], remaining[~found]
        start, end = day.log.offsets[place], day.log.offsets[place + 1]
        some = end > start
        number, start, end = number[some], start[some], end[some]
        is_late = np.asarray(day.log.time)[end - 1] >= first[number]
        late_users.append(number[is_late])
        number, start, end = number[~is_late], start[~is_late], end[~is_late]
        pieces.append(_events(day, number, np.maximum(start, end - max_length), end))
    late = np.sort(np.concatenate(late_users))
    if len(late):
        for day in days:
            place = np.full(len(users), -1)
            place[late] = day.users.get_indexer(users[late])
            pieces.append(own_behaviors(day, place))
    pieces.append(new)
    user, columns, time = concat_behaviors(pieces)
    is_own = np.zeros(len(user), bool)
    is_own[len(user) - len(new[0]) :] = True
    order = argsort_events(time, user)
    columns = {name: values[order] for name, values in columns.items()}
    log = BehaviorLog.from_events(user[order], columns, time[order], len(users))
    return log, is_own[order]


def first_times(days: list, users: pd.Index, until: np.ndarray) -> np.ndarray:
    """Returns when users did something for the first time, as far as it is needed.

    Args:
        days: `DayBehaviors` of the base data and of each day, the oldest first.
        users: The raw values of users.
        until: int64 `(users,)`. A time at or before it need not be the first one of the user, so
            mostly the last day that has a user is enough.

    Returns:
        int64 `(users,)`, and the largest integer for users without behaviors.
    """
    first = np.full(len(users), np.iinfo(np.int64).max)
    remaining = np.arange(len(users))
    for day in reversed(days):
        if not len(remaining):
            break
        place = day.users.get_indexer(users[remaining])
        number, place = remaining[place >= 0], place[place >= 0]
        some = day.log.offsets[place + 1] > day.log.offsets[place]
        number, event = number[some], day.log.offsets[place[some]]
        first[number] = np.minimum(first[number], np.asarray(day.log.time)[event])
        remaining = remaining[first[remaining] > until[remaining]]
    return first


def own_behaviors(day: DayBehaviors, place: np.ndarray) -> tuple:
    """Returns `(user, columns, time)` of what happened in a day.

    Args:
        day: The day.
        place: The number in the day of each user `(users,)`, or -1.
    """
    user, event = own_events(day, place)
    return user, *_take(day, event)


def own_events(day: DayBehaviors, place: np.ndarray) -> tuple:
    """Returns `(user, event)` of what happened in a day: int64 `(events,)` each.

    Args:
        day: The day.
        place: See `own_behaviors`.
    """
    number = np.flatnonzero(place >= 0)
    start, end = day.log.offsets[place[number]], day.log.offsets[place[number] + 1]
    event, user = ranges(start, end - start), np.repeat(number, end - start)
    if day.is_own is None:
        return user, event
    is_own = np.asarray(day.is_own)[event]
    return user[is_own], event[is_own]


def _events(day: DayBehaviors, number, start, end) -> tuple:
    """Returns `(user, columns, time)` of the events `start` to `end - 1` of each user."""
    return np.repeat(number, end - start), *_take(day, ranges(start, end - start))


def _take(day: DayBehaviors, event: np.ndarray) -> tuple:
    """Returns `(columns, time)` of events."""
    columns = {name: values[event] for name, values in day.log.columns.items()}
    return columns, np.asarray(day.log.time)[event]
