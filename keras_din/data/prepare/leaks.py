"""Features that tell the label: what is known only after the impression must be no input."""

import warnings

import numpy as np

from keras_din.data.store.bags import Bags
from keras_din.data.store.samples import Samples
from keras_din.features import FeatureSpec

_ROWS = 1000  # Of fewer, a feature may tell the label by chance.
_MOST_ROWS = 200_000
_VALUES = 100
_EXCEPTIONS = 0.001  # Of the rarer class.


def check_known_before(labels: dict, words: dict) -> None:
    """Raises a `ValueError` where an input is a label.

    Args:
        labels: Name of each column that is known only after the impression -> what it is.
        words: Name of each input -> the argument that names it, such as `"target"`.
    """
    for name, word in words.items():
        if name in labels:
            raise ValueError(
                f"`{word}` must hold what is known before the impression: a model that sees "
                f"its own label predicts nothing. Received: {name!r}, which is {labels[name]}."
            )


def check_no_feedback(labels: dict, target, context, side_features=(), sequences=None) -> None:
    """Raises a `ValueError` where a feature is a label.

    Args:
        labels: Name of each column that is known only after the impression -> what it is.
        target: Names of features.
        context: Names of features.
        side_features: Names of features of behaviors alone. What a user did with an earlier item is
            known, so that a label may be among them, unless it is 1 in all behaviors.
        sequences: Name of a sequence -> the label that selects its behaviors.
    """
    words = dict.fromkeys(context, "context") | dict.fromkeys(target, "target")
    check_known_before(labels, words)
    of_behaviors = set((sequences or {}).values())
    for name in side_features:
        if of_behaviors == {name}:
            raise ValueError(
                f"`side_features` must hold what differs between behaviors. "
                f"Received: {name!r}, which is 1 "
                f"in all of them, since it selects the behaviors of {list(sequences)}."
            )


def telling_features(samples: Samples, spec: FeatureSpec) -> list:
    """Names of the features of context and target that tell a label nearly without exception.

    A feature reveals a label where one threshold, or a choice for each of at most 100 values,
    parts the rows by label, but for a thousandth of the rarer class. Of fewer than 1000 rows, or
    rows of one class, none does.
    """
    step = max(1, len(samples) // _MOST_ROWS)
    of_labels = [
        _telling_features(samples, spec, np.asarray(samples.labels[label.name][::step]) == 1, step)
        for label in spec.labels
    ]
    return [name for name in spec.inputs if any(name in found for found in of_labels)]


def _telling_features(samples: Samples, spec: FeatureSpec, clicked, step: int) -> list:
    """The same of one label, of every `step`-th row."""
    fewer = min(clicked.sum(), (~clicked).sum())
    if len(clicked) < _ROWS or not fewer:
        return []
    found = []
    for name, info in spec.inputs.items():
        if info.role == "behavior" or isinstance(samples.columns[name], Bags):
            continue
        values = np.asarray(samples.columns[name][::step])
        wrong = _wrong_by_value(values, clicked)
        if info.feature.is_numeric:
            # A number that only clicked rows have is the fill value in all others.
            is_filled = values == np.float32(info.feature.fill_value)
            wrong = min(wrong, _wrong_by_threshold(values, clicked))
            wrong = min(wrong, _wrong_by_value(is_filled, clicked))
        if wrong <= _EXCEPTIONS * fewer:
            found.append(name)
    return found


def warn_of_leaks(parts: dict, spec: FeatureSpec) -> list:
    """Warns of `telling_features` of the part `"train"`; gives their names, for the report."""
    found = telling_features(parts["train"], spec) if "train" in parts else []
    if found:
        warnings.warn(
            f"Features {found} tell the label of nearly every training row. If they are known only "
            "after the impression, as clicks and dwell times are, leave them out: a model can't "
            "have them when it is served.",
            stacklevel=3,
        )
    return found


def _wrong_by_value(values, clicked) -> float:
    """How many rows have another label than most rows of their value."""
    different, code = np.unique(values, return_inverse=True)
    if len(different) > _VALUES:
        return np.inf
    counts = np.bincount(code, minlength=len(different))
    clicks = np.bincount(code[clicked], minlength=len(different))
    return int(np.minimum(clicks, counts - clicks).sum())


def _wrong_by_threshold(values, clicked) -> int:
    """How many rows are on the wrong side of the best threshold."""
    order = np.argsort(values, kind="stable")
    values, clicked = values[order], clicked[order]
    below = np.cumsum(clicked)[np.append(values[1:] != values[:-1], True)]
    rows = np.flatnonzero(np.append(values[1:] != values[:-1], True)) + 1
    clicks = int(clicked.sum())
    # Clicked rows below the threshold and others above it are wrong, or the other way round.
    wrong = below + (len(values) - rows) - (clicks - below)
    return int(np.minimum(wrong, len(values) - wrong).min())
