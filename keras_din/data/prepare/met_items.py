"""`MetItems`: which items each user has met, in all logs."""

import dataclasses
import pathlib

import numpy as np
import pandas as pd

from keras_din.data.prepare.count_keys import keys_of_columns
from keras_din.data.store.arrays import chunks

_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # Odd, so that no bit is lost.


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class MetItems:
    """Which items each user has met in all logs, without reading the behaviors.

    Each log adds a sorted array of hashes, one per pair of a user and an item. It is merged with
    the arrays before it that are at most twice as long. So there are few arrays, each more than
    twice as long as the next one, and most logs are merged with short arrays only.

    Two pairs have the same hash with a probability of 2^-64. An item that is not drawn for this
    reason is replaced by another one.

    Args:
        arrays: Number of the last append in an array, 0 for `prepare` -> uint64 `(pairs,)`,
            ascending.

    Example:

    ```python
    from keras_din.data.prepare.met_items import MetItems, hash_pairs, hash_users

    users, items = hash_users(["ann", "bob"]), np.array([5, 7], np.uint64)
    met = MetItems().with_log(0, hash_pairs(users, items))
    met.contains(hash_pairs(users, items[::-1]))  # [False, False]
    ```
    """

    arrays: dict = dataclasses.field(default_factory=dict)

    def with_log(self, number: int, pairs: np.ndarray) -> "MetItems":
        """Adds the pairs of a log.

        Args:
            number: The number of the append.
            pairs: The result of `hash_pairs` for its behaviors, in any order.
        """
        arrays, merged = dict(self.arrays), [_distinct(np.sort(pairs))]
        while arrays and len(arrays[max(arrays)]) <= 2 * sum(map(len, merged)):
            merged.append(arrays.pop(max(arrays)))
        if len(merged) > 1:
            # This kind of sort merges sorted arrays in linear time.
            merged = [_distinct(np.sort(np.concatenate(merged), kind="stable"))]
        return MetItems(arrays | {number: merged[0]})

    def contains(self, pairs: np.ndarray) -> np.ndarray:
        """Which users have met which items: bool `(pairs,)`, see `hash_pairs`."""
        order = np.argsort(pairs)  # Searching in this order reads memory in one direction.
        wanted = pairs[order]
        found = np.zeros(len(pairs), bool)
        for array in map(np.asarray, self.arrays.values()):
            if len(array):
                place = np.minimum(np.searchsorted(array, wanted), len(array) - 1)
                found |= array[place] == wanted
        result = np.empty(len(pairs), bool)
        result[order] = found
        return result

    def save(self, folder: pathlib.Path, numbers=None) -> None:
        """Writes the arrays to a folder, or only those of some numbers."""
        for number in self.arrays if numbers is None else numbers:
            np.save(folder / file_of(number), self.arrays[number], allow_pickle=False)

    @classmethod
    def load(cls, folder: pathlib.Path, numbers) -> "MetItems":
        """Loads the arrays of some numbers, memory-mapped."""
        load = lambda file: np.load(file, mmap_mode="r", allow_pickle=False)  # noqa: E731
        return cls({number: load(folder / file_of(number)) for number in sorted(numbers)})


def file_of(number: int) -> str:
    """The name of the file of an array."""
    return f"met_items-{number:06d}.npy"


def hash_users(users) -> np.ndarray:
    """A hash of each user, the same in all logs: uint64 `(users,)`. The users are distinct."""
    return keys_of_columns([pd.Series(users)]).hashes


def hash_pairs(user: np.ndarray, item: np.ndarray) -> np.ndarray:
    """A hash of each pair of a user and an item: uint64 `(pairs,)`.

    Args:
        user: uint64 `(pairs,)`, see `hash_users`.
        item: uint64 `(pairs,)`, see `ItemCatalog`.
    """
    pairs = np.empty(len(user), np.uint64)
    for part in chunks(len(user)):
        # Not a sum alone, which would be the same for other pairs of values.
        pairs[part] = pd.util.hash_array(user[part] * _FACTOR ^ item[part])
    return pairs


def _distinct(ascending: np.ndarray) -> np.ndarray:
    return ascending[np.append(True, ascending[1:] != ascending[:-1])[: len(ascending)]]
