"""What all shards of a log have in common: the spec, and how rows are read and split."""

import dataclasses
import hashlib
import json
from typing import Any

from keras_din.data.prepare.part_of_log import PartOfLog
from keras_din.data.prepare.split import PARTS, ByTime, ByUser, LastFraction, LeaveOneOut
from keras_din.data.sharded.log_kinds import Arguments, arguments_of
from keras_din.features import Count, FeatureSpec

# Arguments that need the rows of all users at once, and the remedy.
_REFUSED = {
    "prior_history": "Add these rows to the log, with a split that leaves them out.",
    "vectors": "Pass the spec of the shards to `keras_din.data.with_vectors`.",
}
_TABLES = {
    "items": "Join the table of items to the log before.",
    "users": "Join the table of users to the log before.",
}
_OF_SPEC = ("target", "context", "side_features", "of", "max_length")
_FORMAT = 1


@dataclasses.dataclass(frozen=True)
class ShardPlan:
    """What all shards have in common.

    Args:
        spec: The features.
        shards: The number of shards.
        arguments: The arguments of `prepare_impressions` or `prepare_interactions` for a shard.
        part_of_log: What is known of the whole log.
    """

    spec: FeatureSpec
    shards: int
    arguments: Arguments
    part_of_log: PartOfLog

    @property
    def hash(self) -> str:
        """A checksum of all of it. Shards with different ones do not belong together."""
        fields = {
            field.name: repr(getattr(self.arguments, field.name))
            for field in dataclasses.fields(self.arguments)
            if field.name not in (*_OF_SPEC, "strict", "max_bad")
        }
        content = {
            "format": _FORMAT,
            "spec": self.spec.to_json(),
            "shards": self.shards,
            "arguments": fields,
            "part_of_log": repr(self.part_of_log),
        }
        return hashlib.sha256(
            json.dumps(content, sort_keys=True, allow_nan=False).encode()
        ).hexdigest()[:16]

    @property
    def required_parts(self) -> list:
        """The parts that must have rows in some shard."""
        return [PARTS[i] for i in getattr(self.arguments.split, "parts", ())]


def check_options(options: dict, with_tables: bool = True) -> None:
    """Raises a `ValueError` for arguments that shards do not support.

    Args:
        options: The arguments.
        with_tables: Whether tables of items and users are read once for all shards.
    """
    refused = _REFUSED if with_tables else _REFUSED | _TABLES
    for name, remedy in refused.items():
        given = options.get(name)
        if given is not None and not (isinstance(given, dict) and not given):
            raise ValueError(
                f"Data in shards must be prepared without `{name}`. {remedy} "
                f"Received: a {type(given).__name__}."
            )
    for feature in (*options.get("target", ()), *options.get("context", ())):
        if isinstance(feature, Count):
            _check_count(feature, options.get("user"))
    split = options.get("split")
    if isinstance(split, ByUser):
        raise ValueError(
            "Data in shards must be split by time, by the last rows of each user or by a column, "
            f"since ByUser numbers all users. Received: split={split!r}."
        )
    known = (ByTime, LastFraction, LeaveOneOut, str, type(None))
    if not isinstance(split, known):
        raise ValueError(
            "Data in shards must be split by ByTime(), LastFraction(), LeaveOneOut() or a column. "
            f"Received: split={split!r}."
        )


def _check_count(feature: Count, user) -> None:
    """Raises a `ValueError` for a `Count` that needs the rows of several users."""
    if user not in feature.of:
        raise ValueError(
            "A Count of data in shards must have the user among its keys `of`, since a shard has "
            "only the rows of its own users. Add other counts as columns of the log. "
            f"Received: {feature!r}, and the user {user!r}."
        )
    if feature.kind == "rate" and feature.base is None:
        raise ValueError(
            "`base` of a rate of data in shards must be given, since it is learned from the "
            f"training rows of all users. Received: {feature!r}."
        )


def make_plan(
    spec: FeatureSpec,
    shards: int,
    part_of_log: PartOfLog,
    options: dict[str, Any],
    kind: str = "impressions",
) -> ShardPlan:
    """Returns the plan of shards with a known spec.

    Args:
        spec: The features.
        shards: The number of shards.
        part_of_log: What is known of the whole log.
        options: Arguments of `prepare_impressions` or `prepare_interactions`, without those of
            features.
        kind: `"impressions"` or `"interactions"`.
    """
    sides = dict.fromkeys(f for each in spec.sequences for f in each.side_features)
    of = dict.fromkeys(f.name for each in spec.sequences for f in each.of)
    if given := sorted(set(options) & {*_OF_SPEC, "dim", "min_count", "numeric", "categorical"}):
        raise ValueError(
            f"The features of a shard must be those of `spec`. Received: also {given}."
        )
    features: dict[str, Any] = {
        "target": list(spec.target),
        "context": list(spec.context),
        "side_features": list(sides),
        "of": list(of),
        "max_length": max((each.max_length for each in spec.sequences), default=100),
    }
    check_options(options | features)
    if isinstance(options.get("split"), LastFraction | type(None)):
        raise ValueError(
            "The split of a shard must name moments, which are the same for all shards. Use "
            "`LastFraction(...).by_time(times, counts)` to find them. "
            f"Received: split={options.get('split')!r}."
        )
    kept = {"max_bad": 1.0, "allow_empty_parts": True}
    arguments = arguments_of(kind, options | features | kept)
    return ShardPlan(spec, shards, arguments, part_of_log)
