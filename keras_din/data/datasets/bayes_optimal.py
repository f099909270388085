"""How good a model of the synthetic log can be: the best scores, and what they reach."""

import collections

import numpy as np

from keras_din import metrics
from keras_din.data.prepare.prepared_data import PreparedData
from keras_din.features import NUM_RESERVED


def bayes_optimal_scores(data: PreparedData, part: str) -> np.ndarray:
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
    log, samples = data.behaviors["hist"], data.parts[part]
    interests, categories = data.report["interests"], data.report["categories"]
    start, end = samples.history["hist"]
    size = categories + NUM_RESERVED
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


class BestReachable:
    """GAUC, AUC and logloss of the best scores of one part, over chunks of users.

    A user stands in one chunk, so GAUC, a mean over users, adds up. The scores take few values,
    one where the history has the category and one for each number of interests that it has shown:
    the clicks and rows of each value give AUC and logloss, as of all rows at once.
    """

    def __init__(self):
        self._area = self._impressions = 0
        self._counts = collections.defaultdict(lambda: np.zeros(2, np.int64))

    def add(self, data: PreparedData, part: str) -> None:
        """Adds the rows of a part of a chunk."""
        scores, samples = bayes_optimal_scores(data, part), data.parts[part]
        users = metrics.group_auc(samples.label, scores, samples.group)
        self._area += float(users.auc @ users.impressions)
        self._impressions += int(users.impressions.sum())
        values, which = np.unique(scores, return_inverse=True)
        counts = np.bincount(2 * which + samples.label.astype(int), minlength=2 * len(values))
        for value, count in zip(values, counts.reshape(-1, 2), strict=True):
            self._counts[value] += count

    def result(self) -> dict:
        """`gauc`, `auc` and `logloss`; `None` where no user, or not the log, has both labels."""
        scores = np.array(sorted(self._counts))
        negatives, positives = np.stack([self._counts[score] for score in scores], axis=1)
        loss = lambda label: [metrics.logloss([label], [score]) for score in scores]  # noqa: E731
        total = positives @ loss(1) + negatives @ loss(0)
        # A positive wins 2 for a negative that scores less and 1 for one that scores the same.
        wins = int(positives @ (2 * (np.cumsum(negatives) - negatives) + negatives))
        pairs = int(positives.sum()) * int(negatives.sum())
        return {
            "gauc": self._area / self._impressions if self._impressions else None,
            "auc": wins / (2 * pairs) if pairs else None,
            "logloss": float(total / (positives.sum() + negatives.sum())),
        }
