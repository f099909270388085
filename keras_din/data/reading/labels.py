"""Labels as 0 and 1, and what to write where a log spells them otherwise."""

import numbers as kinds

import numpy as np
import pandas as pd

from keras_din.data.reading.columns import is_missing, numbers, to_plain_series
from keras_din.data.reading.text_types import FALSE, TRUE

_NO = ("no", "n", "false", "f", "off", "none", "skip", "impression", "view", "")
_MOST = 4  # Values that a remedy names.
_MOST_NUMBERS = 10  # The same of numbers, in an example.


def checked_label_map(label_map) -> dict:
    """`label_map` as a dict, value of the log -> 0 or 1, or a `ValueError`."""
    label_map = {} if label_map is None else label_map
    if not isinstance(label_map, dict):
        raise ValueError(
            f"`label_map` must be a dict, value of the log -> 0 or 1. Received: {label_map!r}."
        )
    for value, label in label_map.items():
        if not (value is None or isinstance(value, (str, kinds.Real))) or label not in (0, 1):
            raise ValueError(
                "`label_map` must map numbers, text or None (a missing label) to 0 or 1. "
                f"Received: {value!r}: {label!r}."
            )
    return label_map


def to_labels(name: str, values, label_map=None):
    """A column of labels as numbers.

    Args:
        name: Name of the column, for errors.
        values: Raw values `(rows,)`: 0 and 1, `True` and `False`, or text of these, `true` and
            `TRUE` too.
        label_map: Other values -> 0 or 1. A number, or text that is one, matches that number,
            however it is written; other text matches itself; `None` matches a missing value.

    Returns:
        `(labels, missing, wrong)`: float64 `(rows,)`; bool `(rows,)` each, `True` where there is
        no label, and where there is one that is neither 0 nor 1.
    """
    values = to_plain_series(values)
    raw, nothing = numbers(name, values), is_missing(values)
    labels = raw.copy()
    if not pd.api.types.is_numeric_dtype(values.dtype):
        for label, words in enumerate((FALSE, TRUE)):
            labels[values.isin(words).to_numpy(bool)] = label
    for value, label in checked_label_map(label_map).items():
        number = _number(value)
        if value is None:
            labels[nothing] = label
            nothing = np.zeros(len(values), bool)
        elif number is not None:
            labels[raw == number] = label
        else:
            labels[values.isin([value]).to_numpy(bool)] = label
    return labels, nothing, ~nothing & (labels != 0) & (labels != 1)


def good_labels(name: str, values, label_map=None) -> np.ndarray:
    """Labels as float32 `(rows,)`.

    Raises:
        ValueError: When one is missing or wrong: names its row and value, and what to write.
    """
    values = pd.Series(values)
    labels, nothing, wrong = to_labels(name, values, label_map)
    bad = nothing | wrong
    if bad.any():
        row = int(bad.argmax())
        raise ValueError(
            f"Label {name!r} must be 0 or 1 in every row. "
            f"Received: {plain_text(values.iloc[row])} in row {values.index[row]}. "
            f"{remedy(values)}"
        )
    return labels.astype(np.float32)


def check_both_classes(labels, what: str) -> None:
    """Raises a `ValueError` where all labels are alike; `what` names them, as `column 'click'`."""
    clicks, rows = int(np.sum(labels, dtype=np.int64)), len(labels)
    if rows and clicks in (0, rows):
        raise ValueError(
            f"The training part must have rows with label 1 and rows with label 0. Received: "
            f"{rows:,} rows, all with label {int(clicks > 0)} in {what}."
        )


def remedy(values: pd.Series) -> str:
    """What to write where some labels are none, as a sentence; `values` are all raw values.

    Of two numbers the larger is 1. Of more nobody but the user can tell: there is an example.
    """
    distinct = [
        None if pd.isna(value) or value == "" else _item(value) for value in values.unique()
    ]
    now = {value: _label_now(value) for value in distinct}
    by_number = sorted((v for v in now if now[v] is not None), key=now.get)
    amounts = sorted({now[value] for value in by_number})
    guess = {value: _guess(value) for value in now}
    if len(amounts) == 2:
        guess |= {value: int(now[value] == amounts[1]) for value in by_number}
    elif len(amounts) > 2:
        middle = (amounts[0] + amounts[-1]) / 2
        some = by_number if len(by_number) <= _MOST_NUMBERS else [by_number[0], by_number[-1]]
        return _for_example({value: int(now[value] > middle) for value in some})
    meant = {value: label for value, label in guess.items() if now[value] != label}
    if len(meant) > _MOST or len(set(guess.values())) < min(2, len(guess)):
        some = list(meant)[:_MOST]
        return _for_example({value: int(value != some[0]) for value in some})
    return f"Say what the values mean with {_written(meant)}."


def _for_example(label_map: dict) -> str:
    return (
        f"Say what each value means with {_written(label_map)}, for example, or make a column of "
        "0 and 1 of them."
    )


def _label_now(value) -> float | None:
    """The number that a value is without a `label_map`, or `None`."""
    words = dict.fromkeys(TRUE, 1.0) | dict.fromkeys(FALSE, 0.0)
    return words[value] if isinstance(value, str) and value in words else _number(value)


def plain_text(value) -> str:
    """A value of a log as an error shows it: Python's spelling, without NumPy's types."""
    return "no value" if value is None or value is pd.NA or value != value else repr(_item(value))


def _written(label_map: dict) -> str:
    words = ",".join(f"{'' if v is None else v}={label}" for v, label in label_map.items())
    return f"`label_map={label_map!r}` (on the command line `--label-map {words}`)"


def _guess(value) -> int:
    """Which label a value may mean, for an example in an error."""
    number = _number(value)
    if number is not None:
        return int(number > 0)
    return int(str(value).lower() not in _NO) if value is not None else 0


def _number(value) -> float | None:
    try:
        return None if value is None else float(value)
    except ValueError:
        return None


def _item(value):
    return value.item() if hasattr(value, "item") else value
