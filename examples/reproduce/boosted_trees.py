"""Gradient boosted trees on counts, a baseline without a network.

The features of a row are the click rate and the frequency of each value of its context, of its
target and of its user, its numbers, and how often and how recently the values of the candidate are
in the history. Rates and frequencies of a training row count only training rows that are strictly
earlier. Otherwise a row would count its own label, and training rows would have features that test
rows do not have. Rows of validation and test count the whole training part.
"""

import numpy as np

from keras_din.data.store.bags import Bags
from keras_din.data.store.order import ranges
from keras_din.metrics import all_metrics

NAME = "boosted_trees"
SETTINGS = (
    {"learning_rate": 0.1, "leaves": 31},
    {"learning_rate": 0.1, "leaves": 8},
    {"learning_rate": 0.05, "leaves": 31},
    {"learning_rate": 0.05, "leaves": 63},
)
# Impressions at the mean click rate that are added to those of each value.
PRIOR_STRENGTH = 10.0
MAX_ROWS = 1_000_000
_CHUNK = 200_000


def train(data, setting: dict, seed: int = 0) -> tuple:
    """Trains trees until the logloss on validation no longer decreases.

    Args:
        data: A `PreparedData` with the parts `"train"` and `"valid"`.
        setting: One of `SETTINGS`.
        seed: Seed that draws training rows if there are more than `MAX_ROWS`, and the rows from
            which scikit-learn computes its bins.

    Returns:
        `(outcome, scores)`, the same as for a run of a network: metrics, and the predictions for
        the test rows.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    drawn = np.arange(len(data.parts["train"]))
    if len(drawn) > MAX_ROWS:
        drawn = np.sort(np.random.default_rng(seed).permutation(drawn)[:MAX_ROWS])
    x = {"train": features(data, "train", drawn)}
    differs = np.ptp(x["train"], axis=0) > 0  # scikit-learn makes no bins of a constant.
    if not differs.any():
        raise ValueError(
            "Boosted trees must have a feature that differs between rows. Received: none."
        )
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
    """Returns the features of a part, or of some of its rows: float32 `(rows, features)`."""
    samples, train = data.parts[part], data.parts["train"]
    counts = _EarlierRows(train) if part == "train" else _WholePart(train)
    rows = np.arange(len(samples)) if rows is None else rows
    found = []
    for feature in (*data.spec.context, *data.spec.target):
        values = samples.columns[feature.name]
        if feature.table is not None:
            found += counts.of(values, train.columns[feature.name])
        else:
            found.append(values)
    found += counts.of(samples.group, train.group)
    found = [np.asarray(column)[rows] for column in found]
    for sequence in data.spec.sequences:
        found += _matches(sequence, data.behaviors[sequence.name], samples[rows])
    return np.stack(found, axis=1).astype("float32")


class _WholePart:
    """Counts over the whole training part, for rows of other parts."""

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


class _EarlierRows:
    """Counts of the training rows strictly before each training row.

    Rows of the same time, such as the candidates of a request, are not counted for each other.
    Without times the order of the rows takes their place.
    """

    def __init__(self, train):
        self.label = np.asarray(train.label, "float64")
        self.time = np.arange(len(train)) if train.time is None else np.asarray(train.time)
        if train.time is None and train.request is not None:
            self.time = np.cumsum(np.diff(train.request, prepend=train.request[:1]) != 0)
        self.before = np.searchsorted(np.sort(self.time), self.time)

    def of(self, values, train_values) -> list:
        """The same as `_WholePart.of`, over the earlier rows."""
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
    """The row and the index of each value of a column. A bag has any number of values."""
    if not isinstance(values, Bags):
        return np.arange(len(values)), np.asarray(values)
    lengths = values.lengths[values.place]
    row = np.repeat(np.arange(len(values)), lengths)
    first = values.offsets[values.place]
    return row, values.values[ranges(first, lengths)]


def _summary(row, clicks, shown, total, mean, rows: int) -> list:
    """Click rate and log of the frequency, each the mean over the values of a row."""
    values = np.bincount(row, minlength=rows)
    rate = (clicks + PRIOR_STRENGTH * mean) / (shown + PRIOR_STRENGTH)
    mean_by_row = lambda each: np.bincount(row, each, rows) / np.maximum(values, 1)  # noqa: E731
    rate = np.where(values > 0, mean_by_row(rate), mean)  # A bag may be empty.
    return [rate, np.log1p(mean_by_row(shown)) - np.log1p(total)]


def _matches(sequence, log, samples) -> list:
    """Features of the history: its length, and for each feature that behaviors and candidate share
    the number of behaviors with the candidate's value, their share, and the recency of the last of
    them: 1 for the last behavior, 1/2 for the one before it, 0 for none."""
    start, end = map(np.asarray, samples.history[sequence.name])
    start = np.maximum(start, end - sequence.max_length)
    length = end - start
    found = [length]
    for feature in sequence.of:
        if feature.table is None or feature.axes:
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
