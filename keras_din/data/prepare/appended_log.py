"""`AppendedLog`: a further log after it was read, with the data that it is added to."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from keras_din.count_text import count_text
from keras_din.data.encoding.features import Features
from keras_din.data.encoding.vectors import grown_vectors
from keras_din.data.prepare.log_columns import LogColumns, columns_of_format
from keras_din.data.prepare.log_format import LogFormat
from keras_din.data.prepare.recent_behaviors import with_recent
from keras_din.data.prepare.vocabulary_state import Eviction
from keras_din.data.reading.file_lines import describe_row
from keras_din.data.reading.table import Events
from keras_din.features import FeatureSpec


class AppendedLog(NamedTuple):
    """A further log, and the arguments of `PreparedData.append` that concern its values.

    Attributes:
        data: The `PreparedData` before.
        number: The number of the append, from 1.
        events: The rows that were not read before.
        columns: The columns of the log.
        log_format: How the log was read.
        of_tables: The report of the tables that were read.
        items: The source of the table of items, or `None`.
        vectors: Name of a `Vector` -> its vectors, or `None`.
        late: `"insert"` or `"refuse"`.
        eviction: Which values leave the vocabularies.
    """

    data: Any
    number: int
    events: Events
    columns: LogColumns
    log_format: LogFormat
    of_tables: dict
    items: Any
    vectors: Any
    late: str
    eviction: Eviction

    @property
    def last_time(self) -> int:
        """The last time of the log, microseconds."""
        return int(self.events.time.max())

    def find_late(self, events: Events, shown_at: np.ndarray) -> np.ndarray:
        """Returns which rows are earlier than the last time of the data, bool `(rows,)`.

        Raises a `ValueError` if there are some and `late` is `"refuse"`.
        """
        is_late = shown_at < self.data.last_time
        if self.late == "refuse" and is_late.any():
            row = int(is_late.argmax())
            raise ValueError(
                "All rows must be at or after the last time of the data, "
                f"{_date(self.data.last_time)}, with late='refuse'. Received: "
                f"{count_text(int(is_late.sum()), 'earlier row')}, such as "
                f"{_date(shown_at[row])} in {describe_row(events.frame, row, 'row')}. "
                "Pass late='insert' (on the command line `--late insert`) to insert them in the "
                "histories of later days."
            )
        return is_late

    def grown_vocabularies(self, seen: dict) -> tuple:
        """Returns the states of the vocabularies after the log, and the report of each.

        Args:
            seen: The result of `count_values`.
        """
        states, report = {}, {}
        for name, state in self.data.vocabularies.items():
            states[name], report[name] = state.append(
                seen[name], self.last_time, self.number, self.log_format.min_count, self.eviction
            )
        return states, report

    def grown_spec(self, states: dict) -> tuple[FeatureSpec, dict]:
        """Returns the spec with grown vocabularies, and the report of its vectors."""
        spec = self.data.spec.with_values({name: state.values for name, state in states.items()})
        return grown_vectors(self.data.spec, spec, self.vectors)

    def features(self, spec: FeatureSpec) -> Features:
        """Returns the `Features` that convert raw values of the log to columns of a grown spec."""
        features = columns_of_format(spec, self.log_format).fit(None, 16, 1)
        features.mark_padding(spec)
        return features

    def with_recent(self, data, sequence, events: Events, shown_at, new: tuple) -> tuple:
        """Returns the behavior log of a sequence and which of its events are new.

        Args:
            data: The data before, with the grown spec.
            sequence: The `Sequence`.
            events: The rows.
            shown_at: int64 `(rows,)`, the time of each row.
            new: `(user, columns, time)` of the log's behaviors.
        """
        first = np.full(len(events.users), np.iinfo(np.int64).max)
        np.minimum.at(first, events.user, shown_at)
        days = data.day_behaviors(sequence.name)
        return with_recent(days, events.users, first, new, sequence.max_length)


def _date(time: int) -> str:
    return str(pd.Timestamp(int(time), unit="us"))
