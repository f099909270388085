"""Counts what a spec and a split are learned from, in the rows of some users."""

import contextlib
import dataclasses
from typing import NamedTuple

import numpy as np
import pandas as pd

from keras_din.data.encoding.bags import bag_values
from keras_din.data.encoding.counted import Counted, add_counted, count
from keras_din.data.encoding.features import feature_name
from keras_din.data.prepare.interaction_arguments import InteractionArguments
from keras_din.data.prepare.items_of_log import FirstBehaviors, first_behaviors
from keras_din.data.prepare.part_of_log import PartOfLog
from keras_din.data.prepare.read_interactions import read_interactions
from keras_din.data.prepare.split import LEFT_OUT
from keras_din.data.reading.bad_rows import bad_lines
from keras_din.data.reading.bag_cells import is_bag_column
from keras_din.data.reading.row_checks import NoGoodRowsError
from keras_din.data.reading.source import Table
from keras_din.data.sharded.log_kinds import Arguments, read_rows, times_of, training_values_of


class RowCounts(NamedTuple):
    """What `count_rows` returns.

    Attributes:
        values: Name of a column -> the `Counted` training values.
        times: Distinct times of requests -> how many there are, microseconds.
        aside: The counts of bad rows by reason.
    """

    values: dict
    times: pd.Series
    aside: dict


def count_rows(rows: pd.DataFrame, arguments: Arguments, part_of_log: PartOfLog) -> RowCounts:
    """Counts the training values of features, and the times of all requests.

    Args:
        rows: All rows of some users.
        arguments: The arguments of `prepare_impressions` or `prepare_interactions`.
        part_of_log: What is known of the whole log.
    """
    nothing = RowCounts({}, pd.Series(dtype=np.int64), {})
    if not len(rows):
        return nothing
    try:
        log = read_rows(rows, arguments, part_of_log)
    except NoGoodRowsError as error:
        return nothing._replace(aside=error.counts)
    times = pd.Series(times_of(log)).value_counts(sort=False)
    values, separators = training_values_of(log, part_of_log), log.columns.separators
    found: dict[str, Counted] = {}
    for feature in log.columns.features:
        name = feature_name(feature)
        if isinstance(feature, str) or feature.to_learn or isinstance(_table(feature), str):
            column = values(name)
            in_bags = separators.get(name) is not None or is_bag_column(column)
            if in_bags:
                column = bag_values(column, separators.get(name))
            found[name] = count(column, in_bags)
    return RowCounts(found, times, log.events.report["rows_aside"])


def count_times(rows: pd.DataFrame, arguments: Arguments, part_of_log: PartOfLog) -> pd.Series:
    """Returns the distinct times of requests -> how many there are, of a log without a split."""
    arguments = dataclasses.replace(arguments, split=_left_out)
    try:
        log = read_rows(rows, arguments, part_of_log) if len(rows) else None
    except NoGoodRowsError:
        log = None
    return pd.Series([] if log is None else times_of(log), dtype=np.int64).value_counts(sort=False)


def count_items(
    rows: pd.DataFrame, arguments: InteractionArguments, part_of_log: PartOfLog
) -> FirstBehaviors:
    """Counts the behaviors with each item in the rows of some users."""
    with contextlib.suppress(NoGoodRowsError):
        if len(rows):
            return first_behaviors(
                read_interactions(Table(rows, bad_lines([])), arguments, part_of_log)
            )
    return FirstBehaviors(*[np.zeros(0, np.int64)] * 3)


def add_counts(counts: list) -> dict:
    """Adds the values of several `RowCounts`: name of a column -> `Counted`."""
    names = dict.fromkeys(name for each in counts for name in each.values)
    return {
        name: add_counted([each.values[name] for each in counts if name in each.values])
        for name in names
    }


def add_times(times: list) -> pd.Series:
    """Adds the results of `count_times`."""
    together = pd.concat([each for each in times if len(each)] or times[:1])
    return together.groupby(level=0).sum()


def _left_out(user, position, count, time) -> np.ndarray:
    return np.full(len(user), LEFT_OUT, np.int8)


def _table(feature):
    return getattr(feature, "table", None)
