"""The behavior log: what users did, stored once, by user and in time order."""

import dataclasses

import numpy as np

from keras_din.data.store.arrays import (
    check_offsets,
    first_pair_where,
    integers,
    integers_below,
    strip_prefix,
)
from keras_din.data.store.bags import Bags, checked_columns
from keras_din.data.store.order import order_of, order_of_events
from keras_din.data.store.saved_columns import SavedColumns


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class BehaviorLog(SavedColumns):
    """Users' behaviors as flat columns.

    User `u` owns the events `offsets[u]` to `offsets[u + 1] - 1`, the oldest first. A sample
    points into the log instead of holding a history, so memory grows with the number of events
    and not with the sum of all histories.

    Args:
        offsets: Integers `(users + 1,)`, from 0 to the number of events.
        columns: Feature name -> `(events,)`: int32 indices of a `Categorical`, float32 values of
            a `Numeric`, or the `Bags` of a `Bag`.
        time: Integers `(events,)`, microseconds since 1970, or `None`.

    Raises:
        ValueError: When lengths disagree, `offsets` do not grow, or a user's times do.
    """

    offsets: np.ndarray
    columns: dict
    time: np.ndarray | None = None

    def __post_init__(self):
        put = lambda field, value: object.__setattr__(self, field, value)  # noqa: E731
        put("offsets", integers("offsets", self.offsets))
        put("columns", checked_columns(self.columns))
        if self.time is not None:
            put("time", integers("time", self.time))
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
                    "`time` must not fall within a user's events. "
                    f"Received: {self.time[event - 1]}, then {self.time[event]} for user {user} "
                    f"at event {event}."
                )

    @classmethod
    def from_events(cls, user, columns: dict, time=None, users: int | None = None):
        """The log of events in any order.

        Sorted by user, then time; events of one time keep the order they came in.

        Args:
            user: Integers `(events,)`, users numbered from 0.
            columns: Feature name -> `(events,)`, or `Bags`.
            time: Integers `(events,)`, microseconds, or `None`: a user's events are in order.
            users: Number of users. Defaults to the largest number + 1.

        Returns:
            A `BehaviorLog`.
        """
        user = integers("user", user)
        if users is None:
            users = int(user.max()) + 1 if user.size else 0
        user = integers_below("user", user, users)
        order = order_of(user) if time is None else order_of_events(np.asarray(time), user)
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

    def before(self, user, time):
        """The slice of each user's events that are earlier than a time.

        An event of exactly that time is not earlier: what happens at the moment of an impression
        may be its consequence.

        Args:
            user: Integers `(rows,)`.
            time: Integers `(rows,)`, microseconds.

        Returns:
            `(start, end)`, int64 `(rows,)` each: events `start` to `end - 1` are earlier.
        """
        if self.time is None:
            raise ValueError("`before` needs a log with `time`. Received: time=None.")
        user, time = integers_below("user", user, self.users), integers("time", time)
        start, upper = self.offsets[user], self.offsets[user + 1]
        lower = start.copy()
        # A bisection of all rows at once: as many rounds as the longest history has bits.
        rounds = int((upper - lower).max()).bit_length() if user.size else 0
        last = len(self) - 1
        for _ in range(rounds):
            middle = (lower + upper) // 2
            earlier = (lower < upper) & (self.time[np.minimum(middle, last)] < time)
            lower, upper = np.where(earlier, middle + 1, lower), np.where(earlier, upper, middle)
        return start, lower

    def arrays(self) -> dict:
        """Name of the file or folder that `save` writes -> its array or `Bags`."""
        arrays = {"offsets": self.offsets}
        arrays |= {f"columns/{name}": values for name, values in self.columns.items()}
        if self.time is not None:
            arrays["time"] = self.time
        return arrays

    @classmethod
    def from_arrays(cls, arrays: dict):
        """The log of such arrays."""
        return cls(arrays["offsets"], strip_prefix(arrays, "columns"), arrays.get("time"))

    def __repr__(self):
        time = "" if self.time is None else ", with time"
        return (
            f"BehaviorLog({self.users:,} users, {len(self):,} events, {list(self.columns)}{time})"
        )
