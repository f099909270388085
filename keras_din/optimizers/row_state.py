"""The variables of an optimizer that have one entry per row of an embedding table."""

from typing import NamedTuple

import keras
import numpy as np

from keras_din.optimizers.mini_batch_aware import MiniBatchAware
from keras_din.optimizers.row_sparse import is_table
from keras_din.row_shards import row_shards

_MARK = 0.4375  # The value of all probes, to recognize copies of it.


class RowState(NamedTuple):
    """A variable of an optimizer that belongs to a table.

    Attributes:
        variable: Keras variable `(rows, ...)`.
        initial: The entry of a row before its first step, a NumPy array or number. `None` means
            that it is equal to the row of the table.
    """

    variable: keras.Variable
    initial: np.ndarray | None


def row_state(optimizer) -> dict[int, list[RowState]]:
    """Finds the variables of an optimizer that have one entry per row of a table.

    An optimizer of the same config is built for small tables, each with another number of rows. So
    every Keras optimizer is supported, and its initial values are known.

    Args:
        optimizer: A Keras optimizer that has been built. A `LossScaleOptimizer` may contain it.

    Returns:
        `id` of each trainable table, a Keras variable -> a list of `RowState`.
    """
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    tables = inner._trainable_variables
    # More rows than any table has columns, because a variable may have one entry per column.
    first = 1 + max((size for table in tables for size in table.shape[1:]), default=0)
    fresh = type(optimizer).from_config(optimizer.get_config())
    fresh.build([_probe(table, first + i) for i, table in enumerate(tables)])
    averages = inner._model_variables_moving_average if inner.use_ema else ()
    copies = {id(variable) for variable in averages}
    counts = {id(v): v for v in getattr(inner, "_feature_counts", None) or () if v is not None}
    found: dict[int, list[RowState]] = {id(table): [] for table in tables if is_table(table)}
    for variable, probe in zip(optimizer.variables, fresh.variables, strict=True):
        row = (probe.shape[0] if len(probe.shape) else 0) - first
        if row < 0 or not is_table(tables[row]):
            continue
        initial = keras.ops.convert_to_numpy(probe)[0]
        if id(variable) in copies or np.all(initial == _MARK):
            initial = None
        elif id(variable) in counts:  # Rows of a table with counts have at least 1.
            initial = np.float32(np.any(keras.ops.convert_to_numpy(variable) > 0))
        found[id(tables[row])].append(RowState(variable, initial))
    return found


def copy_state(optimizer, new_optimizer) -> None:
    """Copies all variables of an optimizer to that of a model whose tables have more rows.

    Entries of added rows are zeros.

    Args:
        optimizer: A Keras optimizer that has been built.
        new_optimizer: An optimizer of the same config, built for the other model.
    """
    for old, new in zip(optimizer.variables, new_optimizer.variables, strict=True):
        new.assign(with_rows(old, new.shape))
    inner = getattr(new_optimizer, "inner_optimizer", new_optimizer)
    if isinstance(inner, MiniBatchAware):
        inner.has_feature_counts()


def with_rows(variable, shape):
    """Returns the values of a variable with zeros after its last row, up to `shape`."""
    values = keras.ops.convert_to_tensor(variable)
    if tuple(values.shape) == tuple(shape):
        return values
    added = keras.ops.zeros((shape[0] - values.shape[0], *values.shape[1:]), values.dtype)
    return keras.ops.concatenate([values, added])


def _probe(variable, rows: int):
    """Creates a small variable that an optimizer treats like `variable`."""
    shape = (rows, *variable.shape[1:]) if is_table(variable) else (1,) * len(variable.shape)
    values = keras.ops.full(shape, _MARK, variable.dtype)
    probe = keras.Variable(values, dtype=variable.dtype, name=variable.name)
    if is_table(variable):
        probe.is_embedding_table, probe.feature = True, variable.feature
        # A probe of a shard is one too. Its number of rows is another one, as of all probes.
        probe.row_shards, probe.shard = row_shards(variable)
    return probe
