"""Cells with several raw values as `Bags` of indices, and the vocabulary learned from them."""

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
from keras_din.features import Bag


def fit_bag(name: str, values, separator: str | None, dim: int, min_count: int) -> Bag:
    """A `Bag` with the vocabulary of the training values, each counted as often as it stands."""
    feature = fit_feature(name, bag_values(values, separator), dim, min_count)
    return Bag(name, table=feature.table)


def bag_values(values, separator: str | None):
    """All values of cells `(rows,)`, each as often as it occurs."""
    place, lengths, flat = _different(values, separator)
    return flat.repeat(np.repeat(np.bincount(place, minlength=len(lengths)), lengths))


@to_column.register
def _(feature: Bag, values, separator: str | None = None):
    """The bags of cells; a missing cell is an empty bag, and so counts as no missing value."""
    place, lengths, flat = _different(values, separator)
    check_none_is_padding(feature, flat)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return Bags(place, offsets, to_indices(feature, flat)), 0


def _different(values, separator: str | None):
    """The bags that differ: `(place (rows,), lengths (bags,), all their values)`; 0 is empty."""
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
