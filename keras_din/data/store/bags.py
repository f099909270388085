"""Columns of bags, several values a row: each bag is stored once, rows point to theirs."""

import dataclasses

import numpy as np
import pandas as pd

from keras_din.data.store.arrays import check_offsets, column, first_where, integers


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Bags:
    """A column of bags.

    Row `i` has the values `offsets[place[i]]` to `offsets[place[i] + 1] - 1`. Rows may share a
    bag, and a selection of rows shares all of them: memory grows by 4 bytes a row, and with the
    values of the bags that differ.

    Args:
        place: Integers `(rows,)`, the number of each row's bag.
        offsets: Integers `(bags + 1,)`, from 0 to the number of values.
        values: `(values,)`, int32 indices of a `Bag`.

    Raises:
        ValueError: When `offsets` fall or end elsewhere, or a place is no bag's number.
    """

    place: np.ndarray
    offsets: np.ndarray
    values: np.ndarray

    def __post_init__(self):
        put = lambda field, value: object.__setattr__(self, field, value)  # noqa: E731
        put("place", column("place", self.place))
        put("offsets", integers("offsets", self.offsets))
        put("values", column("values", self.values))
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
    def lengths(self) -> np.ndarray:
        """How many values each bag has: int64 `(bags,)`."""
        return np.diff(self.offsets)

    def bag_of_value(self) -> np.ndarray:
        """The number of the bag that each value stands in: int64 `(values,)`."""
        return np.repeat(np.arange(len(self.offsets) - 1), self.lengths)

    def having(self, index: int) -> np.ndarray:
        """Which rows have a value: bool `(rows,)`."""
        found = np.zeros(len(self.offsets) - 1, bool)
        found[self.bag_of_value()[self.values == index]] = True
        return found[self.place]

    def values_of(self, row: int) -> np.ndarray:
        """The values of one row."""
        return self.values[self.offsets[self.place[row]] : self.offsets[self.place[row] + 1]]

    def numbers(self) -> np.ndarray:
        """A number for each row, the same for the same values: int64 `(rows,)`."""
        bounds = zip(self.offsets[:-1], self.offsets[1:], strict=True)
        bags = [self.values[start:end].tobytes() for start, end in bounds]
        return pd.factorize(np.array(bags, object))[0][self.place]

    def arrays(self) -> dict:
        """Name of the file that is written -> its array."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}


def concat_bags(columns: list):
    """Columns one below the other, all of them arrays or all `Bags`."""
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


def checked_columns(columns: dict) -> dict:
    """Columns by name as a log and samples keep them: `Bags` as they are, all else by `column`."""
    return {
        name: values if isinstance(values, Bags) else column(name, values)
        for name, values in columns.items()
    }


def files_of(arrays: dict) -> dict:
    """Arrays by name with those of `Bags` apart, as `save_arrays` takes them."""
    files = {}
    for name, values in arrays.items():
        if isinstance(values, Bags):
            files |= {f"{name}/{field}": array for field, array in values.arrays().items()}
        else:
            files[name] = values
    return files


def from_files(files: dict) -> dict:
    """Arrays by name, of which `files_of` gives these files."""
    arrays, bags = {}, {}
    for path, array in files.items():
        if path.startswith("columns/") and path.count("/") == 2:
            name, _, field = path.rpartition("/")
            bags.setdefault(name, {})[field] = array
        else:
            arrays[path] = array
    return arrays | {name: Bags(**fields) for name, fields in bags.items()}
