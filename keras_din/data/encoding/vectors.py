"""Brings precomputed vectors into the order of the indices of their items."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from keras_din.data.reading.labels import format_value
from keras_din.data.reading.raw_values import raw_values
from keras_din.data.reading.vector_source import KeyedVectors, read_vectors
from keras_din.data.store.feature_counts import count_features
from keras_din.features import (
    NUM_RESERVED,
    OOV_INDEX,
    PADDING_INDEX,
    FeatureSpec,
    Indices,
    Vector,
    VectorTable,
)
from keras_din.ops.quantize_rows import quantize_rows
from keras_din.spec_growth import spec_growth

_ROWS_AT_ONCE = 1 << 14
_LARGEST_FLOAT16 = 65504.0
_WORDS = {"string": "text", "int64": "integers", "float": "numbers with a fraction"}


def with_vectors(spec: FeatureSpec, vectors: Mapping[str, Any]) -> FeatureSpec:
    """Returns a spec whose `Vector` features have their vectors.

    Unknown items, and items without a vector, get the mean of the vectors of all other items of
    the spec. The number of items without a vector is printed. `prepare_impressions` and the other
    functions that prepare data do this themselves, with the mean of the items of the training
    part.

    Args:
        spec: A `FeatureSpec` with `Vector` features.
        vectors: Name of a `Vector` -> its vectors, each with a key, which is a raw value of the
            items (an index if the items have no vocabulary). A table with one row per item: a
            `DataFrame`, or the path of a Parquet, Arrow, ORC or JSON lines file. It has a column
            with the name of the items, and a column of lists or arrays: the only other column, or
            that with the name of the `Vector`. Or a tuple `(keys, vectors)`, each an array, a list
            or the path of an `.npy` file, which is memory-mapped. Or a dict, key -> vector. Or an
            array `(rows, size)`, or an `.npy` file, in which row `i` is the vector of item `i`.

    Returns:
        A `FeatureSpec`.

    Raises:
        ValueError: If a name is not that of a `Vector`, no item has a vector, keys have another
            type than the items, a key is missing or occurs twice, or a vector has another size, or
            a value that is missing, not finite or too large for float16. The error names the key.

    Example:

    ```python
    item = kd.Categorical("item_id", vocabulary=["tea", "pot", "cup"], dim=4)
    spec = kd.FeatureSpec(target=[item, kd.Vector("title", size=2, of="item_id")])
    titles = {"tea": [0.0, 1.0], "pot": [1.0, 0.0]}
    spec = kd.data.with_vectors(spec, {"title": titles})  # "cup" has the mean, [0.5, 0.5].
    ```
    """
    check_vectors(vectors, spec.vectors.values())
    return _with_tables(spec, vectors, {})[0]


def check_vectors(vectors: Mapping[str, Any] | None, features) -> None:
    """Raises a `ValueError` unless each `Vector` without vectors, and no other feature, is named.

    Args:
        vectors: The argument `vectors`.
        features: Features, and names of columns.
    """
    of = {f.name: f for f in features if isinstance(f, Vector) and not f.is_sent}
    if not isinstance(vectors, Mapping | None):
        raise ValueError(
            "`vectors` must be a dict: name of a Vector -> its vectors. "
            f"Received: {type(vectors).__name__}."
        )
    names = list(vectors or {})
    lacking = [name for name, f in of.items() if f.vectors is None and name not in names]
    if lacking or (set(names) - set(of)):
        raise ValueError(
            f"`vectors` (on the command line `--vectors`) must have the vectors of each Vector "
            f"with `of`, {list(of)}, and of no other feature. Received: vectors of {names}."
        )


def prepared_vectors(
    spec: FeatureSpec, vectors: Mapping[str, Any] | None, behaviors: dict, samples
) -> tuple[FeatureSpec, dict]:
    """Returns the spec with the vectors of prepared data, and their report.

    Args:
        spec: The features.
        vectors: See `with_vectors`.
        behaviors: Sequence name -> `BehaviorLog`.
        samples: The `Samples` of the training part, or `None`.

    Returns:
        `(spec, report)`. `report` is empty, or `{"vectors": {name: counts}}`.
    """
    if not vectors:
        return spec, {}
    counts = {} if samples is None else count_features(spec, behaviors, samples)
    spec, report = _with_tables(spec, vectors, counts)
    return spec, {"vectors": report}


def grown_vectors(
    spec: FeatureSpec, new_spec: FeatureSpec, vectors: Mapping[str, Any] | None
) -> tuple[FeatureSpec, dict]:
    """Returns a grown spec whose `Vector` features have vectors, and a report.

    Items of both specs keep their vectors. A new item has the vector in `vectors`, or else the mean
    vector, that of unknown items.

    Args:
        spec: The spec before, with vectors.
        new_spec: The spec after, without them; see `FeatureSpec.with_values`.
        vectors: Name of some of the `Vector` features -> vectors, at least of new items.

    Returns:
        `(spec, report)`, same as in `prepared_vectors`.
    """
    vectors = vectors or {}
    if unknown := set(vectors) - set(spec.vectors):
        raise ValueError(
            f"`vectors` must name Vector features of the data: {list(spec.vectors)}. "
            f"Received: {sorted(unknown)}."
        )
    if not spec.vectors:
        return new_spec, {}
    tables, report = {}, {}
    growth = spec_growth(spec, new_spec)
    for name, feature in spec.vectors.items():
        of, before = new_spec.features[feature.items], feature.vectors
        if before is None:
            raise ValueError(
                f"Vector {name!r} must have its vectors before data is appended. "
                f"Received: {feature!r}."
            )
        rows = growth[of.table.name]
        positions = np.zeros(rows.size, np.int64)
        new, found = np.flatnonzero(rows.new), None
        if name in vectors and len(new):
            found = read_vectors(name, vectors[name], feature.items, feature.size)
            positions[new] = _positions(feature, of, found)[new] + 1
        storage = np.full((rows.size, feature.size), before.values[OOV_INDEX])
        scales = None
        if before.scales is not None:
            scales = np.full(rows.size, before.scales[OOV_INDEX])
        kept = np.flatnonzero(rows.kept)
        for index in (np.array([PADDING_INDEX]), kept):
            storage[index] = before.values[index]
            if scales is not None:
                scales[index] = before.scales[index]
        if found is not None:
            _store(feature, found, positions - 1, storage, scales)
        tables[name] = VectorTable(storage, scales)
        without = int((positions[new] == 0).sum())
        report[name] = {"new_items": len(new), "new_items_without_vector": without}
        _print_missing(name, f"new values of {feature.items!r}", without, len(new))
    return new_spec.with_vectors(tables), {"vectors": report}


def _with_tables(spec: FeatureSpec, vectors: Mapping[str, Any], counts: dict) -> tuple:
    """Returns the spec with vectors, and name of each -> its counts."""
    tables, report = {}, {}
    for name, source in vectors.items():
        feature = spec.vectors[name]
        of = spec.features[feature.items]
        found = read_vectors(name, source, feature.items, feature.size)
        positions = _positions(feature, of, found)
        known = _known(of)
        without = int((positions[known] < 0).sum())
        if len(known) == without:
            raise ValueError(
                f"The vectors of {name!r} must have keys that are values of {feature.items!r}. "
                f"Received: none in common, such as {format_value(found.keys.iloc[0])}."
                if len(found.keys)
                else f"The vectors of {name!r} must have at least one row. Received: none."
            )
        tables[name] = _table(feature, found, positions, counts.get(of.table.name))
        report[name] = {
            "rows": len(found.keys),
            "rows_without_vector": found.without_vector,
            "items": len(known),
            "items_without_vector": without,
        }
        _print_missing(name, f"values of {feature.items!r}", without, len(known))
    return spec.with_vectors(tables), report


def _print_missing(name: str, what: str, count: int, total: int) -> None:
    if count:
        print(
            f"without a vector {name!r}: {count:,} of {total:,} {what}; they have the mean vector",
            flush=True,
        )


def _known(of) -> np.ndarray:
    """Returns the indices that have a value."""
    if isinstance(of.values, Indices):
        return np.arange(NUM_RESERVED, of.vocabulary_size)
    return np.asarray(of.values.known[0])


def _positions(feature: Vector, of, found: KeyedVectors) -> np.ndarray:
    """Returns the row in the vectors of each index, or -1: int64 `(vocabulary_size,)`."""
    given = raw_values(f"keys of {feature.name}", found.keys)
    expected = "int64" if isinstance(of.values, Indices) else of.values.raw_dtype
    if len(found.keys) and given.kind != expected:
        raise ValueError(
            f"The keys of the vectors of {feature.name!r} must have the type of {of.name!r}, "
            f"{_WORDS[expected]}, since '007' and 7 are different ids. Received: "
            f"{_WORDS[given.kind]}, such as {format_value(found.keys.iloc[0])}. Convert the keys."
        )
    indices = _known(of)
    values = indices if isinstance(of.values, Indices) else of.values.known[1]
    positions = np.full(of.vocabulary_size, -1, np.int64)
    positions[indices] = pd.Index(given.array).get_indexer(pd.Index(values))
    return positions


def _table(feature: Vector, found: KeyedVectors, positions: np.ndarray, counts) -> VectorTable:
    """Returns the table of all indices. `counts` is how often each occurs in training, or None."""
    storage = np.zeros((len(positions), feature.size), feature.storage)
    scales = np.ones(len(positions), np.float32) if feature.storage == "int8" else None
    seen = positions >= 0
    if counts is not None and (seen & (counts > 0)).any():
        seen = seen & (counts > 0)
    mean = _store(feature, found, positions, storage, scales, seen)
    absent = positions < 0
    absent[PADDING_INDEX] = False
    row, scale = _encode(feature, mean.astype(np.float32)[None])
    storage[absent] = row
    if scales is not None:
        scales[absent] = scale
    return VectorTable(storage, scales)


def _store(feature, found, positions, storage, scales, seen=None) -> np.ndarray:
    """Stores the vectors of the indices that have one. Returns the mean of those in `seen`."""
    total = np.zeros(feature.size)
    rows = np.flatnonzero(positions >= 0)
    # In the order of the source, which may be memory-mapped.
    rows = rows[np.argsort(positions[rows], kind="stable")]
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        part = rows[start : start + _ROWS_AT_ONCE]
        with np.errstate(over="ignore"):  # Infinite values are an error below.
            block = np.asarray(found.values[positions[part]], np.float32)
        largest = _LARGEST_FLOAT16 if feature.storage == "float16" else np.inf
        bad = ~np.isfinite(block) | (np.abs(block) > largest)
        if bad.any():
            row, column = np.argwhere(bad)[0]
            key, value = found.keys.iloc[positions[part[row]]], block[row, column]
            limit = f" of at most {largest:g} (storage='float16')" if np.isfinite(value) else ""
            raise ValueError(
                f"The vectors of {feature.name!r} must be finite numbers{limit}. "
                f"Received: {value:g} of {format_value(key)}."
            )
        storage[part], scale = _encode(feature, block)
        if scales is not None:
            scales[part] = scale
        if seen is not None:
            total += block[seen[part]].sum(axis=0, dtype=np.float64)
    return total / max(1, 0 if seen is None else seen.sum())


def _encode(feature: Vector, block: np.ndarray) -> tuple:
    """Returns vectors in the dtype of the storage, and their scales or `None`."""
    if feature.storage == "int8":
        return quantize_rows(block)
    return block.astype(feature.storage), None
