"""Columns in a folder, one `.npy` file each."""

import os
from typing import TYPE_CHECKING

from keras_din.data.store.arrays import load_arrays, save_arrays
from keras_din.data.store.bags import from_files, to_files

if TYPE_CHECKING:
    from typing_extensions import Self


class SavedColumns:
    """Base of classes with `arrays()` and `from_arrays(arrays)`: saves and loads them."""

    def arrays(self) -> dict:
        """The columns by name."""
        raise NotImplementedError

    @classmethod
    def from_arrays(cls, arrays: dict) -> "Self":
        """The object of the columns that `arrays` returned."""
        raise NotImplementedError

    def save(self, folder: str | os.PathLike) -> None:
        """Writes the columns to a new folder, one `.npy` file each."""
        save_arrays(folder, to_files(self.arrays()))

    @classmethod
    def load(cls, folder: str | os.PathLike) -> "Self":
        """Loads what `save` wrote, memory-mapped."""
        return cls.from_arrays(from_files(load_arrays(folder)))
