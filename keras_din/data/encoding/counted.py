"""Training values of a column that are counted instead of listed."""

from typing import NamedTuple

import numpy as np
import pandas as pd


class Counted(NamedTuple):
    """The distinct training values of a column, and how often each occurs.

    Attributes:
        values: The values, without missing ones. Of a column of bags, the values in the bags.
        counts: int64 `(values,)`: the rows with each value, or its occurrences in bags.
        in_bags: Whether the column holds bags.
    """

    values: pd.Series
    counts: np.ndarray
    in_bags: bool = False


class Moments(NamedTuple):
    """The mean and the standard deviation of the training values of a column of numbers.

    They are those of the transformed values if the feature has a transform, such as `"log1p"`.
    """

    mean: float
    std: float


def split_counts(values) -> tuple:
    """Returns `(values, counts)` of `Counted`; of all other values the counts are `None`."""
    return values[:2] if isinstance(values, Counted) else (values, None)


def count(values: pd.Series, in_bags: bool = False) -> Counted:
    """Counts values of one type. Missing values are left out."""
    found = values.value_counts(sort=False)
    found = found[found > 0]  # A category of text may have no rows.
    distinct = pd.Series(found.index.to_numpy(), name=values.name)
    return Counted(distinct, found.to_numpy(np.int64), in_bags)


def add_counted(pieces: list) -> Counted:
    """Adds the counts of several pieces of a column.

    Integers become text if other pieces have text, since a column has one type.
    """
    kept = [piece for piece in pieces if len(piece.values)] or pieces[:1]
    in_bags = any(piece.in_bags for piece in pieces)
    is_text = [piece.values.dtype.kind not in "iufb" for piece in kept]
    texts = [
        each.values.map(str) if any(is_text) and not text else each.values
        for each, text in zip(kept, is_text, strict=True)
    ]
    values = pd.concat(texts, ignore_index=True)
    counts = pd.Series(np.concatenate([piece.counts for piece in kept]))
    total = counts.groupby(values.to_numpy(), sort=True).sum()
    return Counted(pd.Series(total.index.to_numpy()), total.to_numpy(np.int64), in_bags)
