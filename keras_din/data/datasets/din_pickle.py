"""The file that the DIN authors' preprocessing writes: `dataset.pkl`."""

import os

import numpy as np

from keras_din.checks import local_path
from keras_din.data.prepare.prepared_data import PreparedData
from keras_din.data.prepare.tuples import prepare_tuples
from keras_din.data.reading.plain_pickle import load_plain

_HELD = ("training tuples", "test tuples", "categories", "counts")


def load_din_pickle(
    path: str | os.PathLike,
    *,
    valid: bool = False,
    max_length: int = 100,
    dim=16,
    label_map: dict | None = None,
) -> PreparedData:
    """The DIN authors' `dataset.pkl` as a data set.

    The file is four pickles, of any protocol, from Python 2 or 3: training tuples `(user,
    [items], item, label)`, test tuples `(user, [items], (positive, negative))`, an array item ->
    category, and the numbers of users, items and categories. It is read by `load_plain`, which
    calls nothing that a file names.

    Args:
        path: Path of the file.
        valid: Whether the last training position of each user becomes the part `"valid"`.
        max_length: The most behaviors that a model reads.
        dim: Width of both embeddings, or `{"item_id": width, "cate_id": width}`.
        label_map: Same as in `prepare_tuples`.

    Returns:
        A `PreparedData`, the same as that of `prepare_tuples`: the authors' ids are the raw values.

    Raises:
        ValueError: When the file holds something else, or names anything but plain data.

    Reference:
        [Zhou et al., 2018](https://arxiv.org/abs/1706.06978), `din/build_dataset.py` of the
        authors' code.
    """
    held = []
    with open(local_path("path", path), "rb") as file:
        for word in _HELD:
            try:
                held.append(load_plain(file))
            except ValueError as error:
                raise ValueError(
                    f"`path` must be a file of four pickles: {', '.join(_HELD)}. "
                    f"Received: {os.fspath(path)}, in which the {word} are not readable: {error}"
                ) from error
    train, test, categories, counts = held
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
            f"The categories must be below {counts[2]}, one for each of {counts[1]} items, as the "
            f"counts say. Received: {len(categories)} categories, the largest {largest}."
        )
    return prepare_tuples(
        train, test, categories, valid=valid, max_length=max_length, dim=dim, label_map=label_map
    )
