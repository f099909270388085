"""The feature columns of DeepCTR, without DeepCTR."""

import dataclasses
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from keras_din.checks import local_path, positive_integer
from keras_din.features import NUM_RESERVED

HISTORY = "hist"  # DeepCTR finds the history of `item_id` by the name `hist_item_id`.
COMBINERS = ("mean", "sum", "max")


@dataclasses.dataclass(frozen=True)
class SparseColumn:
    """A `SparseFeat`, or the `SparseFeat` of a `VarLenSparseFeat`.

    Args:
        name: Name of the column and of the input.
        vocabulary_size: Number of rows of the table.
        dim: Width of the embedding.
        table: Name of the table, `embedding_name`.
        group: `group_name`: columns of a group are side by side in the input of the network.
        trainable: Whether the table is trained.
        hash_dtype: `"string"` or `"int64"`, the type of values that are hashed, or `None` if values
            are indices.
    """

    name: str
    vocabulary_size: int
    dim: int
    table: str
    group: str
    trainable: bool
    hash_dtype: str | None


@dataclasses.dataclass(frozen=True)
class SequenceColumn:
    """A `VarLenSparseFeat`.

    Args:
        sparse: Its `SparseFeat`.
        maxlen: Length of the padded sequence.
        combiner: `"mean"`, `"sum"` or `"max"`. Not used for a history of DIN.
        length_name: Name of the input with the lengths, or `None`.
        weight_name: Name of the input with the weights, or `None`.
    """

    sparse: SparseColumn
    maxlen: int
    combiner: str
    length_name: str | None
    weight_name: str | None

    @property
    def name(self) -> str:
        """Name of the column and of the input."""
        return self.sparse.name


@dataclasses.dataclass(frozen=True)
class DenseColumn:
    """A `DenseFeat`.

    Args:
        name: Name of the column and of the input.
        dimension: Number of values.
    """

    name: str
    dimension: int


@dataclasses.dataclass(frozen=True)
class TableInfo:
    """A table of a DeepCTR model.

    Args:
        layer: Name of DeepCTR's layer.
        column: The column that defines it.
        offset: Our index of DeepCTR's index 0. It is 2, because index 0 is a row like any other.
            If DeepCTR hashes all values but 0, it is 1: then DeepCTR's bucket `i` has the index
            `i + 1`, and ours `i + 2`.
    """

    layer: str
    column: SparseColumn
    offset: int

    @property
    def hash_buckets(self) -> int:
        """Number of buckets of a table whose values are hashed."""
        return self.column.vocabulary_size + self.offset - NUM_RESERVED


@dataclasses.dataclass(frozen=True)
class Columns:
    """The feature columns of a `DIN` of DeepCTR by their role.

    Args:
        sparse: Columns with one value, in the order of the network's input.
        pooled: Columns whose values are pooled, in the order of the network's input.
        dense: Columns of numbers, in the order of the network's input.
        history: Columns of the history, in the order of `queries`.
        queries: Names of the columns of the candidate that the history has too.
        order: Names of all columns, in the order given.
    """

    sparse: tuple[SparseColumn, ...]
    pooled: tuple[SequenceColumn, ...]
    dense: tuple[DenseColumn, ...]
    history: tuple[SequenceColumn, ...]
    queries: tuple[str, ...]
    order: tuple[str, ...]

    @property
    def tables(self) -> dict[str, TableInfo]:
        """The tables by their names. Of columns that share one the last defines it.

        Columns with one value come before sequences.
        """
        found = {}
        for column in sorted(self.sparse, key=self._place):
            offset = NUM_RESERVED - (column.name in self.queries and column.hash_dtype is not None)
            layer = f"sparse_emb_{column.table}"
            found[column.table] = TableInfo(layer, column, offset)
        for sequence in sorted([*self.pooled, *self.history], key=self._place):
            column = sequence.sparse
            offset = NUM_RESERVED - (column.hash_dtype is not None)
            layer = f"sparse_seq_emb_{column.name}"
            found[column.table] = TableInfo(layer, column, offset)
        return found

    def _place(self, column) -> int:
        return self.order.index(column.name)

    def widths(self) -> dict[str, int]:
        """Returns the width of each column in the network's input, in order.

        The history has the name `HISTORY`.
        """
        tables = {name: table.column.dim for name, table in self.tables.items()}
        found = {column.name: tables[column.table] for column in self.sparse}
        found |= {column.name: tables[column.sparse.table] for column in self.pooled}
        found[HISTORY] = sum(tables[column.sparse.table] for column in self.history)
        return found | {column.name: column.dimension for column in self.dense}


def read_columns(feature_columns, history_feature_list) -> Columns:
    """Reads feature columns of DeepCTR.

    Args:
        feature_columns: A list of columns, or the path of a JSON file with one. A column is a
            `SparseFeat`, `VarLenSparseFeat` or `DenseFeat`, or a dict of its fields.
        history_feature_list: Names of the columns of the candidate that the history has too.

    Raises:
        ValueError: If a column or its place has no equal form here.
    """
    columns = [_column(fields) for fields in _fields_of_all(feature_columns)]
    names = [column.name for column in columns]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(
                f"`feature_columns` must have different names. Received: {name!r} twice."
            )
    history_names = _history_names(history_feature_list)
    sparse = [c for c in columns if isinstance(c, SparseColumn)]
    sequences = [c for c in columns if isinstance(c, SequenceColumn)]
    of_history = [f"{HISTORY}_{name}" for name in history_names]
    found = Columns(
        sparse=tuple(_by_group(sparse)),
        pooled=tuple(_by_group([c for c in sequences if c.name not in of_history])),
        dense=tuple(c for c in columns if isinstance(c, DenseColumn)),
        history=tuple(_by_group([c for c in sequences if c.name in of_history])),
        queries=tuple(c.name for c in _by_group([c for c in sparse if c.name in history_names])),
        order=tuple(names),
    )
    _check_history(found, history_names)
    for column in found.pooled:
        _check_weights(column)
    _check_hashes(found)
    return found


def _history_names(history_feature_list) -> list:
    is_list = isinstance(history_feature_list, (list, tuple))
    if not is_list or not history_feature_list:
        raise ValueError(
            "`history_feature_list` must be a list of at least one name, same as for `DIN` of "
            f"DeepCTR. Received: history_feature_list={history_feature_list!r}."
        )
    return list(history_feature_list)


def _check_history(columns: Columns, names: Sequence) -> None:
    """Checks that the history has the features of the query, in the same order and tables."""
    by_name = {column.name: column for column in columns.sparse}
    histories = {column.name: column for column in columns.history}
    for name in names:
        if name not in by_name or f"{HISTORY}_{name}" not in histories:
            raise ValueError(
                f"`feature_columns` must have a SparseFeat {name!r} and a VarLenSparseFeat "
                f"'{HISTORY}_{name}', since {name!r} is in `history_feature_list`. "
                f"Received: the columns {list(columns.order)}."
            )
    queries = [f"{HISTORY}_{name}" for name in columns.queries]
    if queries != list(histories):
        raise ValueError(
            "The columns of the history must have the order of those of the candidate. DeepCTR "
            "compares them in the order of `feature_columns`, so this model was trained to compare "
            "different features: correct the order and train it again. "
            f"Received: the candidate's {list(columns.queries)}, and {list(histories)}."
        )
    for name in columns.queries:
        table, of_history = by_name[name].table, histories[f"{HISTORY}_{name}"].sparse.table
        if table != of_history:
            raise ValueError(
                f"{name!r} and '{HISTORY}_{name}' must share a table here. Train the DeepCTR model "
                f"with embedding_name={table!r} in the SparseFeat of '{HISTORY}_{name}'. "
                f"Received: embedding_name={of_history!r}."
            )
    lengths = {column.name: column.maxlen for column in columns.history}
    if len(set(lengths.values())) > 1:
        raise ValueError(
            f"The columns of the history must have the same `maxlen`. Received: {lengths}."
        )


def _check_weights(column: SequenceColumn) -> None:
    if column.weight_name is not None:
        raise ValueError(
            f"`weight_name` of VarLenSparseFeat {column.name!r} must be None: DeepCTR's weighted "
            "pooling has no equal form. Train a `Bag` with `weights` here instead. "
            f"Received: weight_name={column.weight_name!r}."
        )


def _check_hashes(columns: Columns) -> None:
    """Checks that all columns of a table have the same indices for the same values."""
    ways: dict[str, dict] = {}
    for column in columns.sparse:
        is_masked = column.name in columns.queries
        ways.setdefault(column.table, {})[column.name] = _hash_of(column, is_masked)
    for sequence in (*columns.pooled, *columns.history):
        column = sequence.sparse
        ways.setdefault(column.table, {})[column.name] = _hash_of(column, True)
    for table, by_name in ways.items():
        if len(set(by_name.values())) > 1:
            raise ValueError(
                f"The columns of the table {table!r} must be hashed in the same way. In DeepCTR a "
                "column has other indices if only one of the two is a sequence or in "
                "`history_feature_list`. Train the model with tables of their own. "
                f"Received: {by_name}."
            )


def _hash_of(column: SparseColumn, is_masked: bool) -> str:
    if column.hash_dtype is None:
        return "not hashed"
    kept = ", 0 is kept" if is_masked else ""
    return f"{column.hash_dtype} to {column.vocabulary_size - is_masked} buckets{kept}"


def _by_group(columns: list) -> list:
    """Returns columns in the order in which DeepCTR concatenates them: group after group."""
    sparse = [column if isinstance(column, SparseColumn) else column.sparse for column in columns]
    groups = list(dict.fromkeys(column.group for column in sparse))
    places = sorted(range(len(columns)), key=lambda i: groups.index(sparse[i].group))
    return [columns[place] for place in places]


def _fields_of_all(feature_columns) -> list[dict]:
    if isinstance(feature_columns, (str, os.PathLike)):
        path = local_path("feature_columns", feature_columns)
        try:
            feature_columns = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:  # Also text that is not UTF-8.
            raise ValueError(
                f"`feature_columns` must be the path of a JSON file. Received: {path} ({error})."
            ) from error
    if isinstance(feature_columns, Mapping) or not isinstance(feature_columns, Iterable):
        raise ValueError(
            "`feature_columns` must be a list of feature columns of DeepCTR or of their fields, or "
            f"the path of a JSON file with one. Received: {type(feature_columns).__name__}."
        )
    return [_fields(column) for column in feature_columns]


def _fields(column) -> dict:
    """Returns the fields of a named tuple of DeepCTR, or a dict itself."""
    if isinstance(column, Mapping):
        return dict(column)
    if isinstance(column, tuple) and hasattr(column, "_asdict"):
        return column._asdict()
    raise ValueError(
        "A feature column must be a SparseFeat, VarLenSparseFeat or DenseFeat of DeepCTR, or a "
        f"dict of its fields. Received: {column!r}."
    )


def _column(fields: dict):
    if "sparsefeat" in fields:
        return _sequence_column(fields)
    if "vocabulary_size" in fields:
        return _sparse_column(fields)
    if "dimension" in fields:
        return _dense_column(fields)
    raise ValueError(
        "A feature column must have the fields of a SparseFeat (`vocabulary_size`), "
        "VarLenSparseFeat (`sparsefeat`) or DenseFeat (`dimension`). "
        f"Received: {fields}."
    )


def _name(kind: str, fields: dict) -> str:
    name = fields.get("name")
    if not isinstance(name, str) or not name:
        raise ValueError(f"`name` of a {kind} must be a text. Received: name={name!r}.")
    return name


def _optional_name(owner: str, fields: dict, word: str, default: str | None = None) -> Any:
    value = fields.get(word)
    value = default if value is None else value
    if value is not None and not isinstance(value, str):
        raise ValueError(f"`{word}` of {owner} must be a text. Received: {word}={value!r}.")
    return value


def _sparse_column(fields: dict) -> SparseColumn:
    name = _name("SparseFeat", fields)
    owner = f"SparseFeat {name!r}"
    sizes = {
        word: positive_integer(word, fields.get(word), owner=owner)
        for word in ("vocabulary_size", "embedding_dim")
    }
    return SparseColumn(
        name,
        sizes["vocabulary_size"],
        sizes["embedding_dim"],
        _optional_name(owner, fields, "embedding_name", name),
        _optional_name(owner, fields, "group_name", "default_group"),
        bool(fields.get("trainable", True)),
        _hash_dtype(owner, fields, sizes["vocabulary_size"]) if fields.get("use_hash") else None,
    )


def _hash_dtype(owner: str, fields: dict, vocabulary_size: int) -> str:
    """Returns the type of the values of a column with `use_hash`."""
    if fields.get("vocabulary_path") is not None:
        raise ValueError(
            f"`vocabulary_path` of {owner} must be None. Pass the column with use_hash=False, its "
            "values as the indices of the file, and in `vocabularies` the values of the file in "
            f"the order of their indices. Received: {fields['vocabulary_path']!r}."
        )
    if vocabulary_size < NUM_RESERVED:
        raise ValueError(
            f"`vocabulary_size` of {owner} must be at least {NUM_RESERVED} with use_hash=True. "
            f"Received: vocabulary_size={vocabulary_size}."
        )
    dtype = fields.get("dtype", "int32")
    if dtype not in ("string", "int32", "int64"):
        raise ValueError(
            f"`dtype` of {owner} must be 'string', 'int32' or 'int64' with use_hash=True, since "
            f"the text of other numbers has no equal form. Received: dtype={dtype!r}."
        )
    return "string" if dtype == "string" else "int64"


def _sequence_column(fields: dict) -> SequenceColumn:
    sparse = _sparse_column(_fields(fields["sparsefeat"]))
    owner = f"VarLenSparseFeat {sparse.name!r}"
    combiner = fields.get("combiner", "mean")
    if combiner not in COMBINERS:
        raise ValueError(
            f"`combiner` of {owner} must be one of {COMBINERS}. Received: combiner={combiner!r}."
        )
    return SequenceColumn(
        sparse,
        positive_integer("maxlen", fields.get("maxlen"), owner=owner),
        combiner,
        _optional_name(owner, fields, "length_name"),
        _optional_name(owner, fields, "weight_name"),
    )


def _dense_column(fields: dict) -> DenseColumn:
    name = _name("DenseFeat", fields)
    if fields.get("transform_fn") is not None:
        raise ValueError(
            f"`transform_fn` of DenseFeat {name!r} must be None: a function cannot be converted. "
            "Pass the column with transform_fn=None, and apply the function to its values before "
            f"they are passed. Received: transform_fn={fields['transform_fn']!r}."
        )
    dimension = positive_integer("dimension", fields["dimension"], owner=f"DenseFeat {name!r}")
    return DenseColumn(name, dimension)
