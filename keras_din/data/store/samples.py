"""Samples: the rows of a training or test set, with candidates, histories and labels."""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from keras_din.count_text import count_text
from keras_din.data.store.arrays import (
    first_where,
    strip_prefix,
    to_int64,
)
from keras_din.data.store.bags import to_columns
from keras_din.data.store.saved_columns import SavedColumns
from keras_din.features import DEFAULT_LABEL

__all__ = ["Samples"]

_FIELDS = ("group", "request", "time", "weight", "line")
_ONLY_LABEL = "label"  # The label file of version 0.1, which had one label.


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Samples(SavedColumns):
    """Rows of a training or test set. Histories are slices of a `BehaviorLog`.

    Args:
        columns: Name of a context or target input -> `(rows,)`: int32 indices, float32 values or
            the `Bags` of a `Bag`.
        history: Sequence name -> `(start, end)`, integers `(rows,)` each: the events `start` to
            `end - 1` of that sequence's log are the row's history.
        labels: Name of a label -> `(rows,)` of 0 and 1, or of finite numbers for a label that is a
            number. NaN is a missing label, for samples with several labels. An array is the label
            `click`.
        group: Integers `(rows,)`, the groups of GAUC: the user's number.
        request: Integers `(rows,)`, or `None`. The rows of one request are adjacent and share
            context and history.
        time: Integers `(rows,)`, microseconds, or `None`.
        weight: Floats `(rows,)`, the weight of each row in the loss, or `None` for equal weights.
            Metrics of this package ignore the weight, except that they leave out rows of weight 0.
        line: Integers `(rows,)`, the position of each row in the prepared log: the line of a CSV
            file, or else the row number from 0. With several files, the `lines_before` its file
            are added, which `report["files"]` of the prepared data lists. Or `None`.

    Raises:
        ValueError: If lengths differ, there is no label, a label is infinite, a weight is negative
            or not finite, a label or the weight is not a vector, or a slice ends before it starts.
            `keras_din.data.dataset` compares labels with the spec.

    Example:

    ```python
    # Two candidates of one user; the history is the first two events of the log.
    samples = kd.data.Samples(
        columns={"item_id": np.array([9, 5])},
        history={"hist": ([0, 0], [2, 2])},
        labels=[1, 0],
        group=[0, 0],
    )
    len(samples[samples.is_positive])  # 1
    ```
    """

    columns: dict
    history: dict
    labels: dict
    group: np.ndarray
    request: np.ndarray | None = None
    time: np.ndarray | None = None
    weight: np.ndarray | None = None
    line: np.ndarray | None = None

    if TYPE_CHECKING:  # The arguments may be lists, and the labels an array.

        def __init__(
            self,
            columns: dict,
            history: dict,
            labels: Mapping[str, ArrayLike] | ArrayLike,
            group: ArrayLike,
            request: ArrayLike | None = None,
            time: ArrayLike | None = None,
            weight: ArrayLike | None = None,
            line: ArrayLike | None = None,
        ) -> None: ...

    def __post_init__(self):
        set_field = lambda field, value: object.__setattr__(self, field, value)  # noqa: E731
        set_field("columns", to_columns(self.columns))
        set_field(
            "history",
            {
                name: (to_int64(f"{name} start", start), to_int64(f"{name} end", end))
                for name, (start, end) in self.history.items()
            },
        )
        labels = self.labels if isinstance(self.labels, dict) else {DEFAULT_LABEL: self.labels}
        labels = {name: np.asarray(values, np.float32) for name, values in labels.items()}
        set_field("labels", labels)
        if not labels:
            raise ValueError("`labels` must hold at least one label. Received: none.")
        for field in ("group", "request", "time", "line"):
            if getattr(self, field) is not None:
                set_field(field, to_int64(field, getattr(self, field)))
        if self.weight is not None:
            set_field("weight", np.asarray(self.weight, np.float32))
        for what, values in (*_described_labels(self.labels), ("`weight`", self.weight)):
            if values is not None and values.ndim != 1:
                raise ValueError(f"{what} must be a vector. Received: shape={values.shape}.")
        lengths = {name: len(array) for name, array in self.arrays().items()}
        if set(lengths.values()) != {len(self)}:
            raise ValueError(f"All columns of samples must have one length. Received: {lengths}.")
        for what, values in _described_labels(self.labels):
            _check_label(what, values)
        if self.weight is not None:
            _check_weights(self.weight)
        for name, (start, end) in self.history.items():
            _check_slices(name, start, end)

    @property
    def label(self) -> np.ndarray:
        """The values of the only label."""
        if len(self.labels) > 1:
            raise ValueError(
                "`label` requires samples with one label. Use `labels` for several. "
                f"Received: labels {list(self.labels)}."
            )
        (values,) = self.labels.values()
        return values

    @property
    def is_positive(self) -> np.ndarray:
        """Where at least one label is positive: bool `(rows,)`."""
        return np.any([values > 0 for values in self.labels.values()], axis=0)

    def arrays(self) -> dict:
        """Name of the saved file or folder -> its array or `Bags`."""
        arrays = {f"columns/{name}": values for name, values in self.columns.items()}
        for name, (start, end) in self.history.items():
            arrays |= {f"history/{name}/start": start, f"history/{name}/end": end}
        arrays |= {f"labels/{name}": values for name, values in self.labels.items()}
        for field in _FIELDS:
            if getattr(self, field) is not None:
                arrays[field] = getattr(self, field)
        return arrays

    @classmethod
    def from_arrays(cls, arrays: dict) -> "Samples":
        """Creates samples from the result of `arrays`."""
        if _ONLY_LABEL in arrays:
            arrays = {**arrays, f"labels/{DEFAULT_LABEL}": arrays[_ONLY_LABEL]}
        history = strip_prefix(arrays, "history")
        return cls(
            columns=strip_prefix(arrays, "columns"),
            history={
                name.removesuffix("/start"): (start, history[name.removesuffix("start") + "end"])
                for name, start in history.items()
                if name.endswith("/start")
            },
            labels=strip_prefix(arrays, "labels"),
            **{field: arrays[field] for field in _FIELDS if field in arrays},
        )

    def __len__(self):
        return len(next(iter(self.labels.values())))

    def __getitem__(self, rows):
        """The samples of `rows`: a slice, an array of row numbers or a boolean mask."""
        if not isinstance(rows, slice):
            rows = np.asarray(rows)
            if rows.ndim != 1:
                raise ValueError(
                    "Samples must be selected by a slice or a vector of rows. "
                    f"Received: an index of shape {rows.shape}."
                )
        return self.from_arrays({name: array[rows] for name, array in self.arrays().items()})

    def __repr__(self):
        labels = "" if list(self.labels) == [DEFAULT_LABEL] else f", labels {list(self.labels)}"
        return (
            f"Samples({count_text(len(self), 'row')}, {list(self.columns)}, "
            f"history of {list(self.history)}{labels})"
        )


def _described_labels(labels: dict) -> list:
    """The name of each label in errors, and its values."""
    if list(labels) == [DEFAULT_LABEL]:
        return [("`label`", labels[DEFAULT_LABEL])]
    return [(f"Label {name!r}", values) for name, values in labels.items()]


def _check_label(what: str, values: np.ndarray) -> None:
    row = first_where(len(values), lambda part: np.isinf(values[part]))
    if row is not None:
        raise ValueError(
            f"{what} must be a finite number, or NaN where it is missing. "
            f"Received: {values[row]:g} in row {row}."
        )


def _check_weights(weight: np.ndarray) -> None:
    row = first_where(len(weight), lambda part: ~((weight[part] >= 0) & (weight[part] < np.inf)))
    if row is not None:
        raise ValueError(
            "`weight` must hold finite non-negative numbers. "
            f"Received: {weight[row]:g} in row {row}."
        )


def _check_slices(name: str, start: np.ndarray, end: np.ndarray) -> None:
    row = first_where(len(end), lambda part: (start[part] < 0) | (end[part] < start[part]))
    if row is not None:
        raise ValueError(
            f"`history` of {name!r} must hold slices with 0 <= start <= end. "
            f"Received: [{start[row]}, {end[row]}) in row {row}."
        )
