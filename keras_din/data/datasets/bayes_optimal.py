"""The best possible scores of the synthetic log, and their metrics."""

import collections

import numpy as np

from keras_din import metrics
from keras_din.data.prepare.prepared_data import PreparedData
from keras_din.features import NUM_RESERVED

__all__ = ["bayes_optimal_scores"]


def bayes_optimal_scores(data: PreparedData, part: str) -> np.ndarray:
    """Computes the probability of a click given the history and the candidate.

    No model can predict better. Let `s` be the number of different categories in the history. The
    category of a click is uniform over the interests. So the history shows that these `s` are
    interests, and nothing about the others: an unseen category is an interest with probability
    `a = (K - s) / (T - s)`. The impression itself is further evidence: an interest is shown with
    probability `1/(2K) + 1/(2T)`, another category with `1/(2T)`. By Bayes' theorem, with both
    multiplied by `2T`:

    `P(click) = p                                        if the history has the category, else`
    `P(click) = p a (T/K + 1) / (a (T/K + 1) + (1 - a))`.

    Args:
        data: The result of `synthetic_log`.
        part: `"train"`, `"valid"` or `"test"`.

    Returns:
        float64 `(rows,)`.

    Example:

    ```python
    data = kd.data.synthetic_log(users=20)
    scores = kd.data.bayes_optimal_scores(data, "test")
    ```
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
    index = np.minimum(np.searchsorted(keys, key), max(len(keys) - 1, 0))
    seen = np.zeros(len(samples), bool)
    if len(keys):
        seen = (keys[index] == key) & (first[index] < end)
    prior = (interests - distinct) / np.maximum(categories - distinct, 1)
    shown = prior * (categories / interests + 1)
    return data.report["click"] * np.where(seen, 1.0, shown / (shown + 1 - prior))


class BestReachable:
    """Accumulates GAUC, AUC and logloss of the best scores of one part, over chunks of users.

    Each user is in one chunk, so GAUC, a mean over users, can be summed. The scores have few
    distinct values: one if the history has the category, and one per number of interests that the
    history shows. The clicks and rows of each value are enough for the AUC and logloss of all rows.
    """

    def __init__(self):
        self._area = self._impressions = 0
        self._counts = collections.defaultdict(lambda: np.zeros(2, np.int64))

    def add(self, data: PreparedData, part: str) -> None:
        """Adds the rows of one part of a chunk."""
        scores, samples = bayes_optimal_scores(data, part), data.parts[part]
        users = metrics.group_auc(samples.label, scores, samples.group)
        self._area += float(users.auc @ users.impressions)
        self._impressions += int(users.impressions.sum())
        values, which = np.unique(scores, return_inverse=True)
        counts = np.bincount(2 * which + samples.label.astype(int), minlength=2 * len(values))
        for value, count in zip(values, counts.reshape(-1, 2), strict=True):
            self._counts[value] += count

    def result(self) -> dict:
        """Returns `gauc`, `auc` and `logloss`.

        `gauc` is `None` if no user has both labels, `auc` if the part does not have both.
        """
        scores = np.array(sorted(self._counts))
        negatives, positives = np.stack([self._counts[score] for score in scores], axis=1)
        loss = lambda label: [metrics.logloss([label], [score]) for score in scores]  # noqa: E731
        total = positives @ loss(1) + negatives @ loss(0)
        # A positive counts 2 for each negative with a lower score and 1 for each with the same.
        wins = int(positives @ (2 * (np.cumsum(negatives) - negatives) + negatives))
        pairs = int(positives.sum()) * int(negatives.sum())
        return {
            "gauc": self._area / self._impressions if self._impressions else None,
            "auc": wins / (2 * pairs) if pairs else None,
            "logloss": float(total / (positives.sum() + negatives.sum())),
        }
