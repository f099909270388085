"""`TimeFeature`: the base of features that are computed from times."""

import dataclasses
import functools
from typing import ClassVar

from keras_din.checks import one_of, positive_integer
from keras_din.features.kind import Feature
from keras_din.features.reserved_indices import NUM_RESERVED
from keras_din.features.table import Table

TIME = "time"  # Name of the input of an exported version with the times of requests.
NO_TIME = -(2**63)  # The time of a behavior whose time is not known, in any unit.
# Unit of times -> its length in microseconds.
TIME_UNITS = {"us": 1, "ms": 1_000, "s": 1_000_000}


@dataclasses.dataclass(frozen=True)
class TimeFeature(Feature):
    """Base of `Elapsed` and `Calendar`: indices that are computed from times.

    A data set has no column of such a feature. Its indices are computed from the times of samples
    and behaviors, and in an exported version from the inputs `time` and `{sequence}_time`. A
    behavior whose time is not known (the int64 `-2**63` in requests) has the index 1.

    Attributes:
        time_unit: Unit of the times of requests and behaviors in exported versions.
    """

    dim: int = dataclasses.field(default=16, kw_only=True)
    time_unit: str = dataclasses.field(default="us", kw_only=True)
    raw_dtype: ClassVar[str] = "int64"
    input_dtype: ClassVar[str] = "int32"
    padding_value: ClassVar[int] = 0
    has_column: ClassVar[bool] = False
    from_times: ClassVar[bool] = True

    def __post_init__(self):
        super().__post_init__()
        owner = f"{type(self).__name__} {self.name!r}"
        object.__setattr__(self, "dim", positive_integer("dim", self.dim, owner=owner))
        one_of("time_unit", self.time_unit, tuple(TIME_UNITS))

    @property
    def units_per_second(self) -> int:
        """How many of the `time_unit` are a second."""
        return 1_000_000 // TIME_UNITS[self.time_unit]

    @property
    def num_values(self) -> int:
        """Number of values that a time can have."""
        raise NotImplementedError

    @functools.cached_property
    def table(self) -> Table:  # type: ignore[override]  # Per object here.
        """The `Table` of embeddings, whose values are indices."""
        return Table(self.name, self.num_values + NUM_RESERVED, dim=self.dim)

    def identity(self) -> dict:
        return {name: value for name, value in super().identity().items() if name != "dim"}


@dataclasses.dataclass(frozen=True)
class Timestamp(Feature):
    """The times of requests or behaviors, an input of exported versions and not of models.

    Args:
        time_unit: Unit of the times since 1970.
    """

    time_unit: str = "us"
    raw_dtype: ClassVar[str] = "int64"
    input_dtype: ClassVar[str] = "int64"
    padding_value: ClassVar[int] = 0
