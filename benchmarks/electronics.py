"""A log shaped like Amazon Electronics, as the DIN paper used it: its sizes, none of its content.

192,403 users, 63,001 items, 801 categories, 1.69 M behaviours with a Pareto tail (longest 431),
Zipf-like items. Two samples a position, a positive and a uniform negative: 2.6 M, with a mean
history of 10, a median of 4 and a longest of 427 to 430.
"""

import numpy as np

from keras_din.data import BehaviourLog, PreparedData, Samples
from keras_din.feature_spec import Categorical, FeatureSpec, Sequence

USERS, ITEMS, CATEGORIES = 192_403, 63_001, 801
BEHAVIOURS, LONGEST = 1_689_188, 431


def electronics(
    *,
    users: int = USERS,
    items: int = ITEMS,
    dim: int = 64,
    max_length: int = LONGEST,
    seed: int = 0,
) -> PreparedData:
    """The log as a `PreparedData` with one part, `"train"`, its rows in random order."""
    rng = np.random.default_rng(seed)
    lengths = _lengths(rng, users, BEHAVIOURS * users // USERS)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    popularity = np.cumsum(1 / (np.arange(items) + 30.0) ** 0.75)
    drawn = np.searchsorted(popularity, rng.random(offsets[-1]) * popularity[-1])
    item = rng.permutation(items)[np.minimum(drawn, items - 1)]
    weights = 1 / (np.arange(CATEGORIES) + 5.0)
    category = rng.choice(CATEGORIES, items, p=weights / weights.sum())

    rows = lengths - 2  # Positions 1 to n - 2.
    user = np.repeat(np.arange(users), rows)
    position = np.arange(rows.sum()) - np.repeat(np.cumsum(rows) - rows, rows) + 1
    start, end = offsets[user], offsets[user] + position
    candidates = np.stack([item[end], rng.integers(items, size=len(end))], axis=1).ravel()
    order = rng.permutation(len(candidates))
    pair = order // 2
    columns = {"item_id": candidates + 2, "cate_id": category[candidates] + 2}
    samples = Samples(
        columns={name: values[order] for name, values in columns.items()},
        history={"hist": (start[pair], end[pair])},
        label=(order % 2 == 0),
        group=user[pair],
    )
    features = [
        Categorical("item_id", items + 2, dim=dim),
        Categorical("cate_id", CATEGORIES + 2, dim=dim),
    ]
    spec = FeatureSpec(
        target=features, sequences=[Sequence("hist", of=features, max_length=max_length)]
    )
    log = BehaviourLog(offsets, {"item_id": item + 2, "cate_id": category[item] + 2})
    return PreparedData(spec, {"hist": log}, {"train": samples})


def mean_history(data: PreparedData) -> float:
    """Real behaviours a sample, after the cut to `max_length`."""
    start, end = data.parts["train"].history["hist"]
    return float(np.minimum(end - start, data.spec.sequences[0].max_length).mean())


def _lengths(rng, users: int, total: int) -> np.ndarray:
    """Behaviours of each user: Pareto from 5, cut at 431, about `total` in all."""
    uniform = rng.random(users)

    def draw(exponent):
        cut = 1 - (5.0 / (LONGEST + 1.0)) ** exponent
        return np.floor(5.0 * (1 - uniform * cut) ** (-1 / exponent)).astype(np.int64)

    low, high = 1.2, 4.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if draw(middle).sum() > total else (low, middle)
    return np.minimum(draw(middle), LONGEST)
