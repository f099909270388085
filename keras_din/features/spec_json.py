"""The JSON form of a spec."""

from keras_din.features.kind import KINDS
from keras_din.features.labels import DEFAULT_LABELS, Label
from keras_din.features.sequence import Sequence
from keras_din.features.table import Table

# Version 0.1 wrote the formats 1, and 2 with bags. They have no tables; features have the values.
_FORMAT = 3
_FORMATS = (1, 2, 3)


def spec_to_dict(spec) -> dict:
    """Returns a spec as a dict of JSON values."""
    names = lambda features: [feature.name for feature in features]  # noqa: E731
    labels = {}
    if spec.labels != DEFAULT_LABELS:
        labels = {"labels": [label.to_dict() for label in spec.labels]}
    return {
        "format": _FORMAT,
        "tables": [table.to_dict() for table in spec.tables.values()],
        "features": [feature.to_dict() for feature in spec.features.values()],
        "context": names(spec.context),
        "target": names(spec.target),
        "sequences": [
            {
                "name": sequence.name,
                "of": names(sequence.of),
                "side_features": names(sequence.side_features),
                "max_length": sequence.max_length,
            }
            for sequence in spec.sequences
        ],
        **labels,
    }


def spec_arguments(content: dict) -> dict:
    """Returns the arguments of a `FeatureSpec` from `spec_to_dict`, also of version 0.1."""
    if content["format"] not in _FORMATS:
        raise ValueError(f"format {content['format']!r}")
    tables = {entry["name"]: Table.from_dict(entry) for entry in content.get("tables", ())}
    features = {}
    for entry in content["features"]:
        entry = dict(entry)
        kind = entry.pop("type")
        if kind not in KINDS:
            raise ValueError(f"a feature of the kind {kind!r}, which no imported module registers")
        features[entry["name"]] = KINDS[kind].from_dict(entry, tables)
    features_of = lambda names: [features[name] for name in names]  # noqa: E731
    return {
        "context": features_of(content["context"]),
        "target": features_of(content["target"]),
        "sequences": [
            Sequence(
                entry["name"],
                features_of(entry["of"]),
                # Version 0.1 wrote `side`.
                side_features=features_of(
                    entry["side_features" if "side_features" in entry else "side"]
                ),
                max_length=entry["max_length"],
            )
            for entry in content["sequences"]
        ],
        "labels": [Label(**entry) for entry in content["labels"]]
        if "labels" in content
        else DEFAULT_LABELS,
    }
