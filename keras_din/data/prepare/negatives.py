"""Negative sampling: draws items that a user has never met."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from keras_din.checks import positive_integer
from keras_din.count_text import count_text
from keras_din.data.store.arrays import to_int64, to_int64_below

__all__ = ["sample_negatives"]

_ROUNDS = 32  # After them, it is checked whether drawing can end.
_ITEMS_AT_ONCE = 64


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
    return draw_unmet(
        user,
        items,
        met_in_list(seen_user, seen_item, items),
        lambda number, _: rng.random(len(number)),
        per_positive,
        popularity,
        names,
    )


def met_in_list(seen_user: np.ndarray, seen_item: np.ndarray, items: int) -> Callable:
    """Returns the function from users and items to whether the item is in the user's list.

    The function takes two int64 arrays `(pairs,)` and returns a bool array `(pairs,)`. The
    arguments are those of `sample_negatives`.
    """
    seen = np.sort(seen_user * items + seen_item)

    def is_met(user, item):
        pairs = user * items + item
        place = np.searchsorted(seen, pairs)
        met = np.zeros(len(pairs), bool)
        inside = place < len(seen)
        met[inside] = seen[place[inside]] == pairs[inside]
        return met

    return is_met


def draw_unmet(
    user: np.ndarray,
    items: int,
    is_met: Callable,
    draw: Callable,
    per_positive: int,
    popularity: ArrayLike | None,
    names: Sequence | None,
) -> np.ndarray:
    """Same as `sample_negatives`, with functions instead of lists and a generator.

    `is_met` is that of `met_in_list`, and `draw` that of `draws_of_users`.
    """
    weights = _weights(popularity, items)
    cumulative = None if weights is None else np.cumsum(weights)
    drawable = np.arange(items) if weights is None else np.flatnonzero(weights)
    users = np.repeat(user, per_positive)
    negatives = np.empty(len(users), np.int64)
    open_, rounds = np.arange(len(users)), 0
    while open_.size:
        if rounds == _ROUNDS or not len(drawable):
            _check_left(users[open_], drawable, is_met, names)
        uniform = draw(open_, rounds)
        if cumulative is None:
            drawn = (uniform * items).astype(np.int64)
        else:
            drawn = np.searchsorted(cumulative, uniform * cumulative[-1], "right")
        negatives[open_] = drawn
        open_ = open_[is_met(users[open_], drawn)]
        rounds += 1
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


def _check_left(user, drawable: np.ndarray, is_met: Callable, names) -> None:
    """Raises a `ValueError` if no item is left for one of the users, or drawing would not end.

    A user needs no further look-ups after the first item that they have not met.
    """
    stuck = np.unique(user)
    for start in range(0, len(drawable), _ITEMS_AT_ONCE):
        some = drawable[start : start + _ITEMS_AT_ONCE]
        met = is_met(np.repeat(stuck, len(some)), np.tile(some, len(stuck)))
        stuck = stuck[met.reshape(len(stuck), len(some)).all(axis=1)]
        if not len(stuck):
            return
    first = user[np.isin(user, stuck).argmax()]
    first = first if names is None else repr(names[first])
    raise ValueError(
        "A negative must be an item that the user never met. "
        f"Received: {count_text(len(stuck), 'user')} who met all "
        f"{count_text(len(drawable), 'item')} that can be drawn, the first of them user {first}. "
        "Leave out the rows of such users, "
        "provide more items (in `prepare_interactions`, a table `items`), or name a "
        "column of negatives, `negatives='column'`."
    )
