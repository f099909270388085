"""Prepares logs of behaviors without impressions; negatives are drawn."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from keras_din.data.prepare.catalog import make_catalog
from keras_din.data.prepare.encode_interactions import draw_candidates, encode_interactions
from keras_din.data.prepare.interaction_arguments import InteractionArguments
from keras_din.data.prepare.item_catalog import hash_items
from keras_din.data.prepare.prepared_data import PreparedData
from keras_din.data.prepare.read_interactions import read_interactions
from keras_din.data.prepare.split import TRAIN
from keras_din.data.reading.bad_share import MAX_BAD
from keras_din.features import Feature

__all__ = ["prepare_interactions"]


def prepare_interactions(
    source: Any,
    *,
    user: str,
    time: str | None = None,
    order: str | None = None,
    target: Sequence[str | Feature],
    context: Sequence[str | Feature] = (),
    side_features: Sequence[str | Feature] = (),
    of: Sequence[str] | None = None,
    items: Any = None,
    users: Any = None,
    vectors: Mapping[str, Any] | None = None,
    split: Callable | str | None = None,
    negatives: int | str = 1,
    negatives_by: str = "uniform",
    ties: str = "exclude",
    sequence: str = "hist",
    max_length: int = 100,
    dim: int | dict[str, int] = 16,
    min_count: int = 1,
    bags: Sequence[str] | dict[str, str] = (),
    numeric: Sequence[str] = (),
    categorical: Sequence[str] = (),
    time_unit: str = "auto",
    time_format: str | None = None,
    allow_empty_parts: bool = False,
    sep: str | None = None,
    header: bool | None = None,
    names: Sequence[str] | None = None,
    duplicates: str | None = None,
    max_bad: float = MAX_BAD,
    strict: bool = False,
    seed: int = 0,
) -> PreparedData:
    """Converts a log of behaviors (clicks, purchases, reviews) to a data set, as in the DIN paper.

    Each behavior except a user's first is a positive sample, whose history is what the user did
    before. Its negatives are items drawn from the catalog, and drawn again while they are in the
    user's list. A positive and its negatives are one request with one history. The negatives of a
    user depend on no other user, except for the catalog and the popularity of its items.

    Args:
        source: The log with one behavior per row, in any order, same as in `prepare_impressions`.
            Rows of one user and time keep the order of the log.
        user: Column of users.
        time: Column of times, same as in `prepare_impressions`.
        order: Column of whole numbers instead of `time`, same as in `prepare_impressions`.
        target: Columns of the candidate, the item first, same as in `prepare_impressions`. The
            others are constant features of the item; the values of its first behavior in time
            are used. A `Count` counts behaviors, also before the time of a negative. Its keys must
            be the user or features of `target` and `context`.
        context: Columns of the user and the request, same as in `prepare_impressions`.
        side_features: Columns of the log that only behaviors have, and features that are computed
            from times, same as in `prepare_impressions`.
        of: Columns of `target` that behaviors have too. Defaults to all.
        items: Table with one row per item, with its features, which replace those of the log. Its
            items are part of the catalog even if they are not in the log.
        users: Table with one row per user, for columns that are not in the log.
        vectors: Same as in `prepare_impressions`.
        split: `LeaveOneOut()` (the default), `ByUser()`, `ByTime()`, `LastFraction()`, a function
            or the name of a column, same as in `prepare_impressions`.
        negatives: Negatives per positive. Or the name of a column of the log with one negative.
        negatives_by: `"uniform"` over the catalog, or `"popularity"`: in proportion to the
            behaviors of the training part.
        ties: How to treat behaviors at the time of the sample: `"exclude"` them from its history,
            or use the `"order"` of the log. The DIN paper, whose times are whole days, uses
            `"order"`.
        sequence: Name of the sequence.
        max_length: Same as in `prepare_impressions`.
        dim: Same as in `prepare_impressions`.
        min_count: Same as in `prepare_impressions`.
        bags: Same as in `prepare_impressions`.
        numeric: Same as in `prepare_impressions`.
        categorical: Same as in `prepare_impressions`.
        time_unit: Same as in `prepare_impressions`.
        time_format: Same as in `prepare_impressions`.
        allow_empty_parts: Same as in `prepare_impressions`.
        sep: Same as in `prepare_impressions`.
        header: Same as in `prepare_impressions`.
        names: Same as in `prepare_impressions`.
        duplicates: Whether to `"keep"` (the default) or `"drop"` rows that repeat another in
            every column named here. Kept ones are counted in the report.
        max_bad: Same as in `prepare_impressions`.
        strict: Same as in `prepare_impressions`.
        seed: Seed of the negatives, a non-negative integer.

    Returns:
        A `PreparedData` whose samples have `request`. Its `report` counts what was read. Its
        `bad_rows` are the rows that lack a user, item or time or have a wrong number of fields,
        each with its line and reason, and its `file` if there are several. They include dropped
        duplicates. A user with one behavior has no sample and is counted in the report.

    Raises:
        ValueError: If a column does not exist, no good row is left, too many rows are bad for one
            reason, no negative is left for a user, a part that `split` names has no rows, or
            `strict` is set and a row is bad.

    Example:

    ```python
    import pandas as pd

    log = pd.DataFrame(
        {
            "user": np.repeat(["ann", "bob", "cem"], 4),
            "time": np.tile([1, 2, 3, 4], 3) * 3600,
            "item": list("abcdbcadcabe"),
        }
    )
    items = pd.DataFrame({"item": list("abcdefg")})
    data = kd.data.prepare_interactions(
        log, user="user", time="time", target=["item"], items=items, dim=4
    )
    ```

    Reference:
        [Zhou et al., 2018](https://arxiv.org/abs/1706.06978), Sec. 6.1.
    """
    arguments = locals()
    log = read_interactions(arguments.pop("source"), InteractionArguments(**arguments))
    events, columns = log.events, log.opened.columns
    catalog = make_catalog(events.frame, events.time, columns, log.arguments.items, max_bad)
    trained = np.bincount(catalog.code[log.part == TRAIN], minlength=len(catalog.items))
    key = hash_items(catalog.features[columns.item])
    drawn = draw_candidates(log, catalog, key, trained)
    return encode_interactions(drawn, columns.fit(drawn.training_values(), dim, min_count))
