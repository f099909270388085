"""A feature of several values with a table of embeddings."""

import dataclasses

from keras_din.checks import one_of, positive_integer
from keras_din.features.embedded_feature import EmbeddedFeature

POOLINGS = ("mean", "sum", "max")


@dataclasses.dataclass(frozen=True, repr=False)
class Bag(EmbeddedFeature):
    """A feature of several values, or none, with one table: genres, tags.

    A model sees the embeddings of the values pooled to one vector: their mean, their sum, or the
    maximum of each unit. A bag without values gives zeros. It does not tell padding: a real item
    may have no genres.

    Args:
        name: As of `Categorical`, like all that is not said here.
        pooling: `"mean"`, `"sum"` or `"max"`.
        max_values: The most values of one bag that data sets and served versions hand to the
            model. Of more the first stay. What is fed by hand is read whole.

    Raises:
        ValueError: As of `Categorical`, and when `pooling` or `max_values` is something else.
    """

    pooling: str = dataclasses.field(default="mean", kw_only=True)
    max_values: int = dataclasses.field(default=20, kw_only=True)

    def __post_init__(self):
        super().__post_init__()
        one_of("pooling", self.pooling, POOLINGS)
        size = positive_integer("max_values", self.max_values, owner=f"Bag {self.name!r}")
        object.__setattr__(self, "max_values", size)

    def __repr__(self):
        own = f"pooling={self.pooling!r}, max_values={self.max_values}"
        return f"{super().__repr__()[:-1]}, {own})"
