"""A log that a known click law made: how good a model can be is known too."""

import dataclasses

import numpy as np

from keras_din.checks import positive_integer
from keras_din.data.log import BehaviourLog
from keras_din.data.prepared import PreparedData
from keras_din.data.samples import Samples
from keras_din.feature_spec import RESERVED, Categorical, FeatureSpec, Sequence

_USERS_AT_ONCE = 10_000  # The numbers drawn depend on it: a larger log begins with the smaller.
_HOUR = 3_600_000_000


def synthetic_log(
    users: int = 4_000,
    impressions_per_user: int = 40,
    *,
    interests: int = 4,
    categories: int = 100,
    items_per_category: int = 10,
    click: float = 0.9,
    held_out: int = 4,
    dim: int = 16,
    seed: int = 0,
) -> PreparedData:
    """Users with a few interests each, who click what meets one of them.

    The law: of `categories` (T), each user's interests are `interests` (K) drawn uniformly. The
    category of an impression is drawn from the user's interests with probability 1/2, else from
    all; its item uniformly from the category. An item that meets an interest is clicked with
    probability `click` (p), any other never.

    So every click shows an interest, and the best prediction is known (`best_scores`). A model
    must find the candidate's category among the behaviours: target attention does, while a mean
    over behaviours blurs more interests than its width can hold.

    Args:
        users: Number of users.
        impressions_per_user: Impressions of each, an hour apart; the history of one is the
            clicks before it.
        interests: Interests of a user, K.
        categories: Number of categories, T.
        items_per_category: Items of each category.
        click: Probability p that an item which meets an interest is clicked.
        held_out: Impressions of each user in each of `valid` and `test`: his last ones are
            `test`, those before `valid`.
        dim: Width of the embeddings.
        seed: Seed of everything drawn.

    Returns:
        A `PreparedData` with target `item_id` and `cate_id`, and the sequence `hist` of both.
        `report["best_reachable"]` has, for each part, the `gauc`, `auc` and `logloss` that no
        model surpasses except by chance.

    Raises:
        ValueError: When the law is not one.
    """
    users = positive_integer("users", users)
    shown = positive_integer("impressions_per_user", impressions_per_user)
    interests = positive_integer("interests", interests)
    categories = positive_integer("categories", categories)
    items_per_category = positive_integer("items_per_category", items_per_category)
    held_out = positive_integer("held_out", held_out)
    seed = positive_integer("seed", seed, minimum=0)
    if interests > categories:
        raise ValueError(
            "`interests` must not be more than `categories`. "
            f"Received: interests={interests}, categories={categories}."
        )
    if not 0 < click <= 1:
        raise ValueError(f"`click` must be a probability above 0. Received: click={click!r}.")
    if 2 * held_out >= shown:
        raise ValueError(
            "`held_out` must leave training impressions: less than half of "
            f"`impressions_per_user`. Received: held_out={held_out}, "
            f"impressions_per_user={shown}."
        )
    category = np.empty((users, shown), np.int32)
    item = np.empty((users, shown), np.int32)
    clicked = np.empty((users, shown), bool)
    for chunk, first in enumerate(range(0, users, _USERS_AT_ONCE)):
        rng = np.random.default_rng([seed, chunk])
        part = slice(first, first + _USERS_AT_ONCE)
        draw = _impressions(rng, shown, interests, categories, items_per_category, click)
        category[part], item[part], clicked[part] = (x[: users - first] for x in draw)

    features = [
        Categorical("item_id", categories * items_per_category + RESERVED, dim=dim),
        Categorical("cate_id", categories + RESERVED, dim=dim),
    ]
    # Every click fits into the history: a cut one would know less than `best_scores` does.
    spec = FeatureSpec(target=features, sequences=[Sequence("hist", of=features, max_length=shown)])
    columns = {
        "item_id": item.ravel() + np.int32(RESERVED),
        "cate_id": category.ravel() + np.int32(RESERVED),
    }
    time = np.tile(np.arange(shown) * _HOUR, users)
    flat = clicked.ravel()
    offsets = np.concatenate([[0], np.cumsum(clicked.sum(axis=1))])
    samples = Samples(
        columns=columns,
        history={"hist": (np.repeat(offsets[:-1], shown), np.cumsum(flat) - flat)},
        label=flat,
        group=np.repeat(np.arange(users), shown),
        time=time,
    )
    log = BehaviourLog(offsets, {name: x[flat] for name, x in columns.items()}, time[flat])
    from_the_end = shown - 1 - np.tile(np.arange(shown), users)
    parts = {
        "train": samples[from_the_end >= 2 * held_out],
        "valid": samples[(from_the_end >= held_out) & (from_the_end < 2 * held_out)],
        "test": samples[from_the_end < held_out],
    }
    report = {"interests": interests, "categories": categories, "click": click, "seed": seed}
    data = PreparedData(spec, {"hist": log}, parts, report)
    best = {part: _best_reachable(data, part) for part in parts}
    return dataclasses.replace(data, report=report | {"best_reachable": best})


def best_scores(data: PreparedData, part: str) -> np.ndarray:
    """The probability of a click given the history and the candidate: no model knows more.

    Let `s` be the number of different categories in the history. A click's category is uniform
    over the interests, so the history says that these `s` are interests and nothing about which
    others are: an unseen category is one with probability `a = (K - s) / (T - s)`. That it is
    shown says more: an interest is shown with probability `1/(2K) + 1/(2T)`, another category
    with `1/(2T)`. By Bayes, times `2T`:

    `P(click) = p                                        if the history has the category, else`
    `P(click) = p a (T/K + 1) / (a (T/K + 1) + (1 - a))`.

    Args:
        data: What `synthetic_log` made.
        part: `"train"`, `"valid"` or `"test"`.

    Returns:
        float64 `(rows,)`.
    """
    log, samples = data.behaviours["hist"], data.parts[part]
    interests, categories = data.report["interests"], data.report["categories"]
    start, end = samples.history["hist"]
    size = categories + RESERVED
    user = np.repeat(np.arange(log.users), np.diff(log.offsets))
    keys, first = np.unique(user * size + log.columns["cate_id"], return_index=True)
    is_first = np.zeros(len(log) + 1, np.int64)
    is_first[first + 1] = 1
    before = np.cumsum(is_first)
    distinct = before[end] - before[start]
    key = samples.group * size + samples.columns["cate_id"]
    place = np.minimum(np.searchsorted(keys, key), max(len(keys) - 1, 0))
    seen = np.zeros(len(samples), bool)
    if len(keys):
        seen = (keys[place] == key) & (first[place] < end)
    prior = (interests - distinct) / np.maximum(categories - distinct, 1)
    shown = prior * (categories / interests + 1)
    return data.report["click"] * np.where(seen, 1.0, shown / (shown + 1 - prior))


def _impressions(rng, shown, interests, categories, items_per_category, click):
    """Category, item and click of a chunk of users, each `(users, shown)`."""
    shape = (_USERS_AT_ONCE, shown)
    rows = np.arange(_USERS_AT_ONCE)[:, None]
    likes = rng.permuted(
        np.broadcast_to(np.arange(categories, dtype=np.int32), (_USERS_AT_ONCE, categories)),
        axis=1,
    )[:, :interests]
    is_interest = np.zeros((_USERS_AT_ONCE, categories), bool)
    is_interest[rows, likes] = True
    category = np.where(
        rng.random(shape, np.float32) < 0.5,
        likes[rows, rng.integers(interests, size=shape)],
        rng.integers(categories, size=shape, dtype=np.int32),
    )
    item = category * items_per_category
    item += rng.integers(items_per_category, size=shape, dtype=np.int32)
    clicked = is_interest[rows, category] & (rng.random(shape) < click)
    return category, item, clicked


def _best_reachable(data: PreparedData, part: str) -> dict:
    from keras_din import metrics

    scores, samples = best_scores(data, part), data.parts[part]
    best = {
        "gauc": metrics.gauc(samples.label, scores, samples.group),
        "auc": metrics.auc(samples.label, scores),
        "logloss": metrics.logloss(samples.label, scores),
    }
    # With few rows there may be no user with both a click and none.
    return {name: float(value) if np.isfinite(value) else None for name, value in best.items()}
