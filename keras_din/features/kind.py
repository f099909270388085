"""What a kind of feature declares, and how layers find their function for a kind."""

import dataclasses
import functools
import json
from collections.abc import Sequence as SequenceOf
from typing import ClassVar

from keras_din.features.names import check_name

KINDS = {}  # Name of the class -> the class.


@dataclasses.dataclass(frozen=True)
class Feature:
    """Base of the kinds of features.

    A kind is a frozen dataclass that `register_kind` decorates. It declares here what can be
    declared. What needs NumPy, Keras or TensorFlow is registered with the `per_kind` functions of
    the layers.

    Args:
        name: Name of the feature, and of the model's input.

    Attributes:
        raw_dtype: Type of the raw values: `"string"`, `"int64"`, `"int32"` or `"float32"`.
        input_dtype: Type of the model's input: `"int32"` for indices, `"float32"` for numbers.
        axes: Names of the axes of one value: `()`, or `("values",)` for several values.
        max_values: The most values of one cell that data sets and served versions hand to the
            model, of kinds with axes.
        fill_value: The number that replaces one that is missing, of kinds with numbers.
        padding_value: The raw value at padding positions.
        marks_padding: Whether the feature may tell padding from real candidates and behaviors.
        table: The `Table` of embeddings, or `None`.
    """

    name: str
    raw_dtype: ClassVar[str] = "float32"
    input_dtype: ClassVar[str] = "float32"
    axes: ClassVar[tuple] = ()
    max_values: ClassVar[int | None] = None
    fill_value: ClassVar[float] = 0.0
    padding_value: ClassVar[object] = 0.0
    marks_padding: ClassVar[bool] = False
    table: ClassVar[object] = None

    @property
    def is_numeric(self) -> bool:
        """Whether the model's input holds numbers, not indices."""
        return self.input_dtype == "float32"

    @property
    def takes_numbers(self) -> bool:
        """Whether raw values are numbers, not ids or indices."""
        return self.raw_dtype == "float32"

    @property
    def takes_indices(self) -> bool:
        """Whether raw values are indices already."""
        return self.raw_dtype == "int32"

    def __post_init__(self):
        check_name(type(self).__name__, self.name)

    def with_table(self, tables: dict) -> "Feature":
        """The feature with its table in place of the table's name."""
        return self

    def to_dict(self) -> dict:
        """The feature as values that JSON takes."""
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return {"type": type(self).__name__} | fields

    @classmethod
    def from_dict(cls, entry: dict, tables: dict) -> "Feature":
        """The feature of the fields that `to_dict` returned; `tables` are those of the spec."""
        return cls(**entry)

    def identity(self) -> dict:
        """The fields that a trained model depends on, for the fingerprint of a spec."""
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)[1:]}
        return json.loads(json.dumps(fields))  # As it is read again: tuples as lists.


def register_kind(kind):
    """Class decorator: specs take features of this kind, and read them from JSON."""
    KINDS[kind.__name__] = kind
    return kind


def as_tuple(owner: str, word: str, values) -> tuple:
    """`values` as a tuple, or a `ValueError` if they are no list."""
    if isinstance(values, str) or not isinstance(values, SequenceOf):
        raise ValueError(f"`{word}` of {owner} must be a list. Received: {word}={values!r}.")
    return tuple(values)


def feature_tuple(owner: str, word: str, values) -> tuple:
    """`values` as a tuple of features, or a `ValueError`."""
    values = as_tuple(owner, word, values)
    for value in values:
        if not isinstance(value, Feature):
            raise ValueError(
                f"`{word}` of {owner} must hold features: objects of {', '.join(KINDS)}. "
                f"Received: {value!r}."
            )
    return values


def per_kind(function):
    """Makes a function one that each kind of feature, or of values, registers its own form of.

    The function is a `functools.singledispatch` function of its first argument, whose body is
    not run: a kind without a registered form is a `NotImplementedError` that names the kind and
    the layer.
    """

    @functools.wraps(function)
    def missing(feature, *arguments, **keywords):
        where = f"{function.__module__}.{function.__name__}"
        raise NotImplementedError(
            f"The layer {function.__module__!r} must support the kind of each feature: register "
            f"a function with `{where}.register`. "
            f"Received: the kind {type(feature).__name__}, of {feature!r}."
        )

    return functools.singledispatch(missing)
