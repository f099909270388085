"""The raw values of a table: `Vocabulary`, `HashBuckets` or `Indices`."""

import dataclasses
import functools
import itertools
import os
from collections.abc import Iterable, Sequence, Set
from typing import TYPE_CHECKING, Any, ClassVar

from keras_din.checks import positive_integer
from keras_din.features.names import first_duplicate
from keras_din.features.plain_values import plain_value, read_lines
from keras_din.features.reserved_indices import NUM_RESERVED, OOV_INDEX

if TYPE_CHECKING:
    import numpy as np

MISSING_INT64 = -(2**63)  # The only int64 value without a hash bucket.


class Values:
    """Base of the classes that define the raw values of a table and their indices.

    Index 0 is padding, index 1 is out-of-vocabulary, and known values start at 2.

    Attributes:
        raw_dtype: `"string"` or `"int64"`; `"int32"` if raw values are indices.
        size: Number of rows of the table, with the two reserved rows.
        padding_value: The raw value of padding, in a history, among candidates and in a bag.
        missing_value: A raw value that is out-of-vocabulary.
        hashes_padding: Whether `padding_value` is hashed like any other value in a feature
            without padding, such as a context feature.
        way: How the values are defined: `"vocabulary"`, `"hash"` or `"size"`.
    """

    way: ClassVar[str]

    if TYPE_CHECKING:  # A class or a dataclass has them in another form each; all are read-only.

        @property
        def raw_dtype(self) -> str: ...
        @property
        def size(self) -> int: ...
        @property
        def padding_value(self) -> Any: ...
        @property
        def missing_value(self) -> Any: ...

    @property
    def hashes_padding(self) -> bool:
        return False

    def encode(self, values: Any) -> "np.ndarray":
        """Returns the index of each raw value, int32 of the shape of `values`.

        Raises:
            ValueError: If raw values are hashed, which only `keras_din.data` and models do.
        """
        raise ValueError(
            "`encode` must have a vocabulary or indices. To hash values, prepare a log with "
            f"`keras_din.data`. Received: {self}."
        )

    def decode(self, indices: Any) -> "np.ndarray":
        """Returns the raw value of each index, an array of the shape of `indices`.

        Index 0 is decoded to `padding_value`, and an index of no known value to `missing_value`.

        Raises:
            ValueError: If raw values are hashed, since a bucket has many values, or if an index is
                not from 0 to `size - 1`.
        """
        raise ValueError(
            "`decode` must have a vocabulary or indices: a bucket has many values. "
            f"Received: {self}."
        )

    def _checked(self, indices: Any) -> "np.ndarray":
        """Returns integer indices, or raises a `ValueError`."""
        import numpy as np

        array = np.asarray(indices)
        if array.size and array.dtype.kind not in "iu":
            raise ValueError(f"Indices must be integers. Received: dtype {array.dtype}.")
        wrong = (array < 0) | (array >= self.size)
        if wrong.any():
            raise ValueError(
                f"Indices must be from 0 to {self.size - 1}. Received: {array[wrong].flat[0]}."
            )
        return array.astype("int64")

    def to_dict(self) -> dict:
        """Returns the keyword arguments of `make_values` as a dict of JSON values."""
        raise NotImplementedError

    def identity(self) -> dict:
        """Returns how values are defined, their type and number, for the fingerprint of a spec."""
        dtype = None if self.raw_dtype == "int32" else self.raw_dtype
        return {"way": self.way, "dtype": dtype, "size": self.size - NUM_RESERVED}


@dataclasses.dataclass(frozen=True)
class Indices(Values):
    """Raw values that are indices already.

    Args:
        size: Number of rows of the table, with the two reserved rows.
        owner: Name of the owner in errors.
    """

    size: int
    owner: dataclasses.InitVar[str] = "Indices"
    raw_dtype: ClassVar[str] = "int32"
    padding_value: ClassVar[int] = 0
    missing_value: ClassVar[int] = OOV_INDEX
    way: ClassVar[str] = "size"

    def __post_init__(self, owner):
        size = positive_integer("vocabulary_size", self.size, owner=owner)
        if size <= NUM_RESERVED:
            raise ValueError(
                f"`vocabulary_size` of {owner} must be at least {NUM_RESERVED + 1}: it includes "
                "the rows of padding (0) and of out-of-vocabulary (1). "
                f"Received: vocabulary_size={size}."
            )
        object.__setattr__(self, "size", size)

    def encode(self, values: Any) -> "np.ndarray":
        return self._checked(values).astype("int32")

    def decode(self, indices: Any) -> "np.ndarray":
        return self._checked(indices)

    def to_dict(self) -> dict:
        return {"vocabulary_size": self.size}

    def __str__(self):
        return str(self.size)


@dataclasses.dataclass(frozen=True)
class HashBuckets(Values):
    """Raw values that are hashed into buckets.

    Args:
        buckets: The number of buckets.
        raw_dtype: `"string"` or `"int64"`.
        owner: Name of the owner in errors.
    """

    buckets: int
    raw_dtype: str = "string"
    owner: dataclasses.InitVar[str] = "HashBuckets"
    way: ClassVar[str] = "hash"

    def __post_init__(self, owner):
        buckets = positive_integer("hash_buckets", self.buckets, owner=owner)
        object.__setattr__(self, "buckets", buckets)

    @property
    def hashes_padding(self) -> bool:
        return self.raw_dtype == "int64"

    @property
    def size(self) -> int:
        return self.buckets + NUM_RESERVED

    @property
    def padding_value(self) -> str | int:
        return "" if self.raw_dtype == "string" else 0

    @property
    def missing_value(self) -> str | int:
        return "" if self.raw_dtype == "string" else MISSING_INT64

    def to_dict(self) -> dict:
        return {"hash_buckets": self.buckets, "dtype": self.raw_dtype}

    def __str__(self):
        return f"hash_buckets={self.buckets}, dtype={self.raw_dtype!r}"


@dataclasses.dataclass(frozen=True, repr=False)
class Vocabulary(Values):
    """A list of known raw values, all strings or all integers.

    A vocabulary with a `capacity` can grow without another size of the table, see
    `keras_din.grow`. Its table has spare rows: those of no entry, and those whose entry is `None`
    because their value was removed. No raw value has the index of a spare row.

    Args:
        entries: The values in the order of their indices, or the path of a text file with one
            value per line. With a `capacity`, an entry may be `None`.
        dtype: `"string"` or `"int64"`. Required only for integers in a file.
        capacity: Number of entries for which the table has rows, or `None` for the entries given.
        owner: Name of the owner in errors.
    """

    entries: tuple
    dtype: dataclasses.InitVar[str | None] = None
    capacity: int | None = None
    owner: dataclasses.InitVar[str] = "a Vocabulary"
    way: ClassVar[str] = "vocabulary"

    def __post_init__(self, dtype, owner):
        has_capacity = self.capacity is not None
        entries = _check_entries(self.entries, dtype, owner, has_capacity)
        object.__setattr__(self, "entries", entries)
        if not has_capacity:
            return
        capacity = positive_integer("capacity", self.capacity, owner=owner)
        if capacity < len(entries):
            raise ValueError(
                f"`capacity` of {owner} must be at least the number of its entries, "
                f"{len(entries)}. Received: capacity={capacity}."
            )
        object.__setattr__(self, "capacity", capacity)

    @property
    def known(self) -> tuple[Sequence[int], Sequence]:
        """`(indices, values)`: the index of each known value, and the value, in this order."""
        if None not in self.entries:
            return range(NUM_RESERVED, NUM_RESERVED + len(self.entries)), self.entries
        known = [(i, v) for i, v in enumerate(self.entries, NUM_RESERVED) if v is not None]
        indices, values = zip(*known, strict=True)
        return indices, values

    @functools.cached_property
    def raw_dtype(self) -> str:  # type: ignore[override]  # Read-only.
        value = next(value for value in self.entries if value is not None)
        return "string" if isinstance(value, str) else "int64"

    @property
    def size(self) -> int:
        return (self.capacity or len(self.entries)) + NUM_RESERVED

    @functools.cached_property
    def padding_value(self):
        """The empty string, or the first of 0, -1, -2, ... that is not in the vocabulary."""
        if self.raw_dtype == "string":
            return ""
        return next(value for value in itertools.count(0, -1) if value not in self.entries)

    @functools.cached_property
    def missing_value(self):
        if self.raw_dtype == "string":
            candidates = (f"unknown{'?' * i}" for i in itertools.count())
        else:
            candidates = itertools.count(self.padding_value - 1, -1)
        return next(value for value in candidates if value not in self.entries)

    @functools.cached_property
    def _index_of(self) -> dict:
        indices, values = self.known
        return dict(zip(values, indices, strict=True)) | {self.padding_value: 0}

    def encode(self, values: Any) -> "np.ndarray":
        import numpy as np

        raw = np.asarray(values, dtype=object)
        found = [self._index_of.get(value, OOV_INDEX) for value in raw.flat]
        return np.array(found, "int32").reshape(raw.shape)

    def decode(self, indices: Any) -> "np.ndarray":
        import numpy as np

        raw = np.full(self.size, self.missing_value, dtype=object)
        raw[0] = self.padding_value
        known, values = self.known
        raw[np.asarray(known)] = values
        return raw[self._checked(indices)]

    def to_dict(self) -> dict:
        capacity = {} if self.capacity is None else {"capacity": self.capacity}
        return {"vocabulary": list(self.entries), "dtype": self.raw_dtype} | capacity

    def identity(self) -> dict:
        identity = super().identity()
        is_full = identity["size"] == len(self.entries)
        return identity if is_full else identity | {"entries": len(self.entries)}

    def __str__(self):
        capacity = "" if self.capacity is None else f", capacity={self.capacity}"
        return f"vocabulary={shortened(self.entries)}{capacity}"

    __repr__ = __str__


def make_values(
    owner: str,
    vocabulary_size=None,
    vocabulary=None,
    hash_buckets=None,
    dtype=None,
    capacity=None,
) -> Values:
    """Returns the `Values` that exactly one of three arguments defines.

    Raises:
        ValueError: If an argument is invalid. The error contains `owner`.
    """
    if dtype not in (None, "string", "int64"):
        raise ValueError(
            f"`dtype` of {owner} must be 'string' or 'int64'. Received: dtype={dtype!r}."
        )
    if sum(each is not None for each in (vocabulary_size, vocabulary, hash_buckets)) != 1:
        raise ValueError(
            f"{owner} must be given exactly one of `vocabulary_size`, `vocabulary` and "
            f"`hash_buckets`. Received: vocabulary_size={vocabulary_size!r}, "
            f"vocabulary={shortened(vocabulary)}, hash_buckets={hash_buckets!r}."
        )
    if vocabulary is not None:
        return Vocabulary(vocabulary, dtype, capacity, owner)
    if capacity is not None:
        raise ValueError(
            f"`capacity` of {owner} must be given with `vocabulary`: only a vocabulary can grow. "
            f"Received: capacity={capacity!r}."
        )
    if hash_buckets is not None:
        return HashBuckets(hash_buckets, dtype or "string", owner)
    if dtype is not None:
        raise ValueError(
            f"`dtype` of {owner} must be given with `vocabulary` or `hash_buckets`: with "
            f"`vocabulary_size` the values are indices. Received: dtype={dtype!r}."
        )
    return Indices(vocabulary_size, owner)


def shortened(vocabulary) -> str:
    """Returns a vocabulary as a short text for errors."""
    if vocabulary is None or isinstance(vocabulary, (str, os.PathLike)):
        return repr(vocabulary)
    values = [value for value in vocabulary if value is not None]
    kind = "integers" if values and not isinstance(values[0], str) else "strings"
    removed = f", {len(vocabulary) - len(values)} removed" if len(values) < len(vocabulary) else ""
    return f"<{len(values)} {kind}{removed}>"


def _check_entries(vocabulary, dtype: str | None, owner: str, may_be_none: bool) -> tuple:
    """Returns the entries of a vocabulary as a tuple, or raises a `ValueError`."""
    if isinstance(vocabulary, (str, os.PathLike)):
        vocabulary = read_lines(vocabulary, dtype)
    elif isinstance(vocabulary, bytes | Set) or not isinstance(vocabulary, Iterable):
        raise ValueError(
            f"`vocabulary` of {owner} must be a list of values, in the order of their indices, "
            f"or the path of a file. Received: {type(vocabulary).__name__}."
        )
    else:
        vocabulary = tuple(map(plain_value, vocabulary))
    entries = vocabulary
    if may_be_none and None in entries:
        vocabulary = tuple(value for value in entries if value is not None)
    if not vocabulary:
        raise ValueError(f"`vocabulary` of {owner} must not be empty. Received: no values.")
    kinds = {type(value) for value in vocabulary}
    if kinds != {str} and kinds != {int}:
        names = sorted(kind.__name__ for kind in kinds)
        raise ValueError(
            f"`vocabulary` of {owner} must contain only strings or only integers, or, with a "
            f"`capacity`, None for a removed value. Received: values of type {', '.join(names)}."
        )
    kind = "string" if kinds == {str} else "int64"
    if dtype not in (None, kind):
        raise ValueError(
            f"`dtype` of {owner} must be the type of the vocabulary, {kind!r}. "
            f"Received: dtype={dtype!r}."
        )
    if len(set(vocabulary)) != len(vocabulary):
        duplicate = first_duplicate(vocabulary)
        raise ValueError(
            f"`vocabulary` of {owner} must contain each value once. Received: {duplicate!r} twice."
        )
    if kind == "string" and "" in vocabulary:
        raise ValueError(
            f"`vocabulary` of {owner} must not contain the empty string, which is padding. "
            "Received: ''."
        )
    if kind == "int64" and not -(2**63) <= min(vocabulary) <= max(vocabulary) < 2**63:
        raise ValueError(
            f"`vocabulary` of {owner} must contain 64-bit integers. "
            f"Received: {min(vocabulary)} to {max(vocabulary)}."
        )
    return entries
