"""`Bag`: a feature with several values."""

import dataclasses
import os
from collections.abc import Iterable

from keras_din.checks import one_of, positive_integer
from keras_din.features.embedded_feature import EmbeddedFeature
from keras_din.features.kind import register_kind
from keras_din.features.table import Table

POOLINGS = ("mean", "sum", "max")


@register_kind
@dataclasses.dataclass(frozen=True, init=False, repr=False)
class Bag(EmbeddedFeature):
    """A feature with any number of values and one table of embeddings, such as genres or tags.

    A model pools the embeddings of the values to one vector: their mean, their sum, or the
    maximum of each unit. An empty bag gives zeros. A bag cannot mark padding, because a real item
    may have an empty bag.

    Args:
        name: See `Categorical`.
        vocabulary_size: See `Categorical`.
        pooling: `"mean"`, `"sum"` or `"max"`.
        max_values: The maximum number of values in data sets and exported versions. Of a longer
            bag the first values are kept. The model itself has no limit.
        **table: `dim`, `vocabulary`, `hash_buckets`, `dtype`, `capacity` and `table`, see
            `Categorical`.

    Raises:
        ValueError: If an argument is invalid.

    Example:

    ```python
    genres = kd.Bag("genres", vocabulary=["action", "comedy", "drama"], dim=4, max_values=5)
    spec = kd.FeatureSpec(target=[kd.Categorical("item_id", 100), genres])
    ```
    """

    pooling: str
    max_values: int  # type: ignore[misc]  # Per object here.
    axes = ("values",)

    def __init__(
        self,
        name: str,
        vocabulary_size: int | None = None,
        *,
        pooling: str = "mean",
        max_values: int = 20,
        dim: int | None = None,
        vocabulary: Iterable[str | int] | os.PathLike[str] | None = None,
        hash_buckets: int | None = None,
        dtype: str | None = None,
        capacity: int | None = None,
        table: Table | str | None = None,
    ) -> None:
        super().__init__(
            name,
            vocabulary_size,
            dim=dim,
            vocabulary=vocabulary,
            hash_buckets=hash_buckets,
            dtype=dtype,
            capacity=capacity,
            table=table,
        )
        size = positive_integer("max_values", max_values, owner=f"Bag {name!r}")
        object.__setattr__(self, "pooling", one_of("pooling", pooling, POOLINGS))
        object.__setattr__(self, "max_values", size)

    def __repr__(self):
        own = f"pooling={self.pooling!r}, max_values={self.max_values}"
        return f"{super().__repr__()[:-1]}, {own})"
