"""The arguments of `prepare_interactions`, which describe a log of behaviors."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from keras_din.data.reading.bad_share import MAX_BAD
from keras_din.features import Feature


@dataclasses.dataclass(frozen=True, kw_only=True)
class InteractionArguments:
    """The arguments of `prepare_interactions`, except the log itself, with the same defaults."""

    user: str
    target: Sequence[str | Feature]
    time: str | None = None
    order: str | None = None
    context: Sequence[str | Feature] = ()
    side_features: Sequence[str | Feature] = ()
    of: Sequence[str] | None = None
    items: Any = None
    users: Any = None
    vectors: Mapping[str, Any] | None = None
    split: Callable | str | None = None
    negatives: int | str = 1
    negatives_by: str = "uniform"
    ties: str = "exclude"
    sequence: str = "hist"
    max_length: int = 100
    dim: int | dict[str, int] = 16
    min_count: int = 1
    bags: Sequence[str] | dict[str, str] = ()
    numeric: Sequence[str] = ()
    categorical: Sequence[str] = ()
    time_unit: str = "auto"
    time_format: str | None = None
    allow_empty_parts: bool = False
    sep: str | None = None
    header: bool | None = None
    names: Sequence[str] | None = None
    duplicates: str | None = None
    max_bad: float = MAX_BAD
    strict: bool = False
    seed: int = 0

    @property
    def given_negatives(self) -> str | None:
        """The column of negatives, or `None` if they are drawn."""
        return self.negatives if isinstance(self.negatives, str) else None
