"""Learns the plan of all shards from what an engine counts in them."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pandas as pd

from keras_din.data.encoding.features import features_to_type
from keras_din.data.prepare.interaction_arguments import InteractionArguments
from keras_din.data.prepare.items_of_log import join_items
from keras_din.data.prepare.part_of_log import PartOfLog
from keras_din.data.prepare.split import LastFraction
from keras_din.data.prepare.split_rows import use_order_unit
from keras_din.data.reading.column_types import kinds_of
from keras_din.data.reading.times import (
    ORDER,
    UNITS,
    are_numbers,
    has_placeholders,
    time_remedy,
    to_microseconds,
)
from keras_din.data.sharded.fit_spec import fit_spec
from keras_din.data.sharded.log_kinds import Arguments, columns_of, kind_of, split_of
from keras_din.data.sharded.shard_plan import ShardPlan, make_plan
from keras_din.data.sharded.whole_tables import check_found
from keras_din.features import DEFAULT_LABEL

_OF_FEATURES = ("target", "context", "side_features", "of", "max_length", "dim", "min_count")
_OF_TABLE = ("sep", "header", "names", "max_bad", "allow_empty_parts", "numeric", "categorical")


@dataclasses.dataclass(frozen=True)
class LogFacts:
    """What is known of a log after its columns and times were read once.

    Args:
        arguments: The arguments of `prepare_impressions` or `prepare_interactions`.
        part_of_log: What is known of the whole log when a shard is read.
        time_unit: The unit of times.
    """

    arguments: Arguments
    part_of_log: PartOfLog
    time_unit: str


def log_facts(arguments: Arguments, found: dict, times: pd.Series) -> LogFacts:
    """Finds the kinds of columns, the unit of times and placeholders for times.

    Args:
        arguments: The arguments of `prepare_impressions` or `prepare_interactions`.
        found: Name of a column -> its facts, see `keras_din.data.reading.column_types`.
        times: Raw value of a time -> how many rows have it.
    """
    opened = columns_of(arguments)
    declared = opened.columns.reading["kinds"]
    kinds = kinds_of(features_to_type(opened.columns.features), found, declared)
    kinds |= {name: kind for name, kind in declared.items() if name in found}
    unit, placeholders, numbers = opened.time_unit, False, None
    if len(times):
        values = pd.Series(times.index.array)
        numbers = are_numbers(values, times.to_numpy())
        at, known, unit = to_microseconds(opened.time, values, unit, arguments.time_format, numbers)
        if not known.any():
            what = "whole numbers, as an order is" if unit == ORDER else "times"
            remedy = "" if unit == ORDER else f" {time_remedy(values, arguments.time_format)}"
            raise ValueError(
                f"Column {opened.time!r} must hold {what}. "
                f"Received: none, but {values.iloc[0]!r} for example.{remedy}"
            )
        placeholders = has_placeholders(at[known], times.to_numpy()[known], unit)
    is_given = opened.time_unit != "auto" or arguments.time_format is not None
    unit = unit if unit in (*UNITS, ORDER) else "auto"
    return LogFacts(arguments, PartOfLog(kinds, placeholders and not is_given, numbers), unit)


def learn_plan(
    facts: LogFacts,
    shards: int,
    count_times: Callable,
    count_values: Callable,
    count_items: Callable | None = None,
) -> ShardPlan:
    """Learns the spec and the moments of the split.

    Args:
        facts: The result of `log_facts`.
        shards: The number of shards.
        count_times: A function that takes the arguments and a `PartOfLog`, and adds what
            `count_rows.count_times` returns for each shard.
        count_values: The same for the values of `count_rows.count_rows`.
        count_items: The same for `count_rows.count_items`: it returns the arguments of
            `join_items` that have rows. Required for logs of behaviors.
    """
    given, unit, part_of_log = facts.arguments, facts.time_unit, facts.part_of_log
    of_time: dict[str, Any] = {} if unit == ORDER else {"time_unit": unit}
    known = dataclasses.replace(given, **of_time, max_bad=1.0, sep=None, header=None, names=None)
    split: Any = use_order_unit(split_of(given), unit)
    if isinstance(split, LastFraction):
        times = count_times(dataclasses.replace(known, split=None), part_of_log)
        _check_good_rows(len(times))
        unit_of_split = ORDER if unit == ORDER else "us"
        split = split.by_time(times.index.to_numpy(), times.to_numpy(), unit_of_split)
    known = dataclasses.replace(known, split=split)
    if isinstance(known, InteractionArguments):
        assert count_items is not None, "the engine has it"
        rows, time, trained = count_items(known, part_of_log)
        _check_good_rows(len(rows))
        items = join_items(rows, time, trained, known, part_of_log)
        part_of_log = dataclasses.replace(part_of_log, items=items)
        if known.items is not None:  # Shards take the features of items from the catalog.
            known = dataclasses.replace(known, items=known.items.without_rows())
    values = count_values(known, part_of_log)
    check_found(known, values)
    opened = columns_of(given)
    if opened.columns.learned:
        _check_good_rows(len(values))
    kinds = part_of_log.kinds
    named = (*given.target, *given.context, *given.side_features)
    of_kind: dict[str, Any] = {
        kind: [name for name in values if kinds.get(name) == kind and name in named]
        for kind in ("numeric", "categorical")
    }
    label = DEFAULT_LABEL if isinstance(given, InteractionArguments) else given.label
    spec = fit_spec(
        values,
        label=label,
        sequences=list(opened.sequences),
        bags=[name for name, each in values.items() if each.in_bags],
        **of_kind,
        **{name: getattr(given, name) for name in _OF_FEATURES},
    )
    options = {
        field.name: getattr(known, field.name)
        for field in dataclasses.fields(known)
        if field.name not in (*_OF_FEATURES, *_OF_TABLE)
    }
    return make_plan(spec, shards, part_of_log, options, kind_of(given))


def _check_good_rows(found: int) -> None:
    if not found:
        raise ValueError(
            "The log must hold at least one good row. Received: a log all of whose rows lack a "
            "user, item, time or label, or have wrong ones."
        )
