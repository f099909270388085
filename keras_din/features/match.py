"""`Match`: whether and how often the history has the candidate's value."""

import dataclasses
from typing import TYPE_CHECKING, ClassVar

from keras_din.checks import one_of
from keras_din.features.history_feature import HistoryFeature
from keras_din.features.kind import register_kind

MEASURES = ("seen", "count", "share")


@register_kind
@dataclasses.dataclass(frozen=True, repr=False)
class Match(HistoryFeature):
    """A number that compares a candidate with the history: `n` behaviors have its value.

    - `"seen"`: 1 if `n > 0`, else 0.
    - `"count"`: `log(1 + n)`.
    - `"share"`: `n / length`, where `length` is the number of behaviors; 0 for an empty history.

    It is a feature of the target without an input. The model computes it from the inputs of the
    candidate and of the history, in training and in exported versions. Data sets and exported
    versions keep the `max_length` most recent behaviors of a `Sequence`, so earlier ones are not
    compared. Padding matches nothing. An out-of-vocabulary value matches nothing either, since two
    unknown values can differ, but it is a behavior and counts in `length`. Values of one hash
    bucket match.

    Args:
        name: Name of the feature.
        of: Name of a feature of the target and of the behaviors with one index, such as a
            `Categorical`. A `Bag` is not supported.
        in_: Name of the sequence.
        measure: `"seen"`, `"count"` or `"share"`.

    Raises:
        ValueError: If an argument is invalid, or a `FeatureSpec` has no such sequence or feature.

    Example:

    ```python
    item, category = kd.Categorical("item_id", 100, dim=4), kd.Categorical("cate_id", 10, dim=4)
    seen = kd.Match("seen_before", of="item_id", in_="hist")
    share = kd.Match("category_share", of="cate_id", in_="hist", measure="share")
    spec = kd.FeatureSpec(
        target=[item, category, seen, share],
        sequences=[kd.Sequence("hist", of=[item, category])],
    )
    list(spec.inputs)  # item_id, cate_id, hist_item_id and hist_cate_id
    ```
    """

    of: str = dataclasses.field(kw_only=True)
    measure: str = dataclasses.field(default="seen", kw_only=True)
    roles: ClassVar[tuple[str, ...]] = ("target",)

    if TYPE_CHECKING:  # The order of the fields is that of the base.

        def __init__(self, name: str, *, of: str, in_: str, measure: str = "seen") -> None: ...

    def __post_init__(self):
        super().__post_init__()
        self.check_names("of")
        one_of("measure", self.measure, MEASURES)
