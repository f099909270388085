"""`Bucketized`: a number in buckets with embeddings."""

import dataclasses
import functools
import itertools
from collections.abc import Sequence as SequenceOf
from typing import TYPE_CHECKING, ClassVar

from keras_din.checks import positive_integer
from keras_din.features.float32 import LARGEST, float32_tuple, to_float32
from keras_din.features.kind import Feature, register_kind
from keras_din.features.reserved_indices import NUM_RESERVED
from keras_din.features.table import Table


@register_kind
@dataclasses.dataclass(frozen=True, repr=False)
class Bucketized(Feature):
    """A number, in buckets with a table of embeddings.

    `index = 2 + number of boundaries that are at most the value`

    A missing value (NaN, infinite, or beyond float32) has the out-of-vocabulary index 1. Requests
    and exported versions contain the number, float32. Data sets contain the index. Both compare in
    float32, so training and serving compute the same index.

    Args:
        name: Name of the feature and of the model's input.
        boundaries: Numbers in ascending order. `n` boundaries give `n + 1` buckets, so an empty
            list gives one bucket.
        quantiles: Instead of `boundaries`, the number of buckets with about equally many training
            values. `prepare_impressions`, `prepare_interactions` and `prepare_rows` learn the
            boundaries, which are training values, from the training part. Equal quantiles give one
            boundary, and those at the minimum none, so no bucket is empty in training. If all
            values are equal, there is one bucket.
        dim: Width of the embedding.

    Raises:
        ValueError: If an argument is invalid, or not exactly one of `boundaries` and `quantiles`
            is given.

    Example:

    ```python
    price = kd.Bucketized("price", boundaries=[5, 10, 50], dim=8)
    spec = kd.FeatureSpec(target=[kd.Categorical("item_id", 100), price])
    age = kd.Bucketized("age", quantiles=10)  # For `prepare_*`, which learn the boundaries.
    ```
    """

    boundaries: tuple[float, ...] | None = dataclasses.field(default=None, kw_only=True)
    quantiles: int | None = dataclasses.field(default=None, kw_only=True)
    dim: int = dataclasses.field(default=16, kw_only=True)
    input_dtype: ClassVar[str] = "int32"
    required: ClassVar[tuple[str, ...]] = ("boundaries",)

    if TYPE_CHECKING:  # The argument may be a list; the attribute is a tuple.

        def __init__(
            self,
            name: str,
            *,
            boundaries: SequenceOf[float] | None = None,
            quantiles: int | None = None,
            dim: int = 16,
        ) -> None: ...

    def __post_init__(self):
        super().__post_init__()
        owner = f"Bucketized {self.name!r}"
        object.__setattr__(self, "dim", positive_integer("dim", self.dim, owner=owner))
        if (self.boundaries is None) == (self.quantiles is None):
            raise ValueError(
                f"{owner} must be given exactly one of `boundaries` and `quantiles`. "
                f"Received: boundaries={self.boundaries!r}, quantiles={self.quantiles!r}."
            )
        if self.quantiles is not None:
            quantiles = positive_integer("quantiles", self.quantiles, owner=owner)
            if quantiles < 2:
                raise ValueError(
                    f"`quantiles` of {owner} must be at least 2 buckets. "
                    f"Received: quantiles={quantiles}."
                )
            object.__setattr__(self, "quantiles", quantiles)
            return
        boundaries = float32_tuple(owner, "boundaries", self.boundaries)
        for before, after in itertools.pairwise((-LARGEST, *boundaries)):
            if to_float32(before) >= to_float32(after):
                raise ValueError(
                    f"`boundaries` of {owner} must grow, also after rounding to float32. "
                    f"Received: {before!r} before {after!r}."
                )
        object.__setattr__(self, "boundaries", boundaries)

    @property
    def to_learn(self) -> tuple[str, ...]:
        return ("boundaries",) if self.boundaries is None else ()

    @functools.cached_property
    def limits(self) -> tuple[float, ...]:
        """The boundaries, rounded to float32."""
        self.check_learned()
        assert self.boundaries is not None
        return tuple(map(to_float32, self.boundaries))

    @functools.cached_property
    def table(self) -> Table | None:  # type: ignore[override]  # Per object here.
        """The `Table` of embeddings, whose values are indices. `None` without boundaries."""
        if self.boundaries is None:
            return None
        return Table(self.name, len(self.boundaries) + 1 + NUM_RESERVED, dim=self.dim)

    def to_dict(self) -> dict:
        return {name: value for name, value in super().to_dict().items() if value is not None}

    def identity(self) -> dict:
        return {"boundaries": None if self.boundaries is None else list(self.boundaries)}

    def __repr__(self):
        if self.boundaries is None:
            return f"Bucketized({self.name!r}, quantiles={self.quantiles}, dim={self.dim})"
        count, ends = len(self.boundaries) + 1, ""
        if self.boundaries:
            ends = f"s from {self.boundaries[0]:g} to {self.boundaries[-1]:g}"
        return f"Bucketized({self.name!r}, <{count} bucket{ends}>, dim={self.dim})"
