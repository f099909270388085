"""The behavior log: what users did, stored once, sorted by user and time."""

import dataclasses

import numpy as np
from numpy.typing import ArrayLike

from keras_din.count_text import count_text
from keras_din.data.store.arrays import (
    check_offsets,
    chunks,
    first_pair_where,
    strip_prefix,
    to_int64,
    to_int64_below,
)
from keras_din.data.store.bags import Bags, to_columns
from keras_din.data.store.order import argsort_events, stable_argsort
from keras_din.data.store.saved_columns import SavedColumns

__all__ = ["BehaviorLog"]


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class BehaviorLog(SavedColumns):
    """Users' behaviors as flat columns.

    User `u` owns the events `offsets[u]` to `offsets[u + 1] - 1`, the oldest first. A sample
    points into the log instead of holding a history, so memory grows with the number of events
    and not with the sum of all histories.

    Args:
        offsets: Integers `(users + 1,)`, from 0 to the number of events.
        columns: Feature name -> `(events,)`: int32 indices of a `Categorical`, float32 values of
            a `Numeric`, or the `Bags` of a `Bag`; `(events, size)` vectors of a `Vector`.
        time: Integers `(events,)`, microseconds since 1970, or `None`.

    Raises:
        ValueError: If lengths differ, or `offsets` or a user's times decrease.

    Example:

    ```python
    # User 0 has the items 5 and 7, user 1 has none, user 2 has the item 5.
    log = kd.data.BehaviorLog([0, 2, 2, 3], {"item_id": np.array([5, 7, 5])}, [10, 20, 15])
    start, end = log.before(user=[0, 2], time=[20, 20])
    log.columns["item_id"][start[0] : end[0]]  # [5]
    ```
    """

    offsets: np.ndarray
    columns: dict
    time: np.ndarray | None = None

    def __post_init__(self):
        set_field = lambda field, value: object.__setattr__(self, field, value)  # noqa: E731
        set_field("offsets", to_int64("offsets", self.offsets))
        set_field("columns", to_columns(self.columns))
        if self.time is not None:
            set_field("time", to_int64("time", self.time))
        if not self.columns:
            raise ValueError("`columns` must hold at least one column. Received: none.")
        offsets = self.offsets
        check_offsets(offsets)
        lengths = {name: len(values) for name, values in self.columns.items()}
        if self.time is not None:
            lengths["time"] = len(self.time)
        if set(lengths.values()) != {int(offsets[-1])}:
            raise ValueError(
                f"`columns` and `time` must have as many entries as `offsets` end at, "
                f"{offsets[-1]}. Received lengths: {lengths}."
            )
        if self.time is not None:
            event = first_pair_where(np.greater, self.time, offsets)
            if event is not None:
                user = int(np.searchsorted(offsets, event, side="right")) - 1
                raise ValueError(
                    "`time` must not decrease within a user's events. "
                    f"Received: {self.time[event - 1]}, then {self.time[event]} for user {user} "
                    f"at event {event}."
                )

    @classmethod
    def from_events(
        cls, user: ArrayLike, columns: dict, time: ArrayLike | None = None, users: int | None = None
    ) -> "BehaviorLog":
        """Creates a log from events in any order.

        Events are sorted by user, then by time. Events of equal time keep their order.

        Args:
            user: Integers `(events,)`, users numbered from 0.
            columns: Feature name -> `(events,)`, or `Bags`.
            time: Integers `(events,)`, microseconds, or `None` if each user's events are in order.
            users: Number of users. Defaults to the largest number + 1.

        Returns:
            A `BehaviorLog`.
        """
        user = to_int64("user", user)
        if users is None:
            users = int(user.max()) + 1 if user.size else 0
        user = to_int64_below("user", user, users)
        order = stable_argsort(user) if time is None else argsort_events(np.asarray(time), user)
        offsets = np.concatenate([[0], np.cumsum(np.bincount(user, minlength=users))])
        return cls(
            offsets,
            {
                name: (values if isinstance(values, Bags) else np.asarray(values))[order]
                for name, values in columns.items()
            },
            None if time is None else np.asarray(time)[order],
        )

    @property
    def users(self) -> int:
        """Number of users."""
        return len(self.offsets) - 1

    def __len__(self):
        return int(self.offsets[-1])

    def before(self, user: ArrayLike, time: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """Finds the events of each user that are strictly earlier than a time.

        An event at exactly that time does not count, because it may be a consequence of the
        impression at that time.

        Args:
            user: Integers `(rows,)`.
            time: Integers `(rows,)`, microseconds.

        Returns:
            `(start, end)`, int64 `(rows,)` each: events `start` to `end - 1` are earlier.
        """
        if self.time is None:
            raise ValueError("`before` requires a log with `time`. Received: time=None.")
        user, time = to_int64_below("user", user, self.users), to_int64("time", time)
        start = self.offsets[user]
        end = np.empty_like(start)
        for part in chunks(len(user)):
            end[part] = self._end_before(user[part], time[part])
        return start, end

    def _end_before(self, user, time) -> np.ndarray:
        """`end` of `before`, with ten temporary arrays."""
        assert self.time is not None, "checked before"
        lower, upper = self.offsets[user], self.offsets[user + 1]
        # Bisects all rows at once. The number of rounds is the bit length of the longest history.
        rounds = int((upper - lower).max()).bit_length()
        last = len(self) - 1
        for _ in range(rounds):
            middle = (lower + upper) // 2
            earlier = (lower < upper) & (self.time[np.minimum(middle, last)] < time)
            lower, upper = np.where(earlier, middle + 1, lower), np.where(earlier, upper, middle)
        return lower

    def arrays(self) -> dict:
        """Name of the saved file or folder -> its array or `Bags`."""
        arrays = {"offsets": self.offsets}
        arrays |= {f"columns/{name}": values for name, values in self.columns.items()}
        if self.time is not None:
            arrays["time"] = self.time
        return arrays

    @classmethod
    def from_arrays(cls, arrays: dict) -> "BehaviorLog":
        """Creates a log from the result of `arrays`."""
        return cls(arrays["offsets"], strip_prefix(arrays, "columns"), arrays.get("time"))

    def __repr__(self):
        time = "" if self.time is None else ", with time"
        users, events = count_text(self.users, "user"), count_text(len(self), "event")
        return f"BehaviorLog({users}, {events}, {list(self.columns)}{time})"
