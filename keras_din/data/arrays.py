"""Named arrays on disk, one `.npy` file each, and the types that columns are kept in."""

import pathlib

import numpy as np

_INT32 = np.iinfo(np.int32)


def column(name: str, values) -> np.ndarray:
    """A column as the log keeps it: integers as int32, numbers as float32; never wrapped round."""
    values = np.asarray(values)
    if values.ndim != 1 or values.dtype.kind not in "iuf":
        raise ValueError(
            f"Column {name!r} must be a vector of integers or floats. "
            f"Received: dtype={values.dtype}, shape={values.shape}."
        )
    if values.dtype.kind == "f":
        return np.asarray(values, np.float32)
    if (
        values.dtype != np.int32
        and values.size
        and not (_INT32.min <= values.min() and values.max() <= _INT32.max)
    ):
        raise ValueError(
            f"Column {name!r} must hold 32-bit indices. Received: {values.min()} to {values.max()}."
        )
    return np.asarray(values, np.int32)


def integers(name: str, values) -> np.ndarray:
    """A vector of numbers, positions or microseconds as int64."""
    values = np.asarray(values)
    if values.ndim != 1 or (values.dtype.kind not in "iu" and values.size):
        raise ValueError(
            f"`{name}` must be a vector of integers. "
            f"Received: dtype={values.dtype}, shape={values.shape}."
        )
    return np.asarray(values, np.int64)


def save_arrays(folder: pathlib.Path, arrays: dict) -> None:
    """Writes each array to `folder/{name}.npy`; a `/` in a name makes a folder.

    Raises:
        FileExistsError: When `folder` is there already.
    """
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True)
    for name, array in arrays.items():
        file = folder / f"{name}.npy"
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, array, allow_pickle=False)


def load_arrays(folder: pathlib.Path) -> dict:
    """What `save_arrays` wrote, memory-mapped: read from disk where it is looked at."""
    folder = pathlib.Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"`folder` must be a folder of arrays. Received: {folder}.")
    return {
        file.relative_to(folder).with_suffix("").as_posix(): np.load(
            file, mmap_mode="r", allow_pickle=False
        )
        for file in sorted(folder.rglob("*.npy"))
    }


def under(arrays: dict, prefix: str) -> dict:
    """The arrays whose name starts with `{prefix}/`, without it."""
    prefix += "/"
    return {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
