"""Builds the behavior log of a sequence from behaviors of one or several sources."""

import numpy as np

from keras_din.data.store.bags import concat_bags
from keras_din.data.store.behavior_log import BehaviorLog


def concat_behaviors(parts: list) -> tuple:
    """Concatenates behaviors of several sources.

    Args:
        parts: `(user, columns, time)` of each source: users' numbers `(rows,)`, name -> column,
            and microseconds `(rows,)`.

    Returns:
        `(user, columns, time)` of all behaviors.
    """
    users, columns, times = zip(*parts, strict=True)
    together = {name: concat_bags([each[name] for each in columns]) for name in columns[0]}
    return np.concatenate(users), together, np.concatenate(times)


def build_behavior_log(parts: list, users: int) -> BehaviorLog:
    """Builds the `BehaviorLog` of `users` users; see `concat_behaviors` for `parts`."""
    user, columns, time = parts[0] if len(parts) == 1 else concat_behaviors(parts)
    return BehaviorLog.from_events(user, columns, time, users=users)
