"""`HistoryFeature`: the base of features that a model computes from a history."""

import dataclasses
from typing import Any, ClassVar

from keras_din.features.kind import Feature
from keras_din.features.sequence import Sequence


@dataclasses.dataclass(frozen=True, repr=False)
class HistoryFeature(Feature):
    """Base of `Match`, `LastMatch` and `HistorySize`, which a model computes from a history.

    The values are computed from the model's inputs of the candidate and of the history. So logs,
    data sets and requests contain no values of such a feature. A history contains only behaviors
    before its row, so later rows do not change the values.

    Attributes:
        of: Name of a feature of the behaviors, or `None`.
        in_: Name of the sequence.
    """

    of: str | None = dataclasses.field(default=None, kw_only=True)
    in_: str = dataclasses.field(kw_only=True)
    takes_numbers: ClassVar[bool] = False
    has_column: ClassVar[bool] = False
    has_input: ClassVar[bool] = False

    def __post_init__(self):
        super().__post_init__()
        self.check_names("in_", *(["of"] if self.of is not None else []))

    def check_names(self, *words: str) -> None:
        """Raises a `ValueError` if one of the arguments `words` is not a string."""
        for word in words:
            value = getattr(self, word)
            if not isinstance(value, str):
                raise ValueError(
                    f"`{word}` of {self.owner} must be a name. Received: {word}={value!r}."
                )

    @property
    def owner(self) -> str:
        """The feature, for errors."""
        return f"{type(self).__name__} {self.name!r}"

    def sequence(self, spec: Any) -> Sequence:
        """Returns the sequence `in_` of a spec."""
        return next(sequence for sequence in spec.sequences if sequence.name == self.in_)

    def check_spec(self, spec: Any, info: Any) -> None:
        names = [sequence.name for sequence in spec.sequences]
        if self.in_ not in names:
            raise ValueError(
                f"`in_` of {self.owner} must be the name of a sequence of the spec: {names}. "
                f"Received: in_={self.in_!r}."
            )
        if self.of is None:
            return
        sequence = self.sequence(spec)
        # A candidate is compared with behaviors by a feature that both have.
        of_target = info.role == "target"
        features = sequence.of if of_target else sequence.features
        usable = [f.name for f in features if f.table is not None and not f.axes]
        if self.of not in usable:
            kinds = {f.name: f", a {type(f).__name__}" for f in sequence.features}
            raise ValueError(
                f"`of` of {self.owner} must be the name of a feature with one index per behavior "
                f"in {'`of` of ' if of_target else ''}Sequence {self.in_!r}: {usable}. "
                f"Received: of={self.of!r}{kinds.get(self.of, '')}."
            )

    def __repr__(self):
        fields = [(f.name, getattr(self, f.name)) for f in dataclasses.fields(self)[1:]]
        words = [f"{name}={value!r}" for name, value in fields if value is not None]
        return f"{type(self).__name__}({', '.join([repr(self.name), *words])})"
