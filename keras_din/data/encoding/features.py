"""Learns features from training values, and converts raw columns to columns of a data set."""

import dataclasses

import numpy as np
import pandas as pd
from pandas.api.types import union_categoricals

from keras_din.checks import positive_integer
from keras_din.data.encoding.bags import bag_values, fit_bag
from keras_din.data.encoding.counted import Counted, Moments, add_counted
from keras_din.data.encoding.lookup import check_none_is_padding, fit_feature, to_column
from keras_din.data.encoding.shared_tables import (
    check_dims,
    check_table_names,
    compare_columns,
    given_as,
    known_tables,
    learns_table,
)
from keras_din.data.reading.bag_cells import has_several_values, is_bag_column
from keras_din.data.reading.column_types import kinds_of
from keras_din.data.reading.columns import (
    is_text_categories,
    to_plain_series,
    whole_as_integers,
)
from keras_din.data.store.bags import Bags
from keras_din.features import (
    OOV_INDEX,
    Bag,
    BagWeights,
    Feature,
    FeatureSpec,
    Numeric,
    Sequence,
    Vector,
    id_feature,
)


def feature_name(feature) -> str:
    """The column name of a feature, which may be given as a feature or as this name."""
    return feature.name if isinstance(feature, Feature) else feature


def checked_features(word: str, features) -> list:
    """Returns `features` as a list of column names and features, or raises a `ValueError`."""
    if isinstance(features, (str, Feature)):
        features = [features]
    features = list(features)
    if word == "target" and not features:
        raise ValueError("`target` must hold the item. Received: target=[].")
    if word == "target" and isinstance(features[0], Feature) and not features[0].has_column:
        raise ValueError(
            "The first of `target` must be the item, a column of the log. "
            f"Received: {features[0]!r}, which is computed."
        )
    if not all(isinstance(feature, (str, Feature)) for feature in features):
        raise ValueError(
            f"`{word}` must hold names of columns, and features such as `Categorical` objects. "
            f"Received: {word}={features!r}."
        )
    return features


def features_to_type(features) -> list:
    """The names of features whose type is detected, or that must be numbers."""
    return [feature_name(f) for f in features if isinstance(f, str) or f.takes_numbers]


def behavior_features(of, target: list) -> list:
    """Returns `of` as a list of features of `target`, by default all that behaviors can have."""
    if of is None:
        return [f for f in target if isinstance(f, str) or "behavior" in f.roles]
    names = [feature_name(feature) for feature in checked_features("of", of)]
    by_name = {feature_name(feature): feature for feature in target}
    if lacking := [name for name in names if name not in by_name]:
        raise ValueError(
            f"`of` must hold features of `target`: {list(by_name)}. Received: {lacking}."
        )
    return [by_name[name] for name in names]


def csv_hints(features, item: str, others=(), numeric=(), categorical=()):
    """Collects the declared types of columns before they are read.

    Args:
        features: Names of columns, and features.
        item: Name of the item, which is always categorical.
        others: Names of other columns of ids.
        numeric: Names of features that are amounts.
        categorical: Names of features that are ids or categories.

    Returns:
        `(options, reasons)`: options of `read_table`, and name of the feature -> the reason of its
        declared type.

    Raises:
        ValueError: If `numeric` or `categorical` names anything but a feature that is given by
            name, or both name the same feature, if a feature shares a table that does not exist, or
            if a feature is given as an object and as a name.
    """
    known = [feature for feature in features if not isinstance(feature, str)]
    named = [feature for feature in features if isinstance(feature, str)]
    if twice := [feature for feature in known if feature.name in named]:
        raise ValueError(
            "A feature must be given either as an object or as a name. "
            f"Received: {twice[0]!r} and {twice[0].name!r}."
        )
    tables = known_tables(known)
    # The values of a table that is learned are ids or categories.
    learned = [feature for feature in known if learns_table(feature, tables)]
    kinds, reasons = dict.fromkeys(others, "categorical"), dict.fromkeys(others, "ids")
    kinds |= {feature.name: "numeric" for feature in known if feature.takes_numbers}
    kinds |= {feature.name: "categorical" for feature in learned}
    if item in named:
        kinds[item], reasons[item] = "categorical", "the item"
    for word, names in (("numeric", numeric), ("categorical", categorical)):
        _declare(word, [names] if isinstance(names, str) else names, named, kinds, reasons)
    amounts = {name: reasons[name] for name in named if kinds.get(name) == "numeric"}
    check_table_names(features, amounts)
    reasons |= {feature.name: given_as(feature) for feature in known}
    return _reading_options(known, kinds, reasons), reasons


def _declare(word: str, names, named: list, kinds: dict, reasons: dict) -> None:
    """Adds the columns of `numeric` or `categorical` to `kinds` and `reasons`.

    Args:
        word: `"numeric"` or `"categorical"`.
        names: Names of the columns.
        named: Names of all features that are given as names.
        kinds: Name -> kind of the columns that are declared already.
        reasons: Name -> reason of these kinds.
    """
    for name in names:
        if name not in named:
            raise ValueError(
                f"`{word}` must name features that are given as names: {named}. Received: {name!r}."
            )
        if kinds.get(name, word) != word:
            why = {"the item": "the item", "ids": "a column of ids"}
            raise ValueError(
                f"`numeric` and `categorical` must name different features, and `numeric` "
                f"must not name ids. Received: {name!r}, {why.get(reasons[name], 'in both')}."
            )
        kinds[name], reasons[name] = word, f"named in `{word}`"


def _reading_options(known: list, kinds: dict, reasons: dict) -> dict:
    """Returns the options of `read_table`, from the given features and the declared kinds."""
    tables = known_tables(known)
    typed = [f.with_table(tables) for f in known if not learns_table(f, tables)]
    weights = {feature.name: part.name for feature in known for part in feature.parts[1:]}
    text = {feature.name for feature in typed if feature.raw_dtype == "string"}
    return {
        "text": text | set(weights.values()),  # Also if each bag of a file has only one number.
        "numbers": set(),
        "kinds": kinds,
        "found": {},
        "named": {name for name, reason in reasons.items() if reason == "named in `categorical`"},
        "weights": weights,
        "vectors": {f.name: f for f in known if isinstance(f, Vector) and f.is_sent},
    }


def coerce_item_ids(column: str | Feature, values: pd.Series) -> pd.Series:
    """Converts a column of items that are whole floats to integers.

    Raises:
        ValueError: If the items are other floats, which would become a `Numeric`.
    """
    values = whole_as_integers(values)
    if isinstance(column, str) and pd.api.types.is_float_dtype(values.dtype):
        raise ValueError(
            "The item, the first of `target`, must have strings or integers. "
            f"Received: column {column!r} of {values.dtype}."
        )
    return values


class Features:
    """The features of a log, learned from the training values.

    Args:
        features: Names of columns, or given features.
        values: A function from the name of a column to its training values, a `Series`, `Counted`
            or, of numbers, `Moments`. Or `None` if all features are given as they are.
        dim: Width of the embeddings: a number, or name -> number.
        min_count: How often a value must occur in training to have its own embedding.
        separators: The result of `check_separators`. By default no column contains bags.
        options: The options of `csv_hints`, after the columns were read. By default types are
            detected from the values.
        reasons: The reasons of `csv_hints`.

    `types` has the report of each feature: its `type`, the `reason`, an `example`, and as
    `missing` how often each token for a missing value occurs in the column. It also has a `notice`
    if the feature shares the table of a column with which it has no value in common.
    """

    def __init__(
        self,
        features,
        values,
        dim=16,
        min_count: int = 1,
        separators=None,
        options=None,
        reasons=None,
    ):
        names = [feature_name(feature) for feature in features]
        dims = _widths(dim, names)
        self.by_name: dict[str, Feature] = {}
        self.types: dict[str, dict] = {}
        self.missing: dict[str, int] = {}
        self.bags: dict = {}
        self._separators = separators or {}
        self._notices: dict[str, str] = {}
        # Names of the features that mark padding of candidates or behaviors.
        self._padding_markers: set[str] = set()
        options = options or {"kinds": {}, "found": {}}
        declared, found = options["kinds"], options["found"]
        kinds = kinds_of(features_to_type(features), found, declared)
        why = {name: facts.get("reason") for name, facts in found.items()} | (reasons or {})
        amounts = [name for name in names if kinds.get(name) == "numeric"]
        check_table_names(features, {name: why.get(name) or "" for name in amounts})
        for feature, name in zip(features, names, strict=True):
            if name not in self.by_name:
                shared = _sharing(feature, features)
                kind = kinds.get(name)
                fitted = self._fit(feature, values, shared, dims[name], min_count, kind)
                self.by_name[name] = fitted
                self.types[name] = self._type(fitted, found.get(name, {}), why.get(name))
        for name, notice in self._notices.items():
            self.types[name]["notice"] = notice
        tables = known_tables(self.by_name.values())
        self.by_name = {name: f.with_table(tables) for name, f in self.by_name.items()}
        self._weights = {part.name: part for f in self.by_name.values() for part in f.parts[1:]}
        if isinstance(dim, dict):
            check_dims(dim, self.by_name)

    def _fit(self, feature, training, shared: list, dim: int, min_count: int, kind: str | None):
        """Learns a feature that is the name of a column, and the fields that a given one lacks.

        The table of a learned feature also contains the values of the features that share it.
        """
        if isinstance(feature, Bag) and feature.to_learn:
            fitted = self._fit(feature.name, training, shared, dim, min_count, kind)
            return dataclasses.replace(feature, table=fitted.table)
        if not isinstance(feature, str):
            learns = bool(feature.to_learn) and training is not None
            return _learn(feature, training(feature.name)) if learns else feature
        values, separator = training(feature), self._separators.get(feature)
        if isinstance(values, Moments):
            return _learn(Numeric(feature), values)
        others = {f.name: self._single_values(f, training(f.name)) for f in shared}
        counted = isinstance(values, Counted)
        if values.in_bags if counted else separator is not None or is_bag_column(values):
            if counted and not others:
                return Bag(feature, table=fit_feature(feature, values, dim, min_count).table)
            if others:
                values = values if counted else bag_values(values, separator)
                self._notices |= compare_columns(feature, values, others)
                values = concat_series([values, *others.values()])
                return Bag(feature, table=fit_feature(feature, values, dim, min_count).table)
            return fit_bag(feature, values, separator, dim, min_count)
        if others:
            self._notices |= compare_columns(feature, values, others)
            values, kind = concat_series([values, *others.values()]), "categorical"
        # The training values may all be whole while other values of the column are not.
        return fit_feature(feature, values, dim, min_count, whole_are_integers=False, kind=kind)

    def _single_values(self, feature, values):
        """All values of a column, one per row, even if a cell has several."""
        if has_several_values(feature) and not isinstance(values, Counted):
            return bag_values(values, self._separators.get(feature.name))
        return values

    def _type(self, feature: Feature, facts: dict, reason: str | None) -> dict:
        """The report of a feature's type."""
        separator = self._separators.get(feature.name)
        if isinstance(feature, Vector) and feature.is_sent:
            reason = f"vectors of size {feature.size}"
        elif feature.axes:
            reason = f"text separated by {separator!r}" if separator else "lists"
            reason += "".join(f", weights in {part.name!r}" for part in feature.parts[1:])
        entries = {"reason": reason, "example": facts.get("example")}
        return {
            "type": type(feature).__name__.lower(),
            **{word: value for word, value in entries.items() if value is not None},
            "missing": facts.get("missing", {}),
        }

    def __getitem__(self, feature):
        """The learned feature of a name or of a given feature, or the `BagWeights` of a name."""
        name = feature_name(feature)
        return self._weights[name] if name in self._weights else self.by_name[name]

    def column(self, feature, values) -> np.ndarray | Bags:
        """Converts raw values `(rows,)` to indices or numbers, and counts missing values."""
        feature = self[feature]
        if feature.name in self._padding_markers:
            check_none_is_padding(feature, values)
        column, missing = to_column(feature, values, self._separators.get(feature.name))
        if missing:
            self.missing[feature.name] = self.missing.get(feature.name, 0) + missing
        if isinstance(column, Bags) and not isinstance(feature, BagWeights):
            self._count_bags(feature, column)
        return column

    def _count_bags(self, feature, column: Bags) -> None:
        size = column.row_lengths
        counts = self.bags.setdefault(
            feature.name, {"bags": 0, "empty": 0, "longest": 0, "over_max_values": 0}
        )
        counts["bags"] += len(column)
        counts["empty"] += int((size == 0).sum())
        counts["longest"] = max(counts["longest"], int(size.max(initial=0)))
        counts["over_max_values"] += int((size > feature.max_values).sum())

    @property
    def of_bags(self) -> dict:
        """The report of bags; empty if there are none."""
        separators = {
            name: separator
            for name, separator in self._separators.items()
            if separator is not None and has_several_values(self.by_name.get(name))
        }
        return {
            word: facts
            for word, facts in (("bags", self.bags), ("separators", separators))
            if facts
        }

    def spec(self, target, context, sequences: dict, side_features, max_length: int) -> FeatureSpec:
        """Creates the `FeatureSpec`. `sequences` is sequence name -> its target features."""
        spec = FeatureSpec(
            context=[self[feature] for feature in context],
            target=[self[feature] for feature in target],
            sequences=[
                Sequence(
                    name,
                    of=[self[feature] for feature in of],
                    side_features=[self[feature] for feature in side_features],
                    max_length=max_length,
                )
                for name, of in sequences.items()
            ],
        )
        self.mark_padding(spec)
        return spec

    def mark_padding(self, spec: FeatureSpec) -> None:
        """Remembers which features mark padding, whose columns must not contain its raw value."""
        groups = [spec.target, *(sequence.of for sequence in spec.sequences)]
        self._padding_markers = {id_feature(features).name for features in groups}


def _widths(dim, names: list) -> dict:
    """Returns name -> width of the embeddings, from a number or from name -> number."""
    if not isinstance(dim, dict):
        return dict.fromkeys(names, positive_integer("dim", dim))
    if any(name not in names for name in dim):
        raise ValueError(f"`dim` must name columns of the log: {names}. Received: dim={dim!r}.")
    return {name: dim.get(name, 16) for name in names}


def _sharing(feature, features) -> list:
    """Returns those of `features` that share the table which `feature` learns."""
    if not isinstance(feature, str) and "vocabulary" not in feature.to_learn:
        return []
    tables, name = known_tables(features), feature_name(feature)
    return [f for f in features if learns_table(f, tables) and f.table == name != f.name]


def _learn(feature: Feature, values) -> Feature:
    """Learns the fields that a feature lacks, from training values or `Moments`."""
    if not isinstance(values, Moments):
        return fit_feature(feature, values)
    if not set(feature.to_learn) <= {"mean", "std"}:
        raise ValueError(
            "`moments` must be of features of which only the mean and the standard deviation are "
            f"learned; pass counts of its values. Received: {feature!r}, which learns "
            f"{list(feature.to_learn)}."
        )
    learned = values._asdict()
    return dataclasses.replace(feature, **{word: learned[word] for word in feature.to_learn})


def count_parts(parts: dict, spec: FeatureSpec) -> dict:
    """The report of each part: its rows, clicks, and rows with an unseen value."""
    report = {}
    for part, samples in parts.items():
        unseen = {
            name: int(_contains(samples.columns[name], OOV_INDEX).sum())
            for name, info in spec.inputs.items()
            if name in samples.columns
            and info.feature.table is not None
            and not info.feature.takes_numbers
        }
        report[part] = {
            "rows": len(samples),
            **_counts_of_labels(samples, spec),
            "rows_with_unseen": {name: count for name, count in unseen.items() if count},
            "rows_without_history": {
                name: int((start == end).sum()) for name, (start, end) in samples.history.items()
            },
        }
    return report


def _counts_of_labels(samples, spec: FeatureSpec) -> dict:
    """How many rows have each label of 0 and 1, the mean of numbers, and how many are missing.

    For a single label of 0 and 1, there is only the entry `clicks`.
    """
    binary = {label.name: label.is_binary for label in spec.labels}
    positives, means, missing = {}, {}, {}
    for name, values in samples.labels.items():
        known = values[~np.isnan(values)]
        if len(known) < len(values):
            missing[name] = len(values) - len(known)
        if binary.get(name, True):
            positives[name] = int(known.sum())
        else:
            means[name] = float(known.mean(dtype=np.float64)) if len(known) else None
    if len(samples.labels) == 1 and positives:
        return {"clicks": next(iter(positives.values()))}
    found = {"positives": positives, "means": means, "labels_missing": missing}
    return {word: counts for word, counts in found.items() if counts}


def _contains(column, index: int) -> np.ndarray:
    """Which rows contain an index: bool `(rows,)`."""
    return column.contains(index) if isinstance(column, Bags) else column == index


def concat_series(values: list):
    """Concatenates columns of any types along rows. `Counted` ones are added."""
    if any(isinstance(each, Counted) for each in values):
        return add_counted(values)
    values = [pd.Series(v) for v in values]
    values = [v for v in values if len(v)] or values[:1]
    if len(values) == 1:
        return values[0]
    if all(is_text_categories(v.dtype) for v in values):
        return pd.Series(union_categoricals(values, sort_categories=True))
    return pd.concat([to_plain_series(v) for v in values], ignore_index=True)
