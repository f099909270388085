"""Named arrays on disk, one `.npy` file each, and the types that columns are kept in."""

import contextlib
import pathlib

import numpy as np

from keras_din.checks import local_path

_INT32 = np.iinfo(np.int32)
_ROWS_AT_ONCE = 2**20  # What a check looks at together: memory-mapped columns stay on disk.


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


def integers_below(name: str, values, size: int, what: str = "numbers") -> np.ndarray:
    """The result of `integers`, or a `ValueError` where one is not from 0 to `size - 1`."""
    values = integers(name, values)
    if values.size and (values.min() < 0 or values.max() >= size):
        raise ValueError(
            f"`{name}` must hold {what} from 0 to {size - 1}. "
            f"Received: {values.min()} to {values.max()}."
        )
    return values


def check_offsets(offsets: np.ndarray) -> None:
    """Raises a `ValueError` unless offsets start at 0 and never fall."""
    falls = lambda part: offsets[1:][part] < offsets[:-1][part]  # noqa: E731
    wrong = not offsets.size or offsets[0] != 0
    if wrong or first_where(len(offsets) - 1, falls) is not None:
        raise ValueError(
            "`offsets` must start at 0 and never fall. "
            f"Received: offsets={np.array2string(offsets, threshold=8)}."
        )


def chunks(rows: int):
    """Slices that cover `rows` rows, each short enough for temporary arrays of its length."""
    for start in range(0, rows, _ROWS_AT_ONCE):
        yield slice(start, min(start + _ROWS_AT_ONCE, rows))


def first_where(rows: int, test) -> int | None:
    """The first of `rows` rows where a test holds, or `None`.

    `test` takes a slice of the rows and gives a bool for each.
    """
    for part in chunks(rows):
        found = test(part)
        if found.any():
            return part.start + int(found.argmax())
    return None


def first_pair_where(test, values: np.ndarray, starts: np.ndarray) -> int | None:
    """The first row `i` where `test(values[i - 1], values[i])` holds, or `None`.

    Pairs across a start are left out; `starts` are row numbers that never fall.
    """

    def within(part):
        found = test(values[:-1][part], values[1:][part])
        low, high = np.searchsorted(starts, [part.start + 1, part.stop + 1])
        found[starts[low:high] - 1 - part.start] = False
        return found

    row = first_where(len(values) - 1, within)
    return None if row is None else row + 1


def save_arrays(folder: pathlib.Path, arrays: dict) -> None:
    """Writes each array to `folder/{name}.npy`; a `/` in a name makes a folder.

    Raises:
        FileExistsError: When `folder` is there already.
    """
    folder = local_path("folder", folder)
    folder.mkdir(parents=True)
    for name, array in arrays.items():
        file = folder / f"{name}.npy"
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, array, allow_pickle=False)


def save_pieces(folder: pathlib.Path, pieces) -> None:
    """Writes arrays that come piece by piece: the files are those of `save_arrays` of the whole.

    Args:
        folder: A path, with or without a folder.
        pieces: Iterable of dicts, name -> the next rows `(rows,)` of that array.

    Raises:
        FileExistsError: When there is a file of such a name.
        ValueError: When an array changes its type.
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
                        f"Pieces of {name!r} must be of one type, {dtype}. "
                        f"Received: {values.dtype}."
                    )
                files[name].write(np.ascontiguousarray(values).data)
                whole[name] = dtype, rows + len(values)
        for name, file in files.items():
            file.seek(0)
            _write_header(file, *whole[name])


def _write_header(file, dtype: np.dtype, rows: int) -> None:
    """The header of a vector. NumPy leaves it room for any number: its length is always one."""
    descr = np.lib.format.dtype_to_descr(dtype)
    header = {"descr": descr, "fortran_order": False, "shape": (rows,)}
    np.lib.format.write_array_header_1_0(file, header)


def load_arrays(folder: pathlib.Path) -> dict:
    """What `save_arrays` wrote, memory-mapped: read from disk where it is looked at."""
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
    """The arrays whose name starts with `{prefix}/`, without it."""
    prefix += "/"
    return {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
