"""Negative sampling: draws items that a user has never met."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from keras_din.checks import positive_integer
from keras_din.data.store.arrays import to_int64, to_int64_below

__all__ = ["sample_negatives"]


def sample_negatives(
    user: ArrayLike,
    items: int,
    seen_user: ArrayLike,
    seen_item: ArrayLike,
    rng: np.random.Generator,
    *,
    per_positive: int = 1,
    popularity: ArrayLike | None = None,
    names: Sequence | None = None,
) -> np.ndarray:
    """Draws items uniformly from the catalog, and again while they are in the user's list.

    The list contains everything that the user ever met, including later events. This is the
    protocol of the DIN paper's experiments.

    Args:
        user: Integers `(rows,)`, the users to draw for, numbered from 0.
        items: Number of items. The drawn items are 0 to `items - 1`.
        seen_user: Integers `(events,)`, with `seen_item` the users' lists. Pairs may repeat.
        seen_item: Integers `(events,)`.
        rng: Random generator, such as `np.random.default_rng(seed)`.
        per_positive: Negatives per row. They may repeat within a row.
        popularity: Non-negative weights `(items,)` of the draw. `None` draws uniformly.
        names: Names of the users by number, for errors. Defaults to the numbers.

    Returns:
        int64 `(rows, per_positive)`.

    Raises:
        ValueError: If a user has met every item that can be drawn.

    Example:

    ```python
    # User 0 has met the items 1 and 2, user 1 has met item 3, of 4 items.
    rng = np.random.default_rng(0)
    negatives = kd.data.sample_negatives([0, 1], 4, [0, 0, 1], [1, 2, 3], rng, per_positive=2)
    ```
    """
    items = positive_integer("items", items)
    per_positive = positive_integer("per_positive", per_positive)
    user, seen_user = to_int64("user", user), to_int64("seen_user", seen_user)
    seen_item = to_int64_below("seen_item", seen_item, items, "items")
    if len(seen_user) != len(seen_item):
        raise ValueError(
            "`seen_user` and `seen_item` must have one length. "
            f"Received: {len(seen_user)} and {len(seen_item)}."
        )
    weights = _weights(popularity, items)
    seen = np.sort(seen_user * items + seen_item)  # `np.unique` takes seven times as long.
    seen = seen[np.diff(seen, prepend=-1) > 0]
    _check_left(user, seen, items, weights, names)
    cumulative = None if weights is None else np.cumsum(weights)
    keys = np.repeat(user * items, per_positive)
    negatives = np.empty(len(keys), np.int64)
    open_ = np.arange(len(keys))
    while open_.size:
        if cumulative is None:
            drawn = rng.integers(items, size=open_.size)
        else:
            drawn = np.searchsorted(cumulative, rng.random(open_.size) * cumulative[-1], "right")
        negatives[open_] = drawn
        key = keys[open_] + drawn
        place = np.searchsorted(seen, key)
        met = np.zeros(len(key), bool)
        inside = place < len(seen)
        met[inside] = seen[place[inside]] == key[inside]
        open_ = open_[met]
    return negatives.reshape(len(user), per_positive)


def _weights(popularity, items: int):
    if popularity is None:
        return None
    weights = np.asarray(popularity, np.float64)
    if weights.shape != (items,) or not (np.isfinite(weights) & (weights >= 0)).all():
        raise ValueError(
            f"`popularity` must hold {items} finite non-negative weights. "
            f"Received: shape {weights.shape}, from {weights.min(initial=np.inf):g} "
            f"to {weights.max(initial=-np.inf):g}."
        )
    return weights


def _check_left(user, seen, items: int, weights, names) -> None:
    """Raises a `ValueError` unless every user has an item to draw, or drawing would not end."""
    possible = items if weights is None else int(np.count_nonzero(weights))
    if weights is not None:
        seen = seen[weights[seen % items] > 0]
    users, counts = np.unique(seen // items, return_counts=True)
    full = users[counts >= possible]
    stuck = np.isin(user, full) if possible else np.ones(len(user), bool)
    if stuck.any():
        first = user[stuck.argmax()]
        first = first if names is None else repr(names[first])
        raise ValueError(
            "A negative must be an item that the user never met. "
            f"Received: {np.unique(user[stuck]).size} users who met all {possible} items that "
            f"can be drawn, the first of them user {first}. Leave out the rows of such users, "
            "provide more items (in `prepare_interactions`, a table `items`), or name a "
            "column of negatives, `negatives='column'`."
        )
