"""`Table`: a table of embeddings that features can share."""

import dataclasses
import os
from collections.abc import Iterable

from keras_din.checks import positive_integer
from keras_din.features.names import check_name
from keras_din.features.values import Values, make_values


@dataclasses.dataclass(frozen=True, init=False, repr=False)
class Table:
    """A named table of embeddings, with one row per value.

    Args:
        name: Name of the table.
        vocabulary_size: Number of rows of the table, see `Categorical`.
        dim: Width of the embeddings.
        vocabulary: The known raw values, see `Categorical`.
        hash_buckets: Number of buckets, see `Categorical`.
        dtype: Type of the raw values, see `Categorical`.
        capacity: Number of values for which the table has rows, see `Categorical`.
        shards: Number of variables that the table is split into, see `Categorical`.
        values: A `Vocabulary`, `HashBuckets` or `Indices`, instead of the other arguments that
            define the values.

    Raises:
        ValueError: If an argument is invalid.

    Example:

    ```python
    items = kd.Table("items", vocabulary=["a", "b", "c"], dim=8)
    spec = kd.FeatureSpec(
        target=[kd.Categorical("item_id", table=items)],
        context=[kd.Categorical("last_item", table=items)],
    )
    list(spec.tables)  # ["items"]
    ```
    """

    name: str
    values: Values
    dim: int
    shards: int = 1

    def __init__(
        self,
        name: str,
        vocabulary_size: int | None = None,
        *,
        dim: int = 16,
        vocabulary: Iterable[str | int] | os.PathLike[str] | None = None,
        hash_buckets: int | None = None,
        dtype: str | None = None,
        capacity: int | None = None,
        shards: int = 1,
        values: Values | None = None,
    ) -> None:
        check_name("Table", name)
        owner = f"Table {name!r}"
        value_arguments = {
            "vocabulary_size": vocabulary_size,
            "vocabulary": vocabulary,
            "hash_buckets": hash_buckets,
            "dtype": dtype,
            "capacity": capacity,
        }
        if values is None:
            values = make_values(owner, **value_arguments)
        elif not isinstance(values, Values) or any(
            value is not None for value in value_arguments.values()
        ):
            raise ValueError(
                f"`values` of {owner} must be a `Vocabulary`, `HashBuckets` or `Indices`, given "
                f"without {', '.join(value_arguments)}. Received: values={values!r}."
            )
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "dim", positive_integer("dim", dim, owner=owner))
        object.__setattr__(self, "shards", positive_integer("shards", shards, owner=owner))
        if self.shards > values.size:
            raise ValueError(
                f"`shards` of {owner} must be at most the number of its rows, {values.size}. "
                f"Received: shards={self.shards}."
            )

    def with_values(self, values: Values) -> "Table":
        """Returns the table with other raw values."""
        return Table(self.name, dim=self.dim, shards=self.shards, values=values)

    def to_dict(self) -> dict:
        """Returns the table as a dict of JSON values."""
        shards = {} if self.shards == 1 else {"shards": self.shards}
        return {"name": self.name, "dim": self.dim} | shards | self.values.to_dict()

    @classmethod
    def from_dict(cls, entry: dict) -> "Table":
        """Returns the table from the dict of `to_dict`."""
        return cls(**entry)

    def __repr__(self):
        return f"Table({self.name!r}, {self.values}, {self.sizes()})"

    def sizes(self) -> str:
        """Returns the width, and the number of shards if there are several, as arguments."""
        return f"dim={self.dim}" + (f", shards={self.shards}" if self.shards > 1 else "")
