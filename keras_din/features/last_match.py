"""`LastMatch`: the time since the last behavior with the candidate's value."""

import copy
import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

from keras_din.checks import positive_integer
from keras_din.features.history_feature import HistoryFeature
from keras_din.features.kind import register_kind
from keras_din.features.table import Table
from keras_din.features.time_feature import TimeFeature


@register_kind
@dataclasses.dataclass(frozen=True, repr=False)
class LastMatch(HistoryFeature):
    """The time since the last behavior with the candidate's value, with a table of embeddings.

    `index = min of the index of elapsed over the behaviors that match`, and 1 if none matches.

    The buckets are those of an `Elapsed` feature of the behaviors. Longer times have larger
    indices, so the smallest index is the bucket of the shortest time. The feature has its own
    table. Like `Match`, it is a feature of the target without an input, and the same behaviors
    match.

    Args:
        name: Name of the feature.
        of: See `Match`.
        in_: Name of the sequence.
        elapsed: Name of an `Elapsed` in `side_features` of the sequence.
        dim: Width of the embedding.

    Raises:
        ValueError: If an argument is invalid, or a `FeatureSpec` has no such sequence or feature.

    Example:

    ```python
    item, ago = kd.Categorical("item_id", 100), kd.Elapsed("ago", boundaries=[3600, 86_400])
    last_time = kd.LastMatch("last_time", of="item_id", in_="hist", elapsed="ago", dim=4)
    spec = kd.FeatureSpec(
        target=[item, last_time],
        sequences=[kd.Sequence("hist", of=[item], side_features=[ago])],
    )
    spec.tables["last_time"].values.size  # 5: padding, never and 3 buckets
    ```
    """

    of: str = dataclasses.field(kw_only=True)
    elapsed: str = dataclasses.field(kw_only=True)
    dim: int = dataclasses.field(default=16, kw_only=True)
    input_dtype: ClassVar[str] = "int32"
    roles: ClassVar[tuple[str, ...]] = ("target",)

    if TYPE_CHECKING:  # The order of the fields is that of the base.

        def __init__(
            self, name: str, *, of: str, in_: str, elapsed: str, dim: int = 16
        ) -> None: ...

    def __post_init__(self):
        super().__post_init__()
        self.check_names("of", "elapsed")
        object.__setattr__(self, "dim", positive_integer("dim", self.dim, owner=self.owner))

    def with_table(self, tables: dict) -> "LastMatch":
        if self.elapsed not in tables:
            return self
        feature = copy.copy(self)
        table = Table(self.name, values=tables[self.elapsed].values, dim=self.dim)
        object.__setattr__(feature, "table", table)
        return feature

    def check_spec(self, spec: Any, info: Any) -> None:
        super().check_spec(spec, info)
        names = [
            feature.name
            for feature in self.sequence(spec).side_features
            if isinstance(feature, TimeFeature) and feature.reads_request
        ]
        if self.elapsed not in names:
            raise ValueError(
                f"`elapsed` of {self.owner} must be the name of an Elapsed in `side_features` of "
                f"Sequence {self.in_!r}: {names}. Received: elapsed={self.elapsed!r}."
            )

    def identity(self) -> dict:
        return {name: value for name, value in super().identity().items() if name != "dim"}
