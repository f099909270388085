"""`DeepCTRInputs`: the inputs of a DeepCTR model as inputs of the converted model."""

from collections.abc import Mapping, Sequence

import numpy as np

from keras_din.checks import one_of
from keras_din.features import NUM_RESERVED, PADDING_INDEX
from keras_din.migrate.deepctr_columns import (
    Columns,
    SequenceColumn,
    SparseColumn,
    TableInfo,
    read_columns,
)
from keras_din.migrate.deepctr_spec import target_columns

__all__ = ["DeepCTRInputs"]


class DeepCTRInputs:
    """Converts the inputs of a DeepCTR `DIN` to those of the model of `from_deepctr`.

    Index `i` of DeepCTR becomes `i + 2`, since 0 is padding here and 1 is out-of-vocabulary. Values
    of a column with `use_hash` are hashed. Padding stays 0: index 0 of a history, and index 0 of a
    pooled sequence or, with a `length_name`, what is after its length. Index 0 of any other column
    is a value like any other.

    The result equals DeepCTR also where its masks are special:

    - A behavior counts only if none of its features is 0. `length_name` of a history has no effect.
    - With `att_weight_normalization`, DeepCTR's interest of an empty history is the embedding of
      index 0, so the history becomes one behavior of index 0. Without it, the interest is 0.
    - The maximum of a pooled sequence without values is about `-1e9` in DeepCTR. It is 0 here. This
      is the only value that differs.

    Args:
        feature_columns: See `from_deepctr`.
        history_feature_list: See `from_deepctr`.
        att_weight_normalization: See `from_deepctr`.
        target: See `from_deepctr`.

    Call arguments:
        inputs: Dict, name -> array of DeepCTR's shapes: `(batch,)` or `(batch, 1)` of a column
            with one value, `(batch, dimension)` of numbers, and `(batch, maxlen)` of a sequence.

    Returns:
        Dict of NumPy arrays with the names of the spec's inputs and one candidate per row: int32
        or float32 `(batch,)` of context, `(batch, 1)` of target, `(batch, maxlen)` of sequences.

    Raises:
        ValueError: If an input is missing or unknown, has another shape, or an index is not in the
            table of its column.

    Example:

    ```python
    item = {"name": "item_id", "vocabulary_size": 5, "embedding_dim": 4}
    behavior = item | {"name": "hist_item_id", "embedding_name": "item_id"}
    columns = [item, {"sparsefeat": behavior, "maxlen": 3}]
    convert = kd.migrate.DeepCTRInputs(columns, history_feature_list=["item_id"])
    x = convert({"item_id": np.array([4]), "hist_item_id": np.array([[1, 3, 0]])})
    # {"item_id": [[6]], "hist_item_id": [[3, 5, 0]]}
    ```
    """

    def __init__(
        self,
        feature_columns,
        *,
        history_feature_list: Sequence[str],
        att_weight_normalization: bool = False,
        target: Sequence[str] = (),
    ) -> None:
        one_of("att_weight_normalization", att_weight_normalization, (True, False))
        if isinstance(feature_columns, Columns):  # Of `from_deepctr`, which has read them.
            columns = feature_columns
        else:
            columns = read_columns(feature_columns, history_feature_list)
        self._columns = columns
        self._has_softmax = att_weight_normalization
        self._target = target_columns(columns, target)
        self._tables = columns.tables
        sequences = [*columns.pooled, *columns.history]
        further = [name for c in sequences for name in (c.length_name, c.weight_name)]
        self._optional = {c.length_name for c in columns.history}
        self._optional |= {c.weight_name for c in columns.history}
        self._names = [*columns.order, *dict.fromkeys(name for name in further if name)]

    def __call__(self, inputs: Mapping) -> dict[str, np.ndarray]:
        self._check_names(inputs)
        columns = self._columns
        arrays = {name: _to_array(name, value) for name, value in inputs.items()}
        found = {}
        for column in columns.sparse:
            indices = self._indices(arrays, column, 1)[:, 0]
            indices += self._tables[column.table].offset
            found[column.name] = self._of_entity(column.name, indices)
        for sequence in columns.pooled:
            found[sequence.name] = self._of_entity(sequence.name, self._pooled(arrays, sequence))
        for dense in columns.dense:
            numbers = _to_float32(
                dense.name, _matrix(dense.name, arrays[dense.name], dense.dimension)
            )
            numbers = numbers[:, 0] if dense.dimension == 1 else numbers
            found[dense.name] = self._of_entity(dense.name, numbers)
        found |= self._histories(arrays)
        rows = {name: len(array) for name, array in found.items()}
        if len(set(rows.values())) > 1:
            raise ValueError(f"The inputs must have the same number of rows. Received: {rows}.")
        return {name: found[name] for name in columns.order}

    def _check_names(self, inputs) -> None:
        if not isinstance(inputs, Mapping):
            raise ValueError(
                "`inputs` must be a dict of arrays by the names of DeepCTR's inputs, "
                f"{self._names}. Received: {type(inputs).__name__}."
            )
        lacking = [n for n in self._names if n not in inputs and n not in self._optional]
        unknown = [name for name in inputs if name not in self._names]
        if lacking or unknown:
            raise ValueError(
                f"`inputs` must have the names of DeepCTR's inputs, {self._names}. "
                f"Received: none for {lacking}, and the unknown {unknown}."
            )

    def _of_entity(self, name, values):
        """Adds the axis of candidates to the values of a column of the candidate."""
        return values[:, None] if name in self._target else values

    def _indices(self, arrays, column: SparseColumn, width: int) -> np.ndarray:
        """Returns the indices that DeepCTR looks up, int32 `(batch, width)`."""
        array, table = _matrix(column.name, arrays[column.name], width), self._tables[column.table]
        if column.hash_dtype == "string":
            return _hash(_to_text(column.name, array), table)
        if array.dtype.kind not in "iufb" or not np.array_equal(array, np.floor(array)):
            kind = "indices" if column.hash_dtype is None else "values"
            raise ValueError(
                f"{column.name!r} must have integers, the {kind} that DeepCTR reads. "
                f"Received: an array of {array.dtype}."
            )
        if column.hash_dtype is not None:
            return _hash(array.astype("int64").astype(str), table)
        size = table.column.vocabulary_size
        if array.size and not 0 <= array.min() <= array.max() < size:
            raise ValueError(
                f"{column.name!r} must have indices from 0 to {size - 1}, the rows of its table in "
                f"DeepCTR. Received: {array.min()} to {array.max()}."
            )
        return array.astype("int32")

    def _pooled(self, arrays, column: SequenceColumn) -> np.ndarray:
        indices = self._indices(arrays, column.sparse, column.maxlen)
        mask = indices != 0
        if column.length_name is not None:
            lengths = _matrix(column.length_name, arrays[column.length_name], 1)
            if lengths.size and not 0 <= lengths.min() <= lengths.max() <= column.maxlen:
                raise ValueError(
                    f"{column.length_name!r} must have lengths from 0 to {column.maxlen}, the "
                    f"`maxlen` of {column.name!r}. Received: {lengths.min()} to {lengths.max()}."
                )
            if len(lengths) != len(indices):
                raise ValueError(
                    f"{column.length_name!r} must have one length per row of {column.name!r}, "
                    f"{len(indices)}. Received: {len(lengths)}."
                )
            mask = np.arange(column.maxlen) < lengths
        indices += self._tables[column.sparse.table].offset
        return np.where(mask, indices, PADDING_INDEX).astype("int32")

    def _histories(self, arrays) -> dict[str, np.ndarray]:
        columns = self._columns.history
        indices = {c.name: self._indices(arrays, c.sparse, c.maxlen) for c in columns}
        offsets = {c.name: self._tables[c.sparse.table].offset for c in columns}
        rows = {name: len(array) for name, array in indices.items()}
        if len(set(rows.values())) > 1:
            raise ValueError(f"The inputs must have the same number of rows. Received: {rows}.")
        stacked = np.stack(list(indices.values()))
        mask = (stacked != 0).all(axis=0)
        found = {n: np.where(mask, i + offsets[n], PADDING_INDEX) for n, i in indices.items()}
        if self._has_softmax:
            empty = ~mask.any(axis=1)
            partial = np.flatnonzero(empty & (stacked != 0).any(axis=(0, 2)))
            if len(partial):
                raise ValueError(
                    f"A history with no behavior must be 0 in all of {list(indices)}. With "
                    "att_weight_normalization=True, DeepCTR averages such positions with its "
                    "padding, which has no equal form. Set the other features to 0 where one is "
                    f"0. Received: row {partial[0]}, and {len(partial)} rows in total."
                )
            for name, array in found.items():
                array[empty, 0] = offsets[name]  # Of index 0 in DeepCTR.
        return {name: array.astype("int32") for name, array in found.items()}


def _to_array(name: str, value) -> np.ndarray:
    try:
        return np.asarray(value)
    except ValueError:  # Of rows with different lengths.
        raise ValueError(
            f"{name!r} must be an array, with rows of one length that are padded with 0. "
            f"Received: a {type(value).__name__} with rows of different lengths."
        ) from None


def _to_text(name: str, array: np.ndarray) -> np.ndarray:
    """Returns an array of texts, or of bytes in UTF-8, as an array of objects."""
    if array.dtype.kind not in "USO" or not all(isinstance(x, (str, bytes)) for x in array.flat):
        raise ValueError(f"{name!r} must have texts. Received: an array of {array.dtype}.")
    return array.astype(object)


def _hash(text: np.ndarray, table: TableInfo) -> np.ndarray:
    """Returns the indices of DeepCTR's layer `Hash`, int32. With an offset of 1, "0" stays 0."""
    import tensorflow as tf

    buckets = tf.strings.to_hash_bucket_fast(text, table.hash_buckets).numpy().astype("int32")
    if table.offset == NUM_RESERVED:
        return buckets
    return np.where((text == "0") | (text == b"0"), 0, buckets + 1).astype("int32")


def _matrix(name: str, array: np.ndarray, width: int) -> np.ndarray:
    """Returns an array as `(batch, width)`. One value per row may be without an axis."""
    if width == 1 and array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or array.shape[1] != width:
        shape = "(batch,) or (batch, 1)" if width == 1 else f"(batch, {width})"
        raise ValueError(f"{name!r} must have the shape {shape}. Received: {array.shape}.")
    return array


def _to_float32(name: str, array: np.ndarray) -> np.ndarray:
    if array.dtype.kind not in "iufb":
        raise ValueError(f"{name!r} must have numbers. Received: an array of {array.dtype}.")
    return array.astype("float32")
