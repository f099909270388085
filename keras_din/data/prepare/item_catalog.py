"""`ItemCatalog`: the items from which the negatives of further days are drawn."""

import dataclasses
import os
import pathlib
from collections.abc import Collection

import numpy as np
import pandas as pd

from keras_din.data.encoding.features import feature_name
from keras_din.data.prepare.catalog import Catalog
from keras_din.data.prepare.count_keys import keys_of_columns
from keras_din.data.prepare.value_types import type_error
from keras_din.data.reading.columns import is_missing, numbers
from keras_din.data.reading.raw_values import raw_values
from keras_din.data.store.arrays import load_arrays, save_arrays
from keras_din.features import Feature, FeatureSpec

_FEATURES = "features.parquet"
_ARRAYS = ("key", "last_seen", "count")


@dataclasses.dataclass(frozen=True, eq=False)
class ItemCatalog:
    """All items of a log of behaviors and its tables of items, with the features of each.

    Args:
        values: Name of each feature of the item that is read -> its raw values, a `Series`
            `(items,)`. The first one is the item itself.
        key: uint64 `(items,)`: a hash of the item, the same in all logs.
        last_seen: int64 `(items,)`: the last time of the last log that has behaviors of the item,
            or that came with a table of items that has the item. Microseconds.
        count: int64 `(items,)`: behaviors of the item in the training part and in later logs.
    """

    values: dict
    key: np.ndarray
    last_seen: np.ndarray
    count: np.ndarray

    @classmethod
    def of_prepared(
        cls, catalog: Catalog, spec: FeatureSpec, count: np.ndarray, time: int
    ) -> "ItemCatalog":
        """Creates it from the catalog of `prepare_interactions`.

        Args:
            catalog: The `Catalog`.
            spec: The features.
            count: int64 `(items,)`, the behaviors of each item in the training part.
            time: The last time of the log.
        """
        values = to_stored(catalog.features, spec)
        return cls(values, _hash(values), np.full(len(catalog.items), time), count)

    def __len__(self):
        return len(self.key)

    @property
    def items(self) -> pd.Index:
        """The raw values of the items."""
        return pd.Index(next(iter(self.values.values())))

    def with_log(self, log: Catalog, spec: FeatureSpec, time: int) -> tuple:
        """Adds the items of a further log.

        A known item keeps its features, but those in the table of items replace them.

        Args:
            log: The `Catalog` of the log.
            spec: The features.
            time: The last time of the log.

        Returns:
            `(catalog, position)`: the `ItemCatalog`, and the position in it of each item of the
            log, int64 `(items of the log,)`.
        """
        added = to_stored(log.features, spec)
        (item, own), *_ = self.values.items()
        _check_type(item, own, added[item])
        known = len(self)
        position = self.items.get_indexer(pd.Index(added[item]))
        new = np.flatnonzero(position < 0)
        is_listed_again = log.is_listed & (position >= 0)
        position[new] = known + np.arange(len(new))
        kept = np.concatenate([np.arange(known), known + new])
        replaced = kept.copy()
        replaced[position[is_listed_again]] = known + np.flatnonzero(is_listed_again)
        values = {}
        for name, column in self.values.items():
            together = pd.concat([column, added[name]], ignore_index=True)
            rows = replaced if name in log.of_table else kept
            values[name] = together.take(rows).reset_index(drop=True)
        extend = lambda array, fill: np.concatenate([array, np.full(len(new), fill)])  # noqa: E731
        count = extend(self.count, 0) + np.bincount(position[log.code], minlength=len(kept))
        last_seen = extend(self.last_seen, np.int64(time))
        last_seen[position] = np.maximum(last_seen[position], time)
        key = np.concatenate([self.key, _hash(added)[new]])
        return ItemCatalog(values, key, last_seen, count), position

    def kept(self, is_kept: np.ndarray) -> "ItemCatalog":
        """Returns the catalog with some of its items: bool `(items,)`."""
        if is_kept.all():
            return self
        values = {name: each[is_kept].reset_index(drop=True) for name, each in self.values.items()}
        return ItemCatalog(values, self.key[is_kept], self.last_seen[is_kept], self.count[is_kept])

    def without(self, items: Collection) -> "ItemCatalog":
        """Returns the catalog without some items, given by their raw values."""
        return self.kept(~self.items.isin(list(items))) if len(items) else self

    def positions(self, key: np.ndarray) -> np.ndarray:
        """Returns the position of each item by its hash, -1 for items that have left."""
        order = np.argsort(self.key)
        place = order[np.minimum(np.searchsorted(self.key[order], key), len(self) - 1)]
        return np.where(self.key[place] == key, place, -1)

    def save(self, folder: pathlib.Path) -> None:
        """Writes the catalog to a new folder."""
        save_arrays(folder, {name: getattr(self, name) for name in _ARRAYS})
        pd.DataFrame(self.values).to_parquet(folder / _FEATURES, index=False)

    @classmethod
    def load(cls, folder: str | os.PathLike) -> "ItemCatalog":
        """Loads what `save` wrote."""
        frame = pd.read_parquet(pathlib.Path(folder) / _FEATURES)
        values = {name: _with_tuples(frame[name]) for name in frame.columns}
        return cls(values, **load_arrays(folder))


def item_features(spec: FeatureSpec) -> dict[str, Feature]:
    """Returns the name of each column of the target -> its feature, also weights of bags."""
    return {part.name: part for feature in spec.target for part in feature.parts}


def to_stored(values: dict, spec: FeatureSpec) -> dict:
    """Returns the features of items as columns of one type each, the item first.

    Args:
        values: Name of the feature -> raw values `(items,)`.
        spec: The features.
    """
    features = item_features(spec)
    item = feature_name(spec.target[0])
    names = [item, *(name for name in values if name != item)]
    return {name: _to_stored(features[name], values[name]) for name in names}


def _to_stored(feature: Feature, values: pd.Series) -> pd.Series:
    if feature.axes:  # Tuples, or text with a separator.
        cells = values.astype(object)
        return cells.where(~is_missing(values), None).reset_index(drop=True)
    if feature.takes_numbers:
        return pd.Series(numbers(feature.name, values))
    raw = raw_values(feature.name, values)
    if raw.kind == "string":
        return pd.Series(np.asarray(raw.array, object)).mask(raw.missing, None)
    if raw.kind == "int64":
        return pd.Series(pd.arrays.IntegerArray(np.asarray(raw.array), np.array(raw.missing)))
    return pd.Series(np.where(raw.missing, np.nan, raw.array))


def _with_tuples(values: pd.Series) -> pd.Series:
    if values.dtype != object:
        return values
    return values.map(lambda cell: tuple(cell.tolist()) if isinstance(cell, np.ndarray) else cell)


def hash_items(items: pd.Series) -> np.ndarray:
    """A hash of each item, the same in all logs: uint64 `(items,)`. The items are distinct."""
    return keys_of_columns([items]).hashes


def _hash(values: dict) -> np.ndarray:
    """Same as `hash_items`, from the result of `to_stored`."""
    return hash_items(next(iter(values.values())))


def _check_type(item: str, before: pd.Series, after: pd.Series) -> None:
    """Refuses items of another type than before."""
    expected, found = (raw_values(item, values).kind for values in (before, after))
    if expected != found:
        raise type_error(item, expected, found, after.iloc[0])
