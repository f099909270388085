"""Columns in a folder, one `.npy` file each."""

import os

from keras_din.data.store.arrays import load_arrays, save_arrays
from keras_din.data.store.bags import from_files, to_files


class SavedColumns:
    """Base of classes with `arrays()` and `from_arrays(arrays)`: saves and loads them."""

    def save(self, folder: str | os.PathLike) -> None:
        """Writes the columns to a new folder, one `.npy` file each."""
        save_arrays(folder, to_files(self.arrays()))

    @classmethod
    def load(cls, folder: str | os.PathLike):
        """Loads what `save` wrote, memory-mapped."""
        return cls.from_arrays(from_files(load_arrays(folder)))
