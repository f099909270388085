"""The two kinds of logs in shards: impressions with labels, and behaviors without."""

import dataclasses
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from keras_din.checks import one_of
from keras_din.data.prepare.encode_impressions import encode_impressions
from keras_din.data.prepare.encode_interactions import (
    DrawnLog,
    draw_candidates,
    encode_interactions,
)
from keras_din.data.prepare.impression_arguments import ImpressionArguments
from keras_din.data.prepare.interaction_arguments import InteractionArguments
from keras_din.data.prepare.part_of_log import PartOfLog
from keras_din.data.prepare.prepared_data import PreparedData
from keras_din.data.prepare.read_impressions import (
    ImpressionColumns,
    ImpressionLog,
    columns_of_impressions,
    read_impressions,
)
from keras_din.data.prepare.read_interactions import (
    InteractionColumns,
    InteractionLog,
    columns_of_interactions,
    read_interactions,
)
from keras_din.data.prepare.split import LastFraction, LeaveOneOut
from keras_din.data.reading.bad_rows import bad_lines
from keras_din.data.reading.source import Table

Arguments: TypeAlias = ImpressionArguments | InteractionArguments
KINDS = {"impressions": ImpressionArguments, "interactions": InteractionArguments}


def arguments_of(kind: str, options: dict) -> Arguments:
    """Returns the arguments of `prepare_impressions` or `prepare_interactions`.

    Raises:
        TypeError: If an option is none of the arguments, or a required one is missing.
    """
    of_kind = KINDS[one_of("kind", kind, tuple(KINDS))]
    fields = {field.name: field for field in dataclasses.fields(of_kind)}
    unknown = [name for name in options if name not in fields]
    required = [name for name, field in fields.items() if field.default is dataclasses.MISSING]
    missing = [name for name in required if name not in options]
    if unknown or missing:
        received = f"unknown arguments {unknown}" if unknown else f"none for {missing}"
        raise TypeError(
            f"Options must be arguments of `prepare_{kind}`: {', '.join(required)}, and optionally "
            f"{', '.join(name for name in fields if name not in required)}. Received: {received}."
        )
    return of_kind(**options)


def kind_of(arguments: Arguments) -> str:
    """Returns the name of the kind."""
    return next(kind for kind, each in KINDS.items() if isinstance(arguments, each))


def columns_of(arguments: Arguments) -> ImpressionColumns | InteractionColumns:
    """Checks the arguments that name columns."""
    if isinstance(arguments, ImpressionArguments):
        return columns_of_impressions(arguments)
    return columns_of_interactions(arguments)


def split_of(arguments: Arguments) -> Any:
    """Returns the split, or the default one."""
    if arguments.split is not None:
        return arguments.split
    return LastFraction() if isinstance(arguments, ImpressionArguments) else LeaveOneOut()


def read_rows(
    rows: pd.DataFrame, arguments: Arguments, part_of_log: PartOfLog
) -> ImpressionLog | InteractionLog:
    """Reads, cleans and splits the rows of some users.

    Raises:
        NoGoodRowsError: If all rows are bad.
    """
    table = Table(rows, bad_lines([]))
    if isinstance(arguments, ImpressionArguments):
        return read_impressions(table, arguments, part_of_log)
    return read_interactions(table, arguments, part_of_log)


def times_of(log: ImpressionLog | InteractionLog) -> np.ndarray:
    """Returns the times by which a log is split, one per request: int64, microseconds."""
    if isinstance(log, InteractionLog):
        return log.events.time
    if log.requests is None:
        return log.shown_at
    _, first = np.unique(log.requests, return_index=True)
    return log.shown_at[first]


def training_values_of(log: ImpressionLog | InteractionLog, part_of_log: PartOfLog):
    """Returns the function from the name of a feature to its values in training."""
    if isinstance(log, ImpressionLog):
        return log.training_values()
    return _drawn(log, part_of_log).training_values()


def prepare_log(log: ImpressionLog | InteractionLog, part_of_log: PartOfLog) -> PreparedData:
    """Returns the prepared data of a log whose features are all given."""
    features = log.columns.fit(None, 16, 1)
    if isinstance(log, ImpressionLog):
        return encode_impressions(log, features)
    return encode_interactions(_drawn(log, part_of_log).of_used_items(), features)


def _drawn(log: InteractionLog, part_of_log: PartOfLog) -> DrawnLog:
    items = part_of_log.items
    assert items is not None, "counted before"
    catalog = items.catalog_of(log.events.frame[log.columns.item])
    return draw_candidates(log, catalog, items.key, items.trained)
