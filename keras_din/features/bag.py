"""`Bag`: a feature with several values."""

import dataclasses
import functools
import os
from collections.abc import Iterable

from keras_din.checks import one_of, positive_integer
from keras_din.features.bag_weights import BagWeights
from keras_din.features.embedded_feature import EmbeddedFeature
from keras_din.features.kind import Feature, register_kind
from keras_din.features.names import check_name
from keras_din.features.table import Table

POOLINGS = ("mean", "sum", "max")


@register_kind
@dataclasses.dataclass(frozen=True, init=False, repr=False)
class Bag(EmbeddedFeature):
    """A feature with any number of values and one table of embeddings, such as genres or tags.

    A model pools the embeddings of the values to one vector: their mean, their sum, or the
    maximum of each unit. An empty bag gives zeros. A bag cannot mark padding, because a real item
    may have an empty bag.

    With `weights`, each value `e_j` has a number `w_j` from 0, such as the score of a tag. The mean
    is `sum_j w_j e_j / sum_j w_j`, zeros if all weights are 0, and the sum is `sum_j w_j e_j`.

    Without `vocabulary_size`, `vocabulary`, `hash_buckets` and `table`, the vocabulary is learned
    from the training part by `prepare_impressions`, `prepare_interactions` or `prepare_rows`, whose
    argument `dim` gives the width.

    Args:
        name: See `Categorical`.
        vocabulary_size: See `Categorical`.
        pooling: `"mean"`, `"sum"` or `"max"`.
        weights: Name of the column of the weights, which is no feature itself. A row has as many
            weights as values, in the same order. Models and exported versions have one more input
            of this name, in a sequence `{sequence}_{weights}`, float32 with the shape of the bag. A
            weight that is negative or not finite counts as 0 there. Not for `"max"`.
        max_values: The maximum number of values in data sets and exported versions. Of a longer
            bag the first values are kept. The model itself has no limit.
        **table: `dim`, `vocabulary`, `hash_buckets`, `dtype`, `capacity`, `shards` and `table`, see
            `Categorical`.

    Raises:
        ValueError: If an argument is invalid.

    Example:

    ```python
    genres = kd.Bag("genres", vocabulary=["action", "comedy", "drama"], dim=4, max_values=5)
    tags = kd.Bag("tags", 50, weights="tag_scores")
    spec = kd.FeatureSpec(target=[kd.Categorical("item_id", 100), genres, tags])
    list(spec.inputs)  # item_id, genres, tags and tag_scores
    ```
    """

    pooling: str
    weights: str | None
    max_values: int  # type: ignore[misc]  # Per object here.
    axes = ("values",)
    required = ("vocabulary",)
    can_learn = True

    def __init__(
        self,
        name: str,
        vocabulary_size: int | None = None,
        *,
        pooling: str = "mean",
        weights: str | None = None,
        max_values: int = 20,
        dim: int | None = None,
        vocabulary: Iterable[str | int] | os.PathLike[str] | None = None,
        hash_buckets: int | None = None,
        dtype: str | None = None,
        capacity: int | None = None,
        shards: int | None = None,
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
            shards=shards,
            table=table,
        )
        size = positive_integer("max_values", max_values, owner=f"Bag {name!r}")
        object.__setattr__(self, "pooling", one_of("pooling", pooling, POOLINGS))
        object.__setattr__(self, "max_values", size)
        object.__setattr__(self, "weights", self._checked_weights(weights))

    def _checked_weights(self, weights) -> str | None:
        if weights is None:
            return None
        check_name("column of weights", weights)
        if weights == self.name:
            raise ValueError(
                f"`weights` of Bag {self.name!r} must name another column. "
                f"Received: weights={weights!r}."
            )
        if self.pooling == "max":
            raise ValueError(
                f"`pooling` of Bag {self.name!r} must be 'mean' or 'sum' with `weights`, since a "
                f"maximum has no weights. Received: pooling='max', weights={weights!r}."
            )
        return weights

    @functools.cached_property
    def parts(self) -> tuple[Feature, ...]:  # type: ignore[override]  # Cached here.
        """The bag, and the `BagWeights` if it has `weights`."""
        if self.weights is None:
            return (self,)
        return self, BagWeights(self.weights, self.name, max_values=self.max_values)

    def to_dict(self) -> dict:
        return {key: value for key, value in super().to_dict().items() if value is not None}

    def identity(self) -> dict:
        weights = {} if self.weights is None else {"weights": self.weights}
        return super().identity() | weights

    def __repr__(self):
        own = f"pooling={self.pooling!r}, max_values={self.max_values}"
        if self.weights is not None:
            own = f"pooling={self.pooling!r}, weights={self.weights!r}, "
            own += f"max_values={self.max_values}"
        given = f"Bag({self.name!r}" if self.to_learn else super().__repr__()[:-1]
        return f"{given}, {own})"
