"""`VectorTable`: the vectors of a `Vector`, one row per index of its items."""

import dataclasses
import functools
import hashlib
from typing import Any


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class VectorTable:
    """Vectors in the order of indices: row 0 is padding and row 1 is for unknown items.

    Args:
        values: Contiguous NumPy array `(rows, size)`, which may be memory-mapped: float16,
            float32, or int8 with `scales`.
        scales: Float32 array `(rows,)`: the vector of a row is `values * scale`. Only for int8.
        checksum: The checksum of the arrays. It is computed unless it is known.
    """

    values: Any
    scales: Any = None
    checksum: str = ""

    def __post_init__(self):
        if not self.checksum:
            object.__setattr__(self, "checksum", self.actual_checksum)

    @functools.cached_property
    def actual_checksum(self) -> str:
        """A checksum of the dtype, the shape and the bytes of the arrays, computed once."""
        digest = hashlib.blake2b(digest_size=8)
        for array in (self.values, self.scales):
            if array is not None:
                digest.update(f"{array.dtype} {array.shape}".encode())
                digest.update(memoryview(array).cast("B"))
        return digest.hexdigest()

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.values.shape[0])

    @property
    def size(self) -> int:
        """Number of values of a vector."""
        return int(self.values.shape[1])

    @property
    def storage(self) -> str:
        """The dtype of the values."""
        return str(self.values.dtype)

    def __repr__(self):
        return f"VectorTable({self.rows} vectors of size {self.size}, {self.storage})"
