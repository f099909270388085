"""Converts cells with several raw values to `Bags` of indices, and learns their vocabulary."""

from itertools import chain

import numpy as np
import pandas as pd

from keras_din.data.encoding.lookup import (
    check_none_is_padding,
    fit_feature,
    to_column,
    to_indices,
)
from keras_din.data.store.bags import Bags
from keras_din.features import Bag, BagWeights


def fit_bag(name: str, values, separator: str | None, dim: int, min_count: int) -> Bag:
    """Learns a `Bag` with the vocabulary of the training values, where each occurrence counts."""
    feature = fit_feature(name, bag_values(values, separator), dim, min_count)
    return Bag(name, table=feature.table)


def bag_values(values, separator: str | None):
    """All values of cells `(rows,)`, each as often as it occurs."""
    place, lengths, flat = _distinct_bags(values, separator)
    return flat.repeat(np.repeat(np.bincount(place, minlength=len(lengths)), lengths))


@to_column.register
def _(feature: Bag, values, separator: str | None = None):
    """Converts cells to bags. A missing cell is an empty bag and is not counted as missing."""
    place, lengths, flat = _distinct_bags(values, separator)
    check_none_is_padding(feature, flat)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return Bags(place, offsets, to_indices(feature, flat)), 0


@to_column.register
def _(feature: BagWeights, values, separator: str | None = None):
    """Converts tuples of numbers to float32 bags. A missing cell is an empty bag."""
    place, lengths, flat = _distinct_bags(values, None)
    return Bags(place, np.concatenate([[0], np.cumsum(lengths)]), flat.to_numpy(np.float32)), 0


def _distinct_bags(values, separator: str | None):
    """Finds the distinct bags: `(place (rows,), lengths (bags,), all values)`. Bag 0 is empty."""
    values = pd.Series(values)
    place, cells = pd.factorize(values.to_numpy(object))
    bags = [cell if isinstance(cell, tuple) else _split(cell, separator) for cell in cells]
    lengths = np.array([0, *map(len, bags)], np.int64)
    # For errors, the first row that has each bag.
    first = values.index[np.unique(place[place >= 0], return_index=True)[1]]
    flat = pd.Series(list(chain.from_iterable(bags)), np.repeat(first, lengths[1:]))
    return place + 1, lengths, flat


def _split(text: str, separator: str | None) -> tuple:
    return tuple(value for value in text.split(separator) if value)
