"""The third step of preparing a log: applies a split and checks that no part is empty."""

import dataclasses

import numpy as np
import pandas as pd

from keras_din.count_text import count_text
from keras_din.data.prepare.split import (
    LEFT_OUT,
    PARTS,
    TEST,
    TRAIN,
    VALID,
    ByTime,
    positions,
)
from keras_din.data.reading.times import ORDER, time_range

_SYNONYMS = dict.fromkeys(["train", "training"], "train")
_SYNONYMS |= dict.fromkeys(["valid", "val", "validation", "validate", "dev", "eval"], "valid")
_SYNONYMS |= dict.fromkeys(["test", "testing"], "test")


def split_rows(
    split, events, time: np.ndarray, unit: str, requests=None, of_whole: bool = True
) -> np.ndarray:
    """Returns the part of each row of a clean log.

    Args:
        split: A split, a function, or the name of a column; see `assign_parts` and
            `parts_of_column`.
        events: The `Events`.
        time: Microseconds `(rows,)`, by which rows are split.
        unit: `"order"` if `time` has positions in an order instead of times.
        requests: Number of the request of each row `(rows,)`, or `None`. All rows of a request
            are in the same part.
        of_whole: Whether the rows are a whole log, some of which must be in parts.
    """
    split = use_order_unit(split, unit)
    if isinstance(split, str):
        return parts_of_column(split, events.frame[split], of_whole)
    if requests is None:
        return assign_parts(split, events.user, time, unit, of_whole)
    _, first, which = np.unique(requests, return_index=True, return_inverse=True)
    kept = np.sort(first)
    part = assign_parts(split, events.user[kept], time[kept], unit, of_whole)
    return part[np.searchsorted(kept, first)[which]]


def use_order_unit(split, unit: str):
    """Returns the split. If the log has an order, the moments of a `ByTime` are numbers in it."""
    if unit == ORDER and isinstance(split, ByTime) and split.time_unit == "auto":
        return dataclasses.replace(split, time_unit=ORDER)
    return split


def assign_parts(
    split, user: np.ndarray, time: np.ndarray, unit: str = "us", of_whole: bool = True
) -> np.ndarray:
    """Returns the part of each row: 0 training, 1 validation, 2 test, -1 left out.

    Args:
        split: `LeaveOneOut`, `ByUser`, `ByTime`, `LastFraction`, or any function of `(user,
            position, count, time)` that returns the part of each row. Its arguments are the
            users' numbers, the position among the user's rows in order of time, the number of the
            user's rows, and microseconds.
        user: Sorted numbers of users `(rows,)`.
        time: Microseconds `(rows,)`.
        unit: `"order"` if `time` has positions in an order, for errors.
        of_whole: Whether the rows are a whole log, some of which must be for training.

    Returns:
        int8 `(rows,)`.

    Raises:
        ValueError: If the split returns something else, or there are no training rows.
    """
    if not callable(split) or isinstance(split, type):
        raise ValueError(
            "`split` must be LeaveOneOut(), ByUser(), ByTime(), LastFraction() or a function. "
            f"Received: split={split!r}."
        )
    part = np.asarray(split(user, *positions(user), time))
    if part.shape != user.shape or not np.isin(part, (TRAIN, VALID, TEST, LEFT_OUT)).all():
        raise ValueError(
            f"`split` must give 0, 1, 2 or -1 for each of {count_text(len(user), 'row')}. "
            f"Received: shape {part.shape}, values {pd.Series(part.ravel()).unique()[:8].tolist()}."
        )
    if of_whole and not (part == TRAIN).any():
        raise ValueError(
            f"`split` must leave rows for training. Received: none from {split!r}; "
            f"{_times(time, unit)}."
        )
    return part.astype(np.int8)


def split_in_any_order(
    split, user: np.ndarray, time: np.ndarray, unit: str = "us", allow_empty: bool = False
) -> np.ndarray:
    """Same as `assign_parts` for rows in any order, then `check_parts`."""
    order = np.lexsort((time, user))
    part = np.empty(len(user), np.int8)
    part[order] = assign_parts(split, user[order], time[order], unit)
    check_parts(split, part, time, allow_empty, unit)
    return part


def parts_of_column(name: str, values, of_whole: bool = True) -> np.ndarray:
    """Returns the part of each row, from a column with `"train"`, `"valid"` or `"test"`.

    Rows with other values are left out. In a whole log, some rows must be in a part.

    Raises:
        ValueError: If no row is in a part, or a value is another word for a part.
    """
    code, distinct = pd.factorize(pd.Series(values), use_na_sentinel=False)
    words = np.array([str(value) for value in distinct], object)
    for value in words:
        meant = _SYNONYMS.get(value.strip().lower(), value)
        if meant != value:
            raise ValueError(
                f"Column {name!r} must hold 'train', 'valid' or 'test'; rows of another value are "
                f"in no part. Received: {value!r}, which looks like {meant!r}."
            )
    part = np.select(
        [words == word for word in ("train", "valid", "test")], [TRAIN, VALID, TEST], LEFT_OUT
    ).astype(np.int8)[code]
    if of_whole and (part == LEFT_OUT).all():
        raise ValueError(
            f"Column {name!r} must hold 'train', 'valid' or 'test' in some rows. "
            f"Received: {sorted(set(words))[:8]}."
        )
    return part


def check_parts(
    split, part: np.ndarray, time: np.ndarray, allow_empty: bool = False, unit: str = "us"
) -> None:
    """Raises a `ValueError` if a part that the split names has no rows.

    Args:
        split: Same as in `assign_parts`. `split.parts` are the parts that must have rows. A
            function or the name of a column has no `parts`.
        part: The part of each row `(rows,)`, the result of `assign_parts`.
        time: Microseconds `(rows,)`.
        allow_empty: Whether validation or test may be empty.
        unit: `"order"` if `time` has positions in an order, for the error.
    """
    empty = [PARTS[i] for i in getattr(split, "parts", ()) if not (part == i).any()]
    if empty and not allow_empty:
        raise ValueError(
            f"Each part that `split` names must have rows, unless `allow_empty_parts` (on the "
            "command line `--allow-empty-parts`). Received: "
            f"none for {empty} from {split!r}; {_times(time, unit)}."
        )


def _times(time: np.ndarray, unit: str) -> str:
    if not len(time):
        return "no rows at all"
    first, last = time_range(time, unit).values()
    return f"the rows are {'in the order' if unit == ORDER else 'from'} {first} to {last}"


def check_training(split, part: np.ndarray, learned: list) -> None:
    """Raises a `ValueError` if features must be learned and there are no rows for training."""
    if learned and not (part == TRAIN).any():
        raise ValueError(
            f"`split` must leave rows for training, from which the features {learned} are learned. "
            f"Received: none from {split!r}. Without training rows, all features must be given as "
            "objects, such as those of `data.spec` of the training data."
        )
