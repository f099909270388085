"""The raw values of a table: `Vocabulary`, `HashBuckets` or `Indices`."""

import dataclasses
import functools
import itertools
import os
from collections.abc import Iterable, Set
from typing import TYPE_CHECKING, Any, ClassVar

from keras_din.checks import positive_integer
from keras_din.features.names import first_duplicate
from keras_din.features.plain_values import plain_value, read_lines
from keras_din.features.reserved_indices import NUM_RESERVED, OOV_INDEX

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

    Args:
        entries: The values in the order of their indices, or the path of a text file with one
            value per line.
        dtype: `"string"` or `"int64"`. Required only for integers in a file.
        owner: Name of the owner in errors.
    """

    entries: tuple
    dtype: dataclasses.InitVar[str | None] = None
    owner: dataclasses.InitVar[str] = "a Vocabulary"
    way: ClassVar[str] = "vocabulary"

    def __post_init__(self, dtype, owner):
        object.__setattr__(self, "entries", _check_entries(self.entries, dtype, owner))

    @property
    def raw_dtype(self) -> str:
        return "string" if isinstance(self.entries[0], str) else "int64"

    @property
    def size(self) -> int:
        return len(self.entries) + NUM_RESERVED

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

    def to_dict(self) -> dict:
        return {"vocabulary": list(self.entries), "dtype": self.raw_dtype}

    def __str__(self):
        return f"vocabulary={shortened(self.entries)}"

    __repr__ = __str__


def make_values(
    owner: str, vocabulary_size=None, vocabulary=None, hash_buckets=None, dtype=None
) -> Values:
    """Returns the `Values` that exactly one of three arguments defines.

    Raises:
        ValueError: When an argument is invalid. The error contains `owner`.
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
        return Vocabulary(vocabulary, dtype, owner)
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
    kind = "integers" if len(vocabulary) and not isinstance(vocabulary[0], str) else "strings"
    return f"<{len(vocabulary)} {kind}>"


def _check_entries(vocabulary, dtype: str | None, owner: str) -> tuple:
    """Returns the values of a vocabulary as a tuple, or raises a `ValueError`."""
    if isinstance(vocabulary, (str, os.PathLike)):
        vocabulary = read_lines(vocabulary, dtype)
    elif isinstance(vocabulary, bytes | Set) or not isinstance(vocabulary, Iterable):
        raise ValueError(
            f"`vocabulary` of {owner} must be a list of values, in the order of their indices, "
            f"or the path of a file. Received: {type(vocabulary).__name__}."
        )
    else:
        vocabulary = tuple(map(plain_value, vocabulary))
    if not vocabulary:
        raise ValueError(f"`vocabulary` of {owner} must not be empty. Received: no values.")
    kinds = {type(value) for value in vocabulary}
    if kinds != {str} and kinds != {int}:
        names = sorted(kind.__name__ for kind in kinds)
        raise ValueError(
            f"`vocabulary` of {owner} must contain only strings or only integers. "
            f"Received: values of type {', '.join(names)}."
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
    return vocabulary
