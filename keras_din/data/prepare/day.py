"""`Day`: what was appended to prepared data at once."""

import csv
import dataclasses
import json
import pathlib

import pandas as pd

from keras_din.data.prepare.counts import load_past, save_past
from keras_din.data.prepare.vocabulary_state import VocabularyState, without_changed
from keras_din.data.store.arrays import load_arrays, save_arrays
from keras_din.data.store.bags import Bags
from keras_din.data.store.behavior_log import BehaviorLog
from keras_din.data.store.file_names import BAD_ROWS, check_files, file_names
from keras_din.data.store.samples import Samples
from keras_din.features import FeatureSpec

_HEADER, _USERS = "day.json", "users.parquet"


@dataclasses.dataclass(frozen=True, eq=False)
class Day:
    """The rows of one append, with the behaviors that their histories need.

    Args:
        number: The number of the append, from 1.
        behaviors: Sequence name -> `BehaviorLog` of the day's users: their recent behaviors of
            earlier days, and those of this day.
        is_own: Sequence name -> which of these events happened in this day, bool `(events,)`.
        samples: The rows.
        users: `Index` of the users' raw values by number.
        report: Counts of what was read.
        bad_rows: `DataFrame` of the rows kept aside.
        past: What `Count` features count in the log: names of key columns -> `PastEvents`.
    """

    number: int
    behaviors: dict
    is_own: dict
    samples: Samples
    users: pd.Index
    report: dict
    bad_rows: pd.DataFrame | None
    past: dict = dataclasses.field(default_factory=dict)

    def save(self, folder: pathlib.Path) -> None:
        """Writes the day to an empty folder."""
        for name, log in self.behaviors.items():
            log.save(folder / "behaviors" / name)
        save_arrays(folder / "is_own", self.is_own)
        self.samples.save(folder / "samples")
        save_users(self.users, folder / _USERS)
        save_bad_rows(self.bad_rows, folder / BAD_ROWS)
        save_past(self.past, folder)
        header = {"number": self.number, "files": file_names(folder), "report": self.report}
        text = json.dumps(header, indent=1, ensure_ascii=False, allow_nan=False)
        (folder / _HEADER).write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, folder: pathlib.Path, spec: FeatureSpec) -> "Day":
        """Loads what `save` wrote, with memory-mapped arrays.

        Raises:
            ValueError: If a file is missing.
        """
        header = json.loads((folder / _HEADER).read_text(encoding="utf-8"))
        check_files(folder, header.get("files", ()))
        return cls(
            header["number"],
            {
                each.name: BehaviorLog.load(folder / "behaviors" / each.name)
                for each in spec.sequences
            },
            load_arrays(folder / "is_own"),
            Samples.load(folder / "samples"),
            load_users(folder / _USERS),
            header["report"],
            load_bad_rows(folder / BAD_ROWS),
            load_past(folder),
        )

    def updated(self, spec: FeatureSpec, vocabularies: dict[str, VocabularyState]) -> "Day":
        """Returns the day in which evicted values are out-of-vocabulary; see `update_columns`."""
        evicted = {name: state.evicted_after(self.number) for name, state in vocabularies.items()}
        behaviors, samples = update_columns(spec, evicted, self.behaviors, {"": self.samples})
        return dataclasses.replace(self, behaviors=behaviors, samples=samples[""])


def update_columns(spec: FeatureSpec, changed: dict, behaviors: dict, parts: dict) -> tuple:
    """Returns behaviors and samples in which some indices are out-of-vocabulary.

    Args:
        spec: The features.
        changed: Name of the table -> which indices, bool `(size,)`.
        behaviors: Sequence name -> `BehaviorLog`.
        parts: Name -> `Samples`.

    Returns:
        `(behaviors, parts)`. Columns without such indices are the same arrays.
    """
    changed = {name: rows for name, rows in changed.items() if rows.any()}
    if not changed:
        return behaviors, parts

    of_feature = {
        name: changed[feature.table.name]
        for name, feature in spec.features.items()
        if feature.table is not None and feature.table.name in changed
    }

    def updated(columns: dict) -> dict:
        return {name: _updated(column, of_feature.get(name)) for name, column in columns.items()}

    return (
        {n: dataclasses.replace(log, columns=updated(log.columns)) for n, log in behaviors.items()},
        {n: dataclasses.replace(part, columns=updated(part.columns)) for n, part in parts.items()},
    )


def _updated(column, changed):
    if changed is None:
        return column
    if isinstance(column, Bags):
        return dataclasses.replace(column, values=without_changed(column.values, changed))
    return without_changed(column, changed)


def save_users(users: pd.Index, file: pathlib.Path) -> None:
    """Writes users' raw values by number."""
    name = "user" if users.name is None else str(users.name)
    pd.DataFrame({name: users}).to_parquet(file, index=False)


def load_users(file: pathlib.Path) -> pd.Index:
    """Reads what `save_users` wrote."""
    values = pd.read_parquet(file)
    return pd.Index(values.iloc[:, 0], name=values.columns[0])


def save_bad_rows(bad_rows: pd.DataFrame | None, file: pathlib.Path) -> None:
    """Writes the rows kept aside, if there are some."""
    if bad_rows is not None and len(bad_rows):
        # Quotes protect fields with a carriage return.
        bad_rows.to_csv(file, index=False, quoting=csv.QUOTE_ALL)


def load_bad_rows(file: pathlib.Path) -> pd.DataFrame | None:
    """Reads what `save_bad_rows` wrote, `None` if there is no file."""
    if not file.is_file():
        return None
    # The text of the log; only the line is always a number.
    bad_rows = pd.read_csv(file, dtype=str, keep_default_na=False)
    bad_rows["line"] = bad_rows["line"].astype(int)
    return bad_rows
