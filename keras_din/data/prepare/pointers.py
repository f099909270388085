"""Builds the behavior log of a sequence from behaviors of one or several sources."""

import numpy as np

from keras_din.data.store.bags import concat_bags
from keras_din.data.store.behavior_log import BehaviorLog


def concat_behaviors(parts: list) -> tuple:
    """Behaviors from several places, one below the other.

    Args:
        parts: `(user, columns, time)` of each place: users' numbers `(rows,)`, name -> column,
            and microseconds `(rows,)`.

    Returns:
        The same of all behaviors.
    """
    users, columns, times = zip(*parts, strict=True)
    together = {name: concat_bags([each[name] for each in columns]) for name in columns[0]}
    return np.concatenate(users), together, np.concatenate(times)


def log_of(parts: list, users: int) -> BehaviorLog:
    """The `BehaviorLog` of behaviors as `concat_behaviors` takes them, of so many users."""
    user, columns, time = parts[0] if len(parts) == 1 else concat_behaviors(parts)
    return BehaviorLog.from_events(user, columns, time, users=users)
