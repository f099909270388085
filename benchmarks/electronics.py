"""A log shaped like Amazon Electronics, as the DIN paper used it: its sizes, none of its content.

192,403 users, 63,001 items, 801 categories, 1.69 M behaviors with a Pareto tail (longest 431),
Zipf-like items. Two samples a position, a positive and a uniform negative: 2.6 M, with a mean
history of 10, a median of 4 and a longest of 427 to 430.
"""

from typing import NamedTuple

import numpy as np
from process import answer

from keras_din.data import BehaviorLog, PreparedData, Samples
from keras_din.features import Categorical, FeatureSpec, Sequence

USERS, ITEMS, CATEGORIES = 192_403, 63_001, 801
BEHAVIORS, LONGEST = 1_689_188, 431


class Events(NamedTuple):
    """Behaviors, all of a user together and numbered from 0: `offsets` `(users + 1,)`, `item` and
    `category` `(events,)`; and the category of each item, `category_of` `(items,)`.
    """

    offsets: np.ndarray
    item: np.ndarray
    category: np.ndarray
    category_of: np.ndarray


def lengths(rng, users: int = USERS) -> np.ndarray:
    """Behaviors of each user: Pareto from 5, cut at 431, about 8.8 on average."""
    uniform, total = rng.random(users), BEHAVIORS * users // USERS

    def draw(exponent):
        cut = 1 - (5.0 / (LONGEST + 1.0)) ** exponent
        return np.floor(5.0 * (1 - uniform * cut) ** (-1 / exponent)).astype(np.int64)

    low, high = 1.2, 4.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if draw(middle).sum() > total else (low, middle)
    return np.minimum(draw(middle), LONGEST)


def events(rng, lengths: np.ndarray, items: int = ITEMS) -> Events:
    """So many behaviors of each user, of items whose popularity is Zipf-like."""
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    popularity = np.cumsum(1 / (np.arange(items) + 30.0) ** 0.75)
    drawn = np.searchsorted(popularity, rng.random(offsets[-1]) * popularity[-1])
    item = rng.permutation(items)[np.minimum(drawn, items - 1)]
    weights = 1 / (np.arange(CATEGORIES) + 5.0)
    category_of = rng.choice(CATEGORIES, items, p=weights / weights.sum())
    return Events(offsets, item, category_of[item], category_of)


def electronics(
    *,
    users: int = USERS,
    items: int = ITEMS,
    dim: int = 64,
    max_length: int = LONGEST,
    candidates: int = 2,
    seed: int = 0,
) -> PreparedData:
    """The log as a `PreparedData` with one part, `"train"`, its requests in random order.

    A request is a position of a user's behaviors, from the second to the last but one: the
    positive, then `candidates - 1` negatives.
    """
    rng = np.random.default_rng(seed)
    log = events(rng, lengths(rng, users), items)
    rows = np.diff(log.offsets) - 2  # Positions 1 to n - 2.
    user = np.repeat(np.arange(users), rows)
    position = np.arange(rows.sum()) - np.repeat(np.cumsum(rows) - rows, rows) + 1
    order = rng.permutation(len(user))
    user, position = user[order], position[order]
    start = log.offsets[user]
    shown = rng.integers(items, size=(len(user), candidates))
    shown[:, 0] = log.item[start + position]
    return prepared(log, items, user, start, start + position, shown, dim, max_length)


def prepared(log, items, user, start, end, shown, dim, max_length) -> PreparedData:
    """Requests on histories `[start, end)` of a log as a data set.

    The positive of a request is the first of its candidates `shown` `(requests, candidates)`.
    """
    candidates = shown.shape[1]
    repeat = lambda values: np.repeat(values, candidates)  # noqa: E731
    item = shown.ravel()
    samples = Samples(
        columns={"item_id": item + 2, "cate_id": log.category_of[item] + 2},
        history={"hist": (repeat(start), repeat(end))},
        label=np.tile(np.arange(candidates) == 0, len(user)),
        group=repeat(user),
        request=repeat(np.arange(len(user))),
    )
    features = [
        Categorical("item_id", items + 2, dim=dim),
        Categorical("cate_id", CATEGORIES + 2, dim=dim),
    ]
    spec = FeatureSpec(
        target=features, sequences=[Sequence("hist", of=features, max_length=max_length)]
    )
    columns = {"item_id": log.item + 2, "cate_id": log.category + 2}
    return PreparedData(spec, {"hist": BehaviorLog(log.offsets, columns)}, {"train": samples})


def skewed(
    longest: int, *, batches: int = 64, batch_size: int = 256, mean: int = 10, seed: int = 0
) -> PreparedData:
    """Batches whose lengths have one sum whatever the longest, in the order of the rows.

    Each batch has one history of `longest`, and the others are as skewed as the sum asks for.
    """
    rng = np.random.default_rng(seed)
    one = power_law(longest, batch_size, mean * batch_size)
    log = events(rng, np.concatenate([rng.permutation(one) for _ in range(batches)]))
    user = np.arange(batches * batch_size)
    shown = rng.integers(ITEMS, size=(len(user), 1))
    return prepared(log, ITEMS, user, log.offsets[:-1], log.offsets[1:], shown, 64, longest)


def power_law(longest: int, rows: int, total: int) -> np.ndarray:
    """Lengths `longest / rank ** a`, 1 at least, with the `a` that makes their sum `total`."""
    rank = np.arange(1, rows + 1)

    def draw(exponent):
        return np.maximum(1, np.floor(longest / rank**exponent)).astype(np.int64)

    low, high = 0.0, 20.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if draw(middle).sum() > total else (low, middle)
    result = draw(high)
    result[1 : 1 + total - result.sum()] += 1  # What rounding down has left.
    return result


def mean_history(data: PreparedData) -> float:
    """Real behaviors a sample, after the cut to `max_length`."""
    start, end = data.parts["train"].history["hist"]
    return float(np.minimum(end - start, data.spec.sequences[0].max_length).mean())


def save(kind: str, folder: str, **options) -> dict:
    """Writes the data, `"electronics"` or `"skewed"`, for the processes that measure."""
    data = {"electronics": electronics, "skewed": skewed}[kind](**options)
    data.save(folder)
    return {"rows": len(data.parts["train"]), "history": mean_history(data)}


if __name__ == "__main__":
    answer(save=save)
