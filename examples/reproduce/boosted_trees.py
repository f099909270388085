"""Gradient boosted trees on counts: what a practitioner would try before a network.

The features of a row are the click rate and the frequency of each value of its context and its
target, the same of its user, its numbers as they are, and how often and how recently the values of
the candidate stand in the history. Rates and frequencies of a training row count the training rows
strictly before it in time: a row that saw its own label, or rows that saw each other's, would have
features that test rows do not have. Rows of validation and test see the whole training part.
"""

import numpy as np

from keras_din.data.store.bags import Bags
from keras_din.data.store.order import ranges
from keras_din.features import Categorical, EmbeddedFeature
from keras_din.metrics import all_metrics

NAME = "boosted_trees"
SETTINGS = (
    {"learning_rate": 0.1, "leaves": 31},
    {"learning_rate": 0.1, "leaves": 8},
    {"learning_rate": 0.05, "leaves": 31},
    {"learning_rate": 0.05, "leaves": 63},
)
# Impressions at the mean rate that each value is given.
PRIOR_STRENGTH = 10.0
MOST_ROWS = 1_000_000
_CHUNK = 200_000


def train(data, setting: dict, seed: int = 0) -> tuple:
    """Trains trees until the logloss of validation no longer falls.

    Args:
        data: A `PreparedData` with the parts `"train"` and `"valid"`.
        setting: One of `SETTINGS`.
        seed: Seed of the training rows that are drawn, where there are more than `MOST_ROWS`, and
            of the rows by which scikit-learn chooses the bounds of its bins.

    Returns:
        `(outcome, scores)` like a run of a network: metrics, and the answers to the test rows.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    drawn = np.arange(len(data.parts["train"]))
    if len(drawn) > MOST_ROWS:
        drawn = np.sort(np.random.default_rng(seed).permutation(drawn)[:MOST_ROWS])
    x = {"train": features(data, "train", drawn)}
    differs = np.ptp(x["train"], axis=0) > 0  # scikit-learn finds no bins of a constant.
    if not differs.any():
        raise ValueError("Trees must have a feature that differs between rows. Received: none.")
    for part in data.parts:
        x[part] = (x[part] if part in x else features(data, part))[:, differs]
    trees = HistGradientBoostingClassifier(
        learning_rate=setting["learning_rate"],
        max_leaf_nodes=setting["leaves"],
        max_iter=500,
        min_samples_leaf=100,
        early_stopping=True,
        n_iter_no_change=10,
        random_state=seed,
    )
    label = {part: samples.label for part, samples in data.parts.items()}
    trees.fit(x["train"], label["train"][drawn], X_val=x["valid"], y_val=label["valid"])
    found = {}
    for part in ("valid", "test"):
        if part in data.parts:
            predictions = trees.predict_proba(x[part])[:, 1].astype("float32")
            found[part] = predictions, label[part], data.parts[part].group
    part = "test" if "test" in found else "valid"
    predictions, labels, groups = found[part]
    outcome = {
        "valid gauc": _metrics(found["valid"])["gauc"],
        **_metrics(found[part]),
        "best_step": trees.n_iter_,
        "parameters": None,
    }
    return outcome, {"predictions": predictions, "labels": labels, "groups": groups}


def features(data, part: str, rows=None) -> np.ndarray:
    """The features of a part, or of some of its rows: float32 `(rows, features)`."""
    samples, train = data.parts[part], data.parts["train"]
    counts = _Before(train) if part == "train" else _Whole(train)
    rows = np.arange(len(samples)) if rows is None else rows
    found = []
    for feature in (*data.spec.context, *data.spec.target):
        values = samples.columns[feature.name]
        if isinstance(feature, EmbeddedFeature):
            found += counts.of(values, train.columns[feature.name])
        else:
            found.append(values)
    found += counts.of(samples.group, train.group)
    found = [np.asarray(column)[rows] for column in found]
    for sequence in data.spec.sequences:
        found += _matches(sequence, data.behaviors[sequence.name], samples[rows])
    return np.stack(found, axis=1).astype("float32")


class _Whole:
    """Counts of the whole training part, for rows of other parts."""

    def __init__(self, train):
        self.label = np.asarray(train.label, "float64")

    def of(self, values, train_values) -> list:
        """The smoothed click rate and the log of the frequency of each row's value."""
        row, value = _pairs(values)
        train_row, train_value = _pairs(train_values)
        size = 1 + max(value.max(initial=0), train_value.max(initial=0))
        shown = np.bincount(train_value, minlength=size)[value]
        clicks = np.bincount(train_value, self.label[train_row], size)[value]
        return _summary(row, clicks, shown, len(self.label), self.label.mean(), len(values))


class _Before:
    """Counts of the training rows strictly before each training row.

    Rows of one moment, such as the candidates of a request, do not see each other. Where there are
    no times the order of the rows stands for them.
    """

    def __init__(self, train):
        self.label = np.asarray(train.label, "float64")
        self.time = np.arange(len(train)) if train.time is None else np.asarray(train.time)
        if train.time is None and train.request is not None:
            self.time = np.cumsum(np.diff(train.request, prepend=train.request[:1]) != 0)
        self.before = np.searchsorted(np.sort(self.time), self.time)

    def of(self, values, train_values) -> list:
        """The same as `_Whole.of`, of what was before."""
        row, value = _pairs(train_values)
        order = np.lexsort((self.time[row], value))
        value, time = value[order], self.time[row][order]
        place = np.arange(len(order))
        first = np.append(True, value[1:] != value[:-1])[: len(order)]
        moment = first | np.append(True, time[1:] != time[:-1])[: len(order)]
        start = np.maximum.accumulate(np.where(first, place, 0))
        end = np.maximum.accumulate(np.where(moment, place, 0))
        clicked = np.append(0.0, np.cumsum(self.label[row][order]))
        shown, clicks = np.empty(len(order)), np.empty(len(order))
        shown[order] = end - start
        clicks[order] = clicked[end] - clicked[start]
        mean = self.label.mean()
        return _summary(row, clicks, shown, self.before, mean, len(train_values))


def _pairs(values) -> tuple:
    """The row and the index of each value of a column; a bag has several, and may have none."""
    if not isinstance(values, Bags):
        return np.arange(len(values)), np.asarray(values)
    lengths = values.lengths[values.place]
    row = np.repeat(np.arange(len(values)), lengths)
    first = values.offsets[values.place]
    return row, values.values[ranges(first, lengths)]


def _summary(row, clicks, shown, total, mean, rows: int) -> list:
    """Rate and log of the frequency, each the mean over the values of a row."""
    values = np.bincount(row, minlength=rows)
    rate = (clicks + PRIOR_STRENGTH * mean) / (shown + PRIOR_STRENGTH)
    of_row = lambda each: np.bincount(row, each, rows) / np.maximum(values, 1)  # noqa: E731
    rate = np.where(values > 0, of_row(rate), mean)  # A bag may be empty.
    return [rate, np.log1p(of_row(shown)) - np.log1p(total)]


def _matches(sequence, log, samples) -> list:
    """Length of the history; how many behaviors have the candidate's value, their share, and how
    recent the last is: 1 for the last behavior, 1 / 2 for the one before it, 0 for none."""
    start, end = map(np.asarray, samples.history[sequence.name])
    start = np.maximum(start, end - sequence.max_length)
    length = end - start
    found = [length]
    for feature in sequence.of:
        if not isinstance(feature, Categorical):
            continue
        behaviors = np.asarray(log.columns[feature.name])
        target = np.asarray(samples.columns[feature.name])
        count, recency = np.zeros(len(samples)), np.zeros(len(samples))
        for begin in range(0, len(samples), _CHUNK):
            part = slice(begin, begin + _CHUNK)
            row = np.repeat(np.arange(len(length[part])), length[part])
            event = ranges(start[part], length[part])
            same = behaviors[event] == target[part][row]
            row, event = row[same], event[same]
            count[part] = np.bincount(row, minlength=len(length[part]))
            np.maximum.at(recency[part], row, 1 / (end[part][row] - event))
        found += [count, count / np.maximum(length, 1), recency]
    return found


def _metrics(found) -> dict:
    predictions, labels, groups = found
    return all_metrics(labels, predictions, groups)
