"""Proposes features that compare a candidate with the history."""

import numpy as np

from keras_din.data.prepare.training_pairs import training_pairs
from keras_din.features import OOV_INDEX, Categorical, Elapsed, id_feature

_FEW_VALUES = 1_000
_SHARE = 0.01  # Of training rows that have a match.


def propose_matches(data, elapsed: str | None) -> dict:
    """Returns `{name: (entry or None, reason)}` of matches of the item and of its categories.

    Args:
        data: The `PreparedData`.
        elapsed: Name of an `Elapsed` of the behaviors, or `None`.
    """
    found: dict = {}
    item = id_feature(data.spec.target)
    for sequence in data.spec.sequences:
        for feature in sequence.of:
            is_item = feature.name == item.name
            if not isinstance(feature, Categorical) or feature.name not in _names(data):
                continue
            name = f"{feature.name}_in_{sequence.name}"
            if not is_item and feature.vocabulary_size > _FEW_VALUES:
                reason = f"{feature.name!r} has more than {_FEW_VALUES:,} values"
                found[name] = (None, reason)
                continue
            if is_item and data.report.get("kind") == "behaviors":
                reason = (
                    "negatives are drawn from outside of the user's list, so it would tell the "
                    "label"
                )
                found[name] = (None, reason)
                continue
            share = _share_of_matches(data, sequence, feature)
            reason = f"{share:.1%} of training rows have their {feature.name!r} in it"
            if share < _SHARE:
                found[name] = (None, f"{reason}, less than {_SHARE:.0%}")
                continue
            of = {"of": feature.name, "in_": sequence.name}
            measure = "seen" if is_item else "share"
            found[name] = ({"type": "Match", **of, "measure": measure, "in": ["target"]}, reason)
            if is_item and elapsed is not None:
                found[f"last_{name}"] = (
                    {"type": "LastMatch", **of, "elapsed": elapsed, "dim": item.table.dim}
                    | {"in": ["target"]},
                    f"the time since it, in the buckets of {elapsed!r}",
                )
    return found


def elapsed_of_behaviors(data, entries: dict) -> str | None:
    """The name of an `Elapsed` of all sequences, proposed or in the data, or `None`."""
    names = [name for name, entry in entries.items() if entry["type"] == "Elapsed"]
    for sequence in data.spec.sequences:
        names += [each.name for each in sequence.side_features if isinstance(each, Elapsed)]
    return names[0] if names else None


def _names(data) -> list:
    return [feature.name for feature in data.spec.target]


def _share_of_matches(data, sequence, feature) -> float:
    """The share of training rows that have their value of a feature in the history."""
    rows, row, event = training_pairs(data, sequence)
    own = data.parts["train"].columns[feature.name][rows]
    column = data.behaviors[sequence.name].columns[feature.name]
    matches = (own[row] == column[event]) & (own[row] != OOV_INDEX)
    return len(np.unique(row[matches])) / len(rows)
