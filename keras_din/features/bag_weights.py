"""`BagWeights`: the weights of the values of a `Bag`, an input of models beside the bag."""

import dataclasses
from collections.abc import Iterable
from typing import ClassVar

from keras_din.features.kind import Feature


@dataclasses.dataclass(frozen=True)
class BagWeights(Feature):
    """The weights of the values of a bag: an input of a model, but no feature of a spec.

    A `Bag` with `weights` creates it. Its values have the shape and order of those of the bag.

    Args:
        name: Name of the column of weights.
        bag: Name of the `Bag`.
        max_values: Same as in the `Bag`.
    """

    bag: str
    max_values: int = dataclasses.field(kw_only=True)  # type: ignore[misc]  # Per object here.
    axes: ClassVar[tuple[str, ...]] = ("values",)

    def input_of_bag(self, name: str) -> str:
        """Returns the name of the input of the bag for the name of an input of its weights."""
        return name.removesuffix(self.name) + self.bag


def check_weight_names(features: Iterable) -> None:
    """Raises a `ValueError` if a column of weights is also a feature, or belongs to two bags.

    Args:
        features: Features, or names of columns.
    """
    features = list(features)
    names = {f.name if isinstance(f, Feature) else f for f in features}
    bag_of: dict[str, str] = {}
    for feature in features:
        for weights in feature.parts[1:] if isinstance(feature, Feature) else ():
            if weights.name in names:
                raise ValueError(
                    f"`weights` of Bag {feature.name!r} must name a column that is no feature. "
                    f"Received: weights={weights.name!r}, which is also a feature."
                )
            other = bag_of.setdefault(weights.name, feature.name)
            if other != feature.name:
                raise ValueError(
                    "Each Bag must have its own column of `weights`. "
                    f"Received: weights={weights.name!r} of {other!r} and of {feature.name!r}."
                )
