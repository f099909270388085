"""The items of a whole log of behaviors, from which the negatives of some users are drawn."""

import dataclasses
import functools
import hashlib
from typing import NamedTuple

import numpy as np
import pandas as pd

from keras_din.count_text import count_text
from keras_din.data.encoding.features import coerce_item_ids
from keras_din.data.prepare.catalog import Catalog, item_columns_in_log, make_catalog
from keras_din.data.prepare.interaction_arguments import InteractionArguments
from keras_din.data.prepare.item_catalog import hash_items
from keras_din.data.prepare.joins import column_names, read_log
from keras_din.data.prepare.part_of_log import PartOfLog
from keras_din.data.prepare.read_interactions import (
    InteractionLog,
    check_training_behaviors,
    columns_of_interactions,
)
from keras_din.data.prepare.split import TRAIN
from keras_din.data.reading.bad_rows import bad_lines
from keras_din.data.reading.columns import to_plain_index
from keras_din.data.reading.source import Table


class FirstBehaviors(NamedTuple):
    """The first behavior with each item of some users.

    Attributes:
        line: int64 `(items,)`, the lines of their rows.
        time: int64 `(items,)`, microseconds.
        trained: int64 `(items,)`, the behaviors of each item in the training part.
    """

    line: np.ndarray
    time: np.ndarray
    trained: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class ItemsOfLog:
    """The items of a whole log, from which the negatives of some users are drawn.

    Args:
        catalog: The `Catalog`. Its `code` is not that of a log.
        key: uint64 `(items,)`, see `hash_items`.
        trained: int64 `(items,)`, the behaviors of each item in the training part.
    """

    catalog: Catalog
    key: np.ndarray
    trained: np.ndarray

    def catalog_of(self, item: pd.Series) -> Catalog:
        """Returns the catalog with the `code` of each row of a part of the log.

        Args:
            item: The items of the rows.
        """
        codes, distinct = pd.factorize(item)
        place = self.catalog.items.get_indexer(to_plain_index(pd.Index(distinct)))
        if (place < 0).any():
            raise ValueError(
                "All reads of a log must give the same rows. Received: the item "
                f"{distinct[int((place < 0).argmax())]!r}, which was not in the log when its items "
                "were counted. Write the log to files first."
            )
        return self.catalog._replace(code=place[codes])

    @functools.cached_property
    def checksum(self) -> str:
        """A checksum of the items, their features and their behaviors, in any order."""
        columns = {f"of {name}": v.map(str) for name, v in self.catalog.features.items()}
        frame = pd.DataFrame({"trained": self.trained, **columns})
        rows = pd.util.hash_pandas_object(frame, index=False).to_numpy(np.uint64)
        return hashlib.sha256(np.sort(rows).tobytes()).hexdigest()[:16]

    def __repr__(self):
        return f"ItemsOfLog({count_text(len(self.trained), 'item')}, {self.checksum})"


def columns_of_items(arguments: InteractionArguments) -> list:
    """Returns the columns of the log from which `join_items` reads items and their features.

    Args:
        arguments: The arguments. The table of users has only columns that the log lacks.
    """
    of_users = [] if arguments.users is None else column_names(arguments.users)
    needed = [name for name in _columns_to_join(arguments) if name not in of_users]
    return list(dict.fromkeys([arguments.user, *needed]))


def _columns_to_join(arguments: InteractionArguments) -> list:
    columns = columns_of_interactions(arguments).columns
    return [arguments.user, columns.item, *item_columns_in_log(columns, arguments.items)]


def first_behaviors(log: InteractionLog) -> FirstBehaviors:
    """Finds the first behavior with each item, and counts those of the training part."""
    events = log.events
    code, _ = pd.factorize(events.frame[log.columns.item])
    order = np.argsort(events.time, kind="stable")
    _, place = np.unique(code[order], return_index=True)
    first = order[place]
    return FirstBehaviors(
        events.frame.index.to_numpy()[first],
        events.time[first],
        np.bincount(code[log.part == TRAIN], minlength=len(first)),
    )


def join_items(
    rows: pd.DataFrame,
    time: np.ndarray,
    trained: np.ndarray,
    arguments: InteractionArguments,
    part_of_log: PartOfLog,
) -> ItemsOfLog:
    """Returns the items of a whole log.

    Args:
        rows: The rows of the `FirstBehaviors` of all parts of the log, which have no users in
            common, with the columns `columns_of_items`.
        time: int64 `(rows,)`, see `FirstBehaviors`.
        trained: int64 `(rows,)`, see `FirstBehaviors`.
        arguments: The arguments of `prepare_interactions`.
        part_of_log: What is known of the whole log.
    """
    check_training_behaviors(arguments.split, bool(trained.any()))
    columns = columns_of_interactions(arguments).columns
    columns.reading["kinds"].update(part_of_log.kinds)
    table = Table(rows.reset_index(drop=True), bad_lines([]))
    frame, *_ = read_log(
        table,
        _columns_to_join(arguments),
        {"users": (arguments.user, arguments.users)},
        columns.separators,
        is_part=True,
        **columns.reading,
    )
    frame[columns.item] = coerce_item_ids(columns.target[0], frame[columns.item])
    # Of behaviors at one time, the catalog takes that of the first user.
    number, _ = pd.factorize(frame[arguments.user], sort=True)
    order = np.argsort(number, kind="stable")
    frame, time, trained = frame.iloc[order], time[order], trained[order]
    catalog = make_catalog(frame, time, columns, arguments.items, arguments.max_bad)
    total = np.bincount(catalog.code, trained, minlength=len(catalog.items))
    key = hash_items(catalog.features[columns.item])
    return ItemsOfLog(catalog, key, total.astype(np.int64))
