"""A feature with a table of embeddings."""

import contextlib
import dataclasses
import itertools
import operator
import os
from collections.abc import Iterable, Set

from keras_din.checks import local_path, positive_integer
from keras_din.features.names import check_name, first_duplicate
from keras_din.features.reserved_indices import NUM_RESERVED

MISSING_INT64 = -(2**63)  # Of int64 values with hash buckets: the one that has no bucket.


def _read_vocabulary(path: str | os.PathLike, dtype: str | None) -> tuple:
    # Windows begins files with a mark.
    with open(local_path("vocabulary", path), encoding="utf-8-sig") as file:
        values = [line.rstrip("\r\n") for line in file]
    if dtype != "int64":
        return tuple(values)
    try:
        return tuple(int(value) for value in values)
    except ValueError as error:
        raise ValueError(
            f"A vocabulary file with dtype='int64' must hold one integer a line. "
            f"Received: {os.fspath(path)!r} ({error})."
        ) from None


def _plain(value):
    """A value of NumPy, pandas or Arrow as a Python one, so that JSON and lookup tables take it.

    Bytes are UTF-8 text; anything else stays as it is.
    """
    if hasattr(value, "as_py"):  # Of Arrow.
        value = value.as_py()
    if isinstance(value, bytes):
        with contextlib.suppress(UnicodeDecodeError):
            return value.decode()
    if isinstance(value, str):
        return str.__str__(value)  # Without the type of NumPy, or of an `enum`.
    if not isinstance(value, (bool, int)) and hasattr(value, "__index__"):
        with contextlib.suppress(TypeError):  # Of NumPy's booleans.
            return operator.index(value)
    return operator.index(value) if isinstance(value, int) and type(value) is not bool else value


class _Implied:
    """Marks what was derived from a vocabulary or hash buckets, for `dataclasses.replace`.

    That hands every field in again: a size or type that was derived gives way to a new cause.
    """


class _ImpliedSize(int, _Implied):
    """A `vocabulary_size` that nobody gave."""


class _ImpliedType(str, _Implied):
    """A `dtype` that nobody gave."""


@dataclasses.dataclass(frozen=True, repr=False)
class EmbeddedFeature:
    """A feature with a table of embeddings: what `Categorical` and `Bag` have in common."""

    name: str
    vocabulary_size: int | None = None
    dim: int = dataclasses.field(default=16, kw_only=True)
    vocabulary: tuple | str | os.PathLike | None = dataclasses.field(default=None, kw_only=True)
    hash_buckets: int | None = dataclasses.field(default=None, kw_only=True)
    dtype: str | None = dataclasses.field(default=None, kw_only=True)

    def __post_init__(self):
        kind = type(self).__name__
        check_name(kind, self.name)
        owner = f"{kind} {self.name!r}"
        put = lambda field, value: object.__setattr__(self, field, value)  # noqa: E731
        put("dim", positive_integer("dim", self.dim, owner=owner))
        # A size that is handed in alone counts, wherever it came from.
        if isinstance(self.vocabulary_size, _Implied) and self.dtype is not None:
            put("vocabulary_size", None)
        implied_type = self.dtype if isinstance(self.dtype, _Implied) else None
        if implied_type is not None:
            put("dtype", None)
        if self.dtype not in (None, "string", "int64"):
            raise ValueError(
                f"`dtype` of {owner} must be 'string' or 'int64'. Received: dtype={self.dtype!r}."
            )
        ways = [self.vocabulary_size, self.vocabulary, self.hash_buckets]
        if sum(way is not None for way in ways) != 1:
            raise ValueError(
                f"{owner} takes exactly one of `vocabulary_size`, `vocabulary` and "
                f"`hash_buckets`. Received: vocabulary_size={self.vocabulary_size!r}, "
                f"vocabulary={_short(self.vocabulary)}, hash_buckets={self.hash_buckets!r}."
            )
        if self.vocabulary is not None:
            vocabulary = self._checked_vocabulary(owner)
            put("vocabulary", vocabulary)
            put("dtype", _ImpliedType("string" if isinstance(vocabulary[0], str) else "int64"))
            put("vocabulary_size", _ImpliedSize(len(vocabulary) + NUM_RESERVED))
        elif self.hash_buckets is not None:
            put("hash_buckets", positive_integer("hash_buckets", self.hash_buckets, owner=owner))
            put("dtype", self.dtype or implied_type or _ImpliedType("string"))
            put("vocabulary_size", _ImpliedSize(self.hash_buckets + NUM_RESERVED))
        else:
            size = positive_integer("vocabulary_size", self.vocabulary_size, owner=owner)
            if size <= NUM_RESERVED:
                raise ValueError(
                    f"`vocabulary_size` of {owner} must be at least {NUM_RESERVED + 1}: it counts "
                    "the rows of padding (0) and of out-of-vocabulary (1). "
                    f"Received: vocabulary_size={size}."
                )
            if self.dtype is not None:
                raise ValueError(
                    f"`dtype` of {owner} belongs to `vocabulary` or `hash_buckets`; with "
                    f"`vocabulary_size` the values are indices. Received: dtype={self.dtype!r}."
                )
            put("vocabulary_size", size)

    def _checked_vocabulary(self, owner: str) -> tuple:
        vocabulary = self.vocabulary
        if isinstance(vocabulary, (str, os.PathLike)):
            vocabulary = _read_vocabulary(vocabulary, self.dtype)
        elif isinstance(vocabulary, bytes | Set) or not isinstance(vocabulary, Iterable):
            raise ValueError(
                f"`vocabulary` of {owner} must be a list of values, in the order of their indices, "
                f"or the path of a file. Received: {type(vocabulary).__name__}."
            )
        else:
            vocabulary = tuple(map(_plain, vocabulary))
        if not vocabulary:
            raise ValueError(f"`vocabulary` of {owner} must not be empty. Received: no values.")
        kinds = {type(value) for value in vocabulary}
        if kinds != {str} and kinds != {int}:
            names = sorted(kind.__name__ for kind in kinds)
            raise ValueError(
                f"`vocabulary` of {owner} must hold strings only or integers only. "
                f"Received: values of type {', '.join(names)}."
            )
        kind = "string" if kinds == {str} else "int64"
        if self.dtype not in (None, kind):
            raise ValueError(
                f"`dtype` of {owner} must be the type of its vocabulary, {kind!r}. "
                f"Received: dtype={self.dtype!r}."
            )
        if len(set(vocabulary)) != len(vocabulary):
            twice = first_duplicate(vocabulary)
            raise ValueError(
                f"`vocabulary` of {owner} must hold every value once. Received: {twice!r} twice."
            )
        if kind == "string" and "" in vocabulary:
            raise ValueError(
                f"`vocabulary` of {owner} must not hold the empty string, which is padding. "
                "Received: ''."
            )
        if kind == "int64" and not -(2**63) <= min(vocabulary) <= max(vocabulary) < 2**63:
            raise ValueError(
                f"`vocabulary` of {owner} must hold 64-bit integers. "
                f"Received: {min(vocabulary)} to {max(vocabulary)}."
            )
        return vocabulary

    def __repr__(self):
        if self.vocabulary is not None:
            values = f"vocabulary={_short(self.vocabulary)}"
        elif self.hash_buckets is not None:
            values = f"hash_buckets={self.hash_buckets}, dtype={self.dtype!r}"
        else:
            values = str(self.vocabulary_size)
        return f"{type(self).__name__}({self.name!r}, {values}, dim={self.dim})"


def padding_value(feature: EmbeddedFeature):
    """The raw value that means "nothing here" in a history, among candidates or in a bag.

    The empty string, index 0, or the integer 0. Where 0 is in the feature's vocabulary it is a
    value like any other, and the first of -1, -2, ... that is not in the vocabulary is padding.
    """
    if feature.dtype == "string":
        return ""
    if feature.vocabulary is None:
        return 0
    return next(value for value in itertools.count(0, -1) if value not in feature.vocabulary)


def missing_value(feature: EmbeddedFeature):
    """The raw value that has no bucket, of a feature with hash buckets: none is known."""
    return "" if feature.dtype == "string" else MISSING_INT64


def _short(vocabulary) -> str:
    if vocabulary is None or isinstance(vocabulary, (str, os.PathLike)):
        return repr(vocabulary)
    kind = "integers" if vocabulary and not isinstance(vocabulary[0], str) else "strings"
    return f"<{len(vocabulary)} {kind}>"
