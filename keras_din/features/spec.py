"""The features of a sample: of the request, the candidate and the behaviors."""

import dataclasses
import json
from typing import NamedTuple

from keras_din.features.bag import Bag
from keras_din.features.categorical import Categorical
from keras_din.features.kinds import KINDS, as_tuple, feature_to_dict, feature_tuple
from keras_din.features.labels import DEFAULT_LABELS, Label, label_tuple
from keras_din.features.names import check_unique
from keras_din.features.sequence import Sequence

# Of the JSON form; grows when an older reader could no longer understand it. A spec without bags
# and with the default label is written as before there were any.
_FORMAT, _FORMAT_WITH_BAGS, _FORMAT_WITH_LABELS = 1, 2, 3


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
        target: Features of the candidate. The first `Categorical` tells padding: a candidate is
            real where its index is not 0.
        sequences: Behavior sequences, each of features that `target` has.
        context: Features of the user and of the request.
        labels: What the model predicts: `Label` objects, or names of labels. Defaults to the label
            `click`, which the output `ctr` predicts. The first is the one that candidates are
            ranked by and that training is monitored by.

    Raises:
        ValueError: On duplicate names, on a sequence of something that the target lacks, on
            two different features of one name, and without a label.
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
        if not any(isinstance(feature, Categorical) for feature in self.target):
            raise ValueError(
                "`target` of a FeatureSpec must hold at least one Categorical, whose index 0 "
                "tells a padding candidate: a Bag may be empty. "
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
        for feature in self._allfeature_tuple():
            if known.setdefault(feature.name, feature) != feature:
                raise ValueError(
                    "Features of one name must be the same object, since they share one table. "
                    f"Received: {known[feature.name]!r} and {feature!r}."
                )

    def _allfeature_tuple(self):
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
        """Every feature once: name -> `Categorical`, `Bag` or `Numeric`."""
        return {feature.name: feature for feature in self._allfeature_tuple()}

    def to_json(self) -> str:
        """The spec as JSON text, vocabularies included."""
        bags = any(isinstance(feature, Bag) for feature in self._allfeature_tuple())
        content = {
            "format": _FORMAT_WITH_BAGS if bags else _FORMAT,
            "features": [feature_to_dict(feature) for feature in self.features.values()],
            "context": [feature.name for feature in self.context],
            "target": [feature.name for feature in self.target],
            "sequences": [
                {
                    "name": sequence.name,
                    "of": [feature.name for feature in sequence.of],
                    "side_features": [feature.name for feature in sequence.side_features],
                    "max_length": sequence.max_length,
                }
                for sequence in self.sequences
            ],
        }
        if self.labels != DEFAULT_LABELS:
            content["format"] = _FORMAT_WITH_LABELS
            content["labels"] = [dataclasses.asdict(label) for label in self.labels]
        return json.dumps(content, indent=1, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "FeatureSpec":
        """The spec that `to_json` wrote. Raises a `ValueError` for anything else."""
        try:
            content = json.loads(text.removeprefix("\ufeff"))
            if content["format"] not in (_FORMAT, _FORMAT_WITH_BAGS, _FORMAT_WITH_LABELS):
                raise ValueError(f"format {content['format']!r}")
            features = {}
            for entry in content["features"]:
                entry = dict(entry)
                kind = KINDS[entry.pop("type")]
                features[entry["name"]] = kind(**entry)
            named = lambda names: [features[name] for name in names]  # noqa: E731
            return cls(
                context=named(content["context"]),
                target=named(content["target"]),
                sequences=[
                    Sequence(
                        entry["name"],
                        named(entry["of"]),
                        side_features=named(entry["side_features"]),
                        max_length=entry["max_length"],
                    )
                    for entry in content["sequences"]
                ],
                labels=[Label(**entry) for entry in content["labels"]]
                if "labels" in content
                else DEFAULT_LABELS,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"A FeatureSpec must be read from the JSON that `to_json` of this version wrote. "
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
