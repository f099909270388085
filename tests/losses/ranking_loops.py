"""The ranking parts of the losses, in slow loops over groups and candidates."""

import math

import numpy as np

import keras_din as kd

LOSSES = {
    "pairwise_logistic": kd.losses.PairwiseLogistic,
    "listwise_softmax": kd.losses.ListwiseSoftmax,
    "jrc": kd.losses.JRC,
}


def ranking(name: str, y, s, w, groups) -> float:
    """The ranking part of a loss for labels, logits, weights and groups `(n,)`."""
    total = divisor = 0.0
    for group in np.unique(groups):
        rows = [i for i in range(len(y)) if groups[i] == group and w[i] > 0]
        positives = [i for i in rows if y[i] == 1]
        negatives = [i for i in rows if y[i] == 0]
        if positives and negatives:
            size = sum(w[i] for i in rows)
            total += size * _OF_GROUP[name](s, w, rows, positives, negatives)
            divisor += size
    return total / divisor if divisor else 0.0


def _pairwise(s, w, rows, positives, negatives):
    pairs = [(i, j) for i in positives for j in negatives]
    losses = [w[i] * w[j] * math.log(1 + math.exp(s[j] - s[i])) for i, j in pairs]
    return sum(losses) / sum(w[i] * w[j] for i, j in pairs)


def _log_softmax(s, w, rows, i, factor=1.0):
    total = sum(w[j] * math.exp(factor * s[j]) for j in rows)
    return math.log(math.exp(factor * s[i]) / total)


def _listwise(s, w, rows, positives, negatives):
    losses = [-w[i] * _log_softmax(s, w, rows, i) for i in positives]
    return sum(losses) / sum(w[i] for i in positives)


def _jrc(s, w, rows, positives, negatives):
    losses = [-w[i] * _log_softmax(s, w, rows, i, 0.5) for i in positives]
    losses += [-w[i] * _log_softmax(s, w, rows, i, -0.5) for i in negatives]
    return sum(losses) / sum(w[i] for i in rows)


_OF_GROUP = {"pairwise_logistic": _pairwise, "listwise_softmax": _listwise, "jrc": _jrc}
