"""Checks of the arguments of metrics: labels, scores, probabilities and groups."""

import numpy as np


def check_scores(y_true, y_pred) -> tuple:
    """Returns labels and finite scores as two arrays `(rows,)`.

    Args:
        y_true: `(rows,)` or `(rows, 1)` of 0 and 1.
        y_pred: `(rows,)` or `(rows, 1)` of finite numbers.

    Raises:
        ValueError: If a value is not allowed, or the lengths differ.
    """
    y_true, y_pred = _columns(y_true, y_pred)
    _check_each("y_true", y_true, (y_true == 0) | (y_true == 1), "0 or 1")
    if y_pred.dtype.kind not in "fiu":
        y_pred = y_pred.astype("float64")  # For example bfloat16.
    _check_each("y_pred", y_pred, np.isfinite(y_pred), "finite")
    return y_true, y_pred


def check_probabilities(y_true, y_pred) -> tuple:
    """Same as `check_scores`, but the scores must also be in [0, 1]."""
    y_true, y_pred = check_scores(y_true, y_pred)
    inside = (y_pred >= 0) & (y_pred <= 1)
    _check_each("y_pred", y_pred, inside, "probabilities in [0, 1]")
    return y_true, y_pred


def check_numbers(y_true, y_pred) -> tuple:
    """Returns labels and predictions that are finite numbers as two float64 arrays `(rows,)`."""
    arrays = [values.astype("float64") for values in _columns(y_true, y_pred)]
    for name, values in zip(("y_true", "y_pred"), arrays, strict=True):
        _check_each(name, values, np.isfinite(values), "finite")
    return tuple(arrays)


def check_groups_of_rows(groups, rows: int, name: str = "groups") -> np.ndarray:
    """Returns groups as an array `(rows,)` of integers or strings, or raises a `ValueError`.

    `name` is that of the argument.
    """
    groups = _column(name, groups)
    check_groups(groups, name)
    if len(groups) != rows:
        raise ValueError(
            f"`{name}` must have one entry for each label. "
            f"Received: {len(groups)} {name} and {rows} labels."
        )
    return groups


def check_groups(groups: np.ndarray, name: str = "groups") -> None:
    """Raises a `ValueError` unless the groups are all integers or all strings.

    Other groups cannot be sorted.
    """
    if groups.dtype.kind not in "biuUSTO":
        raise ValueError(
            f"`{name}` must be integers or strings. Received: {name} of dtype {groups.dtype}."
        )
    if groups.dtype.kind not in "OT":
        return
    groups, valid = groups.ravel().astype(object), np.ones(groups.size, bool)
    for kind in (str, bytes, (int, np.integer)):
        valid = np.fromiter((isinstance(group, kind) for group in groups), bool, len(groups))
        if valid.any():
            break
    _check_each(name, groups, valid, "all integers or all strings, with none missing")


def _columns(y_true, y_pred) -> tuple:
    """Returns labels and predictions as two arrays `(rows,)`."""
    y_true, y_pred = _column("y_true", y_true), _column("y_pred", y_pred)
    if len(y_true) != len(y_pred):
        raise ValueError(
            "`y_true` and `y_pred` must have the same length. "
            f"Received: {len(y_true)} and {len(y_pred)}."
        )
    return y_true, y_pred


def _column(name, values):
    values = np.asarray(values)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise ValueError(
            f"`{name}` must have the shape (rows,) or (rows, 1). Received: {values.shape}."
        )
    return values


def _check_each(name, values, valid, requirement):
    if not valid.all():
        row = int(np.argmin(valid))
        raise ValueError(f"`{name}` must be {requirement}. Received: {values[row]} in row {row}.")
