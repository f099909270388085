"""`EmbeddedFeature`: the base of features with a table of embeddings."""

import dataclasses
import os
from collections.abc import Iterable
from typing import Any

from keras_din.checks import positive_integer
from keras_din.features.kind import Feature
from keras_din.features.names import check_name
from keras_din.features.table import Table
from keras_din.features.values import HashBuckets, Indices, Values, Vocabulary, make_values

_DIM = 16


@dataclasses.dataclass(frozen=True, init=False, repr=False)
class EmbeddedFeature(Feature):
    """Base of `Categorical` and `Bag`. See `Categorical` for the arguments."""

    table: Table  # type: ignore[misc]  # Per object here.
    can_learn = False  # Whether the vocabulary may be left out, and learned by `prepare_*`.
    input_dtype = "int32"
    takes_numbers = False

    def __init__(
        self,
        name: str,
        vocabulary_size: int | None = None,
        *,
        dim: int | None = None,
        vocabulary: Iterable[str | int] | os.PathLike[str] | None = None,
        hash_buckets: int | None = None,
        dtype: str | None = None,
        capacity: int | None = None,
        shards: int | None = None,
        table: Table | str | None = None,
    ) -> None:
        kind = type(self).__name__
        check_name(kind, name)
        owner = f"{kind} {name!r}"
        value_arguments = {
            "vocabulary_size": vocabulary_size,
            "vocabulary": vocabulary,
            "hash_buckets": hash_buckets,
            "dtype": dtype,
            "capacity": capacity,
        }
        given = {key: value for key, value in value_arguments.items() if value is not None}
        sizes: dict[str, Any] = {
            word: positive_integer(word, size, owner=owner)
            for word, size in (("dim", dim), ("shards", shards))
            if size is not None
        }
        if self.can_learn and table == name:
            table = None  # From `dataclasses.replace`, before the vocabulary is learned.
        if self.can_learn and table is None and not given:
            _check_no_sizes(owner, name, sizes)
            table = name
        elif table is None:
            values = make_values(owner, **value_arguments)
            table = Table(name, values=values, **{"dim": _DIM, **sizes})
        elif isinstance(table, Table) and table.name == name:
            # `dataclasses.replace` passes the feature's own table.
            if "hash_buckets" in given and table.values.raw_dtype != "int32":
                given.setdefault("dtype", table.values.raw_dtype)
            capacity = getattr(table.values, "capacity", None)
            if "vocabulary" in given and capacity is not None:
                given.setdefault("capacity", capacity)
            values = make_values(owner, **given) if given else table.values
            sizes = {"dim": table.dim, "shards": table.shards, **sizes}
            table = Table(name, values=values, **sizes)
        else:
            _check_shared(owner, name, table, given | sizes)
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "table", table)

    def with_table(self, tables: dict) -> "EmbeddedFeature":
        if isinstance(self.table, Table):
            return self
        if self.table not in tables:
            self.check_learned()
            raise ValueError(
                f"`table` of {type(self).__name__} {self.name!r} must be a `Table`, or the name of "
                f"a table of the spec: {list(tables)}. A `Categorical` or `Bag` without `table` "
                f"has a table of its own name. Received: table={self.table!r}."
            )
        return dataclasses.replace(self, table=tables[self.table])

    def with_values(self, values: Values) -> "EmbeddedFeature":
        return dataclasses.replace(self, table=self._resolved_table.with_values(values))

    def with_shards(self, shards: int) -> "EmbeddedFeature":
        table = dataclasses.replace(self._resolved_table, shards=shards)
        return dataclasses.replace(self, table=table)

    @property
    def _resolved_table(self) -> Table:
        if isinstance(self.table, str):
            self.check_learned()
            raise ValueError(
                f"{type(self).__name__} {self.name!r} must be part of a FeatureSpec, which finds "
                f"its table by name. Received: table={self.table!r}."
            )
        return self.table

    @property
    def to_learn(self) -> tuple[str, ...]:
        return ("vocabulary",) if self.table == self.name else ()

    @property
    def values(self) -> Values:
        """The raw values: a `Vocabulary`, `HashBuckets` or `Indices`."""
        return self._resolved_table.values

    @property
    def dim(self) -> int:
        """Width of the embedding."""
        return self._resolved_table.dim

    @property
    def vocabulary_size(self) -> int:
        """Number of rows of the table, with the two reserved rows."""
        return self.values.size

    @property
    def vocabulary(self) -> tuple | None:
        """The entries in the order of their indices, see `Categorical`, or `None`."""
        return self.values.entries if isinstance(self.values, Vocabulary) else None

    @property
    def capacity(self) -> int | None:
        """The number of values for which the table of a vocabulary has rows, or `None`."""
        return self.values.capacity if isinstance(self.values, Vocabulary) else None

    @property
    def hash_buckets(self) -> int | None:
        """The number of hash buckets, or `None`."""
        return self.values.buckets if isinstance(self.values, HashBuckets) else None

    @property
    def dtype(self) -> str | None:
        """Type of the raw values, `"string"` or `"int64"`, or `None` if they are indices."""
        return None if isinstance(self.values, Indices) else self.values.raw_dtype

    @property
    def raw_dtype(self) -> str:  # type: ignore[override]  # A frozen class has no writers.
        """Type of the raw values."""
        return self.values.raw_dtype

    @property
    def padding_value(self) -> str | int:
        """The raw value at padding positions."""
        return self.values.padding_value

    def to_dict(self) -> dict:
        return super().to_dict() | {"table": self.table.name}

    @classmethod
    def from_dict(cls, entry: dict, tables: dict) -> "EmbeddedFeature":
        if "table" in entry:
            entry = entry | {"table": tables[entry["table"]]}
        return cls(**entry)  # Version 0.1 wrote no tables, but the short form.

    def identity(self) -> dict:
        table = {} if self.table.name == self.name else {"table": self.table.name}
        return self.values.identity() | table

    def __repr__(self):
        kind = type(self).__name__
        if isinstance(self.table, str):
            return f"{kind}({self.name!r}, table={self.table!r})"
        if self.table.name != self.name:
            return f"{kind}({self.name!r}, table={self.table!r})"
        return f"{kind}({self.name!r}, {self.values}, {self.table.sizes()})"


def _check_no_sizes(owner: str, name: str, sizes: dict) -> None:
    """Refuses the width and the shards of a table whose vocabulary is learned."""
    if "shards" in sizes:
        raise ValueError(
            f"`shards` of {owner} must be given with its values, such as a `vocabulary`. If these "
            f"are learned, build the model with `data.spec.with_shards({{{name!r}: "
            f"{sizes['shards']}}})`. Received: shards={sizes['shards']} without values."
        )
    if dim := sizes.get("dim"):
        raise ValueError(
            f"`dim` of {owner} must be given with its values, such as a `vocabulary`. If these are "
            f"learned, pass dim={{{name!r}: {dim}}} to `prepare_impressions`, "
            f"`prepare_interactions` or `prepare_rows`. Received: dim={dim} without values."
        )


def _check_shared(owner: str, name: str, table, given: dict) -> None:
    """Checks the argument `table`, which must be given without other arguments."""
    if not isinstance(table, (Table, str)):
        raise ValueError(
            f"`table` of {owner} must be a `Table` or the name of a table. "
            f"Received: table={table!r}."
        )
    if isinstance(table, str):
        check_name("Table", table)
    if table == name:
        raise ValueError(
            f"`table` of {owner} must be the table of another feature. Received: table={table!r}."
        )
    if given:
        raise ValueError(
            f"{owner} must be given `table` alone, which has the values and `dim`. "
            f"Received: table={table!r} with {', '.join(given)}."
        )
