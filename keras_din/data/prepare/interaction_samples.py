"""Samples of a log of behaviors: each is a request with a positive and its negatives."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from keras_din.data.prepare.counts import counted_columns, past_of_rows, sort_by_keys
from keras_din.data.prepare.log_format import LogFormat
from keras_din.data.prepare.met_items import hash_users
from keras_din.data.prepare.negatives import draw_unmet
from keras_din.data.prepare.user_draws import draws_of_users
from keras_din.data.store.behavior_log import BehaviorLog
from keras_din.data.store.samples import Samples
from keras_din.features import DEFAULT_LABEL


def draw_negatives(
    events,
    shown: np.ndarray,
    position: np.ndarray,
    is_met: Callable,
    key: np.ndarray,
    count: np.ndarray,
    log_format: LogFormat,
    number: int = 0,
) -> np.ndarray:
    """Draws the negatives of samples.

    Those of a user depend on the seed, the user, the catalog and the user's own behaviors, so they
    are the same in a log of some users.

    Args:
        events: The log, of rows.
        shown: int64 `(samples,)`, the row of each positive.
        position: int64 `(rows,)`, the position of each row among those of its user.
        is_met: Function from users and items to whether the user has met the item.
        key: uint64 `(items,)`, a hash of each item. Items are drawn in the order of their hashes.
        count: int64 `(items,)`: behaviors of each item, for `negatives_by="popularity"`.
        log_format: The `LogFormat`.
        number: The number of the append, 0 for the first log.

    Returns:
        int64 `(samples, negatives)`.
    """
    each = log_format.negatives
    assert isinstance(each, int), "not the name of a column"
    order, user = np.argsort(key), events.user[shown]
    hashes = hash_users(events.users)[user]
    drawn = draw_unmet(
        user,
        len(key),
        lambda user, item: is_met(user, order[item]),
        draws_of_users([log_format.seed, number], hashes, position[shown], each),
        each,
        count[order] if log_format.negatives_by == "popularity" else None,
        events.users.tolist(),
    )
    return order[drawn]


def count_candidates(
    counts: list,
    events,
    code: np.ndarray,
    of_items: dict,
    shown: np.ndarray,
    candidates: np.ndarray,
    earlier=(),
) -> tuple:
    """Counts the behaviors before each candidate.

    Args:
        counts: The `Count` features.
        events: The log.
        code: int64 `(rows,)`, the item of each row.
        of_items: Name of each feature of the item -> raw values `(items,)`.
        shown: int64 `(samples,)`, the row of each sample.
        candidates: int64 `(samples, candidates)`, their items.
        earlier: The results of `past_of_rows` for earlier logs.

    Returns:
        `(values, past)`: name of each `Count` -> a `Series`, one value per candidate, and the
        `past_of_rows` of the log.
    """
    row = np.repeat(shown, candidates.shape[1])

    def values(name, items, rows):
        found = of_items.get(name)
        return events.frame[name].iloc[rows] if found is None else found.iloc[items]

    of_log = sort_by_keys(counts, lambda name: values(name, code, slice(None)), events.time)
    past = past_of_rows(counts, of_log, {})
    asked = sort_by_keys(
        counts, lambda name: values(name, candidates.ravel(), row), events.time[row]
    )
    counted = counted_columns(counts, [*earlier, past], asked)
    return {name: pd.Series(each) for name, each in counted.items()}, past


def make_samples(
    events,
    shown: np.ndarray,
    candidates: np.ndarray,
    of_row: dict,
    of_item: dict,
    of_candidate: dict,
    log: BehaviorLog,
    place: np.ndarray,
    sequence: str,
    ties: str,
) -> Samples:
    """Makes the samples of a log.

    Args:
        events: The log, of rows.
        shown: int64 `(samples,)`, the row of each positive.
        candidates: int64 `(samples, candidates)`: the items of each, the positive first.
        of_row: Name of each feature of the context -> its column `(rows,)`.
        of_item: Name of each feature of the item -> its column `(items,)`.
        of_candidate: Name of other features -> their columns `(samples * candidates,)`.
        log: The behaviors of the users of the log.
        place: int64 `(samples,)`, the event in `log` of each positive.
        sequence: Name of the sequence.
        ties: `"exclude"` or `"order"`.
    """
    each = candidates.shape[1]
    repeat = lambda values: np.repeat(values, each)  # noqa: E731
    user, at = events.user[shown], events.time[shown]
    start, end = (log.offsets[user], place) if ties == "order" else log.before(user, at)
    return Samples(
        columns={name: values[repeat(shown)] for name, values in of_row.items()}
        | {name: values[candidates.ravel()] for name, values in of_item.items()}
        | of_candidate,
        history={sequence: (repeat(start), repeat(end))},
        labels={DEFAULT_LABEL: np.tile(np.arange(each) == 0, len(shown))},
        group=repeat(user),
        request=repeat(shown),
        time=repeat(at),
        line=repeat(events.frame.index.to_numpy()[shown]),
    )
