"""`Elapsed`: the time since a behavior."""

import dataclasses
import functools
import itertools
import math
from collections.abc import Sequence as SequenceOf
from typing import TYPE_CHECKING, ClassVar

from keras_din.features.kind import as_tuple, register_kind
from keras_din.features.plain_values import plain_value
from keras_din.features.time_feature import TimeFeature

_DEFAULT = tuple(2**i for i in range(27))  # 1 second to 2.1 years.


@register_kind
@dataclasses.dataclass(frozen=True, repr=False)
class Elapsed(TimeFeature):
    """The time between a behavior and the request, in buckets with a table of embeddings.

    `index = 2 + number of boundaries that are at most (time of request - time of behavior)`

    It is a side feature of a sequence. The log needs no column: the index is computed from the
    time of the sample and the times of its behaviors. An exported version computes it from its
    inputs `time`, int64 `(batch,)`, and `{sequence}_time`, int64 `(batch, time)`. A behavior at or
    after the time of the request is in the first bucket. A behavior whose time is not known, such
    as one of a prior history without times, has index 1; clients send `-2**63` for it.

    Args:
        name: Name of the feature. The model's input is `{sequence}_{name}`.
        dim: Width of the embedding.
        boundaries: Seconds, in ascending order. `n` boundaries give `n + 1` buckets. Defaults to
            1, 2, 4, ... 2**26 seconds (2.1 years), a logarithmic scale.
        time_unit: Unit of the times of an exported version since 1970: `"us"`, `"ms"` or `"s"`.
            Times are rounded down to this unit, in training too, so training and serving compute
            the same index.

    Raises:
        ValueError: If an argument is invalid.

    Example:

    ```python
    item = kd.Categorical("item_id", 100)
    hours_ago = kd.Elapsed("hours_ago", dim=8, boundaries=[3600, 86_400, 604_800])
    hist = kd.Sequence("hist", of=[item], side_features=[hours_ago])
    spec = kd.FeatureSpec(target=[item], sequences=[hist])
    list(spec.raw_inputs)  # time, item_id, hist_item_id and hist_time
    ```
    """

    boundaries: tuple = dataclasses.field(default=_DEFAULT, kw_only=True)
    roles: ClassVar[tuple[str, ...]] = ("behavior",)
    reads_request: ClassVar[bool] = True

    if TYPE_CHECKING:  # The argument may be a list; the attribute is a tuple.

        def __init__(
            self,
            name: str,
            *,
            dim: int = 16,
            boundaries: SequenceOf[float] = _DEFAULT,
            time_unit: str = "us",
        ) -> None: ...

    def __post_init__(self):
        super().__post_init__()
        owner = f"Elapsed {self.name!r}"
        boundaries = tuple(map(plain_value, as_tuple(owner, "boundaries", self.boundaries)))
        units = self.units_per_second
        for value in boundaries:
            is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not is_number or not math.isfinite(value) or not 0 < value * 1e6 < 2**63:
                raise ValueError(
                    f"`boundaries` of {owner} must be positive numbers of seconds. "
                    f"Received: {value!r}."
                )
            if round(value * units) != value * units:
                raise ValueError(
                    f"`boundaries` of {owner} must be multiples of its `time_unit`, "
                    f"{self.time_unit!r}. Received: {value!r} seconds."
                )
        if not boundaries or any(a >= b for a, b in itertools.pairwise(boundaries)):
            raise ValueError(
                f"`boundaries` of {owner} must be at least one number, in ascending order. "
                f"Received: boundaries={list(boundaries)}."
            )
        object.__setattr__(self, "boundaries", boundaries)

    @functools.cached_property
    def limits(self) -> tuple[int, ...]:
        """The boundaries in the `time_unit`, integers."""
        units = self.units_per_second
        return tuple(round(value * units) for value in self.boundaries)

    @property
    def num_values(self) -> int:
        return len(self.boundaries) + 1

    def __repr__(self):
        low, high = self.boundaries[0], self.boundaries[-1]
        buckets = f"<{self.num_values} buckets from {low} to {high} seconds>"
        return f"Elapsed({self.name!r}, {buckets}, dim={self.dim})"
