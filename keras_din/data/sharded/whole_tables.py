"""Tables of items and users that are read once, and joined to the rows of each shard."""

import dataclasses
import functools
import hashlib
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from keras_din.count_text import count_text
from keras_din.data.prepare.catalog import item_columns_in_log
from keras_din.data.prepare.interaction_arguments import InteractionArguments
from keras_din.data.prepare.joins import columns_of_tables, read_keyed
from keras_din.data.prepare.log_columns import read_features
from keras_din.data.reading.bad_rows import bad_lines
from keras_din.data.reading.source import Table, as_sources
from keras_din.data.sharded.log_kinds import Arguments, columns_of


class WholeTable(Table):
    """A table in memory, whose `repr` has a checksum of its rows."""

    @functools.cached_property
    def checksum(self) -> str:
        """A checksum of the rows, in any order."""
        plain = pd.DataFrame({f"of {name}": each.map(str) for name, each in self.frame.items()})
        rows = pd.util.hash_pandas_object(plain, index=False).to_numpy(np.uint64)
        return hashlib.sha256(np.sort(rows).tobytes()).hexdigest()[:16]

    def without_rows(self) -> "WholeTable":
        """Returns a table with the same columns."""
        return WholeTable(self.frame.iloc[:0], self.bad)

    def __repr__(self):
        rows = count_text(len(self.frame), "row")
        return f"WholeTable({rows}, {list(self.frame.columns)}, {self.checksum})"


class TablesOfLog(NamedTuple):
    """What `read_tables` returns.

    Attributes:
        arguments: The arguments, with the tables in memory. Tables without a column that is needed
            are left out.
        own: The columns that are read from the log.
        facts: Name of each column of a table -> its facts, see
            `keras_din.data.reading.column_types`.
        aside: `"items"` or `"users"` -> the number of its bad rows.
    """

    arguments: Arguments
    own: list
    facts: dict
    aside: dict


def read_tables(
    arguments: Arguments, names_in_log: list, split: Any = None, source: Any = None
) -> TablesOfLog:
    """Reads the tables `items` and `users`.

    Args:
        arguments: The arguments of `prepare_impressions` or `prepare_interactions`.
        names_in_log: The columns of the log.
        split: The split, which may be the name of a column.
        source: The log, for the hint of an error, or `None`.

    Raises:
        ValueError: If a column is in neither the log nor a table, or a table has two rows for a
            key or too many bad rows.
    """
    items, users = as_sources((arguments.items, arguments.users), arguments.sep)
    arguments = dataclasses.replace(arguments, items=items, users=users)
    opened = columns_of(arguments)
    columns = opened.columns
    tables = {"items": (columns.item, items), "users": (arguments.user, users)}
    found: dict[str, list] = {}
    if isinstance(arguments, InteractionArguments):  # The table of items is the catalog.
        del tables["items"]
        if items is not None:
            from_log = item_columns_in_log(columns, items)
            found["items"] = [n for n in read_features(columns.target[1:]) if n not in from_log]
    tables = {name: each for name, each in tables.items() if each[1] is not None}
    needed = [*opened.needed, *([split] if isinstance(split, str) else [])]
    found |= columns_of_tables(source, names_in_log, needed, tables)
    taken = [name for table in tables if table in found for name in found[table]]
    facts: dict[str, dict] = {}
    read: dict[str, WholeTable | None] = {}
    aside: dict[str, int] = {}
    for name, key, source in (
        ("items", columns.item, items),
        ("users", arguments.user, users),
    ):
        read[name] = None
        if name in found:
            reading = columns.reading | {"found": facts}
            frame, aside[name] = read_keyed(
                source,
                key,
                found[name],
                name,
                arguments.max_bad,
                bags=columns.separators,
                **reading,
            )
            read[name] = WholeTable(frame.reset_index(), bad_lines([]))
    own = [name for name in dict.fromkeys(needed) if name not in taken]
    arguments = dataclasses.replace(arguments, items=read["items"], users=read["users"])
    return TablesOfLog(arguments, own, facts, aside)


def check_found(arguments: Arguments, values: dict) -> None:
    """Raises a `ValueError` if no row of the training part has a row in one of the tables.

    Args:
        arguments: The arguments, with the tables in memory.
        values: Name of a column -> its `Counted` training values.
    """
    for name in ("items", "users"):
        table = getattr(arguments, name)
        if table is None:
            continue
        key, *columns = table.frame.columns
        learned = [values[column] for column in columns if column in values]
        if learned and not any(len(each.values) for each in learned):
            raise ValueError(
                f"`{name}` must have rows for the values of {key!r} in the log. Received: none "
                "with values for the rows of the training part."
            )
