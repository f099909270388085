"""Learns the spec of a log from the counts of its values, which any engine can aggregate."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from keras_din.data.encoding.counted import Counted, Moments
from keras_din.data.prepare.label_columns import label_columns
from keras_din.data.prepare.log_columns import log_columns
from keras_din.data.reading.column_types import from_series
from keras_din.data.reading.columns import is_missing
from keras_din.features import Feature, FeatureSpec, Label

__all__ = ["fit_spec"]


def fit_spec(
    counts: Mapping[str, Any],
    moments: Mapping[str, tuple] | None = None,
    *,
    target: Sequence[str | Feature],
    context: Sequence[str | Feature] = (),
    side_features: Sequence[str | Feature] = (),
    of: Sequence[str] | None = None,
    label: str | Label | Sequence[str | Label] | dict = "click",
    sequences: Sequence[str] = ("hist",),
    max_length: int = 100,
    dim: int | dict[str, int] = 16,
    min_count: int = 1,
    bags: Sequence[str] = (),
    numeric: Sequence[str] = (),
    categorical: Sequence[str] = (),
) -> FeatureSpec:
    """Learns the features of a log from counts of its training values.

    The spec is the one that `prepare_impressions` learns from the rows themselves. Compute it once,
    and pass it to `prepare_shard` for every shard.

    Args:
        counts: Name of a column -> how often each value occurs in the training part: a `Series`
            with the values as its index, a dict, or a table with two columns, values and counts.
            Of a column of bags, the values in the bags are counted. Missing values are ignored.
        moments: Name of a column of numbers -> `(mean, standard deviation)` of the training part,
            in place of its counts. They are those of the transformed values if the feature has a
            transform.
        target: Same as in `prepare_impressions`, and also the following arguments.
        context: See `target`.
        side_features: See `target`.
        of: See `target`.
        label: See `target`.
        sequences: Names of the sequences.
        max_length: See `target`.
        dim: See `target`.
        min_count: See `target`.
        bags: Names of the columns that hold bags.
        numeric: See `target`.
        categorical: See `target`.

    Returns:
        A `FeatureSpec`.

    Raises:
        ValueError: If a column that must be learned has neither counts nor moments, or a count is
            not a positive integer.

    Example:

    ```python
    spec = kd.data.fit_spec(
        {"item": {"tea": 3, "pot": 5}},
        {"price": (9.5, 2.5)},
        target=["item"],
        context=["price"],
        numeric=["price"],
        dim=4,
    )
    spec.features["item"].vocabulary  # ("pot", "tea"): the most frequent first
    ```
    """
    columns = log_columns(
        target,
        context,
        side_features,
        of,
        ids=[],
        bags=[],
        numeric=numeric,
        categorical=categorical,
    )
    moments = {name: Moments(*map(float, each)) for name, each in (moments or {}).items()}
    known = {name: _counted(name, each, name in bags) for name, each in counts.items()}
    declared = columns.reading["kinds"]
    for name, each in known.items():
        if not each.in_bags and len(each.values):
            rows = pa.array(each.counts)
            _, columns.reading["found"][name] = from_series(each.values, declared.get(name), rows)

    def training_values(name):
        if name in moments:
            return moments[name]
        if name not in known:
            raise ValueError(
                "`counts` or `moments` must have each column that is learned. "
                f"Received: none for {name!r}, and counts of {list(known)}."
            )
        return known[name]

    features = columns.fit(training_values, dim, min_count)
    spec = columns.spec(features, list(sequences), max_length)
    return dataclasses.replace(spec, labels=tuple(label_columns(label)))


def _counted(name: str, counts, in_bags: bool) -> Counted:
    """Converts counts in any form to `Counted`."""
    if isinstance(counts, Counted):
        return counts
    if isinstance(counts, pd.DataFrame):
        if counts.shape[1] != 2:
            raise ValueError(
                "A table of `counts` must have two columns, values and counts. "
                f"Received: {list(counts.columns)} for {name!r}."
            )
        counts = counts.set_index(counts.columns[0]).iloc[:, 0]
    counts = pd.Series(counts)
    rows = counts.to_numpy(np.float64, na_value=np.nan)
    if not (np.isfinite(rows) & (rows == np.floor(rows)) & (rows > 0)).all():
        raise ValueError(
            f"`counts` must be positive integers. Received: {counts.tolist()[:8]} for {name!r}."
        )
    values = pd.Series(counts.index.to_numpy())
    kept = ~is_missing(values)
    if (duplicate := values[kept].duplicated()).any():
        value = values[kept][duplicate].iloc[0]
        raise ValueError(
            f"`counts` must have each value once. Received: {value!r} twice for {name!r}."
        )
    kept_values = values[kept].reset_index(drop=True).infer_objects()
    return Counted(kept_values, rows[kept].astype(np.int64), in_bags)
