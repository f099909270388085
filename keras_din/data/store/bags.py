"""Columns with several values per row (bags). Each distinct bag is stored once."""

import dataclasses

import numpy as np
import pandas as pd

from keras_din.data.store.arrays import check_offsets, first_where, to_column, to_int64


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Bags:
    """A column of bags.

    Row `i` has the values `offsets[place[i]]` to `offsets[place[i] + 1] - 1`. Rows can share a
    bag, and a selection of rows shares all bags. A row costs 4 bytes, and each distinct bag costs
    the memory of its values.

    Args:
        place: Integers `(rows,)`, the index of each row's bag.
        offsets: Integers `(bags + 1,)`, from 0 to the number of values.
        values: `(values,)`, int32 indices of a `Bag`, or float32 weights of its values. The column
            of weights has its own distinct bags.

    Raises:
        ValueError: If `offsets` decrease or do not end at the number of values, or a place is not
            the index of a bag.
    """

    place: np.ndarray
    offsets: np.ndarray
    values: np.ndarray

    def __post_init__(self):
        set_field = lambda field, value: object.__setattr__(self, field, value)  # noqa: E731
        set_field("place", to_column("place", self.place))
        set_field("offsets", to_int64("offsets", self.offsets))
        set_field("values", to_column("values", self.values))
        check_offsets(self.offsets)
        if self.offsets[-1] != len(self.values):
            raise ValueError(
                f"`offsets` of bags must end at the number of values, {len(self.values)}. "
                f"Received: {self.offsets[-1]}."
            )
        bags, place = len(self.offsets) - 1, self.place
        row = first_where(len(place), lambda part: (place[part] < 0) | (place[part] >= bags))
        if row is not None:
            raise ValueError(
                f"`place` must hold numbers of bags from 0 to {bags - 1}. "
                f"Received: {place[row]} in row {row}."
            )

    def __len__(self):
        return len(self.place)

    def __getitem__(self, rows):
        """The bags of `rows`: a slice, an array of row numbers or a boolean mask."""
        return dataclasses.replace(self, place=self.place[rows])

    @property
    def row_lengths(self) -> np.ndarray:
        """How many values each row has: int64 `(rows,)`."""
        return self.lengths[self.place]

    @property
    def lengths(self) -> np.ndarray:
        """How many values each bag has: int64 `(bags,)`."""
        return np.diff(self.offsets)

    def bag_ids_of_values(self) -> np.ndarray:
        """The index of the bag that each value belongs to: int64 `(values,)`."""
        return np.repeat(np.arange(len(self.offsets) - 1), self.lengths)

    def contains(self, index: int) -> np.ndarray:
        """Which rows contain an index: bool `(rows,)`."""
        found = np.zeros(len(self.offsets) - 1, bool)
        found[self.bag_ids_of_values()[self.values == index]] = True
        return found[self.place]

    def values_of(self, row: int) -> np.ndarray:
        """The values of one row."""
        return self.values[self.offsets[self.place[row]] : self.offsets[self.place[row] + 1]]

    def bag_ids(self) -> np.ndarray:
        """An id per row, equal for rows with equal values: int64 `(rows,)`."""
        bounds = zip(self.offsets[:-1], self.offsets[1:], strict=True)
        bags = [self.values[start:end].tobytes() for start, end in bounds]
        return pd.factorize(np.array(bags, object))[0][self.place]

    def arrays(self) -> dict:
        """Name of the saved file -> its array."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}


def concat_bags(columns: list):
    """Concatenates columns along rows. All must be arrays, with vectors or not, or all `Bags`."""
    if not isinstance(columns[0], Bags):
        return np.concatenate(columns)
    places, offsets, values = [], [np.zeros(1, np.int64)], []
    bags = end = 0
    for each in columns:
        places.append(each.place + bags)
        offsets.append(each.offsets[1:] + end)
        values.append(each.values)
        bags, end = bags + len(each.offsets) - 1, end + len(each.values)
    return Bags(*map(np.concatenate, (places, offsets, values)))


def row_ids(column) -> np.ndarray:
    """Returns an array that is equal for equal rows, `(rows,)`: of numbers the column itself."""
    if isinstance(column, Bags):
        return column.bag_ids()
    if column.ndim == 1:
        return column
    rows = np.ascontiguousarray(column)
    return pd.factorize(np.array([row.tobytes() for row in rows], object))[0]


def to_columns(columns: dict) -> dict:
    """Converts columns by name with `to_column`. `Bags` stay unchanged."""
    return {
        name: values if isinstance(values, Bags) else to_column(name, values)
        for name, values in columns.items()
    }


def to_files(arrays: dict) -> dict:
    """Splits each `Bags` into its arrays, for `save_arrays`."""
    files: dict[str, np.ndarray] = {}
    for name, values in arrays.items():
        if isinstance(values, Bags):
            files |= {f"{name}/{field}": array for field, array in values.arrays().items()}
        else:
            files[name] = values
    return files


def from_files(files: dict) -> dict:
    """Joins the arrays of each `Bags` again: the inverse of `to_files`."""
    arrays: dict = {}
    bags: dict[str, dict] = {}
    for path, array in files.items():
        if path.startswith("columns/") and path.count("/") == 2:
            name, _, field = path.rpartition("/")
            bags.setdefault(name, {})[field] = array
        else:
            arrays[path] = array
    return arrays | {name: Bags(**fields) for name, fields in bags.items()}
