"""Checks that the values of a further log have the types of the log that was prepared."""

from collections.abc import Callable

import numpy as np

from keras_din.data.prepare.value_counts import raw_column
from keras_din.data.reading.columns import is_missing, numbers
from keras_din.data.reading.labels import format_value
from keras_din.data.reading.raw_values import raw_values
from keras_din.features import FeatureSpec, Vocabulary


def check_value_types(spec: FeatureSpec, values_of: Callable, separators: dict) -> None:
    """Raises a `ValueError` for features whose values have another type than before.

    Args:
        spec: The features.
        values_of: Function from the name of a feature to its raw values, a `Series`.
        separators: Name of a column with several values -> its separator.
    """
    for feature in spec.features.values():
        if not feature.has_column or feature.from_events:
            continue
        values = values_of(feature.name)
        if feature.takes_numbers and not np.isfinite(numbers(feature.name, values)).any():
            some = values[~is_missing(values)]
            if len(some):
                raise type_error(feature.name, "float", "string", some.iloc[0])
        if feature.table is None or not isinstance(feature.table.values, Vocabulary):
            continue
        values = raw_column(feature, values, separators)
        found, expected = raw_values(feature.name, values).kind, feature.table.values.raw_dtype
        if len(values) and found != expected:
            raise type_error(feature.name, expected, found, values.iloc[0])


def type_error(name: str, expected: str, found: str, value) -> ValueError:
    """Returns the error for a column of another type than before."""
    words = {"string": "text", "int64": "integers", "float": "numbers"}
    return ValueError(
        f"Column {name!r} must have the type that it had when the data was prepared, "
        f"{words[expected]}, since '007' and 7 are different ids. Received: {words[found]}, such "
        f"as {format_value(value)}. Convert the column, or prepare all days again."
    )
