"""Named arrays on disk, one `.npy` file each, and the dtypes of columns."""

import contextlib
import contextvars
import os
import pathlib

import numpy as np

from keras_din.checks import local_path

_INT32 = np.iinfo(np.int32)
_checks_values: contextvars.ContextVar[bool] = contextvars.ContextVar("checks_values", default=True)
_ROWS_AT_ONCE = 2**20  # Rows per step of a check, so memory-mapped columns stay on disk.


def to_column(name: str, values) -> np.ndarray:
    """Converts a column to int32 or float32. Integers that do not fit are an error.

    A matrix of floats, one vector per row, becomes float32 unless it is float16.
    """
    values = np.asarray(values)
    if values.ndim == 2 and values.dtype.kind == "f":
        return values if values.dtype == np.float16 else np.asarray(values, np.float32)
    if values.ndim != 1 or values.dtype.kind not in "iuf":
        raise ValueError(
            f"Column {name!r} must be a vector of integers or floats, or a matrix of floats. "
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


def to_int64(name: str, values) -> np.ndarray:
    """Converts a vector of integers to int64."""
    values = np.asarray(values)
    if values.ndim != 1 or (values.dtype.kind not in "iu" and values.size):
        raise ValueError(
            f"`{name}` must be a vector of integers. "
            f"Received: dtype={values.dtype}, shape={values.shape}."
        )
    return np.asarray(values, np.int64)


def to_int64_below(name: str, values, size: int, what: str = "numbers") -> np.ndarray:
    """Same as `to_int64`, with a `ValueError` if an integer is not from 0 to `size - 1`."""
    values = to_int64(name, values)
    if values.size and (values.min() < 0 or values.max() >= size):
        raise ValueError(
            f"`{name}` must hold {what} from 0 to {size - 1}. "
            f"Received: {values.min()} to {values.max()}."
        )
    return values


def check_offsets(offsets: np.ndarray) -> None:
    """Raises a `ValueError` unless offsets start at 0 and never decrease."""
    falls = lambda part: offsets[1:][part] < offsets[:-1][part]  # noqa: E731
    wrong = not offsets.size or offsets[0] != 0
    if wrong or first_where(len(offsets) - 1, falls) is not None:
        raise ValueError(
            "`offsets` must start at 0 and never decrease. "
            f"Received: offsets={np.array2string(offsets, threshold=8)}."
        )


def chunks(rows: int):
    """Yields slices that cover `rows` rows, each short enough for temporary arrays."""
    for start in range(0, rows, _ROWS_AT_ONCE):
        yield slice(start, min(start + _ROWS_AT_ONCE, rows))


@contextlib.contextmanager
def without_checks_of_values():
    """Within it, values of arrays are not checked, which would read all files of a large log.

    It is for arrays that were checked when they were written. Types and lengths are checked.
    """
    token = _checks_values.set(False)
    try:
        yield
    finally:
        _checks_values.reset(token)


def first_where(rows: int, test) -> int | None:
    """The first of `rows` rows where a test is true, or `None`.

    `test` takes a slice of the rows and returns a bool for each of them. It is not called in
    `without_checks_of_values`.
    """
    if not _checks_values.get():
        return None
    for part in chunks(rows):
        found = test(part)
        if found.any():
            return part.start + int(found.argmax())
    return None


def first_pair_where(test, values: np.ndarray, starts: np.ndarray) -> int | None:
    """The first row `i` where `test(values[i - 1], values[i])` is true, or `None`.

    Pairs across a start are ignored. `starts` are row numbers that never decrease.
    """

    def within(part):
        found = test(values[:-1][part], values[1:][part])
        low, high = np.searchsorted(starts, [part.start + 1, part.stop + 1])
        found[starts[low:high] - 1 - part.start] = False
        return found

    row = first_where(len(values) - 1, within)
    return None if row is None else row + 1


def save_arrays(folder: str | os.PathLike, arrays: dict) -> None:
    """Writes each array to `folder/{name}.npy`. A `/` in a name creates a subfolder.

    Raises:
        FileExistsError: If `folder` exists.
    """
    folder = local_path("folder", folder)
    folder.mkdir(parents=True)
    for name, array in arrays.items():
        file = folder / f"{name}.npy"
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, array, allow_pickle=False)


def save_pieces(folder: pathlib.Path, pieces) -> None:
    """Writes arrays piece by piece. The files equal those of `save_arrays` for whole arrays.

    Args:
        folder: A path. The folder is created if it does not exist.
        pieces: Iterable of dicts, name -> the next rows `(rows,)` of that array.

    Raises:
        FileExistsError: If a file of the same name exists.
        ValueError: If the dtype of an array changes between pieces.
    """
    folder = local_path("folder", folder)
    files, whole = {}, {}
    with contextlib.ExitStack() as stack:
        for piece in pieces:
            for name, values in piece.items():
                if name not in files:
                    path = folder / f"{name}.npy"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    files[name] = stack.enter_context(path.open("xb"))
                    whole[name] = (values.dtype, 0)
                    _write_header(files[name], *whole[name])
                dtype, rows = whole[name]
                if values.dtype != dtype:
                    raise ValueError(
                        f"All pieces of {name!r} must have one dtype, {dtype}. "
                        f"Received: {values.dtype}."
                    )
                files[name].write(np.ascontiguousarray(values).data)
                whole[name] = dtype, rows + len(values)
        for name, file in files.items():
            file.seek(0)
            _write_header(file, *whole[name])


def _write_header(file, dtype: np.dtype, rows: int) -> None:
    """Writes the header of a vector. Its length is fixed: NumPy pads it for any number of rows."""
    descr = np.lib.format.dtype_to_descr(dtype)
    header = {"descr": descr, "fortran_order": False, "shape": (rows,)}
    np.lib.format.write_array_header_1_0(file, header)


def load_arrays(folder: str | os.PathLike) -> dict:
    """Loads what `save_arrays` wrote, memory-mapped."""
    folder = local_path("folder", folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"`folder` must be a folder of arrays. Received: {folder}.")
    return {
        file.relative_to(folder).with_suffix("").as_posix(): np.load(
            file, mmap_mode="r", allow_pickle=False
        )
        for file in sorted(folder.rglob("*.npy"))
    }


def strip_prefix(arrays: dict, prefix: str) -> dict:
    """The arrays whose name starts with `{prefix}/`, by their name without it."""
    prefix += "/"
    return {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
