"""The growth of a spec: which rows of its tables get another value."""

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from keras_din.features import (
    NUM_RESERVED,
    FeatureSpec,
    HashBuckets,
    Numeric,
    Table,
    Vector,
    Vocabulary,
)

_MOST = 8  # The most entries of a tuple that a sentence has.


class TableGrowth(NamedTuple):
    """The rows of a table before and after growth.

    Attributes:
        old_size: Number of rows before.
        size: Number of rows after.
        kept: Bool `(size,)`, `True` where a row has the same value before and after.
        new: Bool `(size,)`, `True` where a row has a value that it did not have before.
        removed: Bool `(size,)`, `True` where a row had a value and has none.
    """

    old_size: int
    size: int
    kept: np.ndarray
    new: np.ndarray
    removed: np.ndarray


def spec_growth(
    spec: FeatureSpec, new_spec: FeatureSpec, changed: Mapping[str, np.ndarray] | None = None
) -> dict[str, TableGrowth]:
    """Returns the growth of each table: name -> `TableGrowth`.

    Args:
        spec: The spec before.
        new_spec: The spec after. Vocabularies may have more values, values may be removed, rows
            of removed values may have new values, and a capacity or a `vocabulary_size` may be
            larger.
        changed: Name of a table -> bool `(size,)`: rows whose value was removed in between. Such a
            value may have another index, and its row is new even if it has not.

    Raises:
        ValueError: If the specs have another difference. The error lists all differences.
    """
    for word, value in (("spec", spec), ("new_spec", new_spec)):
        if not isinstance(value, FeatureSpec):
            raise ValueError(f"`{word}` must be a FeatureSpec. Received: {word}={value!r}.")
    found = _differences(_fixed(spec), _fixed(new_spec))
    pairs = [(table, new_spec.tables[name]) for name, table in spec.tables.items() if not found]
    found += [text for table, new_table in pairs for text in _smaller_size(table, new_table)]
    growth = {}
    for table, new_table in pairs if not found else ():
        of_table = (changed or {}).get(table.name, np.zeros(new_table.values.size, bool))
        growth[table.name], texts = _table_growth(table, new_table, of_table)
        found += texts
    if found:
        raise ValueError(
            "`new_spec` must be `spec` with vocabularies that have grown. Known values keep their "
            "indices. Everything else is equal, also the mean and std of a Numeric: take it from "
            "`spec` with `dataclasses.replace`, or train a new model. "
            f"Received: {'; '.join(found)}."
        )
    return growth


def _fixed(spec: FeatureSpec) -> dict[str, dict]:
    """Returns all that growth must not change: name of an object of the spec -> its fields."""
    names = lambda features: [feature.name for feature in features]  # noqa: E731
    fixed: dict[str, dict] = {
        "the spec": {word: names(getattr(spec, word)) for word in ("context", "target")}
        | {"sequences": names(spec.sequences), "labels": list(spec.labels)}
    }
    for name, table in spec.tables.items():
        way = str(table.values) if isinstance(table.values, HashBuckets) else table.values.way
        values = {"values": way, "dtype": table.values.raw_dtype}
        fixed[f"table {name!r}"] = {"dim": table.dim} | values
    for name, feature in spec.features.items():
        fields = {field.name: getattr(feature, field.name) for field in dataclasses.fields(feature)}
        if feature.table is not None:
            fields["table"] = feature.table.name
        if isinstance(feature, Vector):  # Its table grows.
            fields = {n: fields[n] for n in fields if n not in ("checksum", "vectors")}
        if isinstance(feature, Numeric):  # A mean of 0 may be given or not.
            fields |= dict(zip(("mean", "std"), feature.moments, strict=True))
        fixed[f"feature {name!r}"] = {"type": type(feature).__name__} | fields
    for sequence in spec.sequences:
        fields = {word: names(getattr(sequence, word)) for word in ("of", "side_features")}
        fixed[f"sequence {sequence.name!r}"] = fields | {"max_length": sequence.max_length}
    return fixed


def _differences(old: dict[str, dict], new: dict[str, dict]) -> list[str]:
    """Lists the differences of two results of `_fixed`, one sentence each."""
    found = [f"{name} is missing in `new_spec`" for name in old if name not in new]
    found += [f"{name} is missing in `spec`" for name in new if name not in old]
    for name in old.keys() & new.keys():
        for field in sorted(old[name].keys() | new[name].keys()):
            values = [each[name].get(field) for each in (old, new)]
            if values[0] != values[1]:
                place = _first_difference(*values)
                if place is not None:
                    values = [each[name][field][place] for each in (old, new)]
                    field = f"{field}[{place}]"
                found.append(f"`{field}` of {name} {_both(*values)}")
    return sorted(found)


def _first_difference(old, new) -> int | None:
    """Returns where two long tuples of the same length differ, or `None` for other values."""
    if not (isinstance(old, tuple) and isinstance(new, tuple) and _MOST < len(old) == len(new)):
        return None
    return next(i for i, (a, b) in enumerate(zip(old, new, strict=True)) if a != b)


def _both(old, new) -> str:
    return f"is {old!r} in `spec`, {new!r} in `new_spec`"


def _smaller_size(table: Table, new_table: Table) -> list[str]:
    old, new = table.values.size, new_table.values.size
    if new >= old:
        return []
    if isinstance(table.values, Vocabulary):
        sizes = _both(old - NUM_RESERVED, new - NUM_RESERVED)
        return [f"the capacity of table {table.name!r} {sizes}"]
    return [f"`vocabulary_size` of table {table.name!r} {_both(old, new)}"]


def _table_growth(table: Table, new_table: Table, changed) -> tuple[TableGrowth, list[str]]:
    """Returns the growth of a table, and what is wrong with it, one sentence each."""
    old, new = table.values, new_table.values
    rows = np.arange(new.size)
    if not (isinstance(old, Vocabulary) and isinstance(new, Vocabulary)):
        kept, added = (rows >= NUM_RESERVED) & (rows < old.size), rows >= old.size
        return TableGrowth(old.size, new.size, kept, added, np.zeros(new.size, bool)), []
    before, after = (_value_of_row(values, new.size) for values in (old, new))
    had, has, same = before != None, after != None, (before == after) & ~changed  # noqa: E711
    growth = TableGrowth(old.size, new.size, had & same, has & ~same, had & ~has)
    texts = []
    if old.padding_value != new.padding_value:
        # Clients and older versions would still send the old one, which is a value now.
        values = _both(old.padding_value, new.padding_value)
        text = f"the raw value of padding of table {table.name!r} {values}"
        texts.append(f"{text}: leave {old.padding_value!r} out of the vocabulary")
    lost = {before[row]: row for row in np.flatnonzero(had & ~same & ~changed)}
    moved = next((row for row in np.flatnonzero(growth.new) if after[row] in lost), None)
    if moved is not None:
        indices = _both(int(lost[after[moved]]), int(moved))
        texts.append(f"the index of {after[moved]!r} in table {table.name!r} {indices}")
    return growth, texts


def _value_of_row(values: Vocabulary, size: int) -> np.ndarray:
    """Returns the value of each row, `None` for a row without one, as objects `(size,)`."""
    of_row = np.full(size, None, object)
    of_row[NUM_RESERVED : NUM_RESERVED + len(values.entries)] = values.entries
    return of_row
