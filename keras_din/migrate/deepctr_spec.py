"""The `FeatureSpec` of feature columns of DeepCTR."""

from collections.abc import Iterable, Mapping, Sequence

from keras_din.features import (
    Bag,
    Categorical,
    FeatureSpec,
    Label,
    Numeric,
    Table,
    Vector,
)
from keras_din.features import Sequence as BehaviorSequence
from keras_din.migrate.deepctr_columns import (
    HISTORY,
    Columns,
    DenseColumn,
    TableInfo,
)

# The task of DeepCTR's `DIN` -> the label.
LABELS = {"binary": Label(), "regression": Label("label", loss="mse")}


def target_columns(columns: Columns, target: Sequence) -> tuple[str, ...]:
    """Returns the names of the columns of the candidate, in the order of `feature_columns`.

    Args:
        columns: The columns.
        target: Names of columns of the candidate that the history does not have.

    Raises:
        ValueError: If a name is not that of a column.
    """
    others = {column.name for column in columns.history}
    known = [name for name in columns.order if name not in others]
    if isinstance(target, str) or any(name not in known for name in target):
        raise ValueError(
            f"`target` must be a list of names of columns: {known}. Received: target={target!r}."
        )
    return tuple(name for name in known if name in (*columns.queries, *target))


def build_spec(
    columns: Columns, target: Sequence, task: str, vocabularies: Mapping | None
) -> FeatureSpec:
    """Returns the `FeatureSpec` of feature columns.

    Args:
        columns: The columns.
        target: See `target_columns`.
        task: `"binary"` or `"regression"`.
        vocabularies: See `from_deepctr`.
    """
    tables = _tables(columns, vocabularies)
    features: dict = {c.name: Categorical(c.name, table=tables[c.table]) for c in columns.sparse}
    for column in columns.pooled:
        table, pooling = tables[column.sparse.table], column.combiner
        features[column.name] = Bag(
            column.name, table=table, pooling=pooling, max_values=column.maxlen
        )
    features |= {column.name: _dense(column) for column in columns.dense}
    of_target = target_columns(columns, target)
    return FeatureSpec(
        context=[features[n] for n in columns.order if n in features and n not in of_target],
        target=[features[name] for name in of_target],
        sequences=[
            BehaviorSequence(
                HISTORY,
                of=[features[name] for name in columns.queries],
                max_length=columns.history[0].maxlen,
            )
        ],
        labels=[LABELS[task]],
    )


def _dense(column: DenseColumn):
    # Given, so that no training data learns other values.
    if column.dimension == 1:
        return Numeric(column.name, mean=0.0, std=1.0)
    return Vector(column.name, size=column.dimension, storage="float32")


def _tables(columns: Columns, vocabularies: Mapping | None) -> dict[str, Table]:
    found = columns.tables
    vocabularies = {} if vocabularies is None else vocabularies
    if not isinstance(vocabularies, Mapping) or any(name not in found for name in vocabularies):
        raise ValueError(
            "`vocabularies` must be a dict, name of a table (`embedding_name`) -> values, with "
            f"names of {list(found)}. Received: vocabularies={vocabularies!r}."
        )
    return {name: _table(name, table, vocabularies.get(name)) for name, table in found.items()}


def _table(name: str, table: TableInfo, vocabulary) -> Table:
    size, dim, dtype = table.column.vocabulary_size, table.column.dim, table.column.hash_dtype
    if dtype is not None:
        if vocabulary is not None:
            raise ValueError(
                f"`vocabularies` must not have {name!r}, whose raw values are hashed "
                f"(use_hash=True). Received: vocabularies[{name!r}]."
            )
        return Table(name, hash_buckets=table.hash_buckets, dtype=dtype, dim=dim)
    if vocabulary is None:
        return Table(name, size + table.offset, dim=dim)
    if isinstance(vocabulary, str) or not isinstance(vocabulary, Iterable):
        raise ValueError(
            f"The vocabulary of {name!r} in `vocabularies` must be a list of raw values. "
            f"Received: {vocabulary!r}."
        )
    vocabulary = list(vocabulary)
    if len(vocabulary) > size:
        raise ValueError(
            f"The vocabulary of {name!r} in `vocabularies` must have at most one value per index "
            f"of DeepCTR, {size}. Received: {len(vocabulary)} values."
        )
    return Table(name, vocabulary=vocabulary, capacity=size, dim=dim)
