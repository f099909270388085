"""Proposes features that are computed from a log, with the reason of each."""

import dataclasses
import os
from typing import Any

from keras_din.data.prepare.feature_file import save_entries
from keras_din.data.prepare.prepared_data import PreparedData
from keras_din.data.prepare.propose_counts import propose_counts
from keras_din.data.prepare.propose_known import free_name, known_as
from keras_din.data.prepare.propose_matches import elapsed_of_behaviors, propose_matches
from keras_din.data.prepare.propose_numbers import propose_transforms
from keras_din.data.prepare.propose_times import propose_calendar, propose_elapsed
from keras_din.data.prepare.propose_vectors import propose_vectors
from keras_din.features import IN, PLACES, Feature, feature_from_entry, places_of_entry

__all__ = ["Proposal", "propose_features"]


@dataclasses.dataclass(frozen=True, repr=False)
class Proposal:
    """The features that `propose_features` chose, and why.

    Args:
        entries: Name -> the type, arguments and places of a feature, as values that JSON supports.
        reasons: Name -> why the feature was proposed.
        left_out: What was not proposed -> why.
        vectors: Name of each `Vector` -> its table, an argument of the `prepare_*` functions.
    """

    entries: dict
    reasons: dict
    left_out: dict
    vectors: dict = dataclasses.field(default_factory=dict, compare=False)

    def added_to(self, arguments: dict) -> dict:
        """Returns arguments of a `prepare_*` function with the features in their places.

        Args:
            arguments: The arguments, with `target`.
        """
        added = dict(arguments)
        for word in (*PLACES, "numeric"):
            if word in added:
                added[word] = _as_list(added[word])
        for name, entry in self.entries.items():
            feature = feature_from_entry(name, entry)
            places = places_of_entry(name, entry)
            for place in places:
                added[place] = [*added.get(place, ()), feature]
            if not places:  # It replaces the column of its name.
                for place in set(PLACES) & set(added):
                    added[place] = [feature if each == name else each for each in added[place]]
                added["numeric"] = [each for each in added.get("numeric", ()) if each != name]
        if self.vectors:
            added["vectors"] = {**(added.get("vectors") or {}), **self.vectors}
        return added

    def save(self, file: str | os.PathLike) -> None:
        """Writes the features as a JSON file that `keras-din prepare --spec` reads."""
        save_entries(self.entries, file)

    def __repr__(self):
        lines = ["features proposed:" if self.entries else "features proposed: none"]
        for name, entry in self.entries.items():
            places = " and ".join(places_of_entry(name, entry))
            kind = f"{entry['type']} in {places}" if places else entry["type"]
            lines.append(f"  {name} ({kind}): {self.reasons[name]}")
        lines += [f"  left out: {name}: {reason}" for name, reason in self.left_out.items()]
        return "\n".join(lines)


def propose_features(
    data: PreparedData, *, time_zone: str | None = None, items: Any = None
) -> Proposal:
    """Proposes features that can be computed from a log.

    Prepare the log with its own columns, propose features, and prepare it again with them:

    - `Elapsed`, a side feature of behaviors, if the log has times. Its boundaries are powers of 2
      seconds in the range of most times between a training row and its behaviors.
    - `Calendar`, the hour of the day if the training rows span more than a day, and the day of the
      week if they span more than a week, of the request and of behaviors.
    - `Numeric` with a `transform` instead of a numeric column with values far from the mean.
    - `Match`, whether the history has the candidate's item, and the share of behaviors with the
      candidate's value of a category; `LastMatch`, the time since the last behavior with the item.
    - `Count` for impressions: the rate of the label, the number of rows and the age of the item
      before each row, if training has at least 10 rows per item.
    - `Vector`, a column of `items` with lists of floats of one length.

    A feature that the data has under another name is left out: one with the same arguments, or a
    column with its values in a sample of the training rows. If a column has the name of a feature,
    such as the label `item_rate`, `_` is added to the name.

    All numbers are those of the part `"train"`. The embeddings are as wide as those of the item.

    Args:
        data: The data that was prepared with the columns of the log.
        time_zone: The time zone of `Calendar`. Defaults to UTC, which is a guess.
        items: The table of items, one row per item, which may have columns of vectors.

    Returns:
        A `Proposal`. Printed, it lists the features and what was left out, with the reasons. Its
        `added_to` adds the features to the arguments of a `prepare_*` function, and its `save`
        writes a file for `keras-din prepare --spec`.

    Raises:
        ValueError: If there is no such time zone, or no training part.

    Example:

    ```python
    import pandas as pd

    log = pd.DataFrame(
        {
            "user": np.repeat(["ann", "bob", "cem"], 4),
            "time": np.tile([1, 20, 30, 48], 3) * 3600,
            "item": list("abcdbcadcabd"),
            "click": [1, 0, 1, 0] * 3,
        }
    )
    columns = {"user": "user", "time": "time", "label": "click", "target": ["item"]}
    columns["split"] = kd.data.LeaveOneOut(valid=0)
    proposal = kd.data.propose_features(
        kd.data.prepare_impressions(log, **columns), time_zone="Europe/Berlin"
    )
    data = kd.data.prepare_impressions(log, **proposal.added_to(columns))
    ```
    """
    if "train" not in data.parts:
        raise ValueError(
            "`data` must have the part 'train', from which features are proposed. "
            f"Received: the parts {list(data.parts)}."
        )
    proposal = Proposal({}, {}, {})
    rules = (
        propose_elapsed,
        lambda data: propose_calendar(data, time_zone),
        propose_transforms,
        lambda data: propose_matches(data, elapsed_of_behaviors(data, proposal.entries)),
        propose_counts,
        lambda data: propose_vectors(data, items),
    )
    for rule in rules:
        for name, (entry, reason) in rule(data).items():
            if entry is not None and IN in entry:
                if (known := known_as(data, name, entry)) is not None:
                    entry, reason = None, known
                elif (free := free_name(data, name, entry)) != name:
                    # The vectors of a table are in the column of their name.
                    entry = None if entry["type"] == "Vector" else entry
                    why = f"the data has a column or an input {name!r}"
                    reason = why if entry is None else f"{reason}; {why}"
                    name = name if entry is None else free
            if entry is None:
                proposal.left_out[name] = reason
            else:
                proposal.entries[name], proposal.reasons[name] = entry, reason
                if entry["type"] == "Vector":
                    proposal.vectors[name] = items
    return proposal


def _as_list(value) -> list:
    return [value] if isinstance(value, (str, Feature)) else list(value)
