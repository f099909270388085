"""Loads the file that the DIN authors' preprocessing writes: `dataset.pkl`."""

import os

import numpy as np

from keras_din.checks import local_path
from keras_din.data.prepare.prepared_data import PreparedData
from keras_din.data.prepare.tuples import prepare_tuples
from keras_din.data.reading.plain_pickle import load_plain

__all__ = ["load_din_pickle"]

_CONTENTS = ("training tuples", "test tuples", "categories", "counts")


def load_din_pickle(
    path: str | os.PathLike,
    *,
    valid: bool = False,
    max_length: int = 100,
    dim: int | dict[str, int] = 16,
    label_map: dict | None = None,
) -> PreparedData:
    """Loads the DIN authors' `dataset.pkl`.

    The file contains four pickles, of any protocol, from Python 2 or 3: training tuples `(user,
    [items], item, label)`, test tuples `(user, [items], (positive, negative))`, an array item ->
    category, and the numbers of users, items and categories. Loading it never calls a function
    that the file names.

    Args:
        path: Path of the file.
        valid: Whether the last training position of each user becomes the part `"valid"`.
        max_length: The largest number of behaviors that a model reads.
        dim: Width of both embeddings, or `{"item_id": width, "cate_id": width}`.
        label_map: Same as in `prepare_tuples`.

    Returns:
        The `PreparedData` of `prepare_tuples`. The raw values are the authors' ids.

    Raises:
        ValueError: If the file contains something else, or names anything but plain data.

    Example:

    ```python
    import pickle

    train = [(0, [1], 2, 1), (0, [1], 3, 0), (1, [2], 3, 1), (1, [2], 0, 0)]
    test = [(0, [1, 2], (0, 3)), (1, [2, 3], (1, 0))]
    categories = np.array([0, 0, 1, 1])  # The category of each item.
    with open("dataset.pkl", "wb") as file:
        for part in (train, test, categories, (2, 4, 2)):
            pickle.dump(part, file)
    data = kd.data.load_din_pickle("dataset.pkl", dim=4)
    ```

    Reference:
        [Zhou et al., 2018](https://arxiv.org/abs/1706.06978), `din/build_dataset.py` of the
        authors' code.
    """
    loaded = []
    with open(local_path("path", path), "rb") as file:
        for word in _CONTENTS:
            try:
                loaded.append(load_plain(file))
            except ValueError as error:
                raise ValueError(
                    f"`path` must be a file of four pickles: {', '.join(_CONTENTS)}. "
                    f"Received: {os.fspath(path)}, in which the {word} are not readable: {error}"
                ) from error
    train, test, categories, counts = loaded
    for word, rows in (("training", train), ("test", test)):
        if not isinstance(rows, list):
            raise ValueError(f"The {word} tuples must be a list. Received: {type(rows).__name__}.")
    if not isinstance(categories, np.ndarray) or categories.dtype.kind not in "iu":
        raise ValueError(f"The categories must be an array of integers. Received: {categories!r}.")
    categories = np.asarray(categories).ravel()
    if not isinstance(counts, tuple) or [type(count) for count in counts] != [int] * 3:
        raise ValueError(
            f"The counts must be the numbers of users, items and categories. Received: {counts!r}."
        )
    largest = categories.max(initial=0)
    if counts[1] != len(categories) or largest >= counts[2]:
        raise ValueError(
            f"The categories must be below {counts[2]}, one for each of {counts[1]} items, "
            "according to the counts. "
            f"Received: {len(categories)} categories, the largest {largest}."
        )
    return prepare_tuples(
        train, test, categories, valid=valid, max_length=max_length, dim=dim, label_map=label_map
    )
