"""The first step of preparing a log: checks the names and roles of its columns."""

import warnings
from typing import NamedTuple

from keras_din.data.encoding.features import (
    Features,
    behavior_features,
    checked_features,
    csv_hints,
    feature_name,
    features_to_type,
)
from keras_din.data.prepare.log_format import LogFormat
from keras_din.data.reading.bag_cells import check_separators, has_several_values
from keras_din.data.reading.column_types import kinds_of
from keras_din.data.reading.times import ORDER
from keras_din.features import TIME, Count, Feature, FeatureSpec, Timestamp, check_weight_names


class LogColumns(NamedTuple):
    """The features of a log. Each is the name of a column or a feature object.

    Properties that return names of columns leave out features that are computed.

    Attributes:
        target: Features of the candidate, the item first.
        context: Features of the user and the request.
        side_features: Features that only behaviors have.
        of: Features of `target` that behaviors have too.
        separators: The result of `check_separators`.
        reading: Options of `read_table`. Reading adds its facts about each column to `found`.
        reasons: Name of the feature -> why its type is known before reading.
    """

    target: list
    context: list
    side_features: list
    of: list
    separators: dict
    reading: dict
    reasons: dict

    @property
    def features(self) -> list:
        """All features."""
        return [*self.target, *self.context, *self.side_features]

    @property
    def item(self) -> str:
        """Name of the item."""
        return feature_name(self.target[0])

    @property
    def names(self) -> list:
        """Names of the columns of all features."""
        return column_features(self.features)

    @property
    def counts(self) -> list:
        """The features that are counted from the rows of the log."""
        return [f for f in self.features if isinstance(f, Count)]

    @property
    def to_read(self) -> list:
        """Names of the columns of features in the log, and of the keys of counts."""
        return list(dict.fromkeys([*read_features(self.features), *self.keys]))

    @property
    def keys(self) -> list:
        """Names of the columns that are keys of counts."""
        return list(dict.fromkeys(key for f in self.counts for key in f.of))

    @property
    def of_behaviors(self) -> list:
        """Names of the columns that behaviors have."""
        return column_features([*self.of, *self.side_features])

    @property
    def of_samples(self) -> list:
        """Names of the columns of context and target."""
        return column_features([*self.context, *self.target])

    @property
    def of_times(self) -> list:
        """The features that are computed from times."""
        return [f for f in self.features if not isinstance(f, str) and f.from_times]

    def refuse_order(self, unit: str) -> None:
        """Raises a `ValueError` if a feature requires times and the log has only an order."""
        refuse_order(self.of_times, unit)
        found = [feature for feature in self.counts if feature.requires_times]
        if found and unit == ORDER:
            raise ValueError(
                "A Count with a window or of kind 'age' requires a log with times. "
                f"Received: {found[0]!r}, and an order instead of times."
            )

    @property
    def of_histories(self) -> list:
        """The features of histories in rows, with their times if features are computed from them.

        Each has a column.
        """
        features = [*self.of, *self.side_features]
        kept = [f for f in with_weights(features) if isinstance(f, str) or f.has_column]
        if not any(isinstance(f, Feature) and f.from_times for f in features):
            return kept
        return [*kept, Timestamp(TIME, self.of_times[0].time_unit)]

    @property
    def learned(self) -> list:
        """Names of the features that are learned from the training part, at least some fields."""
        return [feature_name(f) for f in self.features if isinstance(f, str) or f.to_learn]

    def kinds(self) -> dict:
        """Returns name -> `"numeric"` or `"categorical"`, after reading; see `kinds_of`."""
        return kinds_of(
            features_to_type(self.features), self.reading["found"], self.reading["kinds"]
        )

    def fit(self, training_values, dim, min_count: int) -> Features:
        """Learns the features from the values of the training part; see `Features`.

        With `training_values=None` all features must be given, and nothing is learned.

        Warns of features that have no value in common with the column whose table they share.
        """
        features = Features(
            self.features,
            training_values,
            dim,
            min_count,
            self.separators,
            self.reading,
            self.reasons,
        )
        for name, facts in features.types.items():
            if "notice" in facts:
                warnings.warn(
                    f"Column {name!r} has {facts['notice']}. If they do not hold the same kind of "
                    "values, give each its own table.",
                    stacklevel=3,
                )
        return features

    def spec(self, features: Features, sequences, max_length: int) -> FeatureSpec:
        """Returns the spec of fitted features. All `sequences` have the same features."""
        sequences = dict.fromkeys(sequences, self.of)
        return features.spec(self.target, self.context, sequences, self.side_features, max_length)


def log_columns(
    target,
    context,
    side_features,
    of,
    *,
    ids,
    time: str | None = None,
    time_format: str | None = None,
    numbers=(),
    bags=(),
    numeric=(),
    categorical=(),
) -> LogColumns:
    """Checks the arguments that name the columns of a log.

    Args:
        target: Same as in `prepare_impressions`.
        context: Same as in `prepare_impressions`.
        side_features: Same as in `prepare_impressions`.
        of: Same as in `prepare_impressions`.
        ids: Names of other columns of ids, such as users.
        time: Same as in `prepare_impressions`.
        time_format: Same as in `prepare_impressions`.
        numbers: Names of other columns of numbers, such as labels.
        bags: Same as in `prepare_impressions`.
        numeric: Same as in `prepare_impressions`.
        categorical: Same as in `prepare_impressions`.

    Returns:
        The `LogColumns`.

    Raises:
        ValueError: If an argument is invalid, or a column has two roles that exclude each other.
    """
    target, context = checked_features("target", target), checked_features("context", context)
    side_features = checked_features("side_features", side_features)
    of = behavior_features(of, target)
    features = [*target, *context, *side_features]
    _check_names_of_counts(features, [*ids, time, *numbers])
    ids = [*ids, *_keys_of_counts(features, ids, numbers, bags)]
    separators = check_separators(bags, features, [*ids, time, *numbers])
    _check_weights(features, [*ids, time, *numbers])
    reading, reasons = csv_hints(features, feature_name(target[0]), ids, numeric, categorical)
    reading["numbers"].update(numbers)
    if time is not None:
        reading["numbers" if time_format is None else "text"].add(time)
    return LogColumns(target, context, side_features, of, separators, reading, reasons)


def columns_of_format(spec: FeatureSpec, log_format: LogFormat) -> LogColumns:
    """Returns the columns of a further log, from the features of prepared data and its format."""
    of = dict.fromkeys(f for sequence in spec.sequences for f in sequence.of)
    side_features = dict.fromkeys(f for each in spec.sequences for f in each.side_features)
    bags = {name: text for name, text in log_format.separators.items() if text is not None}
    return log_columns(
        spec.target,
        spec.context,
        list(side_features),
        list(of),
        ids=log_format.ids,
        time=log_format.time,
        time_format=log_format.time_format,
        numbers=log_format.numbers,
        bags=bags,
    )


def _check_weights(features: list, others: list) -> None:
    """Raises a `ValueError` if the weights of a bag are in a column with another role."""
    check_weight_names(features)
    names = {part.name for f in features if isinstance(f, Feature) for part in f.parts[1:]}
    if used := sorted(names.intersection(others)):
        raise ValueError(
            "The `weights` of a Bag must be in a column of their own. "
            f"Received: weights={used[0]!r}, a column that has another role."
        )


def with_weights(features) -> list:
    """Returns features or names, with the `BagWeights` after each bag that has `weights`."""
    return [part for f in features for part in (f.parts if isinstance(f, Feature) else [f])]


def column_features(features) -> list:
    """Returns the names of the columns of features in a log, also of the weights of bags."""
    found = with_weights(features)
    return [feature_name(f) for f in found if isinstance(f, str) or f.has_column]


def read_features(features) -> list:
    """Returns the name of each feature whose column a loader of logs reads, and does not count."""
    return column_features(f for f in features if not isinstance(f, Count))


def _check_names_of_counts(features: list, others: list) -> None:
    """Raises a `ValueError` if a `Count` has the name of a column with another role."""
    for feature in features:
        if isinstance(feature, Count) and feature.name in others:
            raise ValueError(
                "The name of a Count must not be that of a column with another role, since its "
                "values replace the column. Give it another name. "
                f"Received: {feature!r} and the column {feature.name!r}."
            )


def _keys_of_counts(features, ids, numbers, bags) -> list:
    """Returns the keys of `Count` features that are neither features nor in `ids`."""
    named = {feature_name(feature): feature for feature in features}
    found: dict = {}
    for feature in features:
        for key in feature.of if isinstance(feature, Count) else ():
            if key in numbers or isinstance(named.get(key), Count):
                raise ValueError(
                    f"`of` of {feature!r} must name columns of ids or categories that are known "
                    f"before the impression. Received: {key!r}."
                )
            if key in bags or has_several_values(named.get(key)):
                raise ValueError(
                    f"`of` of {feature!r} must name columns with one value per row. "
                    f"Received: {key!r}, which has several."
                )
            if key not in named and key not in ids:
                found[key] = feature
    return list(found)


def refuse_order(features, unit: str) -> None:
    """Raises a `ValueError` if features are computed from times and a log has only an order."""
    found = [feature for feature in features if feature.from_times]
    if found and unit == ORDER:
        raise ValueError(
            "Features that are computed from times require a log with times. "
            f"Received: {found[0]!r}, and an order instead of times."
        )


def count_flags(features) -> list:
    """Returns the columns of 0 and 1 that mark the events of `Count` features, each once."""
    flags = [f.flag for f in features if isinstance(f, Count) and f.flag is not None]
    return list(dict.fromkeys(flags))


def feature_names(features) -> list:
    """Returns the name of each feature."""
    return [feature_name(feature) for feature in features]
