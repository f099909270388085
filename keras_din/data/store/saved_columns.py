"""Columns in a folder, one `.npy` file each."""

import os

from keras_din.data.store.arrays import load_arrays, save_arrays
from keras_din.data.store.bags import files_of, from_files


class SavedColumns:
    """Saves and loads objects that have `arrays()` and `from_arrays(arrays)`."""

    def save(self, folder: str | os.PathLike) -> None:
        """Writes the columns to a new folder, one `.npy` file each."""
        save_arrays(folder, files_of(self.arrays()))

    @classmethod
    def load(cls, folder: str | os.PathLike):
        """Reads what `save` wrote, memory-mapped."""
        return cls.from_arrays(from_files(load_arrays(folder)))
