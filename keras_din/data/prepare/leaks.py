"""Target leakage: finds features that are known only after the impression."""

import warnings

import numpy as np

from keras_din.data.store.samples import Samples
from keras_din.features import FeatureSpec

_MIN_ROWS = 1000  # With fewer rows, a feature may predict the label by chance.
_MAX_ROWS = 200_000
_MAX_VALUES = 100
_MAX_ERRORS = 0.001  # As a fraction of the rarer class.


def check_known_before(labels: dict, arguments: dict) -> None:
    """Raises a `ValueError` if an input is a label.

    Args:
        labels: Name of each column that is known only after the impression -> its description.
        arguments: Name of each input -> the argument that names it, such as `"target"`.
    """
    for name, argument in arguments.items():
        if name in labels:
            raise ValueError(
                f"`{argument}` must hold what is known before the impression: a model that sees "
                f"its own label predicts nothing. Received: {name!r}, which is {labels[name]}."
            )


def check_no_feedback(labels: dict, target, context, side_features=(), sequences=None) -> None:
    """Raises a `ValueError` if a feature is a label.

    Args:
        labels: Name of each column that is known only after the impression -> its description.
        target: Names of features.
        context: Names of features.
        side_features: Names of features that only behaviors have. Labels of earlier impressions
            are known, so they may be side features, unless they are 1 in all behaviors.
        sequences: Name of a sequence -> the label that selects its behaviors.
    """
    arguments = dict.fromkeys(context, "context") | dict.fromkeys(target, "target")
    check_known_before(labels, arguments)
    of_behaviors = set((sequences or {}).values())
    for name in side_features:
        if of_behaviors == {name}:
            raise ValueError(
                f"`side_features` must hold what differs between behaviors. "
                f"Received: {name!r}, which is 1 "
                f"in all of them, since it selects the behaviors of {list(sequences)}."
            )


def leaking_features(samples: Samples, spec: FeatureSpec) -> list:
    """Returns the names of features of context and target that predict a label by themselves.

    A label that is a number counts as 1 above its median. Rows without the label are left out. A
    feature predicts a label if one threshold, or one class per value with at most 100 values,
    is wrong in at most a thousandth as many rows as the rarer class has. With fewer than 1000
    rows, or rows of one class, no feature is returned.
    """
    step = max(1, len(samples) // _MAX_ROWS)
    of_labels = []
    for label in spec.labels:
        values = np.asarray(samples.labels[label.name][::step])
        known = ~np.isnan(values)
        middle = 0.5 if label.is_binary or not known.any() else np.median(values[known])
        of_labels.append(_leaking_features(samples, spec, values[known] > middle, known, step))
    return [name for name in spec.inputs if any(name in found for found in of_labels)]


def _leaking_features(samples: Samples, spec: FeatureSpec, clicked, known, step: int) -> list:
    """Returns the names of features that predict one label.

    Args:
        samples: The samples.
        spec: The features.
        clicked: Bool `(rows,)`, the label of each row that has one.
        known: Bool, which of every `step`-th row has the label.
        step: See `known`.
    """
    rarer = min(clicked.sum(), (~clicked).sum())
    if len(clicked) < _MIN_ROWS or not rarer:
        return []
    found = []
    for name, info in spec.inputs.items():
        if info.role == "behavior" or info.feature.from_times or info.feature.axes:
            continue
        values = np.asarray(samples.columns[name][::step])[known]
        wrong = _wrong_by_value(values, clicked)
        if info.feature.is_numeric:
            # If only clicked rows have a number, all other rows have the fill value.
            is_filled = values == np.float32(info.feature.fill_value)
            wrong = min(wrong, _wrong_by_threshold(values, clicked))
            wrong = min(wrong, _wrong_by_value(is_filled, clicked))
        if wrong <= _MAX_ERRORS * rarer:
            found.append(name)
    return found


def warn_of_leaks(parts: dict, spec: FeatureSpec, stacklevel: int = 3) -> list:
    """Warns about `leaking_features` of the part `"train"`. Returns their names for the report."""
    found = leaking_features(parts["train"], spec) if "train" in parts else []
    if found:
        warnings.warn(
            f"Features {found} predict the label of nearly every training row. If they are known "
            "only after the impression, such as clicks and dwell times, leave them out: they are "
            "not available when the model is served.",
            stacklevel=stacklevel,
        )
    return found


def _wrong_by_value(values, clicked) -> float:
    """Returns the number of errors if each value predicts the label of most of its rows."""
    distinct, code = np.unique(values, return_inverse=True)
    if len(distinct) > _MAX_VALUES:
        return np.inf
    counts = np.bincount(code, minlength=len(distinct))
    clicks = np.bincount(code[clicked], minlength=len(distinct))
    return int(np.minimum(clicks, counts - clicks).sum())


def _wrong_by_threshold(values, clicked) -> int:
    """Returns the number of errors if the best threshold predicts the label."""
    order = np.argsort(values, kind="stable")
    values, clicked = values[order], clicked[order]
    below = np.cumsum(clicked)[np.append(values[1:] != values[:-1], True)]
    rows = np.flatnonzero(np.append(values[1:] != values[:-1], True)) + 1
    clicks = int(clicked.sum())
    # Clicked rows below the threshold and others above it are wrong, or vice versa.
    wrong = below + (len(values) - rows) - (clicks - below)
    return int(np.minimum(wrong, len(values) - wrong).min())
