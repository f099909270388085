"""The fingerprint of data, by which a run recognizes its own data."""

import zlib
from typing import TYPE_CHECKING

import numpy as np

from keras_din.workers import check_in_scope, sum_over_workers

if TYPE_CHECKING:
    from keras_din.data import PreparedData

_ROWS = 2**20  # Rows at once.
# Arrays that number users, requests, events and lines. Another worker has other numbers.
_NUMBERS = ("group", "request", "history/", "line")


def fingerprint(data: "PreparedData") -> str:
    """Returns a checksum of the spec and rows of a `PreparedData`, without the values of bags.

    It does not depend on the shards of tables, which belong to the model. That of data of
    `load_shards` does not depend on the number of workers either: it is that of the rows of all
    workers, which must call it together.

    Args:
        data: A `PreparedData`.

    Returns:
        Eight hexadecimal digits.

    Raises:
        ValueError: If the data is that of one of several workers, and the process is alone.

    Example:

    ```python
    from keras_din.training import fingerprint

    data = kd.data.synthetic_log(20, 8, interests=2, categories=4, held_out=1, dim=2)
    fingerprint(data) == fingerprint(data)  # True
    ```
    """
    code = zlib.crc32(data.spec.with_shards(1).to_json().encode())
    if "worker" in data.report:
        check_in_scope(data.worker, "fingerprint")
        parts = sorted(data.report.get("rows_of_smallest_worker", data.parts))
        sums = {part: _sum_of_rows(data.parts.get(part)) for part in parts}
        for part, total in sum_over_workers(sums, data.worker).items():
            code = zlib.crc32(f"{part} {int(total):016x}".encode(), code)
        return f"{code:08x}"
    for part, samples in sorted(data.parts.items()):
        code = zlib.crc32(part.encode(), code)
        for name, array in sorted(samples.arrays().items()):
            # The line in the log is not part of the content of a row.
            if isinstance(array, np.ndarray) and name != "line":
                code = zlib.crc32(name.encode(), code)
                code = zlib.crc32(np.ascontiguousarray(array).data, code)
    return f"{code:08x}"


def _sum_of_rows(samples) -> np.uint64:
    """Returns the sum of a hash per row, which does not depend on the order of the rows."""
    if samples is None:
        return np.uint64(0)
    arrays = {
        name: array
        for name, array in samples.arrays().items()
        if isinstance(array, np.ndarray) and not name.startswith(_NUMBERS)
    }
    total = np.uint64(0)
    for first in range(0, len(samples), _ROWS):
        rows = slice(first, first + _ROWS)
        hashes = np.zeros(len(samples[rows]), np.uint64)
        for name, array in sorted(arrays.items()):
            for column in array[rows].reshape(len(hashes), -1).T:
                hashes = _mixed(hashes, name, column)
        for name, (start, end) in sorted(samples.history.items()):
            hashes = _mixed(hashes, name, np.subtract(end[rows], start[rows], dtype="int64"))
        total += hashes.sum(dtype=np.uint64)
    return total


def _mixed(hashes: np.ndarray, name: str, values: np.ndarray) -> np.ndarray:
    """Mixes a column into the hash of each row, by the steps of MurmurHash3's finalizer."""
    wide = "float64" if values.dtype.kind == "f" else "int64"
    hashes = hashes ^ values.astype(wide).view(np.uint64) ^ np.uint64(zlib.crc32(name.encode()))
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        hashes = (hashes ^ (hashes >> np.uint64(33))) * np.uint64(factor)
    return hashes ^ (hashes >> np.uint64(33))
