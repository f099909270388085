"""The features of a sample: of the request, the candidate and the behaviors."""

import dataclasses
import json
from typing import NamedTuple

from keras_din.features.kind import as_tuple, feature_tuple
from keras_din.features.labels import DEFAULT_LABELS, label_tuple
from keras_din.features.names import check_unique
from keras_din.features.sequence import Sequence
from keras_din.features.spec_json import spec_arguments, spec_to_dict
from keras_din.features.table import Table


class InputInfo(NamedTuple):
    """One input of a model.

    `role` is `"context"`, `"target"` or `"behavior"`; `sequence` is the `Sequence` of a
    behavior, else `None`.
    """

    feature: object
    role: str
    sequence: Sequence | None


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class FeatureSpec:
    """What a sample is: who asks, which candidate is scored, what the user did before.

    Args:
        target: Features of the candidate. The first `Categorical` marks padding: a candidate is
            real where its index is not 0.
        sequences: Behavior sequences, each of features that `target` has.
        context: Features of the user and of the request.
        labels: What the model predicts: `Label` objects, or names of labels. Defaults to the label
            `click`, which the output `ctr` predicts. The first is the one that candidates are
            ranked by and that training is monitored by.

    Raises:
        ValueError: On duplicate names, on a sequence of something that the target lacks, on
            two different features or tables of one name, and without a label.
    """

    target: tuple
    sequences: tuple = ()
    context: tuple = ()
    labels: tuple = DEFAULT_LABELS

    def __post_init__(self):
        for word in ("target", "context"):
            object.__setattr__(
                self, word, feature_tuple("a FeatureSpec", word, getattr(self, word))
            )
        object.__setattr__(
            self, "sequences", as_tuple("a FeatureSpec", "sequences", self.sequences)
        )
        object.__setattr__(self, "labels", label_tuple("a FeatureSpec", self.labels))
        for sequence in self.sequences:
            if not isinstance(sequence, Sequence):
                raise ValueError(
                    "`sequences` of a FeatureSpec must hold `Sequence` objects. "
                    f"Received: {sequence!r}."
                )
        if not any(feature.marks_padding for feature in self.target):
            raise ValueError(
                "`target` of a FeatureSpec must hold at least one Categorical, whose index 0 "
                "marks a padding candidate: a Bag may be empty. "
                f"Received: target={list(self.target)}."
            )
        for sequence in self.sequences:
            for feature in sequence.of:
                if feature not in self.target:
                    raise ValueError(
                        f"Sequence {sequence.name!r} must be a sequence of features of the "
                        f"target: [{', '.join(f.name for f in self.target)}]. Received: "
                        f"{feature!r}. What only behaviors have goes in `side_features`."
                    )
        check_unique("the sequences", [sequence.name for sequence in self.sequences])
        names = [name for name, _ in self._named_inputs()]
        check_unique("the model's inputs", names)
        if len({name.lower() for name in names}) < len(names):
            raise ValueError(
                "The names of the model's inputs must differ by more than large and small letters, "
                f"which TensorFlow does not tell apart there. Received: {names}."
            )
        known = {}
        for feature in self._all_features():
            if known.setdefault(feature.name, feature) != feature:
                raise ValueError(
                    "Features of one name must be the same object, since they share one table. "
                    f"Received: {known[feature.name]!r} and {feature!r}."
                )
        self._look_up_tables()

    def _look_up_tables(self) -> None:
        """Puts tables in the place of their names; tables of one name must be equal."""
        tables = {}
        for feature in self._all_features():
            if not isinstance(feature.table, Table):
                continue
            known = tables.setdefault(feature.table.name, feature.table)
            if known != feature.table:
                raise ValueError(
                    "Features with the same table must agree on its values and `dim`. "
                    f"Received: {known!r} and {feature.table!r} of {feature.name!r}."
                )
        found = {name: feature.with_table(tables) for name, feature in self.features.items()}
        named = lambda features: tuple(found[feature.name] for feature in features)  # noqa: E731
        sequences = tuple(
            dataclasses.replace(
                sequence, of=named(sequence.of), side_features=named(sequence.side_features)
            )
            for sequence in self.sequences
        )
        for word, value in (
            ("target", named(self.target)),
            ("context", named(self.context)),
            ("sequences", sequences),
        ):
            object.__setattr__(self, word, value)

    def _all_features(self):
        yield from self.context
        yield from self.target
        for sequence in self.sequences:
            yield from sequence.features

    def _named_inputs(self):
        for role, features in (("context", self.context), ("target", self.target)):
            for feature in features:
                yield feature.name, InputInfo(feature, role, None)
        for sequence in self.sequences:
            for feature in sequence.features:
                yield sequence.input_name(feature), InputInfo(feature, "behavior", sequence)

    @property
    def inputs(self) -> dict:
        """The model's inputs: name -> `InputInfo(feature, role, sequence)`, in order."""
        return dict(self._named_inputs())

    @property
    def outputs(self) -> tuple:
        """Names of the model's outputs, one per label."""
        return tuple(label.output for label in self.labels)

    @property
    def features(self) -> dict:
        """Every feature once: name -> feature."""
        return {feature.name: feature for feature in self._all_features()}

    @property
    def tables(self) -> dict:
        """Every table of embeddings once: name -> `Table`."""
        tables = [feature.table for feature in self._all_features()]
        return {table.name: table for table in tables if table is not None}

    def to_json(self) -> str:
        """The spec as JSON text, vocabularies included."""
        return json.dumps(spec_to_dict(self), indent=1, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "FeatureSpec":
        """The spec that `to_json` of this version or of version 0.1 wrote.

        Raises:
            ValueError: When the text is something else.
        """
        try:
            return cls(**spec_arguments(json.loads(text.removeprefix("\ufeff"))))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"A FeatureSpec must be read from the JSON that `to_json` wrote. "
                f"Received text in which this is wrong: {error!r}."
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
