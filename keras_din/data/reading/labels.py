"""Converts labels to numbers, and suggests a `label_map` for labels in another form."""

from numbers import Real
from typing import NamedTuple

import numpy as np
import pandas as pd

from keras_din.count_text import count_text
from keras_din.data.reading.columns import is_missing, numbers, to_plain_series
from keras_din.data.reading.file_lines import describe_row
from keras_din.data.reading.text_types import FALSE, TRUE
from keras_din.features import Label

_NEGATIVE_WORDS = ("no", "n", "false", "f", "off", "none", "skip", "impression", "view", "")
_MAX_VALUES = 4  # How many values a remedy lists.
_MAX_NUMBERS = 10  # How many numbers an example lists.


class LabelRules(NamedTuple):
    """Which values the columns of labels may have. Other columns have 0 and 1 in each row.

    Attributes:
        numbers: Column of a label that is a number -> whether it must not be negative.
        optional: Columns whose value may be missing, if another of them has a value.
        given: Column of a label -> the column without which it cannot be 1.
    """

    numbers: dict
    optional: tuple
    given: dict

    @classmethod
    def of(cls, of_label: dict) -> "LabelRules":
        """Returns the rules of labels. `of_label` is `Label` -> its column."""
        numbers = {
            column: label.is_not_negative
            for label, column in of_label.items()
            if not label.is_binary
        }
        columns = {label.name: column for label, column in of_label.items()}
        given = {
            column: columns[label.given]
            for label, column in of_label.items()
            if label.given is not None
        }
        return cls(numbers, tuple(of_label.values()) if len(of_label) > 1 else (), given)


NO_RULES = LabelRules({}, (), {})


def check_label_map(label_map) -> dict:
    """Returns `label_map` as a dict, value of the log -> 0 or 1, or raises a `ValueError`."""
    label_map = {} if label_map is None else label_map
    if not isinstance(label_map, dict):
        raise ValueError(
            f"`label_map` must be a dict, value of the log -> 0 or 1. Received: {label_map!r}."
        )
    for value, label in label_map.items():
        if not (value is None or isinstance(value, (str, Real))) or label not in (0, 1):
            raise ValueError(
                "`label_map` must map numbers, text or None (a missing label) to 0 or 1. "
                f"Received: {value!r}: {label!r}."
            )
    return label_map


def is_by_label(label_map) -> bool:
    """Returns whether a `label_map` has one map per label, name -> map."""
    return isinstance(label_map, dict) and any(isinstance(v, dict) for v in label_map.values())


def label_map_of(name: str, label_map, is_number: bool = False) -> dict:
    """Returns the map of one column: the `label_map` itself, or its entry `name`.

    A `label_map` for all labels does not apply to numbers.
    """
    if is_by_label(label_map):
        return check_label_map(label_map.get(name))
    return check_label_map(None if is_number else label_map)


def to_labels(name: str, values, label_map=None):
    """Converts a column of labels to numbers.

    Args:
        name: Name of the column, for errors.
        values: Raw values `(rows,)`: 0 and 1, `True` and `False`, or these as text, including
            `true` and `TRUE`.
        label_map: Other values -> 0 or 1. A number, or its text, matches that number in any
            notation. Other text matches itself. `None` matches a missing value.

    Returns:
        `(labels, missing, wrong)`: float64 `(rows,)`; bool `(rows,)`, `True` where the label is
        missing; bool `(rows,)`, `True` where the label is neither 0 nor 1.
    """
    values = to_plain_series(values)
    labels, nothing = numbers(name, values).copy(), is_missing(values)
    if not pd.api.types.is_numeric_dtype(values.dtype):
        for label, words in enumerate((FALSE, TRUE)):
            labels[values.isin(words).to_numpy(bool)] = label
    nothing = _apply_map(name, values, labels, nothing, label_map)
    return labels, nothing, ~nothing & (labels != 0) & (labels != 1)


def to_numbers(name: str, values, label_map=None, not_negative: bool = False):
    """Converts a column of labels that are numbers.

    Args:
        name: Name of the column, for errors.
        values: Raw values `(rows,)`, numbers or their text.
        label_map: Other values -> 0 or 1, see `to_labels`.
        not_negative: Whether a negative number is wrong.

    Returns:
        `(labels, missing, wrong)`, see `to_labels`. A label is wrong if it is no number, or not
        finite in float32.
    """
    values = to_plain_series(values)
    labels, nothing = numbers(name, values).copy(), is_missing(values)
    nothing = _apply_map(name, values, labels, nothing, label_map)
    with np.errstate(over="ignore"):
        wrong = ~np.isfinite(labels.astype(np.float32))
    return labels, nothing, ~nothing & (wrong | (not_negative & (labels < 0)))


def _apply_map(name: str, values, labels, nothing, label_map) -> np.ndarray:
    """Applies a `label_map` to `labels`. Returns where the label is missing, which becomes NaN."""
    raw = labels.copy()
    for value, label in check_label_map(label_map).items():
        number = _to_float(value)
        if value is None:
            labels[nothing] = label
            nothing = np.zeros(len(values), bool)
        elif number is not None:
            labels[raw == number] = label
        else:
            labels[values.isin([value]).to_numpy(bool)] = label
    labels[nothing] = np.nan
    return nothing


def require_labels(
    name: str, values, label_map=None, of_several: bool = False, label: Label | None = None
) -> np.ndarray:
    """Converts a column of labels to float32 `(rows,)`, with NaN where one of several is missing.

    Args:
        name: Name of the column, for errors.
        values: Raw values `(rows,)`, see `to_labels`.
        label_map: Other values -> 0 or 1, see `to_labels`.
        of_several: Whether there are other labels. Then a label may be missing, and the remedy
            names this one.
        label: The `Label`, by default one of 0 and 1.

    Raises:
        ValueError: If a label is wrong, or a single label missing. The error names its row, its
            value and a remedy.
    """
    values, label = pd.Series(values), Label() if label is None else label
    if label.is_binary:
        labels, nothing, wrong = to_labels(name, values, label_map)
    else:
        labels, nothing, wrong = to_numbers(name, values, label_map, label.is_not_negative)
    bad = wrong if of_several else nothing | wrong
    if bad.any():
        row = int(bad.argmax())
        required, remedy = "0 or 1", ""
        if label.is_binary:
            remedy = f" {label_remedy(values, name if of_several else None)}"
        else:
            required = f"a finite number{' from 0' if label.is_not_negative else ''}"
        raise ValueError(
            f"Label {name!r} must be {required} in every row. "
            f"Received: {format_value(values.iloc[row])} in {describe_row(values, row, 'row')}."
            f"{remedy}"
        )
    return labels.astype(np.float32)


def check_varied(labels, column: str, label: Label) -> None:
    """Raises a `ValueError` if the training labels are all missing, or all equal.

    Args:
        labels: float32 `(rows,)`, NaN where missing.
        column: Name of their column.
        label: The `Label`.
    """
    labels, what = np.asarray(labels), f"column {column!r}"
    known = labels[~np.isnan(labels)]
    if len(labels) and not len(known):
        raise ValueError(
            f"The training part must have rows with the label {label.name!r}. Received: "
            f"{count_text(len(labels), 'row')}, in which {what} is missing."
        )
    if label.is_binary and len(known) < len(labels) and known.min() == known.max() == 1:
        raise ValueError(
            "The training part must have rows with label 1 and rows with label 0. Received: "
            f"{count_text(len(known), 'row')} with label 1, and "
            f"{len(labels) - len(known):,} in which {what} is missing. "
            f"If they mean 0, pass {format_label_map({None: 0}, column)}."
        )
    if label.is_binary:
        check_both_classes(known, what)
    elif len(known) and known.min() == known.max():
        raise ValueError(
            f"The training part must have rows with different numbers in {what}. Received: "
            f"{count_text(len(known), 'row')}, all with {known[0]:g}."
        )


def check_both_classes(labels, what: str) -> None:
    """Raises a `ValueError` if all labels are equal; `what` is their name in the error."""
    clicks, rows = int(np.sum(labels, dtype=np.int64)), len(labels)
    if rows and clicks in (0, rows):
        raise ValueError(
            f"The training part must have rows with label 1 and rows with label 0. Received: "
            f"{count_text(rows, 'row')}, all with label {int(clicks > 0)} in {what}."
        )


def label_remedy(values: pd.Series, name: str | None = None) -> str:
    """Suggests a `label_map` for a column with wrong labels, as a sentence.

    `values` are all raw values. `name` is the name of the column if there are several labels. Of
    two numbers, the larger is 1. With more numbers, only the user can decide, so the sentence has
    an example.
    """
    distinct = [
        None if pd.isna(value) or value == "" else _to_python(value) for value in values.unique()
    ]
    now = {value: _default_label(value) for value in distinct}
    numbers = {value: number for value, number in now.items() if number is not None}
    by_number = sorted(numbers, key=numbers.__getitem__)
    amounts = sorted(set(numbers.values()))
    guess = {value: _guess_label(value) for value in now}
    if len(amounts) == 2:
        guess |= {value: int(numbers[value] == amounts[1]) for value in by_number}
    elif len(amounts) > 2:
        middle = (amounts[0] + amounts[-1]) / 2
        some = by_number if len(by_number) <= _MAX_NUMBERS else [by_number[0], by_number[-1]]
        return _example_remedy({value: int(numbers[value] > middle) for value in some}, name)
    meant = {value: label for value, label in guess.items() if now[value] != label}
    if len(meant) > _MAX_VALUES or len(set(guess.values())) < min(2, len(guess)):
        some = list(meant)[:_MAX_VALUES]
        return _example_remedy({value: int(value != some[0]) for value in some}, name)
    return f"Map the values with {format_label_map(meant, name)}."


def _example_remedy(label_map: dict, name: str | None) -> str:
    words = format_label_map(label_map, name)
    return f"Map each value with {words}, for example, or convert the column to 0 and 1."


def _default_label(value) -> float | None:
    """The number that a value stands for without a `label_map`, or `None`."""
    words = dict.fromkeys(TRUE, 1.0) | dict.fromkeys(FALSE, 0.0)
    return words[value] if isinstance(value, str) and value in words else _to_float(value)


def format_value(value) -> str:
    """Formats a value of a log for an error: its Python `repr`, without NumPy's types."""
    return (
        "no value" if value is None or value is pd.NA or value != value else repr(_to_python(value))
    )


def format_label_map(label_map: dict, name: str | None = None) -> str:
    """Formats a `label_map`, of the label `name` if given, as an argument and an option."""
    words = ",".join(f"{'' if v is None else v}={label}" for v, label in label_map.items())
    if name is None:
        return f"`label_map={label_map!r}` (on the command line `--label-map {words}`)"
    argument = f"label_map={ {name: label_map}!r}"
    return f"`{argument}` (on the command line `--label-map-of {name}:{words}`)"


def _guess_label(value) -> int:
    """Guesses the label that a value stands for, for an example in an error."""
    number = _to_float(value)
    if number is not None:
        return int(number > 0)
    return int(str(value).lower() not in _NEGATIVE_WORDS) if value is not None else 0


def _to_float(value) -> float | None:
    try:
        return None if value is None else float(value)
    except ValueError:
        return None


def _to_python(value):
    return value.item() if hasattr(value, "item") else value
