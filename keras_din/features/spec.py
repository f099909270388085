"""`FeatureSpec`: the features and labels of a sample."""

import dataclasses
import json
from collections.abc import Sequence as SequenceOf
from typing import TYPE_CHECKING, Any, NamedTuple

from keras_din.checks import positive_integer
from keras_din.features.bag_weights import check_weight_names
from keras_din.features.embedded_feature import EmbeddedFeature
from keras_din.features.kind import Feature, as_tuple, feature_tuple
from keras_din.features.labels import DEFAULT_LABELS, Label, factors_of, label_tuple
from keras_din.features.names import check_unique
from keras_din.features.position import Position
from keras_din.features.sequence import Sequence
from keras_din.features.snapshot_count import SnapshotCount, without_snapshots
from keras_din.features.spec_json import spec_arguments, spec_to_dict
from keras_din.features.table import Table
from keras_din.features.time_feature import TIME, TimeFeature, Timestamp
from keras_din.features.values import Values
from keras_din.features.vector import Vector
from keras_din.features.vector_table import VectorTable
from keras_din.html_table import html_table

if TYPE_CHECKING:
    import numpy as np


class InputInfo(NamedTuple):
    """One input of a model.

    Attributes:
        feature: The feature.
        role: `"context"`, `"target"` or `"behavior"`.
        sequence: The `Sequence` of a behavior, else `None`.
    """

    feature: Feature
    role: str
    sequence: Sequence | None


_PLACES = {
    "context": "`context`",
    "target": "`target`",
    "behavior": "`side_features` or `of` of a Sequence",
}


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class FeatureSpec:
    """The features of a sample (request, candidate and behaviors) and its labels.

    Args:
        target: Features of the candidate. The first `Categorical` marks padding: index 0 is a
            padding candidate.
        sequences: Behavior sequences. The features `of` a sequence must be in `target`.
        context: Features of the user and of the request.
        labels: The labels that the model predicts: `Label` objects or names. Defaults to the label
            `click` with the output `ctr`. By default the first label is the one that candidates
            are ranked by and that training monitors.

    Raises:
        ValueError: If names are not unique, if a feature of a sequence is not in `target`, if two
            different features or tables have the same name, if a feature is where its kind must
            not be, or if `labels` is empty.

    Example:

    ```python
    item = kd.Categorical("item_id", 100, dim=8)
    spec = kd.FeatureSpec(
        context=[kd.Numeric("age")], target=[item], sequences=[kd.Sequence("hist", of=[item])]
    )
    list(spec.inputs)  # ["age", "item_id", "hist_item_id"]
    model = kd.build_din(spec)
    ```
    """

    target: tuple[Feature, ...]
    sequences: tuple[Sequence, ...] = ()
    context: tuple[Feature, ...] = ()
    labels: tuple[Label, ...] = DEFAULT_LABELS

    if TYPE_CHECKING:  # The arguments may be lists; the attributes are tuples.

        def __init__(
            self,
            *,
            target: SequenceOf[Feature],
            sequences: SequenceOf[Sequence] = (),
            context: SequenceOf[Feature] = (),
            labels: SequenceOf[Label | str] | Label | str = DEFAULT_LABELS,
        ) -> None: ...

    def __post_init__(self):
        for word in ("target", "context"):
            object.__setattr__(
                self, word, feature_tuple("a FeatureSpec", word, getattr(self, word))
            )
        object.__setattr__(
            self, "sequences", as_tuple("a FeatureSpec", "sequences", self.sequences)
        )
        object.__setattr__(self, "labels", label_tuple("a FeatureSpec", self.labels))
        self._check_places()
        check_unique("the sequences", [sequence.name for sequence in self.sequences])
        check_weight_names(self._all_features())
        names = [part.name for feature in (*self.context, *self.target) for part in feature.parts]
        names += [
            s.input_name(part) for s in self.sequences for f in s.features for part in f.parts
        ]
        self._check_names(names)
        self._resolve_tables()
        self._check_times(names)
        for info in self.fields.values():
            info.feature.check_spec(self, info)

    def _check_places(self) -> None:
        """Checks that candidates can be padded, and that behaviors are compared with them."""
        for sequence in self.sequences:
            if not isinstance(sequence, Sequence):
                raise ValueError(
                    "`sequences` of a FeatureSpec must contain `Sequence` objects. "
                    f"Received: {sequence!r}."
                )
        if not any(feature.marks_padding for feature in self.target):
            raise ValueError(
                "`target` of a FeatureSpec must contain at least one Categorical, whose index 0 "
                "marks a padding candidate. "
                f"Received: target={list(self.target)}."
            )
        for sequence in self.sequences:
            for feature in sequence.of:
                if feature not in self.target:
                    raise ValueError(
                        f"`of` of Sequence {sequence.name!r} must contain features of `target`: "
                        f"[{', '.join(f.name for f in self.target)}]. Received: {feature!r}. "
                        "Pass a feature that only behaviors have in `side_features`."
                    )

    def _check_names(self, names: list) -> None:
        """Checks the names of the model's inputs, and that a name is that of one feature."""
        check_unique("the model's inputs", names)
        if len({name.lower() for name in names}) < len(names):
            raise ValueError(
                "The names of the model's inputs must differ in more than the case of letters, "
                f"which TensorFlow ignores in these names. Received: {names}."
            )
        known: dict[str, Feature] = {}
        for feature in self._all_features():
            if known.setdefault(feature.name, feature) != feature:
                raise ValueError(
                    "Features with the same name must be equal, since they share one table. "
                    f"Received: {known[feature.name]!r} and {feature!r}."
                )

    def _check_times(self, names: list) -> None:
        """Checks the features that are computed from times. `names` are those of the inputs."""
        for name, info in self.fields.items():
            if info.role not in info.feature.roles:
                raise ValueError(
                    f"{info.feature!r} must be in {_places(info.feature.roles)}. "
                    f"Received: {name!r} in {_places([info.role])}."
                )
        units = {f.name: f.time_unit for f in self._all_features() if isinstance(f, TimeFeature)}
        if len(set(units.values())) > 1:
            raise ValueError(
                "Features that are computed from times must have the same `time_unit`, since they "
                f"read the same times. Received: {units}."
            )
        times = [name.lower() for name in self.time_inputs]
        used = [name for name in names if name.lower() in times]
        if used:
            raise ValueError(
                "The inputs of a model must not have the names of the times that an exported "
                f"version reads, {times}. Received: {used}."
            )

    def _resolve_tables(self) -> None:
        """Replaces names of tables by tables. Tables with the same name must be equal."""
        tables: dict[str, Table] = {}
        for feature in self._all_features():
            if not isinstance(feature.table, Table):
                continue
            known = tables.setdefault(feature.table.name, feature.table)
            if known != feature.table:
                raise ValueError(
                    "Features with the same table must agree on its values, `dim` and `shards`. "
                    f"Received: {known!r} and {feature.table!r} of {feature.name!r}."
                )
        resolved = {name: feature.with_table(tables) for name, feature in self.features.items()}
        resolve = lambda features: tuple(resolved[f.name] for f in features)  # noqa: E731
        sequences = tuple(
            dataclasses.replace(
                sequence, of=resolve(sequence.of), side_features=resolve(sequence.side_features)
            )
            for sequence in self.sequences
        )
        for word, value in (
            ("target", resolve(self.target)),
            ("context", resolve(self.context)),
            ("sequences", sequences),
        ):
            object.__setattr__(self, word, value)

    def _all_features(self):
        yield from self.context
        yield from self.target
        for sequence in self.sequences:
            yield from sequence.features

    @property
    def fields(self) -> dict[str, InputInfo]:
        """All features at all their places in order: name -> `InputInfo(feature, role, sequence)`.

        They are the model's inputs, and the features that the model computes from its inputs. The
        name of a feature of behaviors is `{sequence}_{feature}`.
        """
        found = {f.name: InputInfo(f, "context", None) for f in self.context}
        found |= {f.name: InputInfo(f, "target", None) for f in self.target}
        for sequence in self.sequences:
            found |= {
                sequence.input_name(f): InputInfo(f, "behavior", sequence)
                for f in sequence.features
            }
        return found

    @property
    def inputs(self) -> dict[str, InputInfo]:
        """The model's inputs in order: name -> `InputInfo(feature, role, sequence)`.

        The weights of a `Bag` are an input of their own, with a `BagWeights` as feature.
        """
        found = {}
        for info in self.fields.values():
            for part in info.feature.parts if info.feature.has_input else ():
                name = part.name if info.sequence is None else info.sequence.input_name(part)
                found[name] = info._replace(feature=part)
        return found

    @property
    def raw_inputs(self) -> dict[str, InputInfo]:
        """The inputs of an exported version in order: name -> `InputInfo`.

        They are those of the model, but features that are computed from times are replaced by the
        times: `time` of the request, with the role `"context"`, and `{sequence}_time` of behaviors.
        A version looks up features with a snapshot, a `SnapshotCount`, itself.
        """
        found = {n: info for n, info in self.inputs.items() if not info.feature.from_snapshot}
        times = self.time_inputs
        if not times:
            return found
        kept = {name: info for name, info in found.items() if not info.feature.from_times}
        inputs = {name: info for name, info in kept.items() if info.role == "context"}
        if TIME in times:
            inputs[TIME] = InputInfo(times[TIME], "context", None)
        inputs |= {name: info for name, info in kept.items() if info.role == "target"}
        for sequence in self.sequences:
            inputs |= {name: info for name, info in kept.items() if info.sequence is sequence}
            name = f"{sequence.name}_{TIME}"
            if name in times:
                inputs[name] = InputInfo(times[name], "behavior", sequence)
        return inputs

    @property
    def time_inputs(self) -> dict[str, Timestamp]:
        """The inputs of an exported version with times: name -> `Timestamp`; see `raw_inputs`."""
        found = {}
        for info in self.inputs.values():
            if isinstance(info.feature, TimeFeature):
                times = Timestamp(TIME, info.feature.time_unit)
                if info.sequence is not None:
                    found[info.sequence.input_name(times)] = times
                if info.sequence is None or info.feature.reads_request:
                    found[TIME] = times
        return found

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the model's outputs, one per label."""
        return tuple(str(label.output) for label in self.labels)

    @property
    def factors(self) -> dict[str, Label]:
        """The factors of labels that are given another: `"cvr_given_ctr"` -> the `Label`.

        The output of such a label is the product of the other label's output and the factor.
        """
        return factors_of(self.labels)

    @property
    def served_outputs(self) -> tuple[str, ...]:
        """The names of the outputs of an exported version: those of the model, and the factors."""
        return (*self.outputs, *self.factors)

    @property
    def number_outputs(self) -> tuple[str, ...]:
        """Names of the outputs that predict a number instead of a probability."""
        return tuple(str(label.output) for label in self.labels if not label.is_binary)

    @property
    def position(self) -> Position | None:
        """The `Position` of the target, or `None`."""
        return next((each for each in self.target if isinstance(each, Position)), None)

    def without_position(self) -> "FeatureSpec":
        """Returns the spec of an exported version, which has no `Position`."""
        if self.position is None:
            return self
        kept = tuple(each for each in self.target if not isinstance(each, Position))
        return dataclasses.replace(self, target=kept)

    @property
    def features(self) -> dict[str, Feature]:
        """All features, each once: name -> feature."""
        return {feature.name: feature for feature in self._all_features()}

    @property
    def tables(self) -> dict[str, Table]:
        """All tables of embeddings, each once: name -> `Table`."""
        tables = [feature.table for feature in self._all_features()]
        return {table.name: table for table in tables if table is not None}

    def with_values(self, values: dict[str, Values]) -> "FeatureSpec":
        """Returns the spec with other raw values in some tables, such as grown vocabularies.

        A `Vector` of values that change has no vectors in the result; see `with_vectors`.

        Args:
            values: Name of the table -> its `Vocabulary`, `HashBuckets` or `Indices`.

        Raises:
            ValueError: If there is no table of such a name.
        """
        if lacking := [name for name in values if name not in self.tables]:
            raise ValueError(
                f"`values` must name tables of the spec: {list(self.tables)}. Received: {lacking}."
            )
        changed: dict[str, Feature] = {
            name: feature.with_values(values[feature.table.name])
            for name, feature in self.features.items()
            if feature.table is not None and feature.table.name in values
        }
        differ = {name for name, feature in changed.items() if feature != self.features[name]}
        changed |= {n: f.with_vectors(None) for n, f in self.vectors.items() if f.of in differ}
        return self._replaced(changed)

    def with_shards(self, shards: dict[str, int] | int) -> "FeatureSpec":
        """Returns the spec with some tables in another number of shards, see `Categorical`.

        Data of the one spec fits models of the other.

        Args:
            shards: Name of the table -> its number of shards. Or one number for all tables; those
                with fewer rows than `shards`, and small ones, such as of a `Calendar`, have 1.

        Raises:
            ValueError: If a number is not positive or larger than the table, or if there is no
                table of such a name in a `Categorical` or `Bag`.

        Example:

        ```python
        spec = kd.FeatureSpec(target=[kd.Categorical("item_id", 1000, dim=8)])
        model = kd.build_base(spec.with_shards({"item_id": 4}))
        ```
        """
        if not isinstance(shards, dict):
            count = positive_integer("shards", shards)
            shards = {
                feature.table.name: count if count <= feature.table.values.size else 1
                for feature in self.features.values()
                if isinstance(feature, EmbeddedFeature)
            }
        if lacking := [name for name in shards if name not in self.tables]:
            raise ValueError(
                f"`shards` must name tables of the spec: {list(self.tables)}. Received: {lacking}."
            )
        return self._replaced(
            {
                name: feature.with_shards(shards[feature.table.name])
                for name, feature in self.features.items()
                if feature.table is not None and feature.table.name in shards
            }
        )

    @property
    def vectors(self) -> dict[str, Vector]:
        """The features with a table of precomputed vectors: name -> `Vector`."""
        vectors = {n: each for n, each in self.features.items() if isinstance(each, Vector)}
        return {name: vector for name, vector in vectors.items() if not vector.is_sent}

    def with_vectors(self, tables: dict[str, VectorTable]) -> "FeatureSpec":
        """Returns the spec with other tables of some `Vector` features.

        Args:
            tables: Name of the feature -> its `VectorTable`.

        Raises:
            ValueError: If there is no such `Vector`, or a table has the wrong shape or dtype.
        """
        if lacking := [name for name in tables if name not in self.vectors]:
            raise ValueError(
                f"`tables` must name features that are a Vector: {list(self.vectors)}. "
                f"Received: {lacking}."
            )
        vectors = self.vectors
        return self._replaced({n: vectors[n].with_vectors(table) for n, table in tables.items()})

    def _replaced(self, changed: dict[str, Feature]) -> "FeatureSpec":
        """Returns the spec with other features of some names."""
        replaced = lambda features: tuple(changed.get(f.name, f) for f in features)  # noqa: E731
        return FeatureSpec(
            target=replaced(self.target),
            sequences=[
                dataclasses.replace(
                    sequence,
                    of=replaced(sequence.of),
                    side_features=replaced(sequence.side_features),
                )
                for sequence in self.sequences
            ],
            context=replaced(self.context),
            labels=self.labels,
        )

    def with_snapshots(self, snapshots: SequenceOf[SnapshotCount]) -> "FeatureSpec":
        """Returns the spec with a `SnapshotCount` instead of each `Count` of the same name.

        Raises:
            ValueError: If there is no such `Count`, or a snapshot is of another one.
        """
        by_name = {}
        for snapshot in snapshots:
            count = self.features.get(snapshot.name)
            if count != snapshot.as_count():
                raise ValueError(
                    "Each snapshot must be of a Count of the spec, of the same name and arguments. "
                    f"Received: {snapshot!r}, and {count!r} in the spec."
                )
            by_name[snapshot.name] = snapshot
        replaced = lambda features: tuple(by_name.get(f.name, f) for f in features)  # noqa: E731
        return dataclasses.replace(
            self, context=replaced(self.context), target=replaced(self.target)
        )

    def without_snapshots(self) -> "FeatureSpec":
        """Returns the spec with a `Count` instead of each `SnapshotCount`."""
        return dataclasses.replace(
            self,
            context=without_snapshots(self.context),
            target=without_snapshots(self.target),
        )

    def encode(self, name: str, values: Any) -> "np.ndarray":
        """Returns the indices of raw values, as prepared data and the inputs of a model have them.

        Args:
            name: Name of an input or feature with a vocabulary or indices, such as `"item_id"` or
                `"hist_item_id"`.
            values: Raw values of any shape. Unknown ones have the index 1, out-of-vocabulary.

        Returns:
            int32 of the shape of `values`.

        Raises:
            ValueError: If `name` has no vocabulary and no indices.

        Example:

        ```python
        spec = kd.FeatureSpec(target=[kd.Categorical("item", vocabulary=["tea", "pot"], dim=4)])
        spec.encode("item", ["pot", "cup"])  # [3, 1]
        ```
        """
        return self._values_of(name).encode(values)

    def decode(self, name: str, indices: Any) -> "np.ndarray":
        """Returns the raw values of indices, for instance to label a plot.

        Args:
            name: Name of an input or feature with a vocabulary or indices.
            indices: Integers of any shape.

        Returns:
            An array of the shape of `indices`. Padding is the empty string, or 0 or a negative
            number; an index of no known value is a value that the vocabulary does not have, such as
            `"unknown"`.

        Raises:
            ValueError: If `name` has no vocabulary and no indices, or an index is out of range.

        Example:

        ```python
        spec = kd.FeatureSpec(target=[kd.Categorical("item", vocabulary=["tea", "pot"], dim=4)])
        spec.decode("item", [[3, 0]])  # [["pot", ""]]
        ```
        """
        return self._values_of(name).decode(indices)

    def _values_of(self, name: str) -> Values:
        feature = self.inputs[name].feature if name in self.inputs else self.features.get(name)
        if not isinstance(feature, EmbeddedFeature):
            known = [
                n for n, info in self.inputs.items() if isinstance(info.feature, EmbeddedFeature)
            ]
            raise ValueError(
                f"`name` must be an input or feature with a table of values, one of {known}. "
                f"Received: {name!r}."
            )
        return feature.values

    def to_json(self) -> str:
        """Returns the spec as JSON text, with the vocabularies."""
        return json.dumps(spec_to_dict(self), indent=1, ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> "FeatureSpec":
        """Reads a spec from the text that `to_json` returned. Texts of version 0.1 are accepted.

        Raises:
            ValueError: If the text is not valid.
        """
        try:
            return cls(**spec_arguments(json.loads(text.removeprefix("\ufeff"))))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                "A FeatureSpec must be read from the JSON text of `to_json`. "
                f"Received: a text with the error {error!r}."
            ) from error

    def __repr__(self):
        lines = ["FeatureSpec("]
        for word in ("context", "target", "sequences"):
            values = getattr(self, word)
            if values:
                lines.append(f"    {word}=[")
                lines += [f"        {value!r}," for value in values]
                lines.append("    ],")
        if self.labels != DEFAULT_LABELS:
            lines.append(f"    labels={list(self.labels)!r},")
        return "\n".join([*lines, ")"])

    def _repr_html_(self) -> str:
        rows = [
            (role, f.name, repr(f)) for role in ("context", "target") for f in getattr(self, role)
        ]
        rows += [("sequence", sequence.name, repr(sequence)) for sequence in self.sequences]
        rows += [
            (f"behaviors of {sequence.name}", feature.name, repr(feature))
            for sequence in self.sequences
            for feature in sequence.side_features
        ]
        rows += [("label", label.name, repr(label)) for label in self.labels]
        return html_table("FeatureSpec", ("place", "name", "declaration"), rows)


def _places(roles: SequenceOf[str]) -> str:
    """Returns where features of some roles are, for errors."""
    return " or ".join(_PLACES[role] for role in roles)
