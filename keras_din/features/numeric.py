"""`Numeric`: a feature that is a number."""

import bisect
import dataclasses
import functools
import itertools
import math
from collections.abc import Sequence as SequenceOf
from typing import TYPE_CHECKING, ClassVar

from keras_din.features.float32 import LARGEST, float32_tuple, to_float32
from keras_din.features.kind import Feature, register_kind

# Transform -> the field that it needs.
_FIELDS = {"quantile": "knots", "clip": "limits"}
TRANSFORMS = ("log1p", *_FIELDS)


@register_kind
@dataclasses.dataclass(frozen=True, repr=False)
class Numeric(Feature):
    """A feature that is a number. The model standardizes it: `(transform(value) - mean) / std`.

    Data sets, requests and exported versions contain the raw values: the transform is part of the
    model. A missing value (NaN, infinite, or beyond float32) is replaced by the raw value whose
    transform is `mean`, `fill_value`, so the model reads 0.

    `prepare_impressions`, `prepare_interactions` and `prepare_rows` learn each field that is not
    given, `mean`, `std`, `limits` or `knots`, from the training part. In a spec that is written by
    hand, `mean` is 0 (or the nearest value that the transform has) and `std` is 1 by default, and
    the `limits` of `"clip"` and the `knots` of `"quantile"` must be given.

    The transforms:

    - `"log1p"`: `sign(x) log(1 + |x|)`, for amounts of several orders of magnitude. It is defined
      for negative numbers too.
    - `"clip"`: values below `limits[0]` and above `limits[1]` become these. Learned limits are the
      quantiles 0.01 and 0.99; if these are equal, the minimum and the maximum.
    - `"quantile"`: the position among the training values, from 0 to 1. It is linear between
      `knots`, and constant beyond the first and the last. If several knots are equal, their value
      has the mean of their positions, and 0 or 1 at the ends, same as in scikit-learn's
      `QuantileTransformer`. Learned knots are the quantiles 0, 0.01, ... 1.

    Args:
        name: Name of the feature and of the model's input.
        mean: Mean of the transformed training values.
        std: Standard deviation of the transformed training values.
        transform: `"log1p"`, `"quantile"`, `"clip"`, or `None` for the values as they are.
        limits: For `"clip"`: the lower and the upper limit.
        knots: For `"quantile"`: quantiles at equal steps of probability from 0 to 1, at least two
            numbers in ascending order. They may be equal.

    Raises:
        ValueError: If `mean` is not finite or not a value of the transform, `std` is not finite
            and positive, `transform` is unknown, or `limits` or `knots` are invalid or belong to
            another transform.

    Example:

    ```python
    price = kd.Numeric("price", mean=20.0, std=8.0)
    spec = kd.FeatureSpec(target=[kd.Categorical("item_id", 100), price])
    views = kd.Numeric("views", transform="log1p")  # For `prepare_*`, which learn mean and std.
    ```
    """

    mean: float | None = dataclasses.field(default=None, kw_only=True)
    std: float | None = dataclasses.field(default=None, kw_only=True)
    transform: str | None = dataclasses.field(default=None, kw_only=True)
    limits: tuple[float, ...] | None = dataclasses.field(default=None, kw_only=True)
    knots: tuple[float, ...] | None = dataclasses.field(default=None, kw_only=True)
    required: ClassVar[tuple[str, ...]] = tuple(_FIELDS.values())

    if TYPE_CHECKING:  # The arguments may be lists; the attributes are tuples.

        def __init__(
            self,
            name: str,
            *,
            mean: float | None = None,
            std: float | None = None,
            transform: str | None = None,
            limits: SequenceOf[float] | None = None,
            knots: SequenceOf[float] | None = None,
        ) -> None: ...

    def __post_init__(self):
        super().__post_init__()
        owner = f"Numeric {self.name!r}"
        if self.transform not in (None, *TRANSFORMS):
            names = ", ".join(map(repr, TRANSFORMS))
            raise ValueError(
                f"`transform` of {owner} must be one of None, {names}. "
                f"Received: transform={self.transform!r}."
            )
        for transform, word in _FIELDS.items():
            values = getattr(self, word)
            if values is None:
                continue
            if self.transform != transform:
                raise ValueError(
                    f"`{word}` of {owner} must be given with transform={transform!r}. "
                    f"Received: {word}={values!r} and transform={self.transform!r}."
                )
            values = float32_tuple(owner, word, values)
            if len(values) != 2 if word == "limits" else len(values) < 2:
                count = "two numbers" if word == "limits" else "at least two numbers"
                raise ValueError(
                    f"`{word}` of {owner} must be {count}. Received: {word}={list(values)}."
                )
            for before, after in itertools.pairwise(values):
                if before > after:
                    raise ValueError(
                        f"`{word}` of {owner} must be in ascending order. "
                        f"Received: {before!r} before {after!r}."
                    )
            object.__setattr__(self, word, values)
        self._check_moments()

    def _check_moments(self) -> None:
        for word in ("mean", "std"):
            value = getattr(self, word)
            if value is None:
                continue
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
        low, high = self._range
        if self.mean is not None and not low <= self.mean <= high:
            raise ValueError(
                f"`mean` of Numeric {self.name!r} must be the mean of transformed values, from "
                f"{low:g} to {high:g}. Received: mean={self.mean!r} with "
                f"transform={self.transform!r}."
            )

    @property
    def _range(self) -> tuple[float, float]:
        """The smallest and the largest transformed value."""
        if self.transform == "log1p":
            return -math.log1p(LARGEST), math.log1p(LARGEST)
        if self.transform == "quantile":
            return 0.0, 1.0
        return (-math.inf, math.inf) if self.limits is None else (self.limits[0], self.limits[1])

    @property
    def to_learn(self) -> tuple[str, ...]:
        words = ["mean", "std"] + [_FIELDS[t] for t in _FIELDS if t == self.transform]
        return tuple(word for word in words if getattr(self, word) is None)

    @property
    def moments(self) -> tuple[float, float]:
        """The mean and the standard deviation that a model uses."""
        low, high = self._range
        mean = min(max(0.0, low), high) if self.mean is None else self.mean
        return mean, 1.0 if self.std is None else self.std

    @functools.cached_property
    def points(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """The distinct float32 values of `knots`, ascending, and the transform of each."""
        self.check_learned()
        assert self.knots is not None
        last = len(self.knots) - 1
        values, positions = [], []
        numbered = enumerate(map(to_float32, self.knots))
        for value, group in itertools.groupby(numbered, key=lambda pair: pair[1]):
            places = [place for place, _ in group]
            values.append(value)
            positions.append((places[0] + places[-1]) / 2 / last)
        if len(values) > 1:
            positions[-1] = 1.0
        positions[0] = 0.0
        return tuple(values), tuple(positions)

    @property
    def fill_value(self) -> float:  # type: ignore[override]  # A frozen class has no writers.
        """The raw value that replaces a missing one: the transform of it is the mean."""
        mean, _ = self.moments
        if self.transform == "log1p":
            return math.copysign(min(math.expm1(abs(mean)), LARGEST), mean)
        if self.transform == "quantile" and self.knots is not None:
            values, positions = self.points
            after = bisect.bisect_left(positions, mean)
            if after in (0, len(values)):
                return values[max(after - 1, 0)]
            share = (mean - positions[after - 1]) / (positions[after] - positions[after - 1])
            return values[after - 1] * (1 - share) + values[after] * share
        return mean

    def to_dict(self) -> dict:
        return {name: value for name, value in super().to_dict().items() if value is not None}

    def identity(self) -> dict:
        mean, std = self.moments
        identity = super().identity() | {"mean": mean, "std": std}
        return {name: value for name, value in identity.items() if value is not None}

    def __repr__(self):
        words = [repr(self.name)]
        if self.transform is not None:
            words.append(f"transform={self.transform!r}")
        words += [f"{w}={getattr(self, w):g}" for w in ("mean", "std") if w not in self.to_learn]
        if self.limits is not None:
            words.append(f"limits=({self.limits[0]:g}, {self.limits[1]:g})")
        if self.knots is not None:
            words.append(f"<{len(self.knots)} knots from {self.knots[0]:g} to {self.knots[-1]:g}>")
        return f"Numeric({', '.join(words)})"
