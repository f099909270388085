"""The data sets of the benchmark, as prepared data: `electronics` and `skewed`."""

import numpy as np

from harness.electronics import (
    CATEGORIES,
    ITEMS,
    LONGEST,
    USERS,
    draw_events,
    draw_lengths,
    power_law,
)
from harness.process import task_main
from keras_din import Categorical, FeatureSpec, Sequence
from keras_din.data import BehaviorLog, PreparedData, Samples


def electronics(
    *,
    users: int = USERS,
    items: int = ITEMS,
    dim: int = 64,
    max_length: int = LONGEST,
    candidates: int = 2,
    seed: int = 0,
) -> PreparedData:
    """Returns the log of `electronics.py` with one part, `"train"`, its requests in random order.

    Each position of a user's behaviors, from the second to the last but one, is a request: the
    positive, then `candidates - 1` uniform negatives. With two candidates that is 2.6 million
    samples, whose histories have a mean of 10, a median of 4 and a longest of 427 to 430.
    """
    rng = np.random.default_rng(seed)
    log = draw_events(rng, draw_lengths(rng, users), items)
    requests = np.diff(log.offsets) - 2  # Positions 1 to n - 2.
    user = np.repeat(np.arange(users), requests)
    position = np.arange(requests.sum()) - np.repeat(np.cumsum(requests) - requests, requests) + 1
    order = rng.permutation(len(user))
    user, position = user[order], position[order]
    start = log.offsets[user]
    shown = rng.integers(items, size=(len(user), candidates))
    shown[:, 0] = log.item[start + position]
    return _prepared(log, items, user, start, start + position, shown, dim, max_length)


def skewed(
    longest: int, *, batches: int = 64, batch_size: int = 256, mean: int = 10, seed: int = 0
) -> PreparedData:
    """Returns batches with equal sums of history lengths, for any `longest`.

    Each batch has one history of `longest`. The lengths of the others follow a power law that makes
    the mean `mean`. The rows are in the order of the batches.
    """
    rng = np.random.default_rng(seed)
    lengths = power_law(longest, batch_size, mean * batch_size)
    log = draw_events(rng, np.concatenate([rng.permutation(lengths) for _ in range(batches)]))
    user = np.arange(batches * batch_size)
    shown = rng.integers(ITEMS, size=(len(user), 1))
    return _prepared(log, ITEMS, user, log.offsets[:-1], log.offsets[1:], shown, 64, longest)


def mean_history(data: PreparedData) -> float:
    """Returns the mean number of behaviors per sample, after the cut at `max_length`."""
    start, end = data.parts["train"].history["hist"]
    return float(np.minimum(end - start, data.spec.sequences[0].max_length).mean())


def save(kind: str, folder: str, **options) -> dict:
    """Writes a data set, `"electronics"` or `"skewed"`, for the processes that measure.

    Returns:
        A dict with `rows` and `history`, the mean number of behaviors per sample.
    """
    data = {"electronics": electronics, "skewed": skewed}[kind](**options)
    data.save(folder)
    return {"rows": len(data.parts["train"]), "history": mean_history(data)}


def _prepared(log, items, user, start, end, shown, dim, max_length) -> PreparedData:
    """Requests with candidates `shown` `(requests, candidates)` on histories `[start, end)`.

    The first candidate of a request is the positive.
    """
    candidates = shown.shape[1]
    repeat = lambda values: np.repeat(values, candidates)  # noqa: E731
    item = shown.ravel()
    samples = Samples(
        columns={"item_id": item + 2, "cate_id": log.category_of[item] + 2},
        history={"hist": (repeat(start), repeat(end))},
        labels=np.tile(np.arange(candidates) == 0, len(user)),
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


if __name__ == "__main__":
    task_main(save=save)
