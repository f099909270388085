"""`Numeric`: a feature that is a number."""

import dataclasses
import math

from keras_din.features.kind import Feature, register_kind


@register_kind
@dataclasses.dataclass(frozen=True, repr=False)
class Numeric(Feature):
    """A feature that is a number. The model standardizes it: `(value - mean) / std`.

    Args:
        name: Name of the feature and of the model's input.
        mean: Mean of the training values. It also replaces missing values.
        std: Standard deviation of the training values.

    Raises:
        ValueError: If `mean` is not finite, or `std` is not finite and positive.

    Example:

    ```python
    price = kd.Numeric("price", mean=20.0, std=8.0)
    spec = kd.FeatureSpec(target=[kd.Categorical("item_id", 100), price])
    ```
    """

    mean: float = dataclasses.field(default=0.0, kw_only=True)
    std: float = dataclasses.field(default=1.0, kw_only=True)

    def __post_init__(self):
        super().__post_init__()
        for word in ("mean", "std"):
            value = getattr(self, word)
            try:
                number = float(value)
            except (TypeError, ValueError):
                number = math.nan
            if not math.isfinite(number) or (word == "std" and number <= 0):
                kind = "finite" if word == "mean" else "finite and positive"
                raise ValueError(
                    f"`{word}` of Numeric {self.name!r} must be a {kind} number. "
                    f"Received: {word}={value!r}."
                )
            object.__setattr__(self, word, number)

    @property
    def fill_value(self) -> float:  # type: ignore[override]  # A frozen class has no writers.
        return self.mean

    def __repr__(self):
        if self.mean == 0.0 and self.std == 1.0:
            return f"Numeric({self.name!r})"
        return f"Numeric({self.name!r}, mean={self.mean:g}, std={self.std:g})"
