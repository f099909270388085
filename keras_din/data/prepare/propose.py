"""Proposes features that are computed from a log, with the reason of each."""

import dataclasses
import json
import os
import pathlib

from keras_din.atomic_write import atomic_file
from keras_din.checks import local_path
from keras_din.data.prepare.prepared_data import PreparedData
from keras_din.data.prepare.propose_times import propose_calendar, propose_elapsed
from keras_din.features import feature_from_entry, places_of_entry

__all__ = ["Proposal", "propose_features"]


@dataclasses.dataclass(frozen=True, repr=False)
class Proposal:
    """The features that `propose_features` chose, and why.

    Args:
        entries: Name -> the type, arguments and places of a feature, as values that JSON supports.
        reasons: Name -> why the feature was proposed.
        left_out: What was not proposed -> why.
    """

    entries: dict
    reasons: dict
    left_out: dict

    def added_to(self, arguments: dict) -> dict:
        """Returns arguments of a `prepare_*` function with the features in their places.

        Args:
            arguments: The arguments, with `target`.
        """
        added = dict(arguments)
        for name, entry in self.entries.items():
            for place in places_of_entry(name, entry):
                known = added.get(place, ())
                known = [known] if isinstance(known, str) else list(known)
                added[place] = [*known, feature_from_entry(name, entry)]
        return added

    def save(self, file: str | os.PathLike) -> None:
        """Writes the features as a JSON file that `keras-din prepare --spec` reads."""
        save_entries(self.entries, file)

    def __repr__(self):
        lines = ["features proposed:" if self.entries else "features proposed: none"]
        for name, entry in self.entries.items():
            places = " and ".join(places_of_entry(name, entry))
            lines.append(f"  {name} ({entry['type']} in {places}): {self.reasons[name]}")
        lines += [f"  left out: {name}: {reason}" for name, reason in self.left_out.items()]
        return "\n".join(lines)


def propose_features(data: PreparedData, *, time_zone: str | None = None) -> Proposal:
    """Proposes features that can be computed from a log.

    Prepare the log with its own columns, propose features, and prepare it again with them:

    - `Elapsed`, a side feature of behaviors, if the log has times. Its boundaries are powers of 2
      seconds in the range of most times between a training row and its behaviors.
    - `Calendar`, the hour of the day if the training rows span more than a day, and the day of the
      week if they span more than a week, of the request and of behaviors.

    All numbers are those of the part `"train"`. The embeddings are as wide as those of the item.

    Args:
        data: The data that was prepared with the columns of the log.
        time_zone: The time zone of `Calendar`. Defaults to UTC, which is a guess.

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
    for rule in (propose_elapsed, lambda data: propose_calendar(data, time_zone)):
        for name, (entry, reason) in rule(data).items():
            if name in data.spec.features:
                reason, entry = "the data has a feature of this name", None
            if entry is None:
                proposal.left_out[name] = reason
            else:
                proposal.entries[name], proposal.reasons[name] = entry, reason
    return proposal


def save_entries(entries: dict, file: str | os.PathLike) -> None:
    """Writes name -> type or entry as a JSON file that `keras-din prepare --spec` reads."""
    lines = [f" {json.dumps(name)}: {json.dumps(entry)}" for name, entry in entries.items()]
    with atomic_file(pathlib.Path(local_path("file", file))) as partial:
        partial.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
