"""A random log with the sizes of Amazon Electronics, as in the DIN paper.

192,403 users, 63,001 items, 801 categories and 1.69 million behaviors. The number of behaviors per
user has a Pareto tail (longest 431); the popularity of items is Zipf-like.
"""

from typing import NamedTuple

import numpy as np

USERS, ITEMS, CATEGORIES = 192_403, 63_001, 801
BEHAVIORS, LONGEST = 1_689_188, 431
# With the two reserved indices, padding and out-of-vocabulary.
VOCABULARY_SIZES = {"item_id": ITEMS + 2, "cate_id": CATEGORIES + 2}


class Events(NamedTuple):
    """Behaviors sorted by user. Items and categories are numbered from 0.

    Args:
        offsets: `(users + 1,)`, where the behaviors of each user begin.
        item: `(events,)`
        category: `(events,)`
        category_of: `(items,)`, the category of each item.
    """

    offsets: np.ndarray
    item: np.ndarray
    category: np.ndarray
    category_of: np.ndarray


def draw_lengths(rng, users: int = USERS) -> np.ndarray:
    """Draws the number of behaviors of each user: Pareto from 5, cut at 431, mean about 8.8."""
    uniform, total = rng.random(users), BEHAVIORS * users // USERS

    def draw(exponent):
        cut = 1 - (5.0 / (LONGEST + 1.0)) ** exponent
        return np.floor(5.0 * (1 - uniform * cut) ** (-1 / exponent)).astype(np.int64)

    low, high = 1.2, 4.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if draw(middle).sum() > total else (low, middle)
    return np.minimum(draw(middle), LONGEST)


def draw_events(rng, lengths: np.ndarray, items: int = ITEMS) -> Events:
    """Draws `lengths` behaviors of each user, of items whose popularity is Zipf-like."""
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    popularity = np.cumsum(1 / (np.arange(items) + 30.0) ** 0.75)
    drawn = np.searchsorted(popularity, rng.random(offsets[-1]) * popularity[-1])
    item = rng.permutation(items)[np.minimum(drawn, items - 1)]
    weights = 1 / (np.arange(CATEGORIES) + 5.0)
    category_of = rng.choice(CATEGORIES, items, p=weights / weights.sum())
    return Events(offsets, item, category_of[item], category_of)


def power_law(longest: int, rows: int, total: int) -> np.ndarray:
    """Returns lengths `longest / rank ** a`, at least 1, with the `a` that makes their sum `total`.

    The remainder of rounding is added to the first of the shorter lengths, 1 to each.
    """
    rank = np.arange(1, rows + 1)

    def lengths(exponent):
        return np.maximum(1, np.floor(longest / rank**exponent)).astype(np.int64)

    low, high = 0.0, 20.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if lengths(middle).sum() > total else (low, middle)
    result = lengths(high)
    result[1 : 1 + total - result.sum()] += 1
    return result
