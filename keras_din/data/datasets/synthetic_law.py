"""The click law of the synthetic log; draws the log in chunks of users."""

import dataclasses

import numpy as np

from keras_din.checks import positive_integer
from keras_din.data.prepare.prepared_data import PreparedData
from keras_din.data.store.behavior_log import BehaviorLog
from keras_din.data.store.samples import Samples
from keras_din.features import NUM_RESERVED, Categorical, FeatureSpec, Sequence

USERS_AT_ONCE = 10_000  # The draws depend on it. A smaller log is a prefix of a larger one.
_HOUR = 3_600_000_000


@dataclasses.dataclass(frozen=True)
class SyntheticLaw:
    """The checked arguments of `synthetic_log`."""

    users: int
    impressions_per_user: int
    interests: int
    categories: int
    items_per_category: int
    click: float
    held_out: int
    dim: int
    seed: int

    def __post_init__(self):
        for word in (
            "users",
            "impressions_per_user",
            "interests",
            "categories",
            "items_per_category",
            "held_out",
        ):
            positive_integer(word, getattr(self, word))
        positive_integer("seed", self.seed, minimum=0)
        if self.interests > self.categories:
            raise ValueError(
                "`interests` must not be more than `categories`. "
                f"Received: interests={self.interests}, categories={self.categories}."
            )
        if not 0 < self.click <= 1:
            raise ValueError(
                f"`click` must be a probability above 0. Received: click={self.click!r}."
            )
        if 2 * self.held_out >= self.impressions_per_user:
            raise ValueError(
                "`held_out` must leave training impressions: less than half of "
                f"`impressions_per_user`. Received: held_out={self.held_out}, "
                f"impressions_per_user={self.impressions_per_user}."
            )

    @property
    def spec(self) -> FeatureSpec:
        """Target `item_id` and `cate_id`, and the sequence `hist` of both."""
        items = self.categories * self.items_per_category
        features = [
            Categorical("item_id", items + NUM_RESERVED, dim=self.dim),
            Categorical("cate_id", self.categories + NUM_RESERVED, dim=self.dim),
        ]
        # The history is never truncated, because `bayes_optimal_scores` uses all clicks.
        shown = self.impressions_per_user
        return FeatureSpec(
            target=features, sequences=[Sequence("hist", of=features, max_length=shown)]
        )

    @property
    def report(self) -> dict:
        """The parameters that `bayes_optimal_scores` requires."""
        words = ("interests", "categories", "click", "seed")
        return {word: getattr(self, word) for word in words}

    def chunks(self):
        """Yields the log in order, as one `PreparedData` per `USERS_AT_ONCE` users.

        Users and events are numbered from 0 in each.
        """
        for number, first in enumerate(range(0, self.users, USERS_AT_ONCE)):
            rng = np.random.default_rng([self.seed, number])
            users = min(USERS_AT_ONCE, self.users - first)
            yield self._prepared(*(drawn[:users] for drawn in self._draw(rng)))

    def _draw(self, rng):
        """Draws category, item and click of `USERS_AT_ONCE` users, each `(users, impressions)`."""
        shape = (USERS_AT_ONCE, self.impressions_per_user)
        of_each = (USERS_AT_ONCE, self.categories)
        rows = np.arange(USERS_AT_ONCE)[:, None]
        every = np.broadcast_to(np.arange(self.categories, dtype=np.int32), of_each)
        likes = rng.permuted(every, axis=1)[:, : self.interests]
        is_interest = np.zeros(of_each, bool)
        is_interest[rows, likes] = True
        category = np.where(
            rng.random(shape, np.float32) < 0.5,
            likes[rows, rng.integers(self.interests, size=shape)],
            rng.integers(self.categories, size=shape, dtype=np.int32),
        )
        item = category * self.items_per_category
        item += rng.integers(self.items_per_category, size=shape, dtype=np.int32)
        clicked = is_interest[rows, category] & (rng.random(shape) < self.click)
        return category, item, clicked

    def _prepared(self, category, item, clicked) -> PreparedData:
        users, shown = clicked.shape
        columns = {
            "item_id": item.ravel() + np.int32(NUM_RESERVED),
            "cate_id": category.ravel() + np.int32(NUM_RESERVED),
        }
        time = np.tile(np.arange(shown) * _HOUR, users)
        flat = clicked.ravel()
        offsets = np.concatenate([[0], np.cumsum(clicked.sum(axis=1))])
        samples = Samples(
            columns=columns,
            history={"hist": (np.repeat(offsets[:-1], shown), np.cumsum(flat) - flat)},
            labels=flat,
            group=np.repeat(np.arange(users), shown),
            time=time,
        )
        log = BehaviorLog(offsets, {name: x[flat] for name, x in columns.items()}, time[flat])
        from_the_end = shown - 1 - np.tile(np.arange(shown), users)
        parts = {
            "train": samples[from_the_end >= 2 * self.held_out],
            "valid": samples[(from_the_end >= self.held_out) & (from_the_end < 2 * self.held_out)],
            "test": samples[from_the_end < self.held_out],
        }
        return PreparedData(self.spec, {"hist": log}, parts, self.report)
