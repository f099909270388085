"""Reads the items that users have met from data that was saved without `MetItems`."""

import pathlib

import numpy as np

from keras_din.data.prepare.met_items import MetItems, hash_pairs, hash_users
from keras_din.data.prepare.recent_behaviors import own_events

_FILE = "item_keys.npy"  # uint64 `(events,)`, the hash of the item of each behavior.


def has_item_keys(folder: pathlib.Path) -> bool:
    """Whether a folder has the items of behaviors in a file beside them."""
    return (folder / _FILE).is_file()


def met_items_of_keys(folders: list, days: list) -> MetItems:
    """Returns the `MetItems` of all days.

    Args:
        folders: The folders of the base data and of each day, the oldest first.
        days: Their `DayBehaviors`.
    """
    pairs = []
    for folder, day in zip(folders, days, strict=True):
        user, event = own_events(day, np.arange(len(day.users)))
        keys = np.load(folder / _FILE, mmap_mode="r", allow_pickle=False)
        pairs.append(hash_pairs(hash_users(day.users)[user], np.asarray(keys)[event]))
    return MetItems().with_log(len(days) - 1, np.concatenate(pairs))
