"""`Feature`, the base of the kinds of features, and functions that depend on the kind."""

import dataclasses
import functools
import json
from collections.abc import Callable
from collections.abc import Sequence as SequenceOf
from typing import Any, ClassVar, TypeVar

from keras_din.features.names import check_name

KINDS: dict[str, type["Feature"]] = {}  # Name of the class -> the class.


@dataclasses.dataclass(frozen=True)
class Feature:
    """Base of the kinds of features.

    A kind is a frozen dataclass with the decorator `register_kind`. It sets the attributes below.
    Code for the kind that needs NumPy, Keras or TensorFlow is registered with the `per_kind`
    functions of other modules.

    Args:
        name: Name of the feature and of the model's input.

    Attributes:
        raw_dtype: Type of the raw values: `"string"`, `"int64"`, `"int32"` or `"float32"`.
        input_dtype: Type of the model's input: `"int32"` for indices, `"float32"` for numbers.
        axes: Names of the axes of one value: `()`, `("values",)` for several values, or
            `("size",)` for the numbers of a vector.
        max_values: For kinds with the axis `values`: the maximum number of values of one cell in
            data sets and exported versions.
        fill_value: For kinds with numbers: the number that replaces a missing value.
        padding_value: The raw value at padding positions.
        marks_padding: Whether index 0 of the feature can mark padding candidates and behaviors.
        table: The `Table` of embeddings, or `None`.
        has_column: Whether a log has a column of the feature. Other features are computed.
        has_input: Whether a model has an input of the feature. A model computes other features
            from its inputs.
        from_events: Whether loaders of logs count the rows of the log instead of reading a column.
        from_snapshot: Whether an exported version looks values up instead of having an input.
        from_times: Whether values are computed from times instead of a column.
        reads_request: Whether the value of a behavior also depends on the time of the request.
        roles: Where the feature may be: `"context"`, `"target"`, and in a sequence `"behavior"`.
        required: Names of the fields that may be `None` until they are learned, and without which
            there is no model.
    """

    name: str
    raw_dtype: ClassVar[str] = "float32"
    input_dtype: ClassVar[str] = "float32"
    axes: ClassVar[tuple[str, ...]] = ()
    max_values: ClassVar[int | None] = None
    fill_value: ClassVar[float] = 0.0
    padding_value: ClassVar[Any] = 0.0
    marks_padding: ClassVar[bool] = False
    table: ClassVar[Any] = None
    has_column: ClassVar[bool] = True
    has_input: ClassVar[bool] = True
    from_events: ClassVar[bool] = False
    from_snapshot: ClassVar[bool] = False
    from_times: ClassVar[bool] = False
    reads_request: ClassVar[bool] = False
    roles: ClassVar[tuple[str, ...]] = ("context", "target", "behavior")
    required: ClassVar[tuple[str, ...]] = ()

    @property
    def parts(self) -> tuple["Feature", ...]:
        """The feature itself, and then what else a model has an input for, see `BagWeights`."""
        return (self,)

    @property
    def shape(self) -> tuple[int | None, ...]:
        """The sizes of `axes`, `None` for a size that differs between values."""
        return (None,) * len(self.axes)

    @property
    def is_numeric(self) -> bool:
        """Whether the model's input contains numbers, not indices."""
        return self.input_dtype == "float32"

    @property
    def takes_numbers(self) -> bool:
        """Whether raw values are numbers, not ids or indices."""
        return self.raw_dtype == "float32"

    @property
    def takes_indices(self) -> bool:
        """Whether raw values are indices already."""
        return self.raw_dtype == "int32"

    @property
    def to_learn(self) -> tuple[str, ...]:
        """Names of the fields that are not given, which `prepare_*` learn from training values."""
        return ()

    def __post_init__(self):
        check_name(type(self).__name__, self.name)

    def check_learned(self) -> None:
        """Raises a `ValueError` if a field that a model needs is not learned yet."""
        for word in self.to_learn:
            if word in self.required:
                raise ValueError(
                    f"`{word}` of {type(self).__name__} {self.name!r} must be given, or learned: "
                    "pass the feature to `prepare_impressions`, `prepare_interactions` or "
                    "`prepare_rows`, and use the `spec` of their result. "
                    f"Received: {self!r}."
                )

    def check_spec(self, spec: Any, info: Any) -> None:
        """Raises a `ValueError` if the feature does not fit the other features of a `FeatureSpec`.

        Args:
            spec: The `FeatureSpec`, with tables and sequences resolved.
            info: The `InputInfo` of the place of the feature.
        """

    def with_table(self, tables: dict) -> "Feature":
        """Returns the feature with the `Table` instead of the table's name."""
        return self

    def with_values(self, values) -> "Feature":
        """Returns the feature with other `Values` in its table."""
        raise TypeError(f"{type(self).__name__} {self.name!r} has no table.")

    def with_shards(self, shards: int) -> "Feature":
        """Returns the feature with its table in another number of shards."""
        raise ValueError(
            "`shards` must name tables of a Categorical or a Bag: others are small. Received: the "
            f"table {self.name!r} of a {type(self).__name__}."
        )

    def to_dict(self) -> dict:
        """Returns the feature as a dict of JSON values."""
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return {"type": type(self).__name__} | fields

    @classmethod
    def from_dict(cls, entry: dict, tables: dict) -> "Feature":
        """Returns the feature from the fields of `to_dict`. `tables` are the tables by name."""
        return cls(**entry)

    def identity(self) -> dict:
        """Returns the fields that a trained model depends on, for the fingerprint of a spec."""
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)[1:]}
        return json.loads(json.dumps(fields))  # With lists instead of tuples.


Kind = TypeVar("Kind", bound=Feature)


def register_kind(kind: type[Kind]) -> type[Kind]:
    """Class decorator that makes a kind available to specs and to their JSON."""
    KINDS[kind.__name__] = kind
    return kind


def as_tuple(owner: str, word: str, values: Any) -> tuple:
    """Returns `values` as a tuple, or raises a `ValueError` if they are not a list."""
    if isinstance(values, str) or not isinstance(values, SequenceOf):
        raise ValueError(f"`{word}` of {owner} must be a list. Received: {word}={values!r}.")
    return tuple(values)


def feature_tuple(owner: str, word: str, values: Any) -> tuple[Feature, ...]:
    """Returns `values` as a tuple of features, or raises a `ValueError`."""
    values = as_tuple(owner, word, values)
    for value in values:
        if not isinstance(value, Feature):
            raise ValueError(
                f"`{word}` of {owner} must contain features, objects of {', '.join(KINDS)}. "
                f"Received: {value!r}."
            )
    return values


def per_kind(function: Callable) -> Any:
    """Decorator for a function with one implementation per kind of feature or of values.

    The result is a `functools.singledispatch` function of the first argument. The body of the
    decorated function is never run. For a kind without an implementation the function raises a
    `NotImplementedError` with the names of the kind and of the function.
    """

    @functools.wraps(function)
    def missing(feature, *arguments, **keywords):
        where = f"{function.__module__}.{function.__name__}"
        raise NotImplementedError(
            f"{function.__module__!r} must support the kind of each feature: register a function "
            f"with `{where}.register`. "
            f"Received: the kind {type(feature).__name__}, of {feature!r}."
        )

    return functools.singledispatch(missing)
