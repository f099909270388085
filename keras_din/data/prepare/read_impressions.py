"""The steps of `prepare_impressions` before features are learned: columns, cleaning and split."""

import dataclasses
from typing import Any, NamedTuple

import numpy as np

from keras_din.data.encoding.features import concat_series
from keras_din.data.encoding.vectors import check_vectors
from keras_din.data.prepare.clean_log import clean_log
from keras_din.data.prepare.counts import add_counts
from keras_din.data.prepare.impression_arguments import ImpressionArguments
from keras_din.data.prepare.label_columns import (
    check_flags,
    default_sequences,
    label_columns,
    label_map_by_column,
)
from keras_din.data.prepare.leaks import check_no_feedback
from keras_din.data.prepare.log_columns import (
    LogColumns,
    count_flags,
    feature_names,
    log_columns,
)
from keras_din.data.prepare.log_format import LogFormat, times_of_log
from keras_din.data.prepare.part_of_log import PartOfLog
from keras_din.data.prepare.prior_history import check_prior_history, read_prior_history
from keras_din.data.prepare.requests import sort_by_request
from keras_din.data.prepare.source_by_part import as_source_by_part
from keras_din.data.prepare.split import TRAIN, LastFraction
from keras_din.data.prepare.split_rows import check_parts, check_training, split_rows
from keras_din.data.reading.labels import LabelRules, check_varied, label_map_of
from keras_din.data.reading.source import as_sources
from keras_din.data.reading.table import Events
from keras_din.data.reading.times import time_or_order


class ImpressionLog(NamedTuple):
    """A clean log of impressions, of which each row has a part.

    Attributes:
        arguments: The arguments, with `time`, `time_unit` and `sequences` filled in.
        columns: The columns.
        of_label: Each `Label` -> its column.
        events: The good rows, sorted by user, time and request.
        of_tables: The report of the tables of items and users.
        requests: The number of each row's request, or `None`.
        shown_at: The time of each row's request, int64 `(rows,)`.
        part: The part of each row, see `assign_parts`.
        past: What `Count` features count.
        prior: Name of a sequence -> its `PriorHistory`.
        log_format: The `LogFormat`.
        of_whole: Whether the rows are the whole log.
    """

    arguments: ImpressionArguments
    columns: LogColumns
    of_label: dict
    events: Events
    of_tables: dict
    requests: np.ndarray | None
    shown_at: np.ndarray
    part: np.ndarray
    past: dict
    prior: dict
    log_format: LogFormat
    of_whole: bool

    def training_values(self):
        """Returns the function from the name of a feature to its values in training."""
        rows = np.flatnonzero(self.part == TRAIN)

        def values(name):
            tables = self.prior.values() if name in self.columns.of_behaviors else ()
            own = self.events.frame[name].iloc[rows]
            return concat_series([own, *(table.frame[name] for table in tables)])

        return values


class ImpressionColumns(NamedTuple):
    """The columns of a log of impressions.

    Attributes:
        time: The column of times or of an order.
        time_unit: The unit of its numbers, or `"order"`.
        columns: The columns of features.
        of_label: Each `Label` -> its column.
        rules: The rules of labels.
        sequences: Name of each sequence -> the column that selects its behaviors.
        flags: The columns of labels, behaviors and events of counts, each once.
        counted: The columns of events of counts.
        label_map: See `label_map_by_column`.
        duplicates: `"keep"`, `"drop"` or `None`.
        needed: All columns to read, without that of a split.
    """

    time: str
    time_unit: str
    columns: LogColumns
    of_label: dict
    rules: LabelRules
    sequences: dict
    flags: list
    counted: list
    label_map: dict
    duplicates: str | None
    needed: list


def columns_of_impressions(given: ImpressionArguments) -> ImpressionColumns:
    """Checks the arguments of `prepare_impressions` that name columns."""
    duplicates = given.duplicates
    if duplicates is None and given.request is None:
        duplicates = "keep"
    time, time_unit = time_or_order(given.time, given.order, given.time_unit, given.time_format)
    of_label = label_columns(given.label)
    rules = LabelRules.of(of_label)
    sequences = default_sequences(of_label) if given.sequences is None else dict(given.sequences)
    counted = count_flags([*given.target, *given.context])
    check_flags(rules, sequences, counted)
    flags = list(dict.fromkeys([*of_label.values(), *sequences.values(), *counted]))
    flag_names = {flag: flag for flag in [*sequences.values(), *counted]}
    flag_names |= {each.name: column for each, column in of_label.items()}
    label_map = label_map_by_column(given.label_map, flag_names)
    columns = log_columns(
        given.target,
        given.context,
        given.side_features,
        given.of,
        ids=[given.user, *([given.request] if given.request else [])],
        time=time,
        time_format=given.time_format,
        numbers=[*flags, *([] if given.weight is None else [given.weight])],
        bags=given.bags,
        numeric=given.numeric,
        categorical=given.categorical,
    )
    _check_feedback(columns, of_label, sequences)
    check_vectors(given.vectors, columns.features)
    columns.refuse_order(time_unit)
    others = [name for name in (given.request, given.weight) if name is not None]
    needed = [given.user, time, *flags, *columns.to_read, *others]
    return ImpressionColumns(
        time,
        time_unit,
        columns,
        of_label,
        rules,
        sequences,
        flags,
        counted,
        label_map,
        duplicates,
        list(dict.fromkeys(needed)),
    )


def read_impressions(
    source: Any, arguments: ImpressionArguments, part_of_log: PartOfLog | None = None
) -> ImpressionLog:
    """Reads, cleans and splits a log of impressions.

    Args:
        source: The log, see `prepare_impressions`.
        arguments: The other arguments of `prepare_impressions`.
        part_of_log: If the rows are not the whole log, what is known of it.
    """
    given, opened = arguments, columns_of_impressions(arguments)
    user, time_format, request, weight = given.user, given.time_format, given.request, given.weight
    time, time_unit, columns, rules = opened.time, opened.time_unit, opened.columns, opened.rules
    of_label, sequences, label_map = opened.of_label, opened.sequences, opened.label_map
    prior_history = check_prior_history(given.prior_history, sequences)
    source, split = as_source_by_part(source, given.split, given.sep, given.header, given.names)
    items, users, prior_history = as_sources((given.items, given.users, prior_history), given.sep)
    if part_of_log is not None:
        columns.reading["kinds"].update(part_of_log.kinds)

    # Clean.
    needed = [*opened.needed, *([split] if isinstance(split, str) else [])]
    tables = {"items": (columns.item, items), "users": (user, users)}
    events, of_tables = clean_log(
        source,
        columns,
        needed,
        tables,
        given.max_bad,
        is_part=part_of_log is not None,
        user=user,
        time=time,
        labels=opened.flags,
        rules=rules,
        weight=weight,
        required=[columns.item, *([request] if request else [])],
        time_unit=time_unit,
        time_format=time_format,
        placeholders=None if part_of_log is None else part_of_log.placeholders,
        times_are_numbers=None if part_of_log is None else part_of_log.times_are_numbers,
        label_map=label_map,
        duplicates=opened.duplicates,
        not_compared=[split] if isinstance(split, str) and split not in columns.to_read else [],
        strict=given.strict,
    )
    events, requests, shown_at = sort_by_request(events, request)

    # Split.
    split = LastFraction() if split is None else split
    of_whole = part_of_log is None
    part = split_rows(split, events, shown_at, time_unit, requests, of_whole)
    if of_whole:
        check_parts(split, part, shown_at, given.allow_empty_parts, time_unit)
        check_training(split, part, columns.learned)
    columns, events, past = add_counts(columns, events, shown_at, part == TRAIN)
    if of_whole:
        for each, column in of_label.items():
            check_varied(events.labels[column][part == TRAIN], column, each)
    prior = read_prior_history(
        prior_history,
        columns,
        tables,
        events.users.rename(user),
        time=time,
        time_unit=time_unit,
        time_format=time_format,
        max_bad=given.max_bad,
    )
    unit, zones = times_of_log(
        events.frame[time], events.report["time_unit"], time_unit, time_format
    )
    log_format = LogFormat(
        user,
        time,
        unit,
        time_format,
        zones,
        {each.name: column for each, column in of_label.items()},
        sequences,
        request,
        columns.separators,
        given.sep,
        given.header,
        None if given.names is None else list(given.names),
        {
            column: label_map_of(column, label_map, column in rules.numbers)
            for column in opened.flags
        },
        opened.duplicates,
        given.max_bad,
        given.min_count,
        weight,
        opened.counted,
    )
    arguments = dataclasses.replace(
        given, time=time, time_unit=time_unit, sequences=sequences, duplicates=opened.duplicates
    )
    return ImpressionLog(
        arguments,
        columns,
        of_label,
        events,
        of_tables,
        requests,
        shown_at,
        part,
        past,
        prior,
        log_format,
        of_whole,
    )


def _check_feedback(columns, of_label: dict, sequences: dict) -> None:
    """Raises a `ValueError` for features that are labels or flags of behaviors."""
    feedback = dict.fromkeys(sequences.values(), "what the user did with it")
    feedback |= dict.fromkeys(of_label.values(), "the label")
    check_no_feedback(
        feedback,
        feature_names(columns.target),
        feature_names(columns.context),
        feature_names(columns.side_features),
        sequences,
    )
