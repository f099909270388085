"""Checks features that share the table of another one, whose values are learned together."""

import numpy as np
import pandas as pd

from keras_din.data.encoding.counted import split_counts
from keras_din.data.reading.columns import to_plain_index
from keras_din.data.reading.raw_values import raw_values
from keras_din.features import Feature, Table, Vector

_WORDS = {"string": "strings", "int64": "integers"}


def known_tables(features) -> dict:
    """Returns name -> `Table`, for the features that have one."""
    tables = [getattr(feature, "table", None) for feature in features]
    return {table.name: table for table in tables if isinstance(table, Table)}


def given_as(feature: Feature) -> str:
    """Describes a feature that is given as an object."""
    kind = type(feature).__name__
    return f"given as {'an' if kind[0] in 'AEIOU' else 'a'} {kind}"


def learns_table(feature, tables: dict) -> bool:
    """Returns whether a feature shares the table of a column whose values are not known yet."""
    table = getattr(feature, "table", None)
    return isinstance(table, str) and table not in tables


def check_table_names(features, numeric: dict) -> None:
    """Checks the tables that features share by name.

    Args:
        features: Names of columns, and features.
        numeric: Name -> reason, for the columns that are known to be amounts.

    Raises:
        ValueError: If a name is not that of a `Table`, or of a column that becomes a `Categorical`
            or `Bag` with its own table.
    """
    tables = known_tables(features)
    given = {feature.name: feature for feature in features if isinstance(feature, Feature)}
    learned = {f.name: None for f in given.values() if "vocabulary" in f.to_learn}
    learned |= {feature: None for feature in features if isinstance(feature, str)}
    usable = [*tables, *(name for name in learned if name not in numeric)]
    for feature in given.values():
        name = getattr(feature, "table", None)
        if not isinstance(name, str) or name in usable:
            continue
        found = ", which no feature has. Add the column, or pass a `Table`"
        if name in numeric or (name in given and given[name].takes_numbers):
            found = f"; {name!r} is numeric ({numeric.get(name, 'given as a Numeric')})"
        elif name in given:
            table = given[name].table
            table = table.name if isinstance(table, Table) else table
            found = f"; {name!r} itself shares the table {table!r}"
        raise ValueError(
            f"`table` of {type(feature).__name__} {feature.name!r} must be a `Table`, or the name "
            f"of a feature with its own table of embeddings: {usable}. "
            f"Received: table={name!r}{found}."
        )


def check_dims(dim: dict, features: dict) -> None:
    """Raises a `ValueError` if a feature does not have the width that `dim` gives.

    Args:
        dim: Name of a feature -> width.
        features: Name -> feature.
    """
    for name, width in dim.items():
        feature = features[name]
        if isinstance(feature, Vector) and feature.project_to == width:
            continue
        if feature.table is None:
            raise ValueError(
                "`dim` must name features with embeddings. "
                f"Received: dim={width!r} of {name!r}, which is a {type(feature).__name__}."
            )
        if feature.dim == width:
            continue
        is_own = feature.table.name == name
        found = f"is {given_as(feature)}" if is_own else "shares a table"
        raise ValueError(
            "`dim` must agree with the width of each named feature. "
            f"Received: dim={width!r} of {name!r}, which {found}: {feature.table!r}."
        )


def compare_columns(owner: str, values, others: dict) -> dict:
    """Compares the columns that share a table.

    Args:
        owner: Name of the column that the table belongs to.
        values: Its training values, one per row.
        others: Name of each column that shares the table -> its training values.

    Returns:
        Name of each other column that has no value in common with `owner` -> a notice.

    Raises:
        ValueError: If one column holds integers and another one strings, or a column holds
            decimal numbers.
    """
    own, kind = _distinct(owner, values)
    notices = {}
    for name, of_other in others.items():
        distinct, other_kind = _distinct(name, of_other)
        if not len(own) or not len(distinct):
            continue
        if kind != other_kind:
            integers = owner if kind == "int64" else name
            raise ValueError(
                "Columns that share a table must have values of one type, strings or integers. "
                f"Received: {_WORDS[kind]} in {owner!r}, such as {_examples(own, 1)}, and "
                f"{_WORDS[other_kind]} in {name!r}, such as {_examples(distinct, 1)}. Convert one "
                f"of them, for example with `frame[{integers!r}].astype(str)`. In a CSV file, a "
                "single value that is not a whole number makes its column strings."
            )
        if not len(own.intersection(distinct)):
            notices[name] = (
                f"no value in common with {owner!r}, whose table it shares: {_examples(distinct)} "
                f"in {name!r}, {_examples(own)} in {owner!r}"
            )
    return notices


def _examples(values: pd.Index, most: int = 3) -> str:
    return ", ".join(map(repr, values[:most].tolist()))


def _distinct(name: str, values) -> tuple[pd.Index, str]:
    """Returns the distinct values of a column that are not missing, and their type."""
    array, missing, kind = raw_values(name, split_counts(values)[0])
    distinct = to_plain_index(pd.unique(pd.Series(array)[~missing]))
    if kind != "float":
        return distinct, kind
    broken = distinct[distinct != np.floor(distinct)]
    if len(broken):
        raise ValueError(
            f"Column {name!r} must hold strings or integers, because it uses a shared table. "
            f"Received: {_examples(broken, 1)}."
        )
    return distinct.astype(np.int64), "int64"
