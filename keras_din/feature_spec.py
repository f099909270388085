"""What a sample is: the features of a user, a candidate and a behavior, as frozen dataclasses."""

import contextlib
import dataclasses
import itertools
import json
import keyword
import math
import operator
import os
import re
from collections.abc import Iterable, Set
from collections.abc import Sequence as SequenceOf
from typing import NamedTuple

from keras_din.checks import local_path, one_of, positive_integer

PADDING_INDEX = 0
OOV_INDEX = 1
NUM_RESERVED = 2  # Known values start here.
MISSING_INT64 = -(2**63)  # Of int64 values with hash buckets: the one that has no bucket.
POOLINGS = ("mean", "sum", "max")

# Of the JSON form; grows when an older reader could no longer understand it. A spec without bags
# is written as before there were any.
_FORMAT, _FORMAT_WITH_BAGS = 1, 2


class InputInfo(NamedTuple):
    """One input of a model.

    `role` is `"context"`, `"target"` or `"behavior"`; `sequence` is the `Sequence` of a
    behavior, else `None`.
    """

    feature: "Categorical | Bag | Numeric"
    role: str
    sequence: "Sequence | None"


def _check_name(kind: str, name) -> None:
    # What TensorFlow takes as a name in a graph and Python as the name of an argument.
    if not isinstance(name, str) or not re.fullmatch("[A-Za-z][A-Za-z0-9_]*", name):
        raise ValueError(
            f"The name of a {kind} must be ASCII letters, digits and underscores, a letter "
            f"first. Received: name={name!r}."
        )
    if kind != "Sequence" and (keyword.iskeyword(name) or name == "self"):
        raise ValueError(
            f"The name of a {kind} must be none of Python's own words, since served inputs are "
            f"the arguments of functions. Received: name={name!r}."
        )


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
        _check_name(kind, self.name)
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
            twice = _first_duplicate(vocabulary)
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


@dataclasses.dataclass(frozen=True, repr=False)
class Categorical(EmbeddedFeature):
    """A feature of one value, with a table of embeddings: an item, a category, a user segment.

    Index 0 is padding, 1 is out-of-vocabulary, known values start at 2. Say in exactly one of
    three ways which values there are. The same object wherever it stands in a spec means the
    same table.

    Args:
        name: Name of the feature, and of the model's input.
        vocabulary_size: Rows of the table, with the two reserved ones. The raw values are
            indices already.
        dim: Width of the embedding.
        vocabulary: The known raw values, all strings or all integers, in memory or as the path
            of a text file with one value a line. The first has index 2.
        hash_buckets: Number of buckets that raw values are hashed into.
        dtype: `"string"` or `"int64"`, the type of the raw values. Needed only for integer
            values in a file or in hash buckets.

    Raises:
        ValueError: When one of these does not hold, when the object is built.
    """


@dataclasses.dataclass(frozen=True, repr=False)
class Bag(EmbeddedFeature):
    """A feature of several values, or none, with one table: genres, tags.

    A model sees the embeddings of the values pooled to one vector: their mean, their sum, or the
    maximum of each unit. A bag without values gives zeros. It does not tell padding: a real item
    may have no genres.

    Args:
        name: As of `Categorical`, like all that is not said here.
        pooling: `"mean"`, `"sum"` or `"max"`.
        max_values: The most values of one bag that data sets and served versions hand to the
            model. Of more the first stay. What is fed by hand is read whole.

    Raises:
        ValueError: As of `Categorical`, and when `pooling` or `max_values` is something else.
    """

    pooling: str = dataclasses.field(default="mean", kw_only=True)
    max_values: int = dataclasses.field(default=20, kw_only=True)

    def __post_init__(self):
        super().__post_init__()
        one_of("pooling", self.pooling, POOLINGS)
        size = positive_integer("max_values", self.max_values, owner=f"Bag {self.name!r}")
        object.__setattr__(self, "max_values", size)

    def __repr__(self):
        own = f"pooling={self.pooling!r}, max_values={self.max_values}"
        return f"{super().__repr__()[:-1]}, {own})"


def id_feature(features) -> Categorical:
    """The feature of the candidates, or of the behaviors, whose padding value is padding."""
    return next(feature for feature in features if isinstance(feature, Categorical))


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


@dataclasses.dataclass(frozen=True)
class Numeric:
    """A feature that is a number and enters the model as `(value - mean) / std`.

    Args:
        name: Name of the feature, and of the model's input.
        mean: Mean of the values in training.
        std: Standard deviation of the values in training.

    Raises:
        ValueError: When `mean` is not finite, or `std` is not finite and positive.
    """

    name: str
    mean: float = dataclasses.field(default=0.0, kw_only=True)
    std: float = dataclasses.field(default=1.0, kw_only=True)

    def __post_init__(self):
        _check_name("Numeric", self.name)
        for word in ("mean", "std"):
            value = getattr(self, word)
            try:
                number = float(value)
            except (TypeError, ValueError):
                number = math.nan
            if not math.isfinite(number) or (word == "std" and number <= 0):
                kind = "finite" if word == "mean" else "finite and positive"
                raise ValueError(
                    f"`{word}` of Numeric {self.name!r} must be a {kind} number. "
                    f"Received: {word}={value!r}."
                )
            object.__setattr__(self, word, number)

    def __repr__(self):
        if self.mean == 0.0 and self.std == 1.0:
            return f"Numeric({self.name!r})"
        return f"Numeric({self.name!r}, mean={self.mean:g}, std={self.std:g})"


@dataclasses.dataclass(frozen=True)
class Sequence:
    """A user's behaviors, in time order, the most recent last.

    Args:
        name: Name of the sequence. Its inputs are named `{sequence}_{feature}`.
        of: The features of the target that each behavior has too: "`hist` is a sequence of
            items and categories". Query and keys take their order from here. The first
            `Categorical` among them tells padding: a position is real where its index is not 0.
        side_features: Features that only behaviors have, such as an action type or a dwell time.
        max_length: The most behaviors of one user that data sets and served versions hand to
            the model. Of a longer history the most recent stay. What is fed by hand is read whole.

    Raises:
        ValueError: When one of these does not hold, when the object is built.
    """

    name: str
    of: tuple
    side_features: tuple = dataclasses.field(default=(), kw_only=True)
    max_length: int = dataclasses.field(default=100, kw_only=True)

    def __post_init__(self):
        _check_name("Sequence", self.name)
        owner = f"Sequence {self.name!r}"
        for word in ("of", "side_features"):
            object.__setattr__(self, word, _features(owner, word, getattr(self, word)))
        if not any(isinstance(feature, Categorical) for feature in self.of):
            raise ValueError(
                f"`of` of {owner} must hold at least one Categorical, whose index 0 tells "
                f"padding: a Bag may be empty. Received: of={list(self.of)}."
            )
        _check_unique(f"the features of {owner}", [feature.name for feature in self.features])
        object.__setattr__(
            self, "max_length", positive_integer("max_length", self.max_length, owner=owner)
        )

    @property
    def features(self) -> tuple:
        """The features of one behavior: those of the target first, then its own."""
        return self.of + self.side_features

    def input_name(self, feature: "Categorical | Bag | Numeric") -> str:
        """Name of the model's input with this feature of the behaviors."""
        return f"{self.name}_{feature.name}"

    def __repr__(self):
        of = ", ".join(feature.name for feature in self.of)
        side_features = ", ".join(feature.name for feature in self.side_features)
        side_features = f", side_features=[{side_features}]" if side_features else ""
        return f"Sequence({self.name!r}, of=[{of}]{side_features}, max_length={self.max_length})"


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class FeatureSpec:
    """What a sample is: who asks, which candidate is scored, what the user did before.

    Args:
        target: Features of the candidate. The first `Categorical` tells padding: a candidate is
            real where its index is not 0.
        sequences: Behavior sequences, each of features that `target` has.
        context: Features of the user and of the request.

    Raises:
        ValueError: On duplicate names, on a sequence of something that the target lacks, and on
            two different features of one name.
    """

    target: tuple
    sequences: tuple = ()
    context: tuple = ()

    def __post_init__(self):
        for word in ("target", "context"):
            object.__setattr__(self, word, _features("a FeatureSpec", word, getattr(self, word)))
        object.__setattr__(self, "sequences", _tuple("a FeatureSpec", "sequences", self.sequences))
        for sequence in self.sequences:
            if not isinstance(sequence, Sequence):
                raise ValueError(
                    "`sequences` of a FeatureSpec must hold `Sequence` objects. "
                    f"Received: {sequence!r}."
                )
        if not any(isinstance(feature, Categorical) for feature in self.target):
            raise ValueError(
                "`target` of a FeatureSpec must hold at least one Categorical, whose index 0 "
                "tells a padding candidate: a Bag may be empty. "
                f"Received: target={list(self.target)}."
            )
        for sequence in self.sequences:
            for feature in sequence.of:
                if feature not in self.target:
                    raise ValueError(
                        f"Sequence {sequence.name!r} must be a sequence of features of the "
                        f"target: [{', '.join(f.name for f in self.target)}]. Received: "
                        f"{feature!r}. What only behaviors have goes in `side_features`."
                    )
        _check_unique("the sequences", [sequence.name for sequence in self.sequences])
        names = [name for name, _ in self._named_inputs()]
        _check_unique("the model's inputs", names)
        if len({name.lower() for name in names}) < len(names):
            raise ValueError(
                "The names of the model's inputs must differ by more than large and small letters, "
                f"which TensorFlow does not tell apart there. Received: {names}."
            )
        known = {}
        for feature in self._all_features():
            if known.setdefault(feature.name, feature) != feature:
                raise ValueError(
                    "Features of one name must be the same object, since they share one table. "
                    f"Received: {known[feature.name]!r} and {feature!r}."
                )

    def _all_features(self):
        yield from self.context
        yield from self.target
        for sequence in self.sequences:
            yield from sequence.features

    def _named_inputs(self):
        for role, features in (("context", self.context), ("target", self.target)):
            for feature in features:
                yield feature.name, InputInfo(feature, role, None)
        for sequence in self.sequences:
            for feature in sequence.features:
                yield sequence.input_name(feature), InputInfo(feature, "behavior", sequence)

    @property
    def inputs(self) -> dict:
        """The model's inputs: name -> `InputInfo(feature, role, sequence)`, in order."""
        return dict(self._named_inputs())

    @property
    def features(self) -> dict:
        """Every feature once: name -> `Categorical`, `Bag` or `Numeric`."""
        return {feature.name: feature for feature in self._all_features()}

    def to_json(self) -> str:
        """The spec as JSON text, vocabularies included."""
        bags = any(isinstance(feature, Bag) for feature in self._all_features())
        content = {
            "format": _FORMAT_WITH_BAGS if bags else _FORMAT,
            "features": [_feature_to_dict(feature) for feature in self.features.values()],
            "context": [feature.name for feature in self.context],
            "target": [feature.name for feature in self.target],
            "sequences": [
                {
                    "name": sequence.name,
                    "of": [feature.name for feature in sequence.of],
                    "side_features": [feature.name for feature in sequence.side_features],
                    "max_length": sequence.max_length,
                }
                for sequence in self.sequences
            ],
        }
        return json.dumps(content, indent=1, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "FeatureSpec":
        """The spec that `to_json` wrote. Raises a `ValueError` for anything else."""
        try:
            content = json.loads(text.removeprefix("\ufeff"))
            if content["format"] not in (_FORMAT, _FORMAT_WITH_BAGS):
                raise ValueError(f"format {content['format']!r}")
            features = {}
            for entry in content["features"]:
                entry = dict(entry)
                kind = _KINDS[entry.pop("type")]
                features[entry["name"]] = kind(**entry)
            named = lambda names: [features[name] for name in names]  # noqa: E731
            return cls(
                context=named(content["context"]),
                target=named(content["target"]),
                sequences=[
                    Sequence(
                        entry["name"],
                        named(entry["of"]),
                        side_features=named(entry["side_features"]),
                        max_length=entry["max_length"],
                    )
                    for entry in content["sequences"]
                ],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"A FeatureSpec must be read from the JSON that `to_json` of this version wrote. "
                f"Received text in which this is wrong: {error!r}."
            ) from error

    def __repr__(self):
        lines = ["FeatureSpec("]
        for word in ("context", "target", "sequences"):
            values = getattr(self, word)
            if values:
                lines.append(f"    {word}=[")
                lines += [f"        {value!r}," for value in values]
                lines.append("    ],")
        return "\n".join([*lines, ")"])


_KINDS = {kind.__name__: kind for kind in (Categorical, Bag, Numeric)}


def _tuple(owner: str, word: str, values) -> tuple:
    if isinstance(values, (str, EmbeddedFeature, Numeric, Sequence)) or not isinstance(
        values, SequenceOf
    ):
        raise ValueError(f"`{word}` of {owner} must be a list. Received: {word}={values!r}.")
    return tuple(values)


def _features(owner: str, word: str, values) -> tuple:
    values = _tuple(owner, word, values)
    for value in values:
        if not isinstance(value, tuple(_KINDS.values())):
            raise ValueError(
                f"`{word}` of {owner} must hold `Categorical`, `Bag` and `Numeric` objects. "
                f"Received: {value!r}."
            )
    return values


def _first_duplicate(values):
    seen = set()
    for value in values:
        if value in seen:
            return value
        seen.add(value)
    return None


def _check_unique(what: str, names: list) -> None:
    twice = _first_duplicate(names)
    if twice is not None:
        raise ValueError(f"The names of {what} must differ. Received: {twice!r} twice.")


def _short(vocabulary) -> str:
    if vocabulary is None or isinstance(vocabulary, (str, os.PathLike)):
        return repr(vocabulary)
    kind = "integers" if vocabulary and not isinstance(vocabulary[0], str) else "strings"
    return f"<{len(vocabulary)} {kind}>"


def _feature_to_dict(feature) -> dict:
    if isinstance(feature, Numeric):
        return {
            "type": "Numeric",
            "name": feature.name,
            "mean": feature.mean,
            "std": feature.std,
        }
    entry = {"type": type(feature).__name__, "name": feature.name, "dim": feature.dim}
    if isinstance(feature, Bag):
        entry |= {"pooling": feature.pooling, "max_values": feature.max_values}
    if feature.vocabulary is not None:
        entry["vocabulary"] = list(feature.vocabulary)
    elif feature.hash_buckets is not None:
        entry["hash_buckets"] = feature.hash_buckets
        entry["dtype"] = feature.dtype
    else:
        entry["vocabulary_size"] = feature.vocabulary_size
    return entry
