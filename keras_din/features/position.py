"""`Position`: where a candidate was shown, which is known in training but not in serving."""

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

from keras_din.checks import positive_integer
from keras_din.features.kind import register_kind
from keras_din.features.numeric import Numeric


@register_kind
@dataclasses.dataclass(frozen=True, repr=False)
class Position(Numeric):
    """The position at which a candidate was shown, which training knows and serving does not.

    `p = p_seen(position) p_click(x)`

    Users rarely click what they do not look at, and a log has more clicks at its first positions.
    A model of `x` alone takes this for a preference. With this feature a model learns the product
    from the clicks of the log, and an exported version computes `p_click` without a position.

    `p_seen` is the sigmoid of one learned logit per position, with no other input. Only the product
    is observed, so `p_seen` is known up to a factor. Here `p_seen(1) = 1`: `p_click` is the click
    rate at position 1. No position can be seen better than the first. A candidate without a
    position (a missing value, NaN) has `p_seen = 1` too, so the output is `p_click`.

    The position has an effect on the outputs of labels of 0 and 1: on those without `given` it is
    direct, and the others are products with these. Several labels share `p_seen`. The output of a
    label that is a number does not depend on the position.

    Args:
        name: Name of the feature and of the model's input. Raw values are whole numbers from 1.
        size: Number of positions with their own `p_seen`, at least 2. Positions beyond `size`
            share that of position `size`.

    Raises:
        ValueError: If `size` is not an integer of at least 2. In a `FeatureSpec`, if there are two
            of them, if it is not in `target`, or if all labels are numbers. In data, if a position
            is below 1 or no whole number.

    Example:

    ```python
    item = kd.Categorical("item_id", 100, dim=4)
    spec = kd.FeatureSpec(target=[item, kd.Position("position", size=10)])
    model = kd.build_lr(spec)
    x = {"item_id": np.array([[2, 3]]), "position": np.array([[1.0, 2.0]])}
    ctr = model(x)  # (1, 2), p_seen(position) p_click(x)
    served, served_spec = kd.without_position(model, spec)  # What `kd.export` writes.
    ctr = served({"item_id": np.array([[2, 3]])})  # (1, 2), p_click(x)
    ```

    Reference:
        [Guo et al., 2019](https://doi.org/10.1145/3298689.3347033): PAL, which has the same product
        and does not fix the factor.
    """

    size: int = dataclasses.field(default=20, kw_only=True)
    mean: float = dataclasses.field(default=0.0, init=False)  # It replaces a missing position.
    std: float = dataclasses.field(default=1.0, init=False)
    transform: None = dataclasses.field(default=None, init=False)
    limits: None = dataclasses.field(default=None, init=False)
    knots: None = dataclasses.field(default=None, init=False)
    roles: ClassVar[tuple[str, ...]] = ("target",)

    if TYPE_CHECKING:

        def __init__(self, name: str, *, size: int = 20) -> None: ...

    def __post_init__(self):
        super().__post_init__()
        owner = f"Position {self.name!r}"
        size = positive_integer("size", self.size, owner=owner)
        if size < 2:
            raise ValueError(
                f"`size` of {owner} must be at least 2 positions. Received: size={size}."
            )
        object.__setattr__(self, "size", size)

    def check_spec(self, spec: Any, info: Any) -> None:
        positions = [feature for feature in spec.target if isinstance(feature, Position)]
        if len(positions) > 1:
            raise ValueError(
                f"`target` of a FeatureSpec must have at most one Position. Received: {positions}."
            )
        if not any(label.is_binary for label in spec.labels):
            raise ValueError(
                f"A spec with {self!r} must have a label of 0 and 1: the output of a number does "
                f"not depend on the position. Received: labels={list(spec.labels)}."
            )

    def to_dict(self) -> dict:
        return {"type": "Position", "name": self.name, "size": self.size}

    def identity(self) -> dict:
        return {"size": self.size}

    def __repr__(self):
        return f"Position({self.name!r}, size={self.size})"
