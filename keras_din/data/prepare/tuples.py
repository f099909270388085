"""Prepares data in the DIN authors' form: tuples that contain a history each."""

from collections.abc import Sequence as SequenceOf
from itertools import chain

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from keras_din.data.encoding.features import count_parts
from keras_din.data.prepare.prepared_data import PreparedData
from keras_din.data.reading.labels import check_both_classes, require_labels
from keras_din.data.store.behavior_log import BehaviorLog
from keras_din.data.store.samples import Samples
from keras_din.features import DEFAULT_LABEL, NUM_RESERVED, Categorical, FeatureSpec, Sequence

__all__ = ["prepare_tuples"]


def prepare_tuples(
    train: SequenceOf[tuple],
    test: SequenceOf[tuple],
    categories: ArrayLike,
    *,
    valid: bool = False,
    max_length: int = 100,
    dim: int | dict[str, int] = 16,
    label_map: dict | None = None,
) -> PreparedData:
    """Converts the DIN authors' tuples to a data set.

    Their ids start at 0, which is also their padding. Here the ids are the raw values of a
    vocabulary, and indices start after the two reserved ones.

    Args:
        train: Tuples `(user, [items], item, label)`.
        test: Tuples `(user, [items], (positive, negative))`, one per request.
        categories: `categories[item]` is the item's category. Ids of items and of categories
            start at 0.
        valid: Whether each user's last training position, the rows with their longest history,
            becomes the part `"valid"`.
        max_length: `max_length` of the sequences: the number of the latest behaviors that data
            sets and exported versions keep.
        dim: Width of both embeddings, or `{"item_id": width, "cate_id": width}` with 16 as the
            default of each.
        label_map: Other values of the labels -> 0 or 1, such as `{-1: 0}`.

    Returns:
        A `PreparedData` with target `item_id` and `cate_id` and the sequence `hist` of both. A
        history that is a prefix of the same user's longest one is not stored separately.

    Raises:
        ValueError: If a tuple has another form (the error names its number), an id is out of
            range, or all training labels are equal.

    Example:

    ```python
    train = [(0, [1], 2, 1), (0, [1], 3, 0), (1, [2], 3, 1), (1, [2], 0, 0)]
    test = [(0, [1, 2], (0, 3)), (1, [2, 3], (1, 0))]
    data = kd.data.prepare_tuples(train, test, categories=[0, 0, 1, 1], dim=4)
    ```
    """
    # Columns.
    categories = _check_categories(categories)
    train, test = list(train), list(test)
    _check_tuples(train, test)
    history = [row[1] for row in train] + [row[1] for row in test]
    lengths = np.fromiter(map(len, history), np.int64, len(history))
    items = _ids("the histories", list(chain.from_iterable(history)))
    user = _ids("the users", [row[0] for row in train] + [row[0] for row in test])
    shown = np.concatenate(
        [
            _ids("the items of `train`", [row[2] for row in train]),
            _ids("the pairs of `test`", list(chain.from_iterable(row[2] for row in test))),
        ]
    )
    _check_items("histories", items, categories)
    _check_items("candidates", shown, categories)
    label = require_labels("label", pd.Series([row[3] for row in train], dtype=object), label_map)

    # Point.
    offsets, events, start = _store_prefixes_once(user, lengths, items)
    end = start + lengths
    _, group = np.unique(user, return_inverse=True)
    # A test tuple is two rows; each tuple is a request.
    row = np.concatenate([np.arange(len(train)), np.repeat(np.arange(len(train), len(user)), 2)])
    columns = {"item_id": shown, "cate_id": categories[shown]}
    samples = Samples(
        columns={name: values + NUM_RESERVED for name, values in columns.items()},
        history={"hist": (start[row], end[row])},
        labels={DEFAULT_LABEL: np.concatenate([label, np.tile([1, 0], len(test))])},
        group=group[row],
        request=row,
    )

    # Split.
    parts = {"train": samples[: len(train)], "test": samples[len(train) :]}
    if valid:
        last = _has_longest_history(group[: len(train)], lengths[: len(train)])
        parts = {
            "train": parts["train"][~last],
            "valid": parts["train"][last],
            "test": parts["test"],
        }
    if train and not len(parts["train"]):
        raise ValueError(
            "`valid` must leave rows for training: it uses those with each user's longest "
            f"history. Received: valid=True, all {len(train)} tuples of `train`."
        )

    # Encode.
    dims: dict = {"item_id": 16, "cate_id": 16} | (
        dim if isinstance(dim, dict) else {"item_id": dim, "cate_id": dim}
    )
    features = [
        Categorical("item_id", vocabulary=range(len(categories)), dim=dims["item_id"]),
        Categorical("cate_id", vocabulary=range(int(categories.max()) + 1), dim=dims["cate_id"]),
    ]
    check_both_classes(parts["train"].label, "the tuples")
    spec = FeatureSpec(
        target=features, sequences=[Sequence("hist", of=features, max_length=max_length)]
    )
    held = {"item_id": events + NUM_RESERVED, "cate_id": categories[events] + NUM_RESERVED}
    log = BehaviorLog(offsets, held)
    parts = {part: samples for part, samples in parts.items() if len(samples)}
    report = {
        "kind": "tuples",
        "users": int(group.max()) + 1 if len(group) else 0,
        "items": len(categories),
        "behaviors": {"hist": len(log)},
        "parts": count_parts(parts, spec),
    }
    return PreparedData(spec, {"hist": log}, parts, report)


def _check_categories(categories) -> np.ndarray:
    categories = _ids("categories", categories)
    if not len(categories):
        raise ValueError("`categories` must hold a category for each item. Received: none.")
    if categories.min() < 0:
        raise ValueError(
            f"`categories` must hold ids from 0. Received: {categories.min()} for item "
            f"{categories.argmin()}."
        )
    return categories


def _check_items(name: str, ids: np.ndarray, categories: np.ndarray) -> None:
    if ids.size and not (ids.min() >= 0 and ids.max() < len(categories)):
        raise ValueError(
            f"The {name} must hold items from 0 to {len(categories) - 1}, which `categories` "
            f"contains. Received: {ids.min()} to {ids.max()}."
        )


def _has_longest_history(user: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Whether a row has the longest history of its user, bool `(rows,)`."""
    longest = np.zeros(user.max(initial=-1) + 1, np.int64)
    np.maximum.at(longest, user, lengths)
    return lengths == longest[user]


def _check_tuples(train: list, test: list) -> None:
    _check_form("train", train, 4)
    _check_form("test", test, 3)
    for i, row in enumerate(test):
        if not isinstance(row[2], (tuple, list)) or len(row[2]) != 2:
            raise ValueError(
                f"`test` must hold (user, [items], (positive, negative)). Received: {row[2]!r} "
                f"as the pair of tuple {i}."
            )
    if not train and not test:
        raise ValueError("`train` and `test` must hold tuples. Received: none.")


def _check_form(word: str, rows: list, size: int) -> None:
    form = {4: "(user, [items], item, label)", 3: "(user, [items], (positive, negative))"}[size]
    for i, row in enumerate(rows):
        if not isinstance(row, (tuple, list)) or len(row) != size or not hasattr(row[1], "__len__"):
            raise ValueError(f"`{word}` must hold {form}. Received: {row!r} as tuple {i}.")


def _ids(word: str, values) -> np.ndarray:
    array = np.asarray(values)
    if not array.size:
        return np.zeros(0, np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise ValueError(
            f"{word} must hold integer ids. "
            f"Received: values of type {array.dtype}, shape {array.shape}."
        )
    return array.astype(np.int64)


def _store_prefixes_once(user, lengths, items):
    """Stores each user's longest history once, together with its prefixes.

    Returns:
        `(offsets, events, start)`: the offsets and events of the log, and the start of each row's
        history in it.
    """
    place = np.cumsum(lengths) - lengths
    by_length = np.lexsort((lengths, user))
    last = np.append(user[by_length][1:] != user[by_length][:-1], True)
    longest_of = by_length[last]  # One row per user, by user.
    longest = longest_of[np.unique(user, return_inverse=True)[1]]
    row = np.repeat(np.arange(len(user)), lengths)
    within = np.arange(len(items)) - place[row]
    differs = items != items[place[longest[row]] + within]
    alone = np.bincount(row[differs], minlength=len(user)) > 0
    source = np.where(alone, np.arange(len(user)), longest)
    stored, where = np.unique(source, return_inverse=True)
    offsets = np.concatenate([[0], np.cumsum(lengths[stored])])
    events = items[np.isin(row, stored)] if len(stored) < len(user) else items
    return offsets, events, offsets[:-1][where]
