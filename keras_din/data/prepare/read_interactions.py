"""The steps of `prepare_interactions` before items are drawn: columns, cleaning and split."""

import dataclasses
from typing import Any, NamedTuple

import numpy as np

from keras_din.checks import one_of, positive_integer
from keras_din.data.encoding.vectors import check_vectors
from keras_din.data.prepare.catalog import columns_of_behaviors
from keras_din.data.prepare.clean_log import clean_log
from keras_din.data.prepare.interaction_arguments import InteractionArguments
from keras_din.data.prepare.log_columns import (
    LogColumns,
    column_features,
    log_columns,
    read_features,
)
from keras_din.data.prepare.log_format import LogFormat, times_of_log
from keras_din.data.prepare.part_of_log import PartOfLog
from keras_din.data.prepare.source_by_part import as_source_by_part
from keras_din.data.prepare.split import LEFT_OUT, TRAIN, LeaveOneOut, positions
from keras_din.data.prepare.split_rows import check_parts, split_rows
from keras_din.data.reading.source import as_sources
from keras_din.data.reading.table import Events
from keras_din.data.reading.times import time_or_order
from keras_din.features import Position


class InteractionColumns(NamedTuple):
    """The columns of a log of behaviors.

    Attributes:
        time: The column of times or of an order.
        time_unit: The unit of its numbers, or `"order"`.
        columns: The columns of features.
        of_item: Names of the features of the item that are read.
        of_context: Names of those of the user and the request.
        of_row: Names of the latter, and of those that only behaviors have.
        sequences: Name of the sequence -> `None`, since each row is a behavior.
        duplicates: `"keep"` or `"drop"`.
        needed: All columns to read, without that of a split.
    """

    time: str
    time_unit: str
    columns: LogColumns
    of_item: list
    of_context: list
    of_row: list
    sequences: dict
    duplicates: str
    needed: list


class InteractionLog(NamedTuple):
    """A clean log of behaviors, of which each row has a part.

    Attributes:
        arguments: The arguments, with `items` as a source.
        opened: The columns.
        events: The good rows, sorted by user and time.
        of_users: The report of the table of users.
        position: int64 `(rows,)`: the position of each row among those of its user.
        part: The part of each row, see `assign_parts`. A user's first row is left out.
        log_format: The `LogFormat`.
        of_whole: Whether the rows are the whole log.
    """

    arguments: InteractionArguments
    opened: InteractionColumns
    events: Events
    of_users: dict
    position: np.ndarray
    part: np.ndarray
    log_format: LogFormat
    of_whole: bool

    @property
    def columns(self) -> LogColumns:
        """The columns of features."""
        return self.opened.columns

    @property
    def shown(self) -> np.ndarray:
        """The rows that are in a part, each of which is a positive: int64 `(samples,)`."""
        return np.flatnonzero(self.part != LEFT_OUT)


def columns_of_interactions(given: InteractionArguments) -> InteractionColumns:
    """Checks the arguments of `prepare_interactions` that need no rows."""
    time, time_unit = time_or_order(given.time, given.order, given.time_unit, given.time_format)
    one_of("ties", given.ties, ("exclude", "order"))
    one_of("negatives_by", given.negatives_by, ("uniform", "popularity"))
    duplicates = one_of("duplicates", given.duplicates, (None, "keep", "drop")) or "keep"
    negatives = [] if given.given_negatives is None else [given.given_negatives]
    columns = log_columns(
        given.target,
        given.context,
        given.side_features,
        given.of,
        ids=[given.user, *negatives],
        time=time,
        time_format=given.time_format,
        bags=given.bags,
        numeric=given.numeric,
        categorical=given.categorical,
    )
    check_vectors(given.vectors, columns.features)
    _refuse_positions(columns.target)
    columns.refuse_order(time_unit)
    of_item, of_context = map(read_features, (columns.target, columns.context))
    of_row = list(dict.fromkeys([*of_context, *column_features(columns.side_features)]))
    _check_counts(columns.counts, [given.user, *of_item, *of_context])
    (items,) = as_sources((given.items,), given.sep)
    needed = [given.user, time, *columns_of_behaviors(columns, items), *negatives]
    return InteractionColumns(
        time,
        time_unit,
        columns,
        of_item,
        of_context,
        of_row,
        {given.sequence: None},
        duplicates,
        list(dict.fromkeys(needed)),
    )


def read_interactions(
    source: Any, arguments: InteractionArguments, part_of_log: PartOfLog | None = None
) -> InteractionLog:
    """Reads, cleans and splits a log of behaviors.

    Args:
        source: The log, see `prepare_interactions`.
        arguments: The other arguments of `prepare_interactions`.
        part_of_log: If the rows are not the whole log, what is known of it.
    """
    given, time_format = arguments, arguments.time_format
    source, split = as_source_by_part(source, given.split, given.sep, given.header, given.names)
    items, users = as_sources((given.items, given.users), given.sep)
    given = dataclasses.replace(
        given,
        items=items,
        negatives=given.given_negatives or positive_integer("negatives", given.negatives),
        seed=positive_integer("seed", given.seed, minimum=0),
    )
    opened = columns_of_interactions(given)
    time, time_unit, columns = opened.time, opened.time_unit, opened.columns
    if part_of_log is not None:
        columns.reading["kinds"].update(part_of_log.kinds)

    # Clean.
    events, of_users = clean_log(
        source,
        columns,
        [*opened.needed, *([split] if isinstance(split, str) else [])],
        {"users": (given.user, users)},
        given.max_bad,
        is_part=part_of_log is not None,
        user=given.user,
        time=time,
        required=[columns.item],
        time_unit=time_unit,
        time_format=time_format,
        placeholders=None if part_of_log is None else part_of_log.placeholders,
        times_are_numbers=None if part_of_log is None else part_of_log.times_are_numbers,
        duplicates=opened.duplicates,
        not_compared=[split] if isinstance(split, str) and split not in opened.of_row else [],
        strict=given.strict,
    )

    # Split. A user's first behavior is not a sample, because it has no history.
    position, _ = positions(events.user)
    split = LeaveOneOut() if split is None else split
    of_whole = part_of_log is None
    part = split_rows(split, events, events.time, time_unit, of_whole=of_whole)
    part = np.where(position == 0, LEFT_OUT, part)
    if of_whole:
        check_training_behaviors(split, (part == TRAIN).any())
        check_parts(split, part, events.time, given.allow_empty_parts, time_unit)
    unit, zones = times_of_log(
        events.frame[time], events.report["time_unit"], time_unit, time_format
    )
    log_format = LogFormat(
        user=given.user,
        time=time,
        time_unit=unit,
        time_format=time_format,
        time_zones=zones,
        labels={},
        sequences={given.sequence: None},
        request=None,
        separators=columns.separators,
        sep=given.sep,
        header=given.header,
        names=None if given.names is None else list(given.names),
        label_map={},
        duplicates=opened.duplicates,
        max_bad=given.max_bad,
        min_count=given.min_count,
        negatives=given.negatives,
        negatives_by=given.negatives_by,
        ties=given.ties,
        seed=given.seed,
    )
    return InteractionLog(given, opened, events, of_users, position, part, log_format, of_whole)


def check_training_behaviors(split, has_training: bool) -> None:
    """Raises a `ValueError` if a split leaves no training rows with a history."""
    if not has_training:
        raise ValueError(
            "The split must leave training rows with a history, which a user's first behavior "
            f"does not have. Received: none from {split!r}."
        )


def _refuse_positions(target) -> None:
    """Raises a `ValueError` if `target` has a `Position`."""
    for feature in target:
        if isinstance(feature, Position):
            raise ValueError(
                "A log of interactions must have no Position: its negatives were not shown. Use "
                f"`prepare_impressions`. Received: {feature!r}."
            )


def _check_counts(counts: list, keys: list) -> None:
    for feature in counts:
        if feature.flag is not None:
            raise ValueError(
                f"`event` of {feature!r} must be 'row' in `prepare_interactions`, since its log "
                f"has no rows other than behaviors. Received: event={feature.event!r}."
            )
        if lacking := [key for key in feature.of if key not in keys]:
            raise ValueError(
                f"`of` of {feature!r} must name the user or features of `target` or `context`, of "
                f"{keys}, since the keys of negatives are not in the log. Received: {lacking}."
            )
