"""`HistorySize`: the number of behaviors, or of their distinct values."""

import dataclasses
from typing import TYPE_CHECKING, ClassVar

from keras_din.features.history_feature import HistoryFeature
from keras_din.features.kind import register_kind


@register_kind
@dataclasses.dataclass(frozen=True, repr=False)
class HistorySize(HistoryFeature):
    """The size of a history: `log(1 + n)`, where `n` counts behaviors or their distinct values.

    The softmax of attention and the mean of a history do not depend on its length, so a model
    needs this feature if click rates depend on it. It is a feature of the context without an
    input. The model computes it from the inputs of the history, in training and in exported
    versions. Data sets and exported versions keep the `max_length` most recent behaviors of a
    `Sequence`, so `n` is at most `max_length`. Padding is not counted. An out-of-vocabulary value
    is a behavior, but no distinct value, since two unknown values can differ.

    Args:
        name: Name of the feature.
        in_: Name of the sequence.
        of: Name of a feature of the behaviors with one index, such as a `Categorical`, whose
            distinct values are counted. By default the behaviors are counted.

    Raises:
        ValueError: If an argument is invalid, or a `FeatureSpec` has no such sequence or feature.

    Example:

    ```python
    item, category = kd.Categorical("item_id", 100, dim=4), kd.Categorical("cate_id", 10, dim=4)
    behaviors = kd.HistorySize("behaviors", in_="hist")
    categories = kd.HistorySize("categories", in_="hist", of="cate_id")
    spec = kd.FeatureSpec(
        context=[behaviors, categories],
        target=[item, category],
        sequences=[kd.Sequence("hist", of=[item, category])],
    )
    list(spec.inputs)  # item_id, cate_id, hist_item_id and hist_cate_id
    ```
    """

    roles: ClassVar[tuple[str, ...]] = ("context",)

    if TYPE_CHECKING:  # The order of the fields is that of the base.

        def __init__(self, name: str, *, in_: str, of: str | None = None) -> None: ...
