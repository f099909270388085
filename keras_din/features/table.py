"""A table of embeddings, which features may share."""

import dataclasses

from keras_din.checks import positive_integer
from keras_din.features.names import check_name
from keras_din.features.values import Values, make_values


@dataclasses.dataclass(frozen=True, init=False, repr=False)
class Table:
    """A named table of embeddings: which values it has rows for, and how wide a row is.

    Args:
        name: Name of the table.
        vocabulary_size: Rows of the table, see `Categorical`.
        dim: Width of the embeddings.
        vocabulary: The known raw values, see `Categorical`.
        hash_buckets: Number of buckets, see `Categorical`.
        dtype: Type of the raw values, see `Categorical`.
        values: `Values`, in place of the arguments that say which values there are.

    Raises:
        ValueError: When one of these does not hold.
    """

    name: str
    values: Values
    dim: int

    def __init__(
        self,
        name,
        vocabulary_size=None,
        *,
        dim=16,
        vocabulary=None,
        hash_buckets=None,
        dtype=None,
        values=None,
    ):
        check_name("Table", name)
        owner = f"Table {name!r}"
        ways = {
            "vocabulary_size": vocabulary_size,
            "vocabulary": vocabulary,
            "hash_buckets": hash_buckets,
            "dtype": dtype,
        }
        if values is None:
            values = make_values(owner, **ways)
        elif not isinstance(values, Values) or any(way is not None for way in ways.values()):
            raise ValueError(
                f"`values` of {owner} must be a `Vocabulary`, `HashBuckets` or `Indices`, given "
                f"without {', '.join(ways)}. Received: values={values!r}."
            )
        put = lambda field, value: object.__setattr__(self, field, value)  # noqa: E731
        put("name", name)
        put("values", values)
        put("dim", positive_integer("dim", dim, owner=owner))

    def to_dict(self) -> dict:
        """The table as values that JSON takes."""
        return {"name": self.name, "dim": self.dim} | self.values.to_dict()

    @classmethod
    def from_dict(cls, entry: dict) -> "Table":
        """The table that `to_dict` returned."""
        return cls(**entry)

    def __repr__(self):
        return f"Table({self.name!r}, {self.values}, dim={self.dim})"
