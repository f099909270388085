"""`Sequence`: a sequence of behaviors."""

import dataclasses
from collections.abc import Sequence as SequenceOf
from typing import TYPE_CHECKING

from keras_din.checks import positive_integer
from keras_din.features.kind import Feature, feature_tuple
from keras_din.features.names import check_name, check_unique


@dataclasses.dataclass(frozen=True)
class Sequence:
    """A user's behaviors, in time order, the most recent last.

    Args:
        name: Name of the sequence. Its inputs are named `{sequence}_{feature}`.
        of: The features of the target that each behavior has too. Query and keys are in this
            order. The first `Categorical` marks padding: index 0 is a padding position.
        side_features: Features that only behaviors have, such as an action type or a dwell time.
        max_length: The maximum number of behaviors per sequence in data sets and exported
            versions. Of a longer history the most recent are kept. The model itself has no limit.

    Raises:
        ValueError: If an argument is invalid.

    Example:

    ```python
    item, category = kd.Categorical("item_id", 100), kd.Categorical("cate_id", 10)
    hist = kd.Sequence("hist", of=[item, category], side_features=[kd.Numeric("dwell_time")])
    spec = kd.FeatureSpec(target=[item, category], sequences=[hist])
    list(spec.inputs)  # item_id, cate_id, hist_item_id, hist_cate_id and hist_dwell_time
    ```
    """

    name: str
    of: tuple[Feature, ...]
    side_features: tuple[Feature, ...] = dataclasses.field(default=(), kw_only=True)
    max_length: int = dataclasses.field(default=100, kw_only=True)

    if TYPE_CHECKING:  # The arguments may be lists; the attributes are tuples.

        def __init__(
            self,
            name: str,
            of: SequenceOf[Feature],
            *,
            side_features: SequenceOf[Feature] = (),
            max_length: int = 100,
        ) -> None: ...

    def __post_init__(self):
        check_name("Sequence", self.name)
        owner = f"Sequence {self.name!r}"
        for word in ("of", "side_features"):
            object.__setattr__(self, word, feature_tuple(owner, word, getattr(self, word)))
        if not any(feature.marks_padding for feature in self.of):
            raise ValueError(
                f"`of` of {owner} must contain at least one Categorical, whose index 0 marks "
                f"padding. Received: of={list(self.of)}."
            )
        check_unique(f"the features of {owner}", [feature.name for feature in self.features])
        object.__setattr__(
            self, "max_length", positive_integer("max_length", self.max_length, owner=owner)
        )

    @property
    def features(self) -> tuple[Feature, ...]:
        """The features of one behavior: first `of`, then `side_features`."""
        return self.of + self.side_features

    def input_name(self, feature: Feature) -> str:
        """Returns the name of the model's input for a feature of the behaviors."""
        return f"{self.name}_{feature.name}"

    def __repr__(self):
        of = ", ".join(feature.name for feature in self.of)
        side_features = ", ".join(feature.name for feature in self.side_features)
        side_features = f", side_features=[{side_features}]" if side_features else ""
        return f"Sequence({self.name!r}, of=[{of}]{side_features}, max_length={self.max_length})"
