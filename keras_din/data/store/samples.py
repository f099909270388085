"""Samples: which candidate was shown to whom, with which history, and was it clicked."""

import dataclasses
import os

import numpy as np

from keras_din.data.store.arrays import (
    first_where,
    integers,
    load_arrays,
    save_arrays,
    strip_prefix,
)
from keras_din.data.store.bags import checked_columns, files_of, from_files

_FIELDS = ("label", "group", "request", "time", "weight", "line")


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Samples:
    """Rows of a training or test set; histories are pointers into a `BehaviorLog`.

    Args:
        columns: Name of a context or target input -> `(rows,)`: int32 indices, float32 values or
            the `Bags` of a `Bag`.
        history: Sequence name -> `(start, end)`, integers `(rows,)` each: the events `start` to
            `end - 1` of that sequence's log are the row's history.
        label: `(rows,)` of 0 and 1.
        group: Integers `(rows,)`, the groups of GAUC: the user's number.
        request: Integers `(rows,)`, or `None`. The rows of one request stand together and share
            context and history.
        time: Integers `(rows,)`, microseconds, or `None`.
        weight: Floats `(rows,)`, what each row counts in the loss, or `None` when all are alike.
            Metrics of this package count a row whatever its weight, unless that is 0.
        line: Integers `(rows,)`, where each row stands in the log that was prepared: the line of
            a CSV file, or else the row counted from 0. Or `None`.

    Raises:
        ValueError: When lengths disagree, a label is neither 0 nor 1, a weight is negative or
            not finite, label or weight is no vector, or a slice ends before it starts.
    """

    columns: dict
    history: dict
    label: np.ndarray
    group: np.ndarray
    request: np.ndarray | None = None
    time: np.ndarray | None = None
    weight: np.ndarray | None = None
    line: np.ndarray | None = None

    def __post_init__(self):
        put = lambda field, value: object.__setattr__(self, field, value)  # noqa: E731
        put("columns", checked_columns(self.columns))
        put(
            "history",
            {
                name: (integers(f"{name} start", start), integers(f"{name} end", end))
                for name, (start, end) in self.history.items()
            },
        )
        put("label", np.asarray(self.label, np.float32))
        for field in ("group", "request", "time", "line"):
            if getattr(self, field) is not None:
                put(field, integers(field, getattr(self, field)))
        if self.weight is not None:
            put("weight", np.asarray(self.weight, np.float32))
        for field in ("label", "weight"):
            shape = np.shape(getattr(self, field))
            if getattr(self, field) is not None and len(shape) != 1:
                raise ValueError(f"`{field}` must be a vector. Received: shape={shape}.")
        lengths = {name: len(array) for name, array in self.arrays().items()}
        if set(lengths.values()) != {len(self.label)}:
            raise ValueError(f"All columns of samples must have one length. Received: {lengths}.")
        label = self.label
        row = first_where(len(label), lambda part: (label[part] != 0) & (label[part] != 1))
        if row is not None:
            raise ValueError(f"`label` must be 0 or 1. Received: {label[row]:g} in row {row}.")
        if self.weight is not None:
            _check_weights(self.weight)
        for name, (start, end) in self.history.items():
            _check_slices(name, start, end)

    def arrays(self) -> dict:
        """Name of the file or folder that `save` writes -> its array or `Bags`."""
        arrays = {f"columns/{name}": values for name, values in self.columns.items()}
        for name, (start, end) in self.history.items():
            arrays |= {f"history/{name}/start": start, f"history/{name}/end": end}
        for field in _FIELDS:
            if getattr(self, field) is not None:
                arrays[field] = getattr(self, field)
        return arrays

    @classmethod
    def from_arrays(cls, arrays: dict):
        """The samples of such arrays."""
        history = strip_prefix(arrays, "history")
        return cls(
            columns=strip_prefix(arrays, "columns"),
            history={
                name.removesuffix("/start"): (start, history[name.removesuffix("start") + "end"])
                for name, start in history.items()
                if name.endswith("/start")
            },
            **{field: arrays[field] for field in _FIELDS if field in arrays},
        )

    def __len__(self):
        return len(self.label)

    def __getitem__(self, rows):
        """The samples of `rows`: a slice, an array of row numbers or a boolean mask."""
        if not isinstance(rows, slice):
            rows = np.asarray(rows)
            if rows.ndim != 1:
                raise ValueError(
                    "Samples are selected by a slice or a vector of rows. "
                    f"Received: an index of shape {rows.shape}."
                )
        return self.from_arrays({name: array[rows] for name, array in self.arrays().items()})

    def save(self, folder: str | os.PathLike) -> None:
        """Writes the samples to a new folder, one `.npy` file a column."""
        save_arrays(folder, files_of(self.arrays()))

    @classmethod
    def load(cls, folder: str | os.PathLike):
        """The samples that `save` wrote, memory-mapped."""
        return cls.from_arrays(from_files(load_arrays(folder)))

    def __repr__(self):
        return f"Samples({len(self):,} rows, {list(self.columns)}, history of {list(self.history)})"


def _check_weights(weight: np.ndarray) -> None:
    row = first_where(len(weight), lambda part: ~((weight[part] >= 0) & (weight[part] < np.inf)))
    if row is not None:
        raise ValueError(
            "`weight` must hold finite numbers of at least 0. "
            f"Received: {weight[row]:g} in row {row}."
        )


def _check_slices(name: str, start: np.ndarray, end: np.ndarray) -> None:
    row = first_where(len(end), lambda part: (start[part] < 0) | (end[part] < start[part]))
    if row is not None:
        raise ValueError(
            f"`history` of {name!r} must hold slices with 0 <= start <= end. "
            f"Received: [{start[row]}, {end[row]}) in row {row}."
        )
