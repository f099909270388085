"""A feature of several values with a table of embeddings."""

import dataclasses

from keras_din.checks import one_of, positive_integer
from keras_din.features.embedded_feature import EmbeddedFeature
from keras_din.features.kind import register_kind

POOLINGS = ("mean", "sum", "max")


@register_kind
@dataclasses.dataclass(frozen=True, init=False, repr=False)
class Bag(EmbeddedFeature):
    """A feature of several values, or none, with one table: genres, tags.

    A model pools the embeddings of the values to one vector: their mean, their sum, or the
    maximum of each unit. A bag without values gives zeros. A bag does not mark padding: a real
    item may have no genres.

    Args:
        name: See `Categorical`, which takes all further arguments too.
        pooling: `"mean"`, `"sum"` or `"max"`.
        max_values: The most values of one bag that data sets and served versions hand to the
            model. Of a longer bag the first values stay. A bag that is fed by hand is read whole.

    Raises:
        ValueError: See `Categorical`; and when `pooling` or `max_values` is something else.
    """

    pooling: str
    max_values: int
    axes = ("values",)

    def __init__(self, name, vocabulary_size=None, *, pooling="mean", max_values=20, **table):
        super().__init__(name, vocabulary_size, **table)
        size = positive_integer("max_values", max_values, owner=f"Bag {name!r}")
        object.__setattr__(self, "pooling", one_of("pooling", pooling, POOLINGS))
        object.__setattr__(self, "max_values", size)

    def __repr__(self):
        own = f"pooling={self.pooling!r}, max_values={self.max_values}"
        return f"{super().__repr__()[:-1]}, {own})"
