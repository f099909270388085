"""How the rows of new values start: from the mean of a group, or from a projection of a vector."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from keras_din.features import NUM_RESERVED, OOV_INDEX, FeatureSpec, VectorTable
from keras_din.scikit_learn import scikit_learn
from keras_din.spec_growth import TableGrowth

INITIALIZER = "initializer"
PROJECTION_OF = "projection_of:"

# With fewer rows, the map is mostly noise. With more, it does not change any more.
_FEWEST_ROWS, _MOST_ROWS = 10, 50_000
# Relative to the number of rows and to the mean variance of the vectors.
_PENALTIES = 10.0 ** np.arange(-6, 4)


class GroupMeans:
    """New rows start as the mean of the known rows of their group.

    Args:
        groups: Integers `(size,)`, the group of each row. A negative number is no group.
        growth: The `TableGrowth` of the table.

    Attributes:
        rows: int64 `(n,)`, increasing: the new rows that start so. Others have no such group.
    """

    def __init__(self, groups: np.ndarray, growth: TableGrowth):
        self._groups, self._known = groups, np.flatnonzero(growth.kept & (groups >= 0))
        self.rows = np.flatnonzero(growth.new & np.isin(groups, groups[self._known]))
        self.way = "start as the mean of the known rows of their group"

    def values(self, read_rows: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """Returns the values of `rows`: float64 `(n, dim)`. See `Embedding.read_rows`."""
        groups, place, counts = np.unique(
            self._groups[self._known], return_inverse=True, return_counts=True
        )
        sums = [np.bincount(place, column, len(groups)) for column in read_rows(self._known).T]
        means = np.stack(sums, axis=1) / counts[:, None]
        return means[np.searchsorted(groups, self._groups[self.rows])]


class Projection:
    """New rows start from a linear map of their precomputed vectors, `e = W v + b`.

    `W` and `b` are those of a ridge regression from the vectors to the embeddings of the rows that
    were trained. The model's own `project_to` layer is another map: it has a width of its own, and
    its outputs are a further input of the model. They are not in the space of the embeddings, so
    they cannot replace one.

    Args:
        name: Name of the `Vector`.
        vectors: Its `VectorTable`.
        growth: The `TableGrowth` of the table of its items.
        counts: Integers `(size,)`: how often each row was read in training.

    Attributes:
        rows: int64 `(n,)`, increasing: the new rows that start so. Others have no vector. It is
            empty if fewer than 10 trained rows have a vector.
    """

    def __init__(self, name: str, vectors: VectorTable, growth: TableGrowth, counts: np.ndarray):
        has_vector = rows_with_vector(vectors)
        trained = np.flatnonzero(growth.kept & has_vector & (counts > 0))
        most_read = np.argsort(-counts[trained], kind="stable")[:_MOST_ROWS]
        self._vectors, self._fitted = vectors, trained[most_read]
        self.rows = np.flatnonzero(growth.new & has_vector)
        self.way = f"start from the projection of {name!r}, fitted on {len(self._fitted):,} rows"
        if len(trained) < _FEWEST_ROWS:
            self.rows = self.rows[:0]
            self.way = (
                f"start from the projection of {name!r}, since only {len(trained)} trained rows "
                f"have a vector and at least {_FEWEST_ROWS} must"
            )

    def values(self, read_rows: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """Returns the values of `rows`: float64 `(n, dim)`. See `Embedding.read_rows`."""
        fitted = ridge(self._vectors_of(self._fitted), read_rows(self._fitted).astype(np.float64))
        return fitted.predict(self._vectors_of(self.rows))

    def _vectors_of(self, rows: np.ndarray) -> np.ndarray:
        values, scales = self._vectors.values[rows].astype(np.float64), self._vectors.scales
        return values if scales is None else values * scales[rows, None]


def checked_starts(
    new_rows: Any, new_spec: FeatureSpec, growth: dict[str, TableGrowth], counts: Any
) -> dict[str, Any]:
    """Returns how new rows start, from the arguments of `keras_din.grow`.

    Returns:
        Name of a table -> `GroupMeans` or `Projection`. New rows of other tables start from the
        initializer.

    Raises:
        ValueError: If an argument is invalid.
    """
    if isinstance(new_rows, str) and new_rows.startswith(PROJECTION_OF):
        name = new_rows.removeprefix(PROJECTION_OF)
        table, vectors = vectors_of_projection(new_spec, name)
        read = _checked_counts(counts, table, growth[table].size)
        return {table: Projection(name, vectors, growth[table], read)}
    if isinstance(new_rows, str) and new_rows == INITIALIZER:
        return {}
    if not isinstance(new_rows, Mapping) or not new_rows.keys() <= growth.keys():
        received = list(new_rows) if isinstance(new_rows, Mapping) else new_rows
        raise ValueError(
            f"`new_rows` must be {INITIALIZER!r}, or {PROJECTION_OF!r} and the name of a Vector, "
            f"or a dict with the groups of the rows of tables, from {list(growth)}. "
            f"Received: new_rows={received!r}."
        )
    groups = {name: np.asarray(values) for name, values in new_rows.items()}
    for name, values in groups.items():
        if values.shape != (growth[name].size,) or values.dtype.kind not in "iu":
            raise ValueError(
                f"`new_rows` of table {name!r} must be one integer for each of the "
                f"{growth[name].size} rows of the grown table, see `Categorical`. "
                f"Received: {values.dtype} of shape {values.shape}."
            )
    return {name: GroupMeans(values, growth[name]) for name, values in groups.items()}


def vectors_of_projection(spec: FeatureSpec, name: str) -> tuple[str, VectorTable]:
    """Returns the name of the table of a `Vector`'s items, and the vectors.

    Raises:
        ValueError: If there is no such `Vector`, or it has no vectors.
    """
    feature = spec.vectors.get(name)
    if feature is None:
        raise ValueError(
            f"`new_rows` must name a Vector with `of` after {PROJECTION_OF!r}, one of "
            f"{list(spec.vectors)}. Received: new_rows={PROJECTION_OF + name!r}."
        )
    if feature.vectors is None:
        raise ValueError(
            f"Vector {name!r} of `new_spec` must have its vectors, since new rows start from their "
            "projection: take the spec from `data.append`, or see `keras_din.data.with_vectors`. "
            f"Received: {feature!r}."
        )
    return spec.features[feature.items].table.name, feature.vectors


def _checked_counts(counts, table: str, size: int) -> np.ndarray:
    if counts is None:
        return np.ones(size, np.int64)
    found = np.asarray(counts[table]) if table in counts else None
    if found is None or found.shape != (size,) or found.dtype.kind not in "iu":
        received = "no counts" if found is None else f"{found.dtype} of shape {found.shape}"
        raise ValueError(
            f"`counts` must have one integer for each of the {size} rows of the grown table "
            f"{table!r}, such as `data.feature_counts()`. Received: {received}."
        )
    return found


def rows_with_vector(table: VectorTable) -> np.ndarray:
    """Returns which rows have a vector of their own, and not that of unknown items: bool."""
    differs = (table.values != table.values[OOV_INDEX]).any(axis=1)
    if table.scales is not None:
        differs |= table.scales != table.scales[OOV_INDEX]
    differs[:NUM_RESERVED] = False
    return differs


def ridge(x: np.ndarray, y: np.ndarray) -> Any:
    """Fits `y = x W + b` with the L2 penalty of `W` that has the least leave-one-out error.

    The penalties are `10^-6, 10^-5, ..., 10^3` times the number of rows and the mean variance of
    a column of `x`, so that the scale of `x` does not matter.

    Args:
        x: float64 `(rows, size)`.
        y: float64 `(rows, dim)`.

    Returns:
        The `sklearn.linear_model.RidgeCV`.

    Raises:
        ImportError: If scikit-learn is missing.
    """
    scale = len(x) * x.var(axis=0).mean() or 1.0  # All vectors are equal.
    linear_model = scikit_learn("linear_model", f"{PROJECTION_OF!r}")
    return linear_model.RidgeCV(_PENALTIES * scale).fit(x, y)


def describe_start(table: str, start: "GroupMeans | Projection", new: np.ndarray) -> str:
    """Returns a line with how many rows start which way.

    Args:
        table: Name of the table.
        start: How its new rows start.
        new: Integers, the new rows.
    """
    count = int(np.isin(new, start.rows).sum())
    others = len(new) - count
    line = f"new rows of table {table!r}: {count:,} {start.way}"
    return line + (f"; {others:,} start from the initializer" if others else "")
